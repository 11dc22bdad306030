//! Where networks are computed: the processor, or with the cargo features `wgpu` and `cuda` a
//! graphics processor, where the environment variable `HAIMA_DEVICE` names one (`cpu`, `wgpu`,
//! `cuda`) and the machine has it. A machine that has none goes on with its processor, and
//! [`fallback`] says why; a built-in feature alone changes nothing.
//!
//! Only a site's own gradients are computed here, so hospitals need not have the same device. Kernels
//! of a graphics processor choose their own order of additions: how patients may be packed is probed
//! on the device that is used ([`super::packing::Packing::probe`]), once in a run.

use std::sync::OnceLock;

use burn::tensor::Device;

/// Environment variable that names the device.
pub const VARIABLE: &str = "HAIMA_DEVICE";

static CHOSEN: OnceLock<(Device, Option<String>)> = OnceLock::new();

fn chosen() -> &'static (Device, Option<String>) {
    CHOSEN.get_or_init(|| {
        let name = std::env::var(VARIABLE).unwrap_or_default();
        match open(&name) {
            Ok(device) => (device, None),
            Err(reason) => (
                Device::flex(),
                Some(format!("{VARIABLE}={name}: {reason}; networks run on the CPU")),
            ),
        }
    })
}

/// The device of all passes of this process.
#[must_use]
pub fn device() -> Device {
    chosen().0.clone()
}

/// Why the device that the environment names is not used, for the site's own log.
#[must_use]
pub fn fallback() -> Option<&'static str> {
    chosen().1.as_deref()
}

/// The device of a name.
fn open(name: &str) -> Result<Device, String> {
    match name {
        "" | "cpu" => Ok(Device::flex()),
        #[cfg(feature = "wgpu")]
        "wgpu" => works(|| Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
        #[cfg(feature = "cuda")]
        "cuda" => works(|| Device::cuda(burn::tensor::DeviceIndex::Default)),
        #[cfg(not(feature = "wgpu"))]
        "wgpu" => Err("built without the cargo feature `wgpu`".into()),
        #[cfg(not(feature = "cuda"))]
        "cuda" => Err("built without the cargo feature `cuda`".into()),
        _ => Err("no such device; there are cpu, wgpu and cuda".into()),
    }
}

/// A device that adds two numbers. A driver that is missing shows in a panic of burn's, at the first
/// use and not before.
#[cfg(any(feature = "wgpu", feature = "cuda"))]
fn works(open: impl FnOnce() -> Device + std::panic::UnwindSafe) -> Result<Device, String> {
    let trial = std::panic::catch_unwind(|| {
        let device = open();
        let sum = burn::tensor::Tensor::<1>::from_floats([1.0, 2.0], &device).sum();
        sum.into_data().try_into_vec::<f32>().is_ok_and(|sum| sum == [3.0]).then_some(device)
    });
    trial.ok().flatten().ok_or_else(|| "the machine has none, or its driver does not work".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_name_networks_run_on_the_processor() {
        for name in ["", "cpu"] {
            assert!(open(name).is_ok_and(|device| device == Device::flex()));
        }
    }

    #[test]
    fn a_device_that_is_not_there_is_named_with_the_reason() {
        assert!(open("tpu").is_err_and(|reason| reason.contains("wgpu and cuda")));
        #[cfg(not(feature = "cuda"))]
        assert!(open("cuda").is_err_and(|reason| reason.contains("cargo feature `cuda`")));
    }
}
