//! Files that one party makes and another reads: models and generators, reports, a registry's
//! folder, a site's policy and consents; and the frames of the local socket.

use haima::catalogue::Registry;
use haima::catalogue::offer::Described;
use haima::model_file::ModelFile;
use haima::report::{self, StudyReport};
use haima::site::{Consents, Policy};
use haima::sum::socket::frame::{Dtype, Request, numbers, to_bytes};
use haima::synth::file::SynthFile;

use super::tools::{Cut, folder, tagged, with_file};

/// An archive that is a model, or a generator.
pub(crate) fn model(bytes: &[u8]) {
    with_file(bytes, |path| {
        if let Ok(model) = ModelFile::read(path) {
            assert!(model.open().is_ok(), "what was read can be used");
        }
        if let Ok((file, _)) = SynthFile::read(path) {
            let _ = file.open();
        }
    });
}

/// An archive without compression, with one part that is empty; real ones go into the corpus.
pub(crate) fn models() -> Vec<Vec<u8>> {
    let name = b"manifest.json";
    let local = [&b"PK\x03\x04\x14\0\0\0\0\0\0\0!\0"[..], &[0; 12], &[13, 0, 0, 0], name].concat();
    let fields =
        [&b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0!\0"[..], &[0; 12], &[13, 0], &[0; 16], name];
    let central = fields.concat();
    let word = |number: usize| u32::try_from(number).expect("short").to_le_bytes();
    let end =
        [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &word(central.len()), &word(local.len()), &[0, 0]];
    vec![[local, central.clone(), end.concat()].concat()]
}

/// A report: what is read is the same one after it was written.
pub(crate) fn report(bytes: &[u8]) {
    let Ok(read) = with_file(bytes, report::read::study) else { return };
    let written = serde_json::to_vec(&read).expect("a report is written");
    let again = with_file(&written, report::read::study).expect("what was written is read");
    assert!(again == read, "another report");
}

pub(crate) fn reports() -> Vec<Vec<u8>> {
    let mut empty = serde_json::to_value(StudyReport::default()).expect("a report");
    empty["schema"] = report::SCHEMA.into();
    vec![serde_json::to_vec(&empty).expect("JSON")]
}

/// A registry's folder: its charter, and an entry; or a schema that is offered to one.
pub(crate) fn registry(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    if tag % 2 == 0 {
        let _ = with_file(bytes, Described::read);
        return;
    }
    let pieces = Cut(bytes).pieces();
    let folder = folder();
    let entries = folder.path().join("entries");
    std::fs::create_dir(&entries).expect("a folder");
    for (number, piece) in pieces.iter().enumerate() {
        let path = match number {
            0 => folder.path().join("registry.toml"),
            _ => entries.join(format!("party.study.name.{number}.toml")),
        };
        std::fs::write(path, piece).expect("a file");
    }
    if let Ok(registry) = Registry::open(folder.path()) {
        assert!(registry.count() <= pieces.len(), "more entries than files");
    }
}

pub(crate) fn registries() -> Vec<Vec<u8>> {
    let schema = toml::to_string(&super::schema()).expect("a schema");
    let charter = "version = 1\nname = \"a registry\"\nplatform = \"haima\"\nrevision = 1\n";
    vec![
        tagged(0, schema.as_bytes()),
        tagged(1, &super::tools::joined(&[charter.as_bytes(), b"version = 1\n"])),
    ]
}

/// A policy, or a site's list of consents.
pub(crate) fn policy(bytes: &[u8]) {
    let mut cut = Cut(bytes);
    let (tag, bytes) = (cut.byte(), cut.0);
    match tag % 2 {
        0 => {
            if let Ok(text) = std::str::from_utf8(bytes)
                && let Ok(policy) = Policy::parse(text)
            {
                let _ = policy.asks_first("a task");
            }
        }
        _ => {
            let folder = folder();
            std::fs::write(folder.path().join("consents.toml"), bytes).expect("a file");
            let consents = Consents::open(folder.path()).expect("nothing is read yet");
            let (waiting, decided) = (consents.waiting(), consents.decided());
            assert_eq!(waiting.is_ok(), decided.is_ok());
            let _ = consents.decide("a task", "a run", "", true);
        }
    }
}

pub(crate) fn policies() -> Vec<Vec<u8>> {
    let policy = include_bytes!("../../../../data/policy.toml");
    let consents = "version = 1\nwaiting = []\ndecided = []\n";
    vec![tagged(0, policy), tagged(1, consents.as_bytes())]
}

/// A request of the local socket: a length, a header, numbers. Nothing is made room for by its word
/// alone: a vector has the study's dimension.
pub(crate) fn frame(bytes: &[u8]) {
    const DIMENSION: u32 = 4;
    let mut cut = Cut(bytes);
    let len = cut.take(4).try_into().map_or(0, u32::from_le_bytes);
    let Ok(request) = Request::read(cut.take(len as usize)) else { return };
    if let Ok(Some((dtype, size))) = request.vector_bytes(DIMENSION) {
        assert_eq!(size, DIMENSION as usize * dtype.size());
        assert!(numbers(cut.take(size), dtype).len() <= DIMENSION as usize);
    }
    let again = to_bytes(&request, &[]);
    assert!(Request::read(&again[4..]) == Ok(request), "another request");
}

pub(crate) fn frames() -> Vec<Vec<u8>> {
    let mut narrow = Request::sum(2, 4);
    narrow.dtype = Some(Dtype::F32);
    vec![
        to_bytes(&Request::terms(), &[]).to_vec(),
        to_bytes(&Request::sum(1, 4), &[1.0, -2.0, 3.0, f64::NAN]).to_vec(),
        to_bytes(&narrow, &[1.0]).to_vec(),
    ]
}
