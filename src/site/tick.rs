//! Rule S5: when a contribution is sent tells as little as may be of how long it took to compute.

use std::time::{Duration, Instant};

/// Waits for the next multiple of the tick after the notice of a round was heard.
pub(super) async fn wait_for_tick(heard: Instant, tick_ms: u32) {
    let at = heard + next(heard.elapsed(), tick_ms);
    tokio::time::sleep_until(at.into()).await;
}

/// The next multiple of the tick, from the notice on, when so much time has passed since it.
fn next(elapsed: Duration, tick_ms: u32) -> Duration {
    let tick = u128::from(tick_ms.max(1));
    let next = (elapsed.as_millis() / tick + 1) * tick;
    Duration::from_millis(u64::try_from(next).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S5: what takes any part of a tick is sent at its end, and never before it.
    #[test]
    fn the_moment_is_the_same_for_all_work_within_one_tick() {
        let after = |millis: u64| next(Duration::from_millis(millis), 250).as_millis();
        for took in [0, 1, 100, 249] {
            assert_eq!(after(took), 250, "{took} ms");
        }
        for took in [250, 251, 499] {
            assert_eq!(after(took), 500, "{took} ms");
        }
        assert_eq!(next(Duration::from_micros(249_999), 250).as_millis(), 250);
        assert_eq!(next(Duration::from_millis(7), 0).as_millis(), 8, "no tick of nothing");
    }

    /// S5: whoever is done earlier waits longer.
    #[tokio::test]
    async fn nobody_sends_before_the_tick() {
        let heard = Instant::now();
        let sent = |took: u64| async move {
            tokio::time::sleep(Duration::from_millis(took)).await;
            wait_for_tick(heard, 400).await;
            heard.elapsed()
        };
        let (first, second, third) = tokio::join!(sent(0), sent(60), sent(120));
        for sent in [first, second, third] {
            assert!(sent >= Duration::from_millis(400), "{sent:?}");
        }
    }
}
