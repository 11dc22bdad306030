//! PINE test vectors: where they lie, what they hold, and which field and expansion they are for.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};

use haima_crypto::field::{Field, Field32, Field40, Field64, Field128};
use haima_crypto::pine::{Params, Pine, float};
use haima_crypto::xof::{Xof, XofHmacSha256Aes128, XofTurboShake128};
use serde_json::Value;

/// One file of vectors.
pub(crate) struct Vectors {
    pub(crate) name: String,
    pub(crate) params: Params,
    pub(crate) fraction_bits: u8,
    pub(crate) verify_key: Vec<u8>,
    pub(crate) reports: Vec<Report>,
    pub(crate) agg_shares: Vec<Vec<u8>>,
    pub(crate) agg_result: Vec<f64>,
    field: String,
}

/// One client's report in a file.
pub(crate) struct Report {
    pub(crate) values: Vec<i64>,
    pub(crate) nonce: [u8; 16],
    pub(crate) rand: Vec<u8>,
    pub(crate) public: Vec<u8>,
    pub(crate) input_shares: Vec<Vec<u8>>,
    pub(crate) prep_shares: Vec<Vec<u8>>,
    pub(crate) prep_message: Vec<u8>,
    pub(crate) out_shares: Vec<Vec<u8>>,
}

/// What a test does with vectors of whatever field and expansion.
pub(crate) trait Check {
    fn check<F: Field, X: Xof<Stream: Send> + Send>(
        &mut self,
        pine: &Pine<F, X>,
        vectors: &Vectors,
    );
}

pub(crate) fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    assert!(text.len().is_multiple_of(2));
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

fn list<T>(value: &Value, item: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(item).collect()
}

impl Vectors {
    pub(crate) fn parse(name: &str, value: &Value) -> Self {
        let number = |key: &str| usize::try_from(value[key].as_u64().expect(key)).unwrap();
        assert_eq!(value["alpha"].as_f64(), Some(haima_crypto::pine::ALPHA), "{name}: alpha");
        let fraction_bits = u8::try_from(number("num_frac_bits")).unwrap();
        let report = |report: &Value| {
            let floats = list(&report["measurement"], |x| x.as_f64().unwrap());
            let prep_shares = list(&report["prep_shares"], |round| list(round, hex));
            assert_eq!(prep_shares.len(), 1, "{name}: rounds");
            Report {
                values: float::encode(&floats, fraction_bits).unwrap(),
                nonce: hex(&report["nonce"]).try_into().unwrap(),
                rand: hex(&report["rand"]),
                public: hex(&report["public_share"]),
                input_shares: list(&report["input_shares"], hex),
                prep_shares: prep_shares.into_iter().next().unwrap(),
                prep_message: list(&report["prep_messages"], hex).concat(),
                out_shares: list(&report["out_shares"], |share| list(share, hex).concat()),
            }
        };
        Self {
            name: name.to_owned(),
            params: Params {
                dimension: number("dimension"),
                bound: value["l2_norm_bound"].as_u64().unwrap(),
                shares: number("shares"),
                checks: number("num_wr_checks"),
                successes: number("num_wr_successes"),
                proofs: number("proofs"),
                proofs_norm_equality: number("proofs_norm_equality"),
                chunk: number("chunk_length"),
                chunk_norm_equality: number("chunk_length_norm_equality"),
            },
            fraction_bits,
            verify_key: hex(&value["verify_key"]),
            reports: list(&value["prep"], report),
            agg_shares: list(&value["agg_shares"], |share| match share {
                Value::Array(elements) => elements.iter().flat_map(hex).collect(),
                whole => hex(whole),
            }),
            agg_result: list(&value["agg_result"], |x| x.as_f64().unwrap()),
            field: value["field"].as_str().unwrap().to_owned(),
        }
    }

    /// Runs a check with the field and expansion that these are for.
    pub(crate) fn dispatch(&self, check: &mut impl Check) {
        match self.field.as_str() {
            "Field32" => self.with_field::<Field32>(check),
            "Field40" => self.with_field::<Field40>(check),
            "Field64" => self.with_field::<Field64>(check),
            "Field128" => self.with_field::<Field128>(check),
            other => panic!("{}: {other} is no field", self.name),
        }
    }

    fn with_field<F: Field>(&self, check: &mut impl Check) {
        // The length of a seed tells the expansions apart.
        match self.verify_key.len() {
            16 => {
                check.check(&Pine::<F, XofTurboShake128>::of_the_draft(self.params).unwrap(), self);
            }
            32 => check
                .check(&Pine::<F, XofHmacSha256Aes128>::of_the_draft(self.params).unwrap(), self),
            other => panic!("{}: a seed of {other} bytes", self.name),
        }
    }
}

/// Every vector file of a folder, by name.
pub(crate) fn folder(path: &Path) -> Vec<Vectors> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        Vectors::parse(&name, &serde_json::from_str(&text).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// The repository's own vectors.
pub(crate) fn own() -> Vec<Vectors> {
    folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/pine"))
}

/// The draft's vectors, which live outside the repository: the folder that `HAIMA_PINE_VECTORS`
/// names, else `vectors/pine` of the shared folder.
pub(crate) fn published() -> Vec<Vectors> {
    let path = std::env::var_os("HAIMA_PINE_VECTORS").map_or_else(
        || {
            std::env::var_os("HAIMA_SHARED")
                .map_or_else(
                    || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
                    PathBuf::from,
                )
                .join("vectors/pine")
        },
        PathBuf::from,
    );
    let found = folder(&path);
    if found.is_empty() {
        println!("ORACLE absent: no PINE vectors in {}", path.display());
    }
    found
}
