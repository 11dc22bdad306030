//! From packets, bundles, variant files and radiomics to a table of patients, and from a table to
//! packets. What `haima convert` runs, on the machine of the hospital; nothing is sent.
//!
//! | module | what it is for |
//! |---|---|
//! | `mapping` | the mapping file: which columns, and where each stands |
//! | `record` | what is known of one patient, in whichever form it came |
//! | `phenopackets` | GA4GH Phenopackets to records, and rows to packets |
//! | `fhir` | FHIR R4 bundles to records |
//! | `value` | a column's cell of a record |
//! | `vcf` | variant files to flags and counts by gene |
//! | `radiomics` | exports of image features to a table with the scanner of each patient |
//! | `table` | the table as it grows |
//! | `quotes` | quotes of a table that is read, as strict as intake |
//! | `back` | a table to a folder of packets |
//!
//! One mapping serves packets and bundles alike: both become records, and columns are read from
//! those. Dates stay behind: a table has the days between two of them. What cannot be read is told
//! with file, place and what to do, and then nothing is written.

mod back;
mod fault;
mod fhir;
mod files;
mod json;
pub(crate) mod mapping;
pub(crate) mod phenopackets;
mod quotes;
mod radiomics;
mod record;
mod systems;
mod table;
mod time;
mod value;
mod vcf;

pub use back::{Written, write_packets};
pub use fhir::table as of_fhir;
pub use mapping::Mapping;
pub use phenopackets::table as of_phenopackets;
pub use radiomics::{Asked, Only, Radiomics, table as of_radiomics};
pub use table::{Filled, Table};
pub use vcf::table as of_variants;
