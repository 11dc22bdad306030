//! What is left in memory of a secret whose type has been dropped.
//!
//!     zeroise list             the names of all cases
//!     zeroise needle CASE      16 bytes or more of the case's secret, masked, in hexadecimal
//!     zeroise scan CASE MASKED `ALIVE HEAP STACK`: places with these bytes outside the stack before
//!                              the drop, outside it afterwards, and on it afterwards
//!
//! Two processes a case: the one that scans is told its needle masked, and compares under the mask,
//! so that it holds the plain bytes only where the case puts them. Its allocator gives nothing back:
//! what a dropped type left on the heap stays as it was left, and is found wherever it is, also where
//! a growing or moving container had it before. Every readable and writable part of memory is
//! scanned.
//!
//! Each case takes care of what it makes itself (its own buffers are wiped), and runs deep down the
//! stack, so that scanning does not overwrite what it left there.
//!
//! Not shown: registers, what is swapped out or dumped, the kernel's and the file system's copies;
//! and copies on the stack are counted but mostly not judged, since Rust leaves them there: every
//! move is one.

mod cases;
mod memory;

use std::hint::black_box;
use std::process::ExitCode;

use cases::{CASES, Case};
use memory::{KEY, count};

/// Below the frames of the scan by this many KiB.
const DEPTH: usize = 128;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let find = |name: &str| CASES.iter().find(|case| case.name == name);
    match arguments[..] {
        ["list"] => CASES.iter().for_each(|case| println!("{}", case.name)),
        ["needle", name] => {
            let Some(case) = find(name) else { return usage() };
            let needle = (case.needle)();
            assert!(needle.len() >= 16, "a needle that is found by chance");
            let masked = needle.iter().map(|byte| format!("{:02x}", byte ^ KEY));
            println!("{}", masked.collect::<String>());
        }
        ["scan", name, masked] => {
            let (Some(case), Some(masked)) = (find(name), unhex(masked)) else { return usage() };
            let (alive, after) = scan(case, &masked);
            println!("{alive} {} {}", after.heap, after.stack);
        }
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("zeroise list | zeroise needle CASE | zeroise scan CASE MASKED");
    ExitCode::from(2)
}

fn scan(case: &Case, masked: &[u8]) -> (usize, memory::Found) {
    let mut alive = 0;
    let value = deep(DEPTH, case.make);
    if let Some(value) = value {
        alive = count(masked).heap;
        deep(DEPTH, move || drop(value));
    }
    (alive, count(masked))
}

/// Calls a function so many KiB further down the stack.
#[inline(never)]
fn deep<R>(kibibytes: usize, call: impl FnOnce() -> R) -> R {
    let padding = black_box([0_u8; 1024]);
    let result = if kibibytes == 0 { call() } else { deep_boxed(kibibytes - 1, Box::new(call)) };
    black_box(&padding);
    result
}

/// The same behind a pointer, so that the recursion is one function.
#[inline(never)]
fn deep_boxed<'a, R>(kibibytes: usize, call: Box<dyn FnOnce() -> R + 'a>) -> R {
    let padding = black_box([0_u8; 1024]);
    let result = if kibibytes == 0 { call() } else { deep_boxed(kibibytes - 1, call) };
    black_box(&padding);
    result
}

/// Bytes from hexadecimal.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}
