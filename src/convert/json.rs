//! JSON of others into our types. Errors say where by a JSON pointer (RFC 6901), lists are bounded,
//! and `null` is what is not there, as protobuf's JSON has it. Nesting is bounded by `serde_json`.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;

use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::fault::{At, Fault};

/// Entries of one list.
const MOST_ENTRIES: usize = 200_000;
/// Letters of what the parser says: it quotes what it found.
const SAID: usize = 200;
/// Levels that are followed to the place of an error.
const DEEP: usize = 256;

/// Reads a file's bytes.
pub(crate) fn parse<T: DeserializeOwned>(file: &Arc<Path>, text: &[u8]) -> Result<T, Fault> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    serde_json::from_slice(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let said = error.to_string();
        let place = format!(" at line {line} column {column}");
        let said: String = said.trim_end_matches(&place).chars().take(SAID).collect();
        At::new(file, pointer(text, line, column))
            .fault(format!("{said} (line {line}, column {column})"))
    })
}

/// Objects of a text, however deep they stand: what a parser makes room for, many times the bytes of an
/// empty one.
pub(crate) fn objects(text: &[u8]) -> usize {
    let mut count = 0;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' => count += 1,
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'"' => break,
                        b'\\' => {
                            bytes.next();
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    count
}

/// The pointer of what stands before a line and column, as the parser counts them.
fn pointer(text: &[u8], line: usize, column: usize) -> String {
    let mut ends =
        text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let start = line.checked_sub(2).and_then(|before| ends.nth(before)).unwrap_or(0);
    let end = start.saturating_add(column).min(text.len());
    let mut place = String::new();
    for step in steps(text.get(..end).unwrap_or_default()) {
        match step {
            Step::Item(at) => place.push_str(&format!("/{at}")),
            Step::Key(key) if key.is_empty() => {}
            Step::Key(key) => {
                place.push('/');
                place.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
        }
    }
    place
}

enum Step {
    Item(usize),
    /// Empty before the first key.
    Key(String),
}

/// The way from the top to the end of a text that is cut off.
fn steps(text: &[u8]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut key_next = false;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                let own = string(&mut bytes);
                if key_next && let Some(Step::Key(key)) = steps.last_mut() {
                    *key = own;
                    key_next = false;
                }
            }
            b'{' => {
                steps.push(Step::Key(String::new()));
                key_next = true;
            }
            b'[' => {
                steps.push(Step::Item(0));
                key_next = false;
            }
            b'}' | b']' => {
                steps.pop();
                key_next = false;
            }
            b',' => match steps.last_mut() {
                Some(Step::Item(at)) => *at += 1,
                Some(Step::Key(_)) => key_next = true,
                None => {}
            },
            _ => {}
        }
        if steps.len() > DEEP {
            break;
        }
    }
    steps
}

/// The rest of a text in quotes, as it is written.
fn string(bytes: &mut impl Iterator<Item = u8>) -> String {
    let mut own = Vec::new();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => own.extend([byte].into_iter().chain(bytes.next())),
            _ => own.push(byte),
        }
    }
    String::from_utf8_lossy(&own).chars().take(64).collect()
}

/// A list; empty where it is not there, or `null`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> List<T> {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_unit<E>(self) -> Result<List<T>, E> {
                Ok(List::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<List<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = from.next_element()? {
                    if entries.len() == MOST_ENTRIES {
                        let problem = format!("a list has at most {MOST_ENTRIES} entries");
                        return Err(serde::de::Error::custom(problem));
                    }
                    entries.push(entry);
                }
                Ok(List(entries))
            }
        }
        from.deserialize_any(Entries(PhantomData))
    }
}

/// A finite number, also in quotes as protobuf's JSON allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure(pub(crate) f64);

impl<'de> Deserialize<'de> for Figure {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Figure;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a finite number")
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Figure, E> {
                match number.is_finite() {
                    true => Ok(Figure(number)),
                    false => Err(E::custom("a number that is not finite")),
                }
            }

            fn visit_i64<E>(self, number: i64) -> Result<Figure, E> {
                Ok(Figure(number as f64))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Figure, E> {
                Ok(Figure(number as f64))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Figure, E> {
                let number = text.parse().map_err(|_| E::custom("a text that is no number"))?;
                self.visit_f64(number)
            }
        }
        from.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Of {
        list: List<Inner>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Inner {
        value: Option<Figure>,
        name: Option<String>,
    }

    fn read(text: &str) -> Result<Of, Fault> {
        parse(&Arc::from(Path::new("a.json")), text.as_bytes())
    }

    fn place(text: &str) -> String {
        read(text).unwrap_err().at.place
    }

    #[test]
    fn an_error_says_where_by_a_pointer() {
        assert_eq!(
            place("{\"x\": {\"list\": [\"}\"]},\n\"list\": [{}, {\"value\": []}]}"),
            "/list/1/value"
        );
        assert_eq!(
            place("{\"list\": [{\"name\": \"\\\"{\", \"value\": \"six\"}]}"),
            "/list/0/value"
        );
        assert_eq!(place("{\"list\":\n\n [\n{\"name\": 5}]}"), "/list/0/name");
        assert_eq!(place("{\"list\": {}}"), "/list");
        assert_eq!(place("{\"list\": [{\"name\": \"cut"), "/list/0/name");
        assert_eq!(place(""), "");
        assert_eq!(steps(b"{\"a/b\":[0,{\"c\":").len(), 3);
        assert_eq!(pointer(b"{\"a/b\":[0,5", 1, 11), "/a~1b/1");
    }

    #[test]
    fn what_is_null_is_not_there_and_numbers_may_stand_in_quotes() {
        let found = read("\u{feff}{\"list\": null, \"more\": [1]}").unwrap();
        assert!(found.list.iter().next().is_none());
        let found =
            read("{\"list\": [{\"value\": \"9.5\", \"name\": null}, {\"value\": 3}]}").unwrap();
        let values: Vec<f64> = found.list.iter().filter_map(|own| own.value).map(|x| x.0).collect();
        assert_eq!(values, [9.5, 3.0]);
        assert!(read("{\"list\": [{\"value\": \"NaN\"}]}").is_err());
    }

    #[test]
    fn objects_are_counted_wherever_they_stand_and_braces_of_texts_are_not() {
        for (text, count) in [
            ("{\"a\": [{}, {\"b\": {}}], \"c{\": \"\\\"{{\\\\\"}", 4),
            ("[0, 0, \"{", 0),
            ("\"\\", 0),
            ("{{{", 3),
            ("", 0),
        ] {
            assert_eq!(objects(text.as_bytes()), count, "{text}");
        }
    }

    #[test]
    fn neither_nesting_nor_a_long_text_goes_on_without_end() {
        let deep = "[".repeat(100_000);
        for text in [deep.clone(), format!("{{\"list\": {deep}"), format!("{{\"x\": {deep}")] {
            assert!(read(&text).is_err());
        }
        let long = format!("{{\"list\": [{{\"value\": \"{}\"}}]}}", "9x".repeat(1 << 16));
        assert!(read(&long).unwrap_err().problem.len() < 400);
        let list = format!("{{\"list\": [{}{{}}]}}", "{},".repeat(MOST_ENTRIES));
        assert!(read(&list).unwrap_err().problem.contains("at most 200000"));
    }
}
