//! Model files that are not what they say.

use std::io::{Cursor, Read as _, Write as _};
use std::path::PathBuf;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::{DP_SGD, EXACT, LOGISTIC, Task, haima, text};

/// A model's parts, to be changed.
struct Parts {
    task: Task,
    bytes: Vec<u8>,
    parts: Vec<(String, Vec<u8>)>,
}

impl Parts {
    fn new() -> Self {
        let task = Task::new(LOGISTIC, DP_SGD, 2, EXACT);
        let bytes = std::fs::read(task.model()).unwrap();
        let mut zip = ZipArchive::new(Cursor::new(bytes.clone())).unwrap();
        let parts = (0..zip.len()).map(|at| {
            let mut part = zip.by_index(at).unwrap();
            let mut content = Vec::new();
            part.read_to_end(&mut content).unwrap();
            (part.name().to_owned(), content)
        });
        let parts = parts.collect();
        Self { task, bytes, parts }
    }

    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.task.path("hostile.haima");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// What is said of a file of these bytes.
    fn refusal_of(&self, bytes: &[u8]) -> String {
        let said = haima(&["card", text(&self.file(bytes))]).refusal();
        assert!(said.contains("hostile.haima: "), "{said}");
        said
    }

    /// What is said after a part is changed.
    fn refusal(&self, name: &str, change: impl Fn(&[u8]) -> Option<Vec<u8>>) -> String {
        let parts = self.parts.iter().filter_map(|(part, bytes)| {
            let bytes = if part == name { change(bytes)? } else { bytes.clone() };
            Some((part.clone(), bytes))
        });
        self.refusal_of(&pack(parts))
    }
}

fn pack(parts: impl Iterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in parts {
        zip.start_file(name, options).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn replaced(bytes: &[u8], from: &str, to: &str) -> Option<Vec<u8>> {
    let whole = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(whole.contains(from), "{from}");
    Some(whole.replacen(from, to, 1).into_bytes())
}

#[test]
fn a_file_that_is_no_model_is_refused_with_its_name() {
    let model = Parts::new();
    assert!(model.refusal_of(b"age,wbc\n1,2\n").contains("is no model file"));
    assert!(model.refusal_of(b"").contains("is no model file"));
    assert!(model.refusal_of(&pack(std::iter::empty())).contains("has no manifest.json"));
    let many = pack((0..40).map(|i| (format!("part-{i}"), vec![0])));
    assert!(model.refusal_of(&many).contains("a zip of 40 parts"));
    let path = model.file(b"");
    std::fs::File::options().write(true).open(&path).unwrap().set_len((64 << 20) + 1).unwrap();
    assert!(haima(&["card", text(&path)]).refusal().contains("is too large"));
}

#[test]
fn a_text_of_many_megabytes_is_refused_before_it_is_read() {
    let model = Parts::new();
    for part in ["manifest.json", "provenance.json", "card.md"] {
        let blanks = " ".repeat(8 << 20);
        let said = model.refusal(part, |bytes| Some([bytes, blanks.as_bytes()].concat()));
        assert!(said.contains(&format!("{part} is too large: ")), "{said}");
    }
}

#[test]
fn an_error_about_a_strangers_file_moves_no_cursor() {
    let model = Parts::new();
    let form = |bytes: &[u8]| replaced(bytes, "haima.model/1", "a\\u001b[2Jb\\u202ec");
    let said = model.refusal("manifest.json", form);
    assert!(said.contains("a model of form a [2Jb c, made by haima"), "{said:?}");
}

#[test]
fn a_file_cut_anywhere_or_with_any_part_damaged_is_refused() {
    let model = Parts::new();
    let size = model.bytes.len();
    let card = haima(&["card", text(&model.file(&model.bytes))]).succeeds();
    for cut in [1, 10, 21, 22, 23, 100, 1000, size / 2, size - 30, size - 1] {
        model.refusal_of(&model.bytes[..size - cut.min(size)]);
    }
    // Every so many bytes one is flipped: either it is in no part, or it is found.
    for at in (0..size).step_by(size / 40) {
        let mut bytes = model.bytes.clone();
        bytes[at] ^= 0x55;
        let output = haima(&["card", text(&model.file(&bytes))]);
        assert!(!output.log.contains("panicked"), "{}", output.log);
        assert!(!output.success || output.out == card, "byte {at}: {}", output.out);
    }
}

#[test]
fn a_part_that_no_model_has_and_a_directory_that_lies_are_refused() {
    let model = Parts::new();
    let with = |name: &str| {
        let extra = (name.to_owned(), vec![b'x'; 8]);
        pack(model.parts.iter().cloned().chain([extra]))
    };
    assert!(model.refusal_of(&with("run.py")).contains("a zip of 6 parts"));
    let others = model.parts.iter().filter(|(part, _)| part != "card.md").cloned();
    let other = pack(others.chain([("run.py".to_owned(), vec![0])]));
    assert!(model.refusal_of(&other).contains("has a part run.py"));
    let digest =
        |bytes: &[u8]| replaced(bytes, "\"digests\": {", "\"digests\": {\"run.py\": \"\",");
    assert!(model.refusal("manifest.json", digest).contains("a digest of run.py"));
    // Two entries of one name: a name of the same length becomes that of another part.
    let parts = model.parts.iter().map(|(part, bytes)| {
        let part = if part == "card.md" { "weights.burnpacx" } else { part };
        (part.to_owned(), bytes.clone())
    });
    let mut twice = renamed(&pack(parts), b"weights.burnpacx", b"weights.burnpack");
    model.refusal_of(&twice);
    // The end counts fewer than there are.
    twice.clone_from(&model.bytes);
    let end = twice.len() - 22;
    twice[end + 8] = 3;
    twice[end + 10] = 3;
    model.refusal_of(&twice);
}

/// The bytes with a name in place of another of its length.
fn renamed(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    for at in 0..=bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
    bytes
}

#[test]
fn a_part_that_is_missing_changed_or_of_another_form_is_named() {
    let model = Parts::new();
    assert!(model.refusal("manifest.json", |_| None).contains("has no manifest.json"));
    assert!(model.refusal("card.md", |_| None).contains("has no card.md"));
    for part in ["weights.safetensors", "weights.burnpack", "provenance.json", "card.md"] {
        let said = model.refusal(part, |bytes| Some([bytes, b" "].concat()));
        let digest = format!("{part} is not what the manifest's digest says");
        assert!(said.contains(&digest), "{said}");
    }
    let form = |bytes: &[u8]| replaced(bytes, "haima.model/1", "haima.model/7");
    let said = model.refusal("manifest.json", form);
    assert!(said.contains("a model of form haima.model/7") && said.contains("reads haima.model/1"));
    let other = |bytes: &[u8]| replaced(bytes, "\"logistic\"", "\"oracle\"");
    assert!(model.refusal("manifest.json", other).contains("no model oracle"));
    // An input that the schema does not have leaves weights over.
    model.refusal("manifest.json", |bytes| {
        replaced(bytes, "\"column\": \"wbc\"", "\"column\": \"xyz\"")
    });
    let layer = |bytes: &[u8]| replaced(bytes, "body.0.weight", "body.9.weight");
    assert!(model.refusal("manifest.json", layer).contains("weights.safetensors: "));
}
