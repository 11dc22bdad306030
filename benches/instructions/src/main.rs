//! One hot path of haima-crypto or haima-dp, for `benches/instructions.sh` to count.
//!
//!     haima-instructions list           the names of all paths
//!     haima-instructions NAME           prepares, warms up, and runs the path some times
//!     haima-instructions NAME planted   the same and once more: what a slower path would do
//!
//! Callgrind counts inside [`haima_measured_path`] alone. Seeds are fixed, so that every run does
//! the same. Not here: ghost clipping, which would build a whole tensor library, and whatever waits
//! for disks and networks; their times are in `benches/README.md`.

mod parties;
mod privacy;
mod vectors;

use std::hint::black_box;
use std::process::ExitCode;

/// A path that has been prepared.
struct Ready {
    /// How often it is run.
    times: u32,
    run: Box<dyn FnMut()>,
}

impl Ready {
    fn new(times: u32, run: impl FnMut() + 'static) -> Self {
        Self { times, run: Box::new(run) }
    }
}

/// A path by its name in instructions.txt.
type Path = (&'static str, fn() -> Ready);

const PATHS: &[Path] = &[
    ("xof_aes", vectors::xof_aes),
    ("xof_turboshake", vectors::xof_turboshake),
    ("share_split", vectors::share_split),
    ("share_sum", vectors::share_sum),
    ("checks", vectors::checks),
    ("transform", vectors::transform),
    ("pine_shard", vectors::pine_shard),
    ("pine_prep_leader", vectors::pine_prep_leader),
    ("pine_prep_helper", vectors::pine_prep_helper),
    ("shamir_share", parties::shamir_share),
    ("shamir_reconstruct", parties::shamir_reconstruct),
    ("mask_aes", parties::mask_aes),
    ("mask_chacha", parties::mask_chacha),
    ("mask_sum", parties::mask_sum),
    ("masked_round", parties::masked_round),
    ("seal", parties::seal),
    ("open", parties::open),
    ("noise_gaussian", privacy::noise_gaussian),
    ("noise_laplace", privacy::noise_laplace),
    ("sample", privacy::sample),
    ("clipped_sum", privacy::clipped_sum),
    ("renyi", privacy::renyi),
    ("privacy_loss", privacy::privacy_loss),
    ("calibrate", privacy::calibrate),
];

/// What is counted. `instructions.sh` finds it by its name.
#[inline(never)]
fn haima_measured_path(times: u32, run: &mut dyn FnMut()) {
    for _ in 0..times {
        run();
    }
    // After the last call, so that it is a call and no jump out of here.
    black_box(times);
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, more) = match arguments[..] {
        ["list"] => {
            PATHS.iter().for_each(|(name, _)| println!("{name}"));
            return ExitCode::SUCCESS;
        }
        [name] => (name, 0),
        [name, "planted"] => (name, 1),
        _ => {
            eprintln!("haima-instructions list | NAME [planted]");
            return ExitCode::from(2);
        }
    };
    let Some((_, path)) = PATHS.iter().find(|(known, _)| *known == name) else {
        eprintln!("no path {name}");
        return ExitCode::from(2);
    };
    let Ready { times, mut run } = path();
    // What is detected and set up at the first call is not counted.
    run();
    haima_measured_path(times + more, &mut *run);
    ExitCode::SUCCESS
}
