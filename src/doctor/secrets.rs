//! Cuts passwords out of a finding, wherever a parser, a driver or the system repeats what it was
//! given.
//!
//! It cuts rather too much than too little: whatever stands before an `@` with a colon in it, with or
//! without a scheme, with blanks or quotes in the password; what is stated as `password=...`; a value
//! that a parser quotes; and the lines of a file that a TOML parser shows, of which the number is
//! kept.

/// What a text in a message is quoted by.
const QUOTES: [char; 3] = ['"', '\'', '`'];
/// Words that a secret is stated by, in small letters, with `=` behind them.
const WORDS: [&str; 6] = ["password", "passphrase", "passwd", "pwd", "secret", "token"];

/// The text without what can be a secret.
pub(super) fn without(text: &str) -> String {
    let lines = text.split('\n').filter(|line| !is_snippet(line));
    let clean: Vec<String> =
        lines.map(|line| without_addresses(&without_stated(&without_value(line)))).collect();
    clean.join("\n")
}

/// Whether a line shows one of a file: `3 | store = "..."`, or the mark below it.
fn is_snippet(line: &str) -> bool {
    let rest = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
    rest.trim_start().starts_with('|')
}

/// Without the text of `invalid type: string "...", expected ...`.
fn without_value(line: &str) -> String {
    const START: &str = "string \"";
    let start = line.find(START).map(|at| at + START.len());
    let ends = start.zip(line.rfind("\", expected"));
    let parts = ends.and_then(|(start, end)| line.get(..start).zip(line.get(start.max(end)..)));
    match parts {
        Some((before, after)) => format!("{before}...{after}"),
        None => line.to_owned(),
    }
}

/// Without what stands behind `password=` and its like.
fn without_stated(line: &str) -> String {
    // Of the same length, so places in one are places in the other.
    let lower = line.to_ascii_lowercase();
    let (mut clean, mut done) = (String::new(), 0);
    while let Some(start) = stated(&lower, done) {
        let value = line.get(start..).unwrap_or_default();
        clean.push_str(line.get(done..start).unwrap_or_default());
        clean.push_str("...");
        done = start + length(value);
    }
    clean.push_str(line.get(done..).unwrap_or_default());
    clean
}

/// Where the next value of such a word begins, from a place on.
fn stated(lower: &str, from: usize) -> Option<usize> {
    let rest = lower.get(from..)?;
    let of_word = |word: &&str| {
        rest.match_indices(*word).find_map(|(at, own)| {
            let behind = rest.get(at + own.len()..)?.trim_start();
            let value = behind.strip_prefix('=')?.trim_start();
            Some(lower.len() - value.len())
        })
    };
    WORDS.iter().filter_map(of_word).min()
}

/// Bytes of a value: up to the last quote of the line, or the next blank or `&`.
fn length(value: &str) -> usize {
    match value.rfind(QUOTES) {
        Some(0) => value.len(),
        Some(quote) => quote,
        None => value.find(|c: char| c.is_whitespace() || c == '&').unwrap_or(value.len()),
    }
}

/// Without what stands before an `@`, where it can be a name and a password.
fn without_addresses(line: &str) -> String {
    let Some((before, _)) = line.rsplit_once('@') else { return line.to_owned() };
    let behind = line.get(before.len()..).unwrap_or_default();
    match start(before).and_then(|start| before.get(..start)) {
        Some(kept) => format!("{}...{behind}", without_addresses(kept)),
        None => format!("{}{behind}", without_addresses(before)),
    }
}

/// Where the name and password that end a text begin; `None` where it has none.
fn start(before: &str) -> Option<usize> {
    const SCHEME: &str = "://";
    if let Some(scheme) = before.find(SCHEME) {
        return Some(scheme + SCHEME.len());
    }
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    // A folder may be called after a person.
    if word.trim_start_matches(QUOTES).starts_with('/') && !word.contains(':') {
        return None;
    }
    let word = before.len() - word.len();
    let quoted =
        before.rsplit_once(QUOTES).map_or(before.len(), |(_, own)| before.len() - own.len());
    let start = word.min(quoted);
    if before.get(start..).is_some_and(|own| own.contains(':')) {
        return Some(start);
    }
    // A password with blanks and quotes: back to the word in which the last colon stands.
    let (name, _) = before.rsplit_once(':')?;
    let ends = |c: char| c.is_whitespace() || QUOTES.contains(&c);
    let word = name.rsplit(ends).next().unwrap_or_default();
    Some(name.len() - word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_of_an_address_is_repeated_whatever_is_in_it() {
        for (text, clean) in [
            ("store: postgres://haima:s3cret@db/x: refused", "store: postgres://...@db/x: refused"),
            ("store: postgres://a:b@c@db/x", "store: postgres://...@db/x"),
            ("store: postgres://u:s3 cret@db", "store: postgres://...@db"),
            ("store: postgres://u:s3\"cr'et@db", "store: postgres://...@db"),
            ("store: postgres://u:a://b@db", "store: postgres://...@db"),
            ("proxy: \"user:pw@host\" is no host:port", "proxy: ...@host\" is no host:port"),
            ("proxy: \"us er:p w@host\" is none", "proxy: \"...@host\" is none"),
            ("user:p\"w@host", "...@host"),
            ("u:p \"w x@h", "...@h"),
            ("u:one@a and v:two@b", "...@a and ...@b"),
            (
                "`policy`: /home/me@corp/p.toml is no file",
                "`policy`: /home/me@corp/p.toml is no file",
            ),
            ("http://host:4317 answers", "http://host:4317 answers"),
            ("mail a@b", "mail a@b"),
            ("://", "://"),
            ("@", "@"),
            ("", ""),
        ] {
            assert_eq!(without(text), clean, "{text}");
        }
    }

    #[test]
    fn what_is_stated_as_a_password_is_not_repeated() {
        for (text, clean) in [
            ("db?user=x&password=s3cret&a=1: refused", "db?user=x&password=...&a=1: refused"),
            ("PASSWORD = s3cret; see", "PASSWORD = ... see"),
            ("\"db?password=s3 cret\" is odd", "\"db?password=...\" is odd"),
            ("password='s3 c'r' host=db", "password=...' host=db"),
            ("password=\"s3cret", "password=..."),
            ("pwd=a&token=b", "pwd=...&token=..."),
            ("a password is asked for", "a password is asked for"),
            (
                "invalid type: string \"s3\"cret\", expected u32",
                "invalid type: string \"...\", expected u32",
            ),
        ] {
            assert_eq!(without(text), clean, "{text}");
        }
    }

    #[test]
    fn of_a_file_that_does_not_parse_the_line_is_told_and_not_shown() {
        for line in [
            "proxy = \"haima:s3cret@proxy",
            "proxy = s3cret",
            "store = \"postgres://haima:s3 cret@db\" x",
            "password = s3cret",
        ] {
            let error = format!("a = 1\n{line}\n").parse::<toml::Table>().unwrap_err();
            let told = without(&format!("node.toml: {error}"));
            assert!(told.starts_with("node.toml: TOML parse error at line 2, column "), "{told}");
            assert!(!told.contains("cret") && !told.contains('|'), "{told}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic_and_none_keeps_a_password(
            before in "[a-z\"':@/= |é\n]{0,20}",
            password in "[A-Z0-9\"' /:é]{4,12}",
        ) {
            let told = without(&format!("{before} postgres://u:{password}@db: refused"));
            let secret = format!("u:{password}");
            proptest::prop_assert!(!told.contains(&secret), "{told}");
        }
    }
}
