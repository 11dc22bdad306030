//! Runs one case: a shipped function of haima-crypto or haima-dp on secrets, or a leaky twin.
//!
//!     valgrind --error-exitcode=99 ct CASE     99: a branch or an address depends on a secret
//!     ct list                                  the names of all cases
//!     ... ct CASE --unmarked                   the same with nothing marked secret
//!
//! A case marks its secrets, calls the function, makes its outputs public and compares them with
//! what they should be: so that what is checked is a call that did its work, and that no case is
//! clean because it does nothing. What is made public is what the protocol tells, or what the case
//! compares. A failed comparison ends the process with 101.
//!
//! Not shown: other paths than the one taken, other compilers, instructions whose time depends on
//! their operands, caches and speculation beyond branches and addresses. See README.md.

mod fields;
mod leaky;
mod masks;
mod noise;
mod pine;
mod rounds;
mod sealing;
mod seeds;
mod sharing;
mod threshold;

use std::process::ExitCode;

use haima_proofs_ct::memcheck;

/// A case by its name in expected.txt.
type Case = (&'static str, fn());

const CASES: &[Case] = &[
    ("field32", fields::field32),
    ("field40", fields::field40),
    ("field64", fields::field64),
    ("field128", fields::field128),
    ("field_integers", fields::integers),
    ("field_transforms", fields::transforms),
    ("field_ternary", fields::ternary),
    ("seed_equality", seeds::equality),
    ("seed_derivation", seeds::derivation),
    ("xof_aes", seeds::aes),
    ("xof_turboshake", seeds::turboshake),
    ("share_field64", sharing::field64),
    ("share_field128", sharing::field128),
    ("share_combine", sharing::combining),
    ("shamir_vector", threshold::vector),
    ("shamir_seed", threshold::seed),
    ("shamir_bytes", threshold::bytes),
    ("shamir_recover", threshold::recovering),
    ("reshare", threshold::resharing),
    ("vss_share", threshold::verifiable),
    ("mask_aes", masks::aes),
    ("mask_chacha", masks::chacha),
    ("mask_round", masks::round),
    ("mask_site", rounds::site),
    ("mask_sum", rounds::sum),
    ("mask_spare", rounds::spare),
    ("epoch_keys", rounds::epoch),
    ("seal", sealing::seal),
    ("open", sealing::open),
    ("chunk", sealing::chunk),
    ("sign", sealing::sign),
    ("pine_shard64", pine::shard64),
    ("pine_shard128", pine::shard128),
    ("pine_prep_leader", pine::prep_leader),
    ("pine_prep_helper", pine::prep_helper),
    ("noise_gaussian", noise::gaussian),
    ("noise_laplace", noise::laplace),
    ("noise_added", noise::added),
    ("poisson_sample", noise::sample),
    ("leaky_compare", leaky::compare),
    ("leaky_compare_array", leaky::compare_array),
    ("leaky_equality", leaky::equality),
    ("leaky_tag", leaky::tag),
    ("leaky_subtract", leaky::subtract),
    ("leaky_sign", leaky::sign),
    ("leaky_power", leaky::power),
    ("leaky_table", leaky::table),
    ("leaky_share", leaky::share),
    ("leaky_shamir", leaky::shamir),
    ("leaky_subkeys", leaky::subkeys),
    ("leaky_take", leaky::take),
    ("leaky_noise", leaky::noise),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (name, unmarked) = match arguments[..] {
        ["list"] => {
            CASES.iter().for_each(|(name, _)| println!("{name}"));
            return ExitCode::SUCCESS;
        }
        [name] => (name, false),
        [name, "--unmarked"] => (name, true),
        _ => {
            eprintln!("ct CASE [--unmarked] | ct list");
            return ExitCode::from(2);
        }
    };
    let Some((_, case)) = CASES.iter().find(|(known, _)| *known == name) else {
        eprintln!("no case {name}");
        return ExitCode::from(2);
    };
    if !memcheck::running() && !cfg!(miri) {
        eprintln!("not under valgrind: nothing is checked");
        return ExitCode::from(2);
    }
    if unmarked {
        memcheck::mark_nothing();
    }
    case();
    ExitCode::SUCCESS
}
