//! A public time grid. Times are rounded *up* to it, so on a grid as fine as the data's unit nothing
//! is lost.

use super::layout::refuse;
use crate::error::Error;

const MOST_INTERVALS: f64 = 1e6;
/// Share of an interval by which a time may pass an edge through rounding of `time / width`.
const EDGE: f64 = 1e-9;

/// The times `0, width, 2 width, ...` up to the public end of a time column's range.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimeGrid {
    pub(super) width: f64,
    /// Grid times, time 0 included; at least 1.
    pub(super) bins: usize,
}

impl TimeGrid {
    /// The grid of that width from 0 to `max_time`.
    pub(super) fn new(task: &str, max_time: f64, width: f64) -> Result<Self, Error> {
        if !(width > 0.0 && width.is_finite() && max_time / width <= MOST_INTERVALS) {
            return Err(refuse(
                task,
                format!("`grid` must be above 0 and give at most {MOST_INTERVALS} intervals"),
            ));
        }
        Ok(Self { width, bins: interval(max_time, width) + 1 })
    }

    /// The number of the grid time to which `time` is rounded up, below `bins`.
    pub(super) fn bin(&self, time: f64) -> usize {
        interval(time, self.width).min(self.bins - 1)
    }

    /// The grid time of that number.
    pub(super) fn time(&self, bin: usize) -> f64 {
        bin as f64 * self.width
    }
}

pub(super) fn interval(time: f64, width: f64) -> usize {
    let share = time / width;
    let nearest = share.round();
    let up =
        if (share - nearest).abs() <= EDGE * nearest.max(1.0) { nearest } else { share.ceil() };
    up as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_on_an_edge_stay_there_and_others_go_up() {
        // 0.6 / 0.2 and 1.1 / 0.1 miss the integer by one bit, to either side.
        for (time, grid, bin) in
            [(0.0, 30.0, 0), (30.0, 30.0, 1), (30.1, 30.0, 2), (0.6, 0.2, 3), (1.1, 0.1, 11)]
        {
            assert_eq!(interval(time, grid), bin, "{time} on {grid}");
        }
    }
}
