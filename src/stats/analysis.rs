//! Which analyses there are: each is a task and the options that become its parameters.
//!
//! The command line is made from [`ANALYSES`], so a new task is a line here. What the parameters
//! mean stands with the task, in `fl-core/src/tasks/`.

/// An analysis of the command line.
#[derive(Debug)]
pub struct Analysis {
    /// Its name: `haima stats NAME`.
    pub name: &'static str,
    /// The task that answers it.
    pub task: &'static str,
    /// The task's version.
    pub version: u32,
    /// One line of help.
    pub about: &'static str,
    /// Options without which there is no question.
    pub needs: &'static [&'static Parameter],
    /// Further options.
    pub takes: &'static [&'static Parameter],
}

/// An option, which becomes the task's parameter of the same name with `_` for `-`.
#[derive(Debug)]
pub struct Parameter {
    /// Name of the option, without dashes.
    pub name: &'static str,
    /// What its text means.
    pub kind: Kind,
    /// One line of help.
    pub help: &'static str,
}

/// What an option's text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A column of the data.
    Column,
    /// Columns of the data, separated by commas; `PREFIX*` stands for all that begin so.
    Columns,
    /// A column, or one of these words.
    ColumnOr(&'static [&'static str]),
    /// One of these words.
    Word(&'static [&'static str]),
    /// Any text.
    Text,
    /// A number.
    Number,
    /// A whole number.
    Whole,
    /// The public time grid, which `--exact-grid` gives too.
    Grid,
    /// On when it is named.
    Switch,
}

macro_rules! parameters {
    ($($constant:ident: $name:literal, $kind:expr, $help:literal;)*) => {
        $(const $constant: Parameter = Parameter { name: $name, kind: $kind, help: $help };)*
    };
}

parameters! {
    TIME: "time", Kind::Column, "Column of times to the event or to the end of follow-up";
    EVENT: "event", Kind::Column, "Column that says whether the event ended it (0 or 1)";
    STATES: "event", Kind::Column, "Column that says how it ended: censored first, then each cause";
    ENTRY: "entry", Kind::Column, "Column of times from which a patient is at risk (left truncation)";
    CAUSE: "cause", Kind::Text, "Level of the event column that counts; others end follow-up";
    BY: "by", Kind::Column, "Column of the groups";
    STRATA: "strata", Kind::ColumnOr(&["site", "none"]), "Strata: site, none or a column [default: site]";
    TEST_STRATA: "strata", Kind::ColumnOr(&["site", "none"]), "Strata of the log-rank test: site, none or a column [default: none]";
    COVARIATES: "covariates", Kind::Columns, "Columns of the model, separated by commas; A:B is an interaction";
    TIES: "ties", Kind::Word(&["efron", "breslow"]), "How tied events share their risk set [default: efron]";
    RIDGE: "ridge", Kind::Number, "L2 penalty on the coefficients";
    LASSO: "lasso", Kind::Number, "L1 penalty on the coefficients";
    FAMILY: "family", Kind::Word(&["logistic", "linear", "poisson"]), "Kind of regression [default: logistic]";
    OUTCOME: "outcome", Kind::Column, "Column of the outcome";
    EXPOSURE: "exposure", Kind::Column, "Column of the time at risk (Poisson)";
    HORIZON: "horizon", Kind::Number, "Outcome: the event by this time";
    TAU: "tau", Kind::Number, "Restriction time of the mean survival";
    VARIANTS: "variants", Kind::Columns, "Columns of the variants, or PREFIX*";
    COLUMNS: "columns", Kind::Columns, "Columns, separated by commas, or PREFIX*";
    COMPONENTS: "components", Kind::Whole, "Number of principal components";
    SCALE: "scale", Kind::Switch, "Divide each column by its standard deviation";
    MODEL: "model", Kind::Word(&["cox", "logistic"]), "Model that each hospital fits";
    TERM: "term", Kind::Text, "Term whose coefficients are combined";
    GRID: "grid", Kind::Grid, "Width of the public time grid, to which times are rounded up";
    MAX_ITERATIONS: "max-iterations", Kind::Whole, "Most Newton steps";
}

/// All analyses.
pub const ANALYSES: [Analysis; 10] = [
    Analysis {
        name: "table1",
        task: "table1",
        version: 1,
        about: "Table 1: every column described, by group",
        needs: &[&COLUMNS],
        takes: &[&BY],
    },
    Analysis {
        name: "km",
        task: "km",
        version: 1,
        about: "Kaplan-Meier curves, with the log-rank test between groups",
        needs: &[&TIME, &EVENT, &GRID],
        takes: &[&BY, &CAUSE, &TEST_STRATA, &ENTRY, &TAU],
    },
    Analysis {
        name: "logrank",
        task: "km",
        version: 1,
        about: "The log-rank test between groups",
        needs: &[&TIME, &EVENT, &BY, &GRID],
        takes: &[&TEST_STRATA],
    },
    Analysis {
        name: "cox",
        task: "cox",
        version: 1,
        about: "Cox proportional hazards: hazard ratios",
        needs: &[&TIME, &EVENT, &COVARIATES],
        takes: &[&CAUSE, &ENTRY, &STRATA, &TIES, &GRID, &RIDGE, &LASSO, &MAX_ITERATIONS],
    },
    Analysis {
        name: "cif",
        task: "cif",
        version: 1,
        about: "Cumulative incidence with competing risks (Aalen-Johansen)",
        needs: &[&TIME, &STATES, &GRID],
        takes: &[&BY],
    },
    Analysis {
        name: "finegray",
        task: "finegray",
        version: 1,
        about: "Fine-Gray model: subdistribution hazard ratios",
        needs: &[&TIME, &STATES, &CAUSE, &COVARIATES, &GRID],
        takes: &[&MAX_ITERATIONS],
    },
    Analysis {
        name: "glm",
        task: "glm",
        version: 1,
        about: "Logistic, linear or Poisson regression",
        needs: &[&COVARIATES],
        takes: &[
            &FAMILY,
            &OUTCOME,
            &EXPOSURE,
            &TIME,
            &EVENT,
            &HORIZON,
            &RIDGE,
            &LASSO,
            &MAX_ITERATIONS,
        ],
    },
    Analysis {
        name: "gwas",
        task: "scan",
        version: 1,
        about: "Association scan: a score test for every variant",
        needs: &[&OUTCOME, &VARIANTS],
        takes: &[&COVARIATES, &MAX_ITERATIONS],
    },
    Analysis {
        name: "pca",
        task: "pca",
        version: 1,
        about: "Principal components",
        needs: &[&COLUMNS],
        takes: &[&COMPONENTS, &SCALE],
    },
    Analysis {
        name: "meta",
        task: "meta",
        version: 1,
        about: "Random-effects meta-analysis of each hospital's own model",
        needs: &[&MODEL, &COVARIATES],
        takes: &[&TERM, &TIME, &EVENT, &OUTCOME, &HORIZON, &TIES],
    },
];

impl Analysis {
    /// All options, the needed ones first.
    pub fn parameters(&self) -> impl Iterator<Item = &'static Parameter> + use<> {
        self.needs.iter().chain(self.takes).copied()
    }

    /// Whether times stand on a public grid.
    #[must_use]
    pub fn takes_grid(&self) -> bool {
        self.parameters().any(|parameter| parameter.kind == Kind::Grid)
    }
}

impl Parameter {
    /// Name of the task's parameter.
    #[must_use]
    pub fn key(&self) -> String {
        self.name.replace('-', "_")
    }
}
