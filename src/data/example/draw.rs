//! Pseudo-random numbers for made-up rows: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), whose
//! stream a seed fixes for good, whatever version of whatever crate. Nothing secret rests on it.

/// A stream of numbers.
pub(super) struct Draw(u64);

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform from 0, below 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// About normal: the sum of twelve uniform numbers, which is the same on every machine.
    pub(super) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.unit()).sum();
        mean + deviation * (sum - 6.0)
    }

    /// A waiting time with a median, by Weibull's law: with a shape below 1 many come early.
    pub(super) fn time(&mut self, median: f64, shape: f64) -> f64 {
        let log = -(1.0 - self.unit()).ln();
        median * (log / std::f64::consts::LN_2).powf(1.0 / shape)
    }

    /// A count with a mean of at most 50, by Poisson's law.
    pub(super) fn count(&mut self, mean: f64) -> u32 {
        let limit = (-mean.clamp(0.0, 50.0)).exp();
        let (mut count, mut product) = (0, self.unit());
        while product > limit && count < 1000 {
            count += 1;
            product *= self.unit();
        }
        count
    }

    /// One of several by their weights; the last where rounding leaves something.
    pub(super) fn one<'a, T>(&mut self, of: &'a [T], weight: impl Fn(&T) -> f64) -> Option<&'a T> {
        let all: f64 = of.iter().map(&weight).sum();
        let mut left = all * self.unit();
        for one in of {
            left -= weight(one);
            if left < 0.0 {
                return Some(one);
            }
        }
        of.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_that_of_the_paper_for_good() {
        let mut draw = Draw::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([draw.next(), draw.next()], expected);
    }

    #[test]
    fn draws_have_their_means() {
        let mut draw = Draw::new(1);
        let mean = |mut of: Box<dyn FnMut() -> f64>| (0..20_000).map(|_| of()).sum::<f64>() / 2e4;
        let mut other = Draw::new(2);
        let mut third = Draw::new(3);
        assert!((mean(Box::new(move || draw.normal(5.0, 2.0))) - 5.0).abs() < 0.1);
        assert!((mean(Box::new(move || f64::from(other.count(3.0)))) - 3.0).abs() < 0.1);
        let below = mean(Box::new(move || f64::from(u8::from(third.time(100.0, 0.8) < 100.0))));
        assert!((below - 0.5).abs() < 0.02, "{below}");
    }
}
