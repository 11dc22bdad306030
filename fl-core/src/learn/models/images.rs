//! A convolutional network of the pixels of an image, or of the feature maps of a scan.
//!
//! Pixels are columns of the schema, channel by channel and row by row: `columns = ["px_*"]` takes
//! them in the schema's order. They are standardised as any column is; a pixel with a public range
//! goes to [-1, 1].

use serde::Deserialize;

use super::Context;
use super::tabular::{Columns, Target, check_hidden, known_keys};
use crate::error::Error;
use crate::learn::bodies::conv::{Convolutional, Image};
use crate::learn::model::{Model, Supervised};
use crate::tasks::layout::{params, refuse};

const MOST_STAGES: usize = 6;
const MOST_FILTERS: usize = 128;
const LARGEST_KERNEL: usize = 9;

/// An image and the convolutions over it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Pixels {
    /// Channels of an image.
    #[serde(default = "one")]
    channels: usize,
    /// Height in pixels.
    height: usize,
    /// Width in pixels.
    width: usize,
    /// Channels after each convolution.
    #[serde(default = "filters")]
    filters: Vec<usize>,
    /// Side of the kernel, odd.
    #[serde(default = "kernel")]
    kernel: usize,
}

/// Parameters of `cnn`; all public.
#[derive(Clone, Debug, Deserialize)]
struct Params {
    #[serde(flatten)]
    columns: Columns,
    #[serde(flatten)]
    target: Target,
    #[serde(flatten)]
    pixels: Pixels,
    /// Widths of the fully connected layers before the outcome.
    #[serde(default = "hidden")]
    hidden: Vec<usize>,
}

fn one() -> usize {
    1
}
fn filters() -> Vec<usize> {
    vec![8, 16]
}
fn kernel() -> usize {
    3
}
fn hidden() -> Vec<usize> {
    vec![32]
}

const KEYS: &[&str] = &[
    "columns",
    "log1p",
    "missing",
    "prepared",
    "impute",
    "harmonised",
    "outcome",
    "time",
    "event",
    "horizon",
    "cuts",
    "form",
    "baseline_scale",
    "baseline_hazard",
    "channels",
    "height",
    "width",
    "filters",
    "kernel",
    "hidden",
];

/// The model `cnn`.
pub(super) fn cnn(table: &toml::Table, context: &Context<'_>) -> Result<Box<dyn Model>, Error> {
    let task = context.task;
    known_keys(task, table, KEYS)?;
    let params: Params = params(task, table)?;
    check_hidden(task, &params.hidden)?;
    let inputs = params.columns.inputs(context)?;
    params.target.apart_from(task, &inputs)?;
    let outcome = params.target.any(context)?;
    let bias = outcome.parameters() == 0;
    let body = params.pixels.body(task, inputs.width(), &params.hidden, outcome.scores(), bias)?;
    Ok(Box::new(Supervised { inputs, body: Box::new(body), outcome }))
}

impl Pixels {
    /// The network of images of `inputs` pixels.
    pub(super) fn body(
        &self,
        task: &str,
        inputs: usize,
        hidden: &[usize],
        outputs: usize,
        bias: bool,
    ) -> Result<Convolutional, Error> {
        let Self { channels, height, width, ref filters, kernel } = *self;
        let stages = (1..=MOST_STAGES).contains(&filters.len());
        if !stages || !filters.iter().all(|number| (1..=MOST_FILTERS).contains(number)) {
            let reason =
                format!("`filters` has 1 to {MOST_STAGES} numbers, each of 1 to {MOST_FILTERS}");
            return Err(refuse(task, reason));
        }
        if kernel > LARGEST_KERNEL {
            return Err(refuse(task, format!("`kernel` must be odd and at most {LARGEST_KERNEL}")));
        }
        let pixels = channels.checked_mul(height).and_then(|product| product.checked_mul(width));
        if pixels != Some(inputs) {
            let reason = format!(
                "{inputs} columns are not the pixels of {channels} x {height} x {width} (channels, \
                 height, width)"
            );
            return Err(refuse(task, reason));
        }
        let image = Image { channels, height, width };
        Convolutional::new(image, filters, kernel, hidden, outputs, bias).ok_or_else(|| {
            let reason =
                "`kernel` must be odd, and every one of `filters` halves the image: use fewer";
            refuse(task, reason)
        })
    }
}
