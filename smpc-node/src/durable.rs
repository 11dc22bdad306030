//! Durable writes, by name: each is counted, and with the feature `failpoints` lies between two points
//! at which a test may end the process ([`crate::crash`]).

#[cfg(feature = "failpoints")]
use crate::crash;

/// Counts durable writes.
#[cfg(feature = "server")]
pub(crate) const DURABLE_WRITES: &str = "haima_durable_writes_total";

/// A durable write.
///
/// # Errors
/// As the write.
#[cfg_attr(not(feature = "failpoints"), allow(unused_variables, reason = "the name of a point"))]
pub async fn write<T>(name: &'static str, write: impl Future<Output = T>) -> T {
    #[cfg(feature = "failpoints")]
    crash::at(&format!("{name}.before"));
    let done = write.await;
    #[cfg(feature = "failpoints")]
    crash::at(&format!("{name}.after"));
    #[cfg(feature = "server")]
    metrics::counter!(DURABLE_WRITES).increment(1);
    done
}

/// The same of a write that blocks.
#[cfg_attr(not(feature = "failpoints"), allow(unused_variables, reason = "the name of a point"))]
pub fn write_now<T>(name: &'static str, write: impl FnOnce() -> T) -> T {
    #[cfg(feature = "failpoints")]
    crash::at(&format!("{name}.before"));
    let done = write();
    #[cfg(feature = "failpoints")]
    crash::at(&format!("{name}.after"));
    #[cfg(feature = "server")]
    metrics::counter!(DURABLE_WRITES).increment(1);
    done
}
