//! Numbers as clinicians write them: `HR 1.03 (1.03 to 1.04)`, `p<0.001`, `1,043`, `<5`.
//!
//! Departures from plain rounding are deliberate: a ratio gets more decimals when two would hide
//! that its interval excludes 1, and an epsilon is never rounded to nothing.

use crate::data::dates::civil;

/// A value that could not be estimated.
pub(super) const NOT_ESTIMATED: &str = "not estimated";

/// `1043` as `1,043`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count of patients under the display rule: 1 up to `min_cell - 1` as `<min_cell`.
pub(crate) fn cell(value: u64, min_cell: u64) -> String {
    if is_small(value, min_cell) { format!("<{min_cell}") } else { count(value) }
}

/// Whether the display rule hides this count of patients. Zero is shown as zero.
pub(crate) fn is_small(value: u64, min_cell: u64) -> bool {
    (1..min_cell).contains(&value)
}

/// `count noun`, with the plural beyond one.
pub(crate) fn counted(value: u64, singular: &str, plural: &str) -> String {
    format!("{} {}", count(value), if value == 1 { singular } else { plural })
}

/// The same for patients, under the display rule.
pub(crate) fn counted_cell(value: u64, min_cell: u64, singular: &str, plural: &str) -> String {
    let one = value == 1 && !is_small(value, min_cell);
    format!("{} {}", cell(value, min_cell), if one { singular } else { plural })
}

/// Fixed decimals with a true minus sign; never `-0.0`.
pub(crate) fn decimal(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NOT_ESTIMATED.to_owned();
    }
    let text = format!("{value:.digits$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| c == '0' || c == '.') => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// About three significant digits, without an exponent: coefficients, standard errors, grid steps.
pub(crate) fn significant(value: f64) -> String {
    let size = value.abs();
    if (1000.0..1e15).contains(&size) {
        let sign = if value < 0.0 { "−" } else { "" };
        return format!("{sign}{}", count(size.round() as u64));
    }
    let digits = match size {
        _ if size >= 100.0 || size == 0.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        _ if size >= 0.1 => 3,
        _ if size >= 0.01 => 4,
        _ => 5,
    };
    decimal(value, digits)
}

/// To which side of a value its figure may err.
#[derive(Clone, Copy)]
enum Side {
    /// Of what was spent, or is promised: not below the value.
    Up,
    /// Of what may be spent: not above it.
    Down,
}

/// Epsilon or rho: two or three significant digits, up to the safe side, and never 0 for what was spent.
pub(crate) fn epsilon(value: f64) -> String {
    sided(value, 0, Side::Up).1
}

/// The same of what may be spent: no more than there is.
pub(crate) fn allowance(value: f64) -> String {
    sided(value, 0, Side::Down).1
}

/// Most decimals, however little is spent: with [`MORE`], ten to their power is a double still.
const MOST: i32 = 300;

/// An epsilon or a rho that erred to a side, and its text, with so many digits `more` than usual.
fn sided(value: f64, more: i32, side: Side) -> (f64, String) {
    if value.is_nan() {
        return (value, NOT_ESTIMATED.to_owned());
    }
    if value.is_infinite() {
        return (value, "infinite".to_owned());
    }
    if value <= 0.0 {
        return (0.0, "0".to_owned());
    }
    let usual = match value {
        _ if value >= 100.0 => 0,
        _ if value >= 10.0 => 1,
        _ if value >= 0.1 => 2,
        _ if value >= 0.01 => 3,
        _ if value >= 0.001 => 4,
        // Two significant ones.
        _ => (1 - value.log10().floor() as i32).min(MOST),
    };
    let digits = usual + more;
    let steps = 10_f64.powi(digits);
    // But for what arithmetic adds to a round figure.
    let own = match side {
        Side::Up => (value * steps * (1.0 - 1e-9)).ceil() / steps,
        Side::Down => (value * steps * (1.0 + 1e-9)).floor() / steps,
    };
    let text = match value {
        _ if own <= 0.0 => "0".to_owned(),
        _ if value >= 0.001 => decimal(own, digits.unsigned_abs() as usize),
        _ => raised(own, 1 + more.unsigned_abs() as usize),
    };
    (own, text)
}

/// A ledger's figures, used and limit, as they are told everywhere: in epsilon at the limit's delta, and
/// beside it in the unit in which charges add up, which epsilons do not.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// Used, and the limit.
    pub(crate) epsilon: [f64; 2],
    /// By which theorem the limit is enforced.
    pub(crate) filter: String,
    /// Used, and the limit, in the theorem's own unit.
    pub(crate) cost: [f64; 2],
}

impl Budget {
    /// `0.69 of 1.00`.
    pub(crate) fn epsilons(&self) -> String {
        of(self.epsilon)
    }

