//! What a card says of the patients that a training left out for what is not known of them.

use super::outcome::Outcome;
use super::text::line;

/// Branches that are named.
const MOST_BRANCHES: usize = 16;

/// Who was left out of a question that has a horizon.
pub(super) fn censored(outcome: &Outcome) -> Option<String> {
    let (horizon, time) = (outcome.horizon?, outcome.time.as_ref()?);
    let unit = time.unit.as_deref().map_or(String::new(), |unit| format!(" {}", line(unit)));
    Some(format!(
        "Patients who were censored before {horizon}{unit} were left out of training, since nobody \
         knows whether the event came by then. Where they are many, it predicts too much."
    ))
}

/// What was done with patients of whom an input is missing.
pub(super) fn incomplete(params: &toml::Table) -> String {
    if let Some(branches) = params.get("branch").and_then(toml::Value::as_array) {
        let branches = branches.iter().filter_map(toml::Value::as_table).take(MOST_BRANCHES);
        let each: Vec<String> = branches.map(of_branch).collect();
        return format!(
            "Branches may be absent: patients with at least one were trained on. Where an input is \
             missing: {}.",
            each.join("; ")
        );
    }
    let words = match stated(params) {
        "skip" => {
            "Only complete patients were trained on (`missing` is skip): one in whom an input is \
             missing was left out."
        }
        "center" => {
            "Patients in whom an input is missing were trained on (`missing` is center): the public \
             center, or the prepared figure, stands in for it."
        }
        "indicator" => {
            "Patients in whom an input is missing were trained on (`missing` is indicator): the \
             public center, or the prepared figure, stands in for it, and an input more says so."
        }
        _ => {
            "Its `missing` is none that this program knows, so nothing is said of patients in whom \
             an input is missing."
        }
    };
    words.to_owned()
}

/// What happens to a branch.
fn of_branch(branch: &toml::Table) -> String {
    let name = branch.get("name").and_then(toml::Value::as_str).unwrap_or("?");
    let words = match stated(branch) {
        "skip" => "the branch is absent (skip)",
        "center" => "the center stands in (center)",
        "indicator" => "the center stands in, and an input more says so (indicator)",
        _ => "nobody knows",
    };
    format!("in {}, {words}", line(name))
}

/// `missing` of a model or a branch.
fn stated(params: &toml::Table) -> &str {
    params.get("missing").and_then(toml::Value::as_str).unwrap_or("skip")
}

#[cfg(test)]
mod tests {
    use haima_fl_core::schema::Schema;

    use super::*;

    const SCHEMA: &str = "one_row_per_patient = true\n\
        [[column]]\nname = \"days\"\nkind = \"numeric\"\nunit = \"days\"\nrange = [0, 900]\n\
        [[column]]\nname = \"dead\"\nkind = \"flag\"\n";

    fn params(text: &str) -> toml::Table {
        text.parse().unwrap()
    }

    #[test]
    fn who_was_censored_before_a_horizon_was_left_out() {
        let schema = Schema::from_toml(&params(SCHEMA)).unwrap();
        let said = |more: &str| {
            let params = params(&format!("time = \"days\"\nevent = \"dead\"\n{more}"));
            censored(&Outcome::of(&params, &schema).unwrap())
        };
        let with = said("horizon = 365").unwrap();
        assert!(with.contains("censored before 365 days were left out of training"), "{with}");
        assert_eq!(said("cuts = [365]"), None);
    }

    #[test]
    fn what_missing_is_for_this_model_is_said() {
        for (text, wanted) in [
            ("", "Only complete patients were trained on (`missing` is skip)"),
            ("missing = \"skip\"", "Only complete patients"),
            ("missing = \"center\"", "were trained on (`missing` is center)"),
            ("missing = \"indicator\"", "and an input more says so"),
            ("missing = \"*magic*\"", "none that this program knows"),
        ] {
            let said = incomplete(&params(text));
            assert!(said.contains(wanted), "{said}");
            let is_complete = said.starts_with("Only complete");
            assert_eq!(is_complete, text.is_empty() || text.contains("skip"), "{said}");
            assert!(!said.contains('*'), "{said}");
        }
    }

    #[test]
    fn branches_may_be_absent_each_by_its_own_missing() {
        let said = incomplete(&params(
            "branch = [{ name = \"clinical\", missing = \"center\" }, { name = \"genes\" }]",
        ));
        assert!(said.starts_with("Branches may be absent"), "{said}");
        assert!(said.contains("in clinical, the center stands in (center)"), "{said}");
        assert!(said.contains("in genes, the branch is absent (skip)"), "{said}");
    }
}
