//! Masked aggregation: sums over one untrusted coordinator (Bonawitz et al., CCS 2017; Bell et al.,
//! CCS 2020).

pub mod graph;
pub mod mask;