    /// `rho 0.015 of 0.028`; under a Renyi limit `budget units 0.40 of 1.20, Renyi divergence of order 21`.
    pub(crate) fn costs(&self) -> String {
        match self.filter.as_str() {
            "zCDP" => format!("rho {}", of(self.cost)),
            other => format!("budget units {}, {other}", of(self.cost)),
        }
    }

    /// Which part is used, from 0 to 1, of what adds up: half of it is 0.5, where the epsilons are 0.69 of
    /// 1.00.
    pub(crate) fn share(&self) -> f64 {
        let [used, limit] = self.cost;
        let share = used / limit;
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 }
    }

    /// Which part is left, and no more than that: `50%`.
    pub(crate) fn rest(&self) -> String {
        // But for what arithmetic takes from a round figure.
        let percent = ((1.0 - self.share()) * 100.0 + 1e-7).floor();
        match self.share() {
            share if share <= 0.0 => "all".to_owned(),
            share if share >= 1.0 => "nothing".to_owned(),
            _ if percent < 1.0 => "less than 1%".to_owned(),
            _ => format!("{}%", decimal(percent.min(99.0), 0)),
        }
    }

    /// `50% of the budget (rho 0.015 of 0.028 used) is left`.
    pub(crate) fn left(&self) -> String {
        format!("{} of the budget ({} used) is left", self.rest(), self.costs())
    }
}

/// Most digits beyond the usual ones.
const MORE: i32 = 4;

/// Used, not below what it is, of the limit, not above it. Where the usual digits would show more used
/// than there is, and it is less, there are more of them.
fn of([used, limit]: [f64; 2]) -> String {
    let at = |more: i32| [sided(used, more, Side::Up), sided(limit, more, Side::Down)];
    let fits = |[used, limit]: &[(f64, String); 2]| used.0 <= limit.0;
    // More than the limit may be used, of one that was lowered.
    let shown = if used <= limit { (0..=MORE).map(at).find(fits) } else { Some(at(0)) };
    match shown {
        Some([(_, used), (_, limit)]) => format!("{used} of {limit}"),
        // All of it, but for a rounding.
        None => {
            let limit = allowance(limit);
            format!("{limit} of {limit}")
        }
    }
}

/// `9.6e-7` as `9.6×10⁻⁷`.
pub(crate) fn scientific(value: f64) -> String {
    raised(value, 1)
}

/// The same with so many digits behind the point.
fn raised(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$e}");
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return NOT_ESTIMATED.to_owned();
    };
    let raised: String = exponent
        .chars()
        .map(|digit| match digit {
            '-' => '⁻',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            other => {
                other.to_digit(10).and_then(|digit| char::from_u32(0x2070 + digit)).unwrap_or(other)
            }
        })
        .collect();
    match mantissa.strip_suffix(".0").unwrap_or(mantissa) {
        "1" => format!("10{raised}"),
        mantissa => format!("{mantissa}×10{raised}"),
    }
}

/// The ratio and its interval: `("1.03", "1.03 to 1.04")`.
pub(crate) fn ratio(estimate: f64, lo: f64, hi: f64) -> (String, String) {
    let mut digits = match estimate {
        _ if estimate >= 100.0 => 0,
        _ if estimate >= 10.0 => 1,
        _ => 2,
    };
    let one = |digits| decimal(1.0, digits);
    let hides = |digits: usize| {
        let shown = [lo, estimate, hi].map(|value| decimal(value, digits));
        let excludes_one = lo > 1.0 || hi < 1.0;
        shown[0] == shown[2] || (excludes_one && shown.contains(&one(digits)))
    };
    while digits < 4 && hi.is_finite() && hides(digits) {
        digits += 1;
    }
    let bound = |value: f64| {
        if value == f64::INFINITY { "∞".to_owned() } else { decimal(value, digits) }
    };
    (bound(estimate), format!("{} to {}", bound(lo), bound(hi)))
}

/// A difference and its interval, with the decimals that its width deserves.
pub(crate) fn difference(estimate: f64, lo: f64, hi: f64) -> (String, String) {
    let mut digits = match hi - lo {
        width if width >= 20.0 => 0,
        width if width >= 2.0 => 1,
        width if width >= 0.2 => 2,
        width if width >= 0.02 => 3,
        _ => 5,
    };
    // That an interval excludes 0 must show.
    let zero = |digits| decimal(0.0, digits);
    let hides = |digits| [lo, hi].map(|end| decimal(end, digits)).contains(&zero(digits));
    while digits < 5 && (lo > 0.0 || hi < 0.0) && hides(digits) {
        digits += 1;
    }
    let [estimate, lo, hi] = [estimate, lo, hi].map(|value| decimal(value, digits));
    (estimate, format!("{lo} to {hi}"))
}

