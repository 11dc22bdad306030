//! One loop, on one thread or on rayon's (feature `rayon`). Results do not depend on which: every
//! task has its own accumulator, and field sums are exact.

/// How many tasks are worth making.
pub(crate) fn width() -> usize {
    #[cfg(feature = "rayon")]
    return rayon::current_num_threads().max(1);
    #[cfg(not(feature = "rayon"))]
    return 1;
}

/// The results of `task` on 0, 1, ... `count` - 1, in order.
pub(crate) fn map<T: Send>(count: usize, task: impl Fn(usize) -> T + Sync + Send) -> Vec<T> {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        (0..count).into_par_iter().map(task).collect()
    }
    #[cfg(not(feature = "rayon"))]
    (0..count).map(task).collect()
}

/// Runs `task` on every item.
pub(crate) fn for_each<T: Send>(items: &mut [T], task: impl Fn(&mut T) + Sync + Send) {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        items.par_iter_mut().for_each(task);
    }
    #[cfg(not(feature = "rayon"))]
    items.iter_mut().for_each(task);
}
