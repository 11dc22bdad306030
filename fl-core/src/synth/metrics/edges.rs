//! Edges of bins as people read them: `-3.4`, not `-3.4000000000000004`.

/// How far a printed edge may be from its own, as a share of the narrowest bin.
const CLOSE: f64 = 1e-3;
/// Most decimals that are tried.
const MOST_DECIMALS: usize = 12;

/// The edges as text, each with the fewest decimals that print it to a thousandth of the narrowest
/// bin, so that no two are alike.
#[must_use]
pub fn texts(edges: &[f64]) -> Vec<String> {
    let widths = edges.iter().zip(edges.iter().skip(1)).map(|(low, high)| high - low);
    let narrowest = widths.filter(|width| *width > 0.0).fold(f64::INFINITY, f64::min);
    let room = if narrowest.is_finite() { CLOSE * narrowest } else { 0.0 };
    edges.iter().map(|edge| text(*edge, room)).collect()
}

fn text(edge: f64, room: f64) -> String {
    let is_close = |text: &String| text.parse::<f64>().is_ok_and(|own| (own - edge).abs() <= room);
    let mut texts = (0..=MOST_DECIMALS).map(|decimals| format!("{edge:.decimals$}"));
    match texts.find(is_close) {
        Some(zero) if zero == "-0" => "0".to_owned(),
        Some(text) => text,
        None => edge.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_have_the_digits_that_tell_them_apart() {
        let edges = [-10.0, -3.400_000_000_000_000_4, -1e-17, 0.1 + 0.2, 12.0];
        assert_eq!(texts(&edges), ["-10", "-3.4", "0", "0.3", "12"]);
        assert_eq!(texts(&[0.0, 2.0 / 3.0, 2.0]), ["0", "0.667", "2"]);
        assert_eq!(texts(&[0.0, 0.000_25, 5000.0]), ["0", "0.00025", "5000"]);
        assert_eq!(texts(&[5.5]), ["5.5"]);
        assert!(texts(&[]).is_empty());
    }
}