/// `p<0.001`, `p=0.004`, `p=0.42`.
pub(crate) fn p_value(p: f64) -> String {
    let text = p_cell(p);
    match text.chars().next() {
        Some('<' | '>') => format!("p{text}"),
        Some('0'..='9') => format!("p={text}"),
        _ => format!("p {text}"),
    }
}

/// The same under a column headed `p`. Three decimals where two would blur 0.05.
pub(crate) fn p_cell(p: f64) -> String {
    match p {
        _ if !p.is_finite() => NOT_ESTIMATED.to_owned(),
        _ if p < 0.001 => "<0.001".to_owned(),
        _ if p < 0.01 || (0.045..0.055).contains(&p) => decimal(p, 3),
        _ if p > 0.99 => ">0.99".to_owned(),
        _ => decimal(p, 2),
    }
}

/// A share as a whole percentage; one decimal below 1 % and above 99 %.
pub(crate) fn percent(share: f64) -> String {
    let value = share * 100.0;
    let near_end = (value > 0.0 && value < 1.0) || (value > 99.0 && value < 100.0);
    format!("{}%", decimal(value, usize::from(near_end)))
}

/// `12% (9 to 16)`; the share alone where there is no interval.
pub(super) fn percent_interval(share: f64, lo: f64, hi: f64) -> String {
    if !lo.is_finite() || !hi.is_finite() {
        return percent(share);
    }
    let ends = [lo, hi].map(|end| percent(end).trim_end_matches('%').to_owned());
    format!("{} ({} to {})", percent(share), ends[0], ends[1])
}

/// Decimal multiples: `812 B`, `24.1 MB`.
pub(crate) fn bytes(value: u64) -> String {
    let mut size = value as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB"] {
        if size < 999.5 {
            break;
        }
        size /= 1000.0;
        unit = next;
    }
    if unit == "B" { format!("{value} B") } else { format!("{} {unit}", decimal(size, 1)) }
}

