//! The document's table: lines between two markers, each found by its id.

use super::{Row, rows};
use crate::Error;

const BEGIN: &str = "<!-- haima reproduce: rows -->";
const END: &str = "<!-- haima reproduce: end -->";

fn fault(problem: impl Into<String>) -> Error {
    Error::Config { file: "docs/results.md".into(), problem: problem.into() }
}

/// The document before the lines, the lines, and the document after them.
fn parts(document: &str) -> Result<(&str, Vec<&str>, &str), Error> {
    let missing = || fault(format!("the markers {BEGIN} and {END} are not in it"));
    let (before, rest) = document.split_once(BEGIN).ok_or_else(missing)?;
    let (lines, after) = rest.split_once(END).ok_or_else(missing)?;
    Ok((before, lines.lines().filter(|line| !line.trim().is_empty()).collect(), after))
}

fn id(line: &str) -> Option<&str> {
    line.strip_prefix("| `")?.split('`').next()
}

/// The document with a row's line put in its place, or replaced.
///
/// # Errors
/// When the document has no markers.
pub fn write(document: &str, row: &Row, line: &str) -> Result<String, Error> {
    let (before, lines, after) = parts(document)?;
    let (heading, body) = lines.split_at(lines.len().min(2));
    let place = |id: &str| rows().position(|row| row.id == id).unwrap_or(usize::MAX);
    let mut body: Vec<&str> = body.iter().copied().filter(|old| id(old) != Some(row.id)).collect();
    body.push(line);
    body.sort_by_key(|line| id(line).map_or(usize::MAX, place));
    let lines: Vec<&str> = heading.iter().copied().chain(body).collect();
    Ok(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", lines.join("\n")))
}

/// Whether the document has this line, its figures to one unit of the last digit that it prints.
///
/// # Errors
/// When it has not, with both lines.
pub fn check(document: &str, row: &Row, line: &str) -> Result<(), Error> {
    let (_, lines, _) = parts(document)?;
    let Some(written) = lines.into_iter().find(|old| id(old) == Some(row.id)) else {
        return Err(fault(format!(
            "no row `{}`; write it with `haima reproduce {}`",
            row.id, row.id
        )));
    };
    if alike(written, line) {
        return Ok(());
    }
    Err(fault(format!("row `{}` differs\n  written: {written}\n  now:     {line}", row.id)))
}

/// Equal but for numbers with a fraction or an exponent, which may differ by one unit of the last
/// digit.
fn alike(written: &str, now: &str) -> bool {
    let (written, now) = (pieces(written), pieces(now));
    written.len() == now.len()
        && written.iter().zip(&now).all(|(a, b)| a == b || near(a, b).unwrap_or(false))
}

/// Numbers, and what is between them.
fn pieces(text: &str) -> Vec<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = part(first);
        let end = rest.find(|c| part(c) != inside).unwrap_or(rest.len());
        let (piece, next) = rest.split_at(end);
        pieces.push(piece);
        rest = next;
    }
    pieces
}

fn near(a: &str, b: &str) -> Option<bool> {
    let unit = |text: &str| -> Option<f64> {
        let (digits, exponent) = match text.split_once('e') {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let whole = !text.contains(['.', 'e']);
        // Counts are exact.
        (!whole).then(|| 10_f64.powi(exponent - i32::try_from(decimals).unwrap_or(0)))
    };
    let (x, y): (f64, f64) = (a.parse().ok()?, b.parse().ok()?);
    unit(b)?;
    Some((x - y).abs() <= 1.001 * unit(a)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "# Results\n\n<!-- haima reproduce: rows -->\n\n| id | ours |\n|---|---|\n\n<!-- haima reproduce: end -->\n\nAfter.\n";

    #[test]
    fn a_row_is_written_in_its_place_once() {
        let all: Vec<&Row> = rows().collect();
        let line = |row: &Row| format!("| `{}` | 1.234 |", row.id);
        let mut document = DOCUMENT.to_owned();
        for row in all.iter().rev().chain(all.iter()) {
            document = write(&document, row, &line(row)).unwrap();
        }
        let (before, lines, after) = parts(&document).unwrap();
        assert_eq!((before, after), ("# Results\n\n", "\n\nAfter.\n"));
        assert_eq!(lines[0], "| id | ours |");
        let ids: Vec<&str> = lines[2..].iter().filter_map(|line| id(line)).collect();
        assert_eq!(ids, all.iter().map(|row| row.id).collect::<Vec<_>>());
    }

    #[test]
    fn figures_that_differ_beyond_their_digits_fail_the_check() {
        let row = rows().next().unwrap();
        let written = format!("| `{}` | chi-square 13.804, n 137, se within 1e-9 |", row.id);
        let document = write(DOCUMENT, row, &written).unwrap();
        let now = |from: &str, to: &str| check(&document, row, &written.replace(from, to));
        assert!(now("13.804", "13.804").is_ok() && now("13.804", "13.805").is_ok());
        assert!(now("13.804", "13.806").is_err());
        assert!(now("137", "138").is_err(), "a count is exact");
        assert!(now("1e-9", "1e-7").is_err());
        assert!(now("chi-square", "chi").is_err());
        assert!(check(DOCUMENT, row, &written).is_err(), "not written yet");
    }
}
