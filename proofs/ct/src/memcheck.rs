//! Valgrind's client requests by hand: no C compiler, no crate. On a bare processor each is a no-op
//! (rotations by whole turns and an exchange of a register with itself); under memcheck it marks
//! memory as secret or public.
//!
//! *Secret* is memcheck's "undefined": it follows such bits through every instruction, and reports a
//! branch, an address or a system call that depends on one. It does not follow what a branch decides:
//! a constant that is stored on one side of a secret branch is public to it, so each branch is
//! reported where it is taken and once.
//!
//! The trap: to mark `&x` is not enough. The optimiser goes on with the copy that it has in a
//! register, memcheck sees a public value and reports nothing, and every case looks clean. So all of
//! these functions read the memory again by `read_volatile` after the request, and hand back what
//! they read.

#[cfg(not(miri))]
use core::arch::asm;
use core::hint::black_box;
use core::ptr::read_volatile;
use std::sync::atomic::{AtomicBool, Ordering};

/// `VG_USERREQ__RUNNING_ON_VALGRIND` of valgrind.h.
const RUNNING: usize = 0x1001;
/// `VG_USERREQ_TOOL_BASE('M', 'C')` of memcheck.h.
const MEMCHECK: usize = 0x4d43_0000;
const MAKE_UNDEFINED: usize = MEMCHECK + 1;
const MAKE_DEFINED: usize = MEMCHECK + 2;

static UNMARKED: AtomicBool = AtomicBool::new(false);

/// Miri, which runs the same cases (`proofs/miri`), has no valgrind below it and knows no assembly.
#[cfg(miri)]
fn request(_: usize, _: usize, _: usize) -> usize {
    0
}

#[cfg(not(miri))]
#[inline(never)]
fn request(code: usize, address: usize, len: usize) -> usize {
    let arguments = [code, address, len, 0, 0, 0];
    let mut answer = 0;
    // SAFETY: the sequence of valgrind.h for amd64. It rotates rdi by a whole turn in four steps and
    // exchanges rbx with itself, so it changes no register but rdx, which is declared. Memory at
    // `address` is not changed, only what memcheck thinks of it.
    unsafe {
        asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            in("rax") arguments.as_ptr(),
            inout("rdx") answer,
            options(nostack),
        );
    }
    answer
}

/// Whether this process runs under valgrind. Otherwise nothing is checked.
#[must_use]
pub fn running() -> bool {
    request(RUNNING, 0, 0) != 0
}

/// From here on nothing is marked secret: the control that reports come from the marks.
pub fn mark_nothing() {
    UNMARKED.store(true, Ordering::Relaxed);
}

fn mark<T: Copy>(code: usize, mut value: T) -> T {
    if !UNMARKED.load(Ordering::Relaxed) {
        request(code, &raw mut value as usize, size_of::<T>());
    }
    // SAFETY: `value` is a live local. Volatile, so that what is handed back is the marked memory.
    unsafe { read_volatile(&raw const value) }
}

fn mark_slice<T: Copy>(code: usize, values: &mut [T]) {
    if !UNMARKED.load(Ordering::Relaxed) {
        request(code, black_box(values.as_mut_ptr()) as usize, size_of_val(values));
    }
    for value in values {
        // SAFETY: a reference to a live element. Volatile for the same reason.
        *value = unsafe { read_volatile(&raw const *value) };
    }
}

/// The value as a secret.
pub fn secret<T: Copy>(value: T) -> T {
    mark(MAKE_UNDEFINED, value)
}

/// Makes a secret of what the slice holds.
pub fn make_secret<T: Copy>(values: &mut [T]) {
    mark_slice(MAKE_UNDEFINED, values);
}

/// The values as secrets.
pub fn secrets<T: Copy>(values: &[T]) -> Vec<T> {
    let mut copy = values.to_vec();
    make_secret(&mut copy);
    copy
}

/// The value as public again: what the protocol reveals, or what a case compares with.
pub fn public<T: Copy>(value: T) -> T {
    mark(MAKE_DEFINED, value)
}

/// A copy of the values as public.
pub fn publics<T: Copy>(values: &[T]) -> Vec<T> {
    let mut copy = values.to_vec();
    mark_slice(MAKE_DEFINED, &mut copy);
    copy
}
