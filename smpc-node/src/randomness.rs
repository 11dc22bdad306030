//! Where all randomness comes from that anybody's secrecy rests on (rule N4).

use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;

/// The operating system's randomness, asked anew at each draw: there is no state in this process
/// that could be copied by a fork, seeded, or read later.
///
/// # Panics
/// A draw panics where the operating system has none to give.
pub fn system() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    #[test]
    fn no_two_draws_are_alike() {
        let [one, other] = [(); 2].map(|()| {
            let mut bytes = [0; 32];
            super::system().fill_bytes(&mut bytes);
            bytes
        });
        assert_ne!(one, other);
        assert_ne!(one, [0; 32]);
    }
}