/// `4.2 s`, `2 min 10 s`, `1 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return NOT_ESTIMATED.to_owned();
    }
    let whole = seconds.round() as u64;
    match whole {
        0..=9 => format!("{} s", decimal(seconds, 1)),
        10..=99 => format!("{whole} s"),
        100..=5999 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Unix seconds as `23 November 2026, 18:26 UTC`.
pub(crate) fn utc(unix: u64) -> String {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let (days, second) = ((unix / 86_400).cast_signed(), unix % 86_400);
    let (year, month, day) = civil(days);
    let name = MONTHS.get(usize::from(month).saturating_sub(1)).copied().unwrap_or_default();
    format!("{day} {name} {year}, {:02}:{:02} UTC", second / 3600, second % 3600 / 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_keep_enough_decimals_to_show_that_one_is_excluded() {
        let text = |(estimate, interval): (String, String)| format!("{estimate} ({interval})");
        assert_eq!(text(ratio(1.03247, 1.0278, 1.0372)), "1.03 (1.03 to 1.04)");
        assert_eq!(text(ratio(1.00321, 1.0023, 1.0041)), "1.003 (1.002 to 1.004)");
        assert_eq!(text(ratio(1.0687, 0.9309, 1.2269)), "1.07 (0.93 to 1.23)");
        assert_eq!(text(ratio(12.34, 3.0, f64::INFINITY)), "12.3 (3.0 to ∞)");
        assert_eq!(text(ratio(f64::NAN, f64::NAN, f64::NAN)).matches(NOT_ESTIMATED).count(), 3);
    }

    #[test]
    fn differences_show_that_zero_is_excluded() {
        let text = |(estimate, interval): (String, String)| format!("{estimate} ({interval})");
        assert_eq!(text(difference(-2.87, -5.69, -0.03)), "−2.87 (−5.69 to −0.03)");
        assert_eq!(text(difference(-1.88, -4.9, 1.14)), "−1.9 (−4.9 to 1.1)");
        assert_eq!(text(difference(537.0, 417.2, 656.0)), "537 (417 to 656)");
        assert_eq!(text(difference(f64::NAN, f64::NAN, 1.0)).matches(NOT_ESTIMATED).count(), 2);
        assert_eq!(percent_interval(0.26, 0.155, 0.38), "26% (16 to 38)");
        assert_eq!(percent_interval(0.0, f64::NAN, f64::NAN), "0%");
    }

    #[test]
    fn p_values_follow_journals() {
        let shown = [1e-9, 0.0042, 0.0496, 0.0512, 0.424, 0.9999, f64::NAN].map(p_value);
        let expected =
            ["p<0.001", "p=0.004", "p=0.050", "p=0.051", "p=0.42", "p>0.99", "p not estimated"];
        assert_eq!(shown, expected);
    }

    #[test]
    fn small_counts_are_hidden_and_zero_is_not() {
        assert_eq!([0, 1, 4, 5, 1043].map(|n| cell(n, 5)), ["0", "<5", "<5", "5", "1,043"]);
        assert_eq!([1, 4].map(|n| cell(n, 0)), ["1", "4"]);
    }

    #[test]
    fn an_epsilon_is_never_rounded_to_nothing() {
        assert_eq!([1.934, 0.5, 0.0004, 12.31].map(epsilon), ["1.94", "0.50", "4×10⁻⁴", "12.4"]);
        // Up to the safe side, but not for the last bit.
        assert_eq!([0.1 + 0.2, 3.0, 4.111, 2.87].map(epsilon), ["0.30", "3.00", "4.12", "2.87"]);
        assert_eq!([9.6e-7, 1e-6].map(scientific), ["9.6×10⁻⁷", "10⁻⁶"]);
    }

    #[test]
    fn a_budget_is_told_in_epsilon_and_beside_it_in_the_unit_that_adds_up() {
        let zcdp =
            Budget { epsilon: [0.684, 1.0], filter: "zCDP".into(), cost: [0.014_21, 0.028_42] };
        assert_eq!(
            (zcdp.epsilons().as_str(), zcdp.costs().as_str()),
            ("0.69 of 1.00", "rho 0.015 of 0.028")
        );
        // Not 69 %: epsilons do not add up.
        assert_eq!(zcdp.left(), "50% of the budget (rho 0.015 of 0.028 used) is left");
        assert!((zcdp.share() - 0.5).abs() < 1e-12);
        let none = Budget {
            epsilon: [0.0, 1.0],
            filter: "Renyi divergence of order 21".into(),
            cost: [0.0, 1.2],
        };
        assert_eq!(none.epsilons(), "0 of 1.00");
        assert_eq!(none.costs(), "budget units 0 of 1.20, Renyi divergence of order 21");
        assert!(none.left().starts_with("all of the budget (budget units 0 of 1.20, "));
    }

    #[test]
    fn no_more_is_told_to_be_there_than_is_and_no_less_to_be_used() {
        // A limit of a third is no 0.34.
        assert_eq!(of([0.1001, 1.0 / 3.0]), "0.11 of 0.33");
        assert_eq!(
            [1.0 / 3.0, 0.1 + 0.2, 3.0, 4.4e-4].map(allowance),
            ["0.33", "0.30", "3.00", "4.4×10⁻⁴"]
        );
        assert_eq!(
            (epsilon(0.000_441), allowance(0.000_449)),
            ("4.5×10⁻⁴".into(), "4.4×10⁻⁴".into())
        );
        assert_eq!((epsilon(0.0), allowance(0.0)), ("0".into(), "0".into()));
        // What underflows costs something still.
        let least = f64::MIN_POSITIVE;
        assert_eq!((epsilon(least), allowance(least)), ("10⁻³⁰⁰".into(), "0".into()));
        // Nothing is over, so nothing over is shown; and what is over is.
        assert_eq!(of([0.3331, 0.3339]), "0.3331 of 0.3339");
        assert_eq!(of([4.41e-4, 4.49e-4]), "4.41×10⁻⁴ of 4.49×10⁻⁴");
        assert_eq!(of([1.0 / 3.0, 1.0 / 3.0]), "0.33 of 0.33");
        assert_eq!(of([0.5, 0.3]), "0.50 of 0.30");
        let rest = |used: f64| {
            let cost = [used, 1.0];
            Budget { epsilon: [used, 1.0], filter: "zCDP".into(), cost }.rest()
        };
        let shares = [0.0, 1e-9, 0.011, 0.7, 0.999, 1.0, 1.5].map(rest);
        assert_eq!(shares, ["all", "99%", "98%", "30%", "less than 1%", "nothing", "nothing"]);
    }

    #[test]
    fn dates_match_the_calendar() {
        assert_eq!(utc(0), "1 January 1970, 00:00 UTC");
        assert_eq!(utc(951_782_400), "29 February 2000, 00:00 UTC");
        assert_eq!(utc(1_795_458_388), "23 November 2026, 18:26 UTC");
    }

    #[test]
    fn sizes_and_times_stay_short() {
        assert_eq!([812, 24_100, 999_999].map(bytes), ["812 B", "24.1 kB", "1.0 MB"]);
        assert_eq!(
            [4.23, 42.0, 130.0, 3900.0].map(duration),
            ["4.2 s", "42 s", "2 min 10 s", "65 min 0 s"]
        );
        assert_eq!(duration(6300.0), "1 h 45 min");
    }
}
