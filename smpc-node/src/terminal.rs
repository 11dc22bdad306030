//! Standard output and standard error of a command line whose reader may go away at any time
//! (`| head`): what nobody reads is not written, and the command goes on to its end. The macros of this
//! name in the standard library panic there.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

static FAILED: AtomicBool = AtomicBool::new(false);

/// Prints to standard output. A fault other than a reader who has gone, as a full disk, is told once
/// and makes [`failed`] true.
pub fn out(text: Arguments<'_>, end: &str) {
    if let Err(error) = write(&mut io::stdout().lock(), text, end)
        && !FAILED.swap(true, Ordering::Relaxed)
    {
        err(format_args!("standard output: {error}"), "\n");
    }
}

/// Prints to standard error, whose faults can be told to nobody.
pub fn err(text: Arguments<'_>, end: &str) {
    let _ = write(&mut io::stderr().lock(), text, end);
}

/// Whether something could not be printed, so that the command has to end as one that failed.
#[must_use]
pub fn failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

fn write(to: &mut impl Write, text: Arguments<'_>, end: &str) -> io::Result<()> {
    match to.write_fmt(text).and_then(|()| to.write_all(end.as_bytes())) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints to standard output.
macro_rules! print {
    ($($text:tt)*) => { $crate::terminal::out(format_args!($($text)*), "") };
}

/// Prints a line to standard output.
macro_rules! println {
    () => { $crate::terminal::out(format_args!(""), "\n") };
    ($($text:tt)*) => { $crate::terminal::out(format_args!($($text)*), "\n") };
}

/// Prints a line to standard error.
macro_rules! eprintln {
    ($($text:tt)*) => { $crate::terminal::err(format_args!($($text)*), "\n") };
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_has_gone_is_no_fault_and_a_full_disk_is_one() {
        let to = |kind| write(&mut Broken(kind), format_args!("a"), "\n");
        assert!(to(ErrorKind::BrokenPipe).is_ok());
        assert_eq!(to(ErrorKind::StorageFull).map_err(|e| e.kind()), Err(ErrorKind::StorageFull));
        let mut all = Vec::new();
        write(&mut all, format_args!("{} of {}", 1, 2), "\n").unwrap();
        assert_eq!(all, b"1 of 2\n");
    }
}
