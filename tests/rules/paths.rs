//! The paths that sources name, with imports spelt out: enough of Rust's grammar for a look at who
//! uses what. Macros are read as they are written; a name that a macro puts together is not seen.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// What marks an item as a test's.
const FOR_TESTS: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// The paths in the sources below folders, without what is compiled for tests alone.
pub(crate) fn of_sources(folders: &[PathBuf]) -> BTreeMap<PathBuf, Vec<Vec<String>>> {
    let (mut found, mut for_tests) = (BTreeMap::new(), Vec::new());
    for file in folders.iter().flat_map(|folder| sources(folder)) {
        let (shipped, modules) = shipped(&tokens(&std::fs::read_to_string(&file).unwrap()));
        let own_folder = match file.file_name().and_then(OsStr::to_str) {
            Some("mod.rs" | "lib.rs" | "main.rs") => file.parent().unwrap().to_owned(),
            _ => file.with_extension(""),
        };
        for_tests.extend(modules.iter().map(|module| own_folder.join(module)));
        found.insert(file, paths(&shipped));
    }
    found.retain(|file, _| {
        let module = file.with_extension("");
        !for_tests.iter().any(|folder| module.starts_with(folder))
    });
    found
}

/// The paths of one text, tests and all.
pub(crate) fn of_text(text: &str) -> Vec<Vec<String>> {
    paths(&tokens(text))
}

/// Sources below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Words, `::` and other signs, without comments, texts and single characters.
fn tokens(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if let Some(len) = raw_text(rest) {
            len
        } else if is_word(first) {
            let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            found.push(rest[..len].to_owned());
            len
        } else if first == '"' {
            quoted(rest, '"')
        } else if let Some(len) = character(rest) {
            len
        } else if rest.starts_with("::") {
            found.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                found.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[len..];
    }
    found
}

/// The length of a comment in its signs, with those inside it.
fn comment(text: &str) -> usize {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 && at < text.len() {
        if text[at..].starts_with("/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if text[at..].starts_with("*/") {
            (at, depth) = (at + 2, depth - 1);
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of a raw text, `r"..."` or `br#"..."#`, that begins here.
fn raw_text(text: &str) -> Option<usize> {
    let inside = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let signs = inside.len() - inside.trim_start_matches('#').len();
    let body = inside[signs..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(signs));
    let len = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(text.len() - body.len() + len)
}

/// The length of what stands in quotes, with both of them.
fn quoted(text: &str, quote: char) -> usize {
    let mut signs = text.char_indices().skip(1);
    while let Some((at, sign)) = signs.next() {
        if sign == '\\' {
            signs.next();
        } else if sign == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a character in quotes; none where the quote begins a lifetime.
fn character(text: &str) -> Option<usize> {
    let mut signs = text.strip_prefix('\'')?.chars();
    let escaped = signs.next() == Some('\\');
    (escaped || signs.next() == Some('\'')).then(|| quoted(text, '\''))
}

/// The tokens without items for tests alone, and the names of the files among these.
fn shipped(tokens: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut kept, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < tokens.len() {
        if !begins(&tokens[at..], &FOR_TESTS) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += FOR_TESTS.len();
        let from = at;
        // To the `;` or the closing brace that ends the item.
        let mut depth = 0;
        while let Some(token) = tokens.get(at) {
            match token.as_str() {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            // A field or an arm, the last one: what closes is not its own.
            if depth < 0 {
                break;
            }
            at += 1;
            if depth == 0 && (token == ";" || token == "}") {
                break;
            }
        }
        let item = &tokens[from..at];
        if let Some(word) = item.iter().position(|token| token == "mod")
            && item.get(word + 2).is_some_and(|token| token == ";")
        {
            modules.push(item[word + 1].clone());
        }
    }
    (kept, modules)
}

fn begins(tokens: &[String], with: &[&str]) -> bool {
    tokens.len() >= with.len() && tokens.iter().zip(with).all(|(token, with)| token == with)
}

/// Every path: each name that a `use` brings in, in full, and what stands with `::` elsewhere.
fn paths(tokens: &[String]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    let word = |at: usize| tokens.get(at).is_some_and(|token| token.chars().all(is_word));
    let is = |at: usize, sign: &str| tokens.get(at).is_some_and(|token| token == sign);
    while at < tokens.len() {
        if is(at, "use") && !is(at + 1, "<") {
            at = import(tokens, at + 1, &[], &mut found);
        } else if word(at) {
            let mut path = vec![tokens[at].clone()];
            while is(at + 1, "::") && word(at + 2) {
                path.push(tokens[at + 2].clone());
                at += 2;
            }
            if path.len() > 1 {
                found.push(path);
            }
            at += 1;
        } else {
            at += 1;
        }
    }
    found
}

/// Reads one branch of a `use` from a place on; returns where it ends. A new name is left out: it
/// stands for the path.
fn import(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    found: &mut Vec<Vec<String>>,
) -> usize {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(at) {
        match token.as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at = import(tokens, at, &path, found);
                    if tokens.get(at).is_some_and(|token| token == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "," | "}" | ";" => break,
            "as" => at += 2,
            _ => {
                path.push(token.clone());
                at += 1;
            }
        }
    }
    found.push(path);
    at
}

#[test]
fn paths_are_found_however_they_are_written() {
    let shown = |text: &str| {
        let paths = of_text(text).into_iter().map(|path| path.join("::"));
        paths.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown("use a::{b, c::{self, d as e}}; f :: g(h);"), "a::b a::c::self a::c::d f::g");
    assert_eq!(shown("use a as b; use c::*;\npub use d::\n  e;"), "a c::* d::e");
    assert_eq!(shown("// a::b\n/* c::d /* e::f */ */ g::h"), "g::h");
    assert_eq!(shown(r##"("a::b \" c::d", r#"e::f"#, '"', '\'', g::h)"##), "g::h");
    assert_eq!(shown("fn a<'b>(c: &'b D) -> impl E + use<'b> { f::g('h') }"), "f::g");
    let split = |text: &str| {
        let (kept, modules) = shipped(&tokens(text));
        (paths(&kept), modules)
    };
    let (kept, modules) = split(
        "#[cfg(test)]\n#[path = \"x\"]\nmod a;\n#[cfg(test)] mod b { fn c() { d::e(); } }\n\
         #[cfg(test)] use f::g;\nh::i();",
    );
    assert_eq!((kept, modules), (vec![vec!["h".to_owned(), "i".to_owned()]], vec!["a".to_owned()]));
}
