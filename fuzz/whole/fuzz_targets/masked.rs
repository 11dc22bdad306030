#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| haima_fuzz::run("masked", bytes));
