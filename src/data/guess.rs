//! What the texts of a column look like: for a schema from the data on one machine
//! ([`crate::stats`]), and for a draft that a person edits ([`super::infer`]).

/// Names under which patients' keys are looked for: their small letters and digits alone.
const KEYS: [&str; 14] = [
    "patient",
    "patientid",
    "patientnr",
    "id",
    "pid",
    "subject",
    "subjectid",
    "patnr",
    "patid",
    "patnummer",
    "patientenid",
    "patientennr",
    "patientennummer",
    "patientenkennung",
];
/// Names of a stay's key, which tells patients apart where each has one.
const STAYS: [&str; 3] = ["fallnr", "fallnummer", "fallid"];
/// Steps between the ends of a range, at least.
const STEPS: f64 = 20.0;

/// Whether a column is called as a patient's key is: `Pat.-Nr.`, `pat_nr` and `PatNr` are one name.
pub(crate) fn is_key(name: &str) -> bool {
    KEYS.contains(&plain(name).as_str())
}

/// Whether a column is called as the key of a stay is.
pub(crate) fn is_stay(name: &str) -> bool {
    STAYS.contains(&plain(name).as_str())
}

/// The small letters and digits of a name.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// The finite number that a text is.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Round ends around the values, of which there is one at least; 0 is the lower one where it is near,
/// or asked for.
pub(crate) fn range(values: &[f64], from_zero: bool) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let width = if high > low { high - low } else { low.abs().max(1.0) };
    let power = 10_f64.powf((width / STEPS).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    let step = step.into_iter().find(|step| width / step <= STEPS).unwrap_or(width);
    let near = low >= 0.0 && (from_zero || low <= width);
    let below = if near { 0.0 } else { ((low / step).floor() * step).min(low) };
    let above = ((high / step).ceil() * step).max(high);
    (below, if above > below { above } else { below + step })
}

/// Unit that a column's name ends in, as `time_days` or `FU_Tage`.
pub(crate) fn unit(name: &str) -> Option<&'static str> {
    const UNITS: [&str; 4] = ["days", "weeks", "months", "years"];
    const GERMAN: [(&str, &str); 4] =
        [("tage", "days"), ("wochen", "weeks"), ("monate", "months"), ("jahre", "years")];
    let name = name.to_lowercase();
    let english =
        UNITS.into_iter().find(|unit| name.ends_with(unit) || name == unit[..unit.len() - 1]);
    let word = name.rsplit(['_', '-', '.', ' ']).next();
    english.or_else(|| GERMAN.into_iter().find(|(own, _)| word == Some(*own)).map(|(_, unit)| unit))
}

/// Levels in the order of a schema: numbers by their size, texts as R sorts them, and what means
/// censored first.
pub(crate) fn in_order(levels: &mut [&str]) {
    if levels.iter().all(|level| number(level).is_some()) {
        levels.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
    }
    levels.sort_by_key(|level| !level.to_lowercase().starts_with("cens"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_round_ends_around_all_values() {
        assert_eq!(range(&[17.0, 92.0], false), (0.0, 95.0));
        assert_eq!(range(&[1960.0, 1994.0], false), (1960.0, 1994.0));
        assert_eq!(range(&[-6.09, 9.55], false), (-7.0, 10.0));
        assert_eq!(range(&[3.0, 4977.0], true), (0.0, 5000.0));
        let (low, high) = range(&[7.0, 7.0], false);
        assert!(low <= 7.0 && 7.0 <= high && low < high, "{low} {high}");
    }

    #[test]
    fn a_key_is_known_by_letters_and_digits_alone() {
        for name in ["Pat.-Nr.", "pat_nr", "PatNr", "PATIENT_ID", "Patienten-Nr.", "Patienten ID"] {
            assert!(is_key(name), "{name}");
        }
        for name in ["age", "patients", "Fall-Nr.", "idh", "", "--"] {
            assert!(!is_key(name), "{name}");
        }
        assert!(is_stay("Fall-Nr.") && !is_stay("Fallzahl"));
    }

    #[test]
    fn a_name_may_end_in_a_unit_in_english_and_in_german() {
        let units = ["time_days", "day", "FU_Tage", "Jahre", "Montage", "age"].map(unit);
        assert_eq!(units, [Some("days"), Some("days"), Some("days"), Some("years"), None, None]);
    }

    #[test]
    fn levels_ascend_and_censored_is_the_first() {
        let mut levels = ["10", "9", "2"];
        in_order(&mut levels);
        assert_eq!(levels, ["2", "9", "10"]);
        let mut levels = ["alive", "Censored", "dead"];
        in_order(&mut levels);
        assert_eq!(levels, ["Censored", "alive", "dead"]);
    }
}
