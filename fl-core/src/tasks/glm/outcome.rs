//! What a model explains, read from a cohort in the units that the bounds are proven in.

use super::super::layout::refuse;
use super::super::newton::CAP;
use super::super::survival::{Survival, check_flag};
use super::family::Family;
use super::{NAME, Params};
use crate::cohort::Cohort;
use crate::error::Error;
use crate::schema::{Kind, Schema};

/// Room between the largest outcome and the largest mean that a Poisson query may ask about, on the
/// log scale: a mean e^10 times the largest count is no count.
const HEADROOM: f64 = 10.0;
/// Largest count that a Poisson outcome's range may name.
const MOST_COUNT: f64 = 1e6;
/// Exposures below this share of the upper end of their range count as missing.
const LEAST_EXPOSURE: f64 = 1.0 / (1u64 << 40) as f64;

/// The outcome of a model.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Flag(String),
    /// The event by a horizon: 1 with an event at or before it, 0 when followed to it or longer
    /// without one, missing when censored before it.
    By {
        survival: Survival,
        horizon: f64,
    },
    /// A number, standardised by its public range.
    Number {
        column: String,
        middle: f64,
        half_range: f64,
    },
    /// A count (a flag counts to 1) over an exposure with the upper end of its range.
    Count {
        column: String,
        most: f64,
        exposure: Option<(String, f64)>,
    },
}

/// A patient's outcome.
pub(super) struct Known {
    pub(super) y: f64,
    pub(super) offset: f64,
    /// Whether it counts as an event.
    pub(super) event: bool,
}

impl Outcome {
    pub(super) fn new(params: &Params, schema: &Schema) -> Result<Self, Error> {
        let by = (&params.time, &params.event, params.horizon);
        let column = match (&params.outcome, by) {
            (Some(column), (None, None, None)) => column.clone(),
            (None, (Some(time), Some(event), Some(horizon)))
                if params.family == Family::Logistic && params.exposure.is_none() =>
            {
                let survival = Survival::new(NAME, schema, time, event)?;
                if !(horizon > 0.0 && horizon < survival.max_time) {
                    let reason = format!("`horizon` must lie within the range of `{time}`");
                    return Err(refuse(NAME, reason));
                }
                return Ok(Self::By { survival, horizon });
            }
            _ => {
                let reason = "give `outcome`, or for a logistic model all of `time`, `event` and \
                              `horizon`";
                return Err(refuse(NAME, reason));
            }
        };
        let exposure = params.exposure.as_ref();
        if exposure.is_some() && params.family != Family::Poisson {
            return Err(refuse(NAME, "`exposure` belongs to `family = \"poisson\"`"));
        }
        let kind = &schema.column(&column)?.kind;
        match (params.family, kind) {
            (Family::Logistic, _) => {
                check_flag(NAME, schema, &column)?;
                Ok(Self::Flag(column))
            }
            (Family::Linear, Kind::Numeric { range: (low, high), .. }) => {
                let half_range = (high - low) / 2.0;
                Ok(Self::Number { column, middle: low + half_range, half_range })
            }
            (Family::Linear, _) => {
                Err(refuse(NAME, format!("`{column}` must be a numeric column")))
            }
            (Family::Poisson, kind) => {
                let most = match kind {
                    Kind::Flag => 1.0,
                    Kind::Numeric { range: (low, high), .. }
                        if *low >= 0.0 && *high <= MOST_COUNT =>
                    {
                        *high
                    }
                    _ => {
                        let reason = format!(
                            "`{column}` must be a flag, or a numeric column whose range lies \
                             within 0 and {MOST_COUNT}"
                        );
                        return Err(refuse(NAME, reason));
                    }
                };
                let exposure = exposure.map(|name| positive(schema, name)).transpose()?;
                Ok(Self::Count { column, most, exposure })
            }
        }
    }

    /// Whether a column is the outcome or a part of it.
    pub(super) fn uses(&self, name: &str) -> bool {
        match self {
            Self::Flag(column) | Self::Number { column, .. } | Self::Count { column, .. } => {
                column == name
            }
            Self::By { survival, .. } => survival.time == name || survival.event == name,
        }
    }

    /// The model's formula, as R writes it.
    pub(super) fn formula(&self, covariates: &[String]) -> String {
        let right = covariates.join(" + ");
        match self {
            Self::Flag(column)
            | Self::Number { column, .. }
            | Self::Count { column, exposure: None, .. } => format!("{column} ~ {right}"),
            Self::By { survival, horizon } => {
                format!("({} & {} <= {horizon}) ~ {right}", survival.event, survival.time)
            }
            Self::Count { column, exposure: Some((exposure, _)), .. } => {
                format!("{column} ~ {right} + offset(log({exposure}))")
            }
        }
    }

    /// A patient's outcome; `None` when it is not known.
    pub(super) fn of(&self, cohort: &Cohort, i: usize) -> Option<Known> {
        let flag = |event: bool| Known { y: f64::from(u8::from(event)), offset: 0.0, event };
        match self {
            Self::Flag(column) => cohort.value(column, i).map(|value| flag(value > 0.5)),
            Self::By { survival, horizon } => match survival.of(cohort, i)? {
                (time, true) if time <= *horizon => Some(flag(true)),
                (time, _) if time >= *horizon => Some(flag(false)),
                _ => None,
            },
            Self::Number { column, middle, half_range } => {
                let y = ((cohort.value(column, i)? - middle) / half_range).clamp(-1.0, 1.0);
                Some(Known { y, offset: 0.0, event: false })
            }
            Self::Count { column, exposure, .. } => {
                let y = cohort.value(column, i)?;
                let offset = match exposure {
                    None => 0.0,
                    Some((exposure, most)) => {
                        let share = cohort.value(exposure, i)? / most;
                        if share < LEAST_EXPOSURE {
                            return None;
                        }
                        libm::log(share)
                    }
                };
                Some(Known { y, offset, event: y > 0.0 })
            }
        }
    }

    /// The public upper end of a count; 1 for others.
    pub(super) fn most(&self) -> f64 {
        match self {
            Self::Count { most, .. } => *most,
            _ => 1.0,
        }
    }

    /// No linear predictor that a query asks about passes this.
    pub(super) fn ceiling(&self) -> f64 {
        match self {
            Self::Count { most, .. } => libm::log(most.max(1.0)) + HEADROOM,
            _ => CAP,
        }
    }

    /// What the outcome was divided by.
    pub(super) fn scale(&self) -> f64 {
        match self {
            Self::Number { half_range, .. } => *half_range,
            _ => 1.0,
        }
    }

    /// What the intercept gains in raw units.
    pub(super) fn shift(&self) -> f64 {
        match self {
            Self::Number { middle, .. } => *middle,
            Self::Count { exposure: Some((_, most)), .. } => -libm::log(*most),
            _ => 0.0,
        }
    }
}

/// A column that holds exposures, with the upper end of its range.
fn positive(schema: &Schema, name: &str) -> Result<(String, f64), Error> {
    match &schema.column(name)?.kind {
        Kind::Numeric { range: (low, high), .. } if *low >= 0.0 => Ok((name.to_owned(), *high)),
        _ => Err(refuse(NAME, format!("`{name}` must be a numeric column from 0 upwards"))),
    }
}
