//! `print!` and its like for this crate: those of the standard library panic where whoever reads the
//! output has gone (`haima predict ... | head`).
#![allow(unused_macros, reason = "without the demo not all of them have a use")]

/// Prints to standard output.
macro_rules! print {
    ($($text:tt)*) => { haima_smpc_node::terminal::out(format_args!($($text)*), "") };
}

/// Prints a line to standard output.
macro_rules! println {
    () => { haima_smpc_node::terminal::out(format_args!(""), "\n") };
    ($($text:tt)*) => { haima_smpc_node::terminal::out(format_args!($($text)*), "\n") };
}

/// Prints to standard error.
macro_rules! eprint {
    ($($text:tt)*) => { haima_smpc_node::terminal::err(format_args!($($text)*), "") };
}

/// Prints a line to standard error.
macro_rules! eprintln {
    () => { haima_smpc_node::terminal::err(format_args!(""), "\n") };
    ($($text:tt)*) => { haima_smpc_node::terminal::err(format_args!($($text)*), "\n") };
}
