//! Files of strangers: each is left out and told of, and what is whole stands.

use super::super::Privacy;
use super::super::merge::take;
use super::super::model::Model;
use super::*;

/// A registry with one good entry, and its text.
fn with_one(folder: &Folder) -> (Registry, Entry, String) {
    let mut blood = folder.blood();
    let entry = blood.add(&key(1), of_site("aml", "")).unwrap();
    let text = std::fs::read_to_string(file(blood.folder(), &entry)).unwrap();
    (blood, entry, text)
}

#[test]
fn a_file_that_is_no_entry_is_left_out_and_the_others_stand() {
    let folder = Folder::new();
    let (blood, _, good) = with_one(&folder);
    let bad = blood.folder().join("entries").join("site@south@aml@1.json");
    let deep = "[".repeat(100_000);
    let texts = [
        String::new(),
        "null".into(),
        "{}".into(),
        deep,
        "\u{0}".into(),
        good.replace("\"schema\":", "\"schemas\":"),
        good.replace("\"about\": \"\"", "\"about\": \"\", \"about\": \"\""),
        good.replace("\"about\": \"\"", "\"about\": \"a\\u202eb\""),
        good.replace("\"about\": \"\"", "\"also\": 1, \"about\": \"\""),
        good.replace("\"name\": \"aml\"", "\"name\": \"../../aml\""),
        good.replace("\"party\": \"north\"", "\"party\": \"../north\""),
        good.replace("\"version\": 1", "\"version\": 0"),
        good.replace("\"version\": 1", "\"version\": 4294967296"),
        good.replace("\"version\": 1", "\"version\": 99999999"),
        good.replace("\"kind\": \"site\"", "\"kind\": \"study\""),
        good.replace("1795458388", "18446744073709551615"),
        good.replace("\"patients\": 40", "\"patients\": 1e999"),
        good.replace("\"years\"", &format!("\"{}\"", "x".repeat(5000))),
    ];
    for text in texts {
        assert_ne!(text, good);
        std::fs::write(&bad, &text).unwrap();
        let read = Registry::open(blood.folder()).unwrap();
        let told = fault(&read);
        assert!(told.starts_with("site@south@aml@1.json: ") && told.len() < 1100, "{told}");
        assert_eq!(current(&read).len(), 1, "{}", text.get(..60).unwrap_or(&text));
    }
    // A good one under another name is that other file's fault alone.
    std::fs::write(&bad, &good).unwrap();
    let read = Registry::open(blood.folder()).unwrap();
    assert!(fault(&read).contains("should be called site@north@aml@1.json"), "{}", fault(&read));
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let folder = Folder::new();
    let (blood, ..) = with_one(&folder);
    let path = blood.folder().join("entries").join("site@south@aml@1.json");
    std::fs::write(&path, " ".repeat((1 << 20) + 1)).unwrap();
    let read = Registry::open(blood.folder()).unwrap();
    assert!(fault(&read).contains("at most 1048576 are read"), "{}", fault(&read));
    let charter = blood.folder().join("registry.toml");
    std::fs::write(&charter, "#".repeat((1 << 20) + 1)).unwrap();
    let error = Registry::open(blood.folder()).unwrap_err().to_string();
    assert!(error.contains("are read"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_and_folders_are_not_followed() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new();
    let (blood, entry, _) = with_one(&folder);
    // What the link leads to is a sound entry.
    let own = file(blood.folder(), &entry);
    let away = folder.path("away.json");
    std::fs::rename(&own, &away).unwrap();
    symlink(&away, &own).unwrap();
    let read = Registry::open(blood.folder()).unwrap();
    assert!(fault(&read).contains("is a link"), "{}", fault(&read));
    assert!(current(&read).is_empty());
    std::fs::remove_file(&own).unwrap();
    std::fs::create_dir(&own).unwrap();
    assert!(fault(&Registry::open(blood.folder()).unwrap()).contains("a folder"));
    // A whole folder of entries elsewhere, and the list of parties.
    let copy = folder.path("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(blood.folder().join("registry.toml"), copy.join("registry.toml")).unwrap();
    symlink(blood.folder().join("entries"), copy.join("entries")).unwrap();
    assert!(Registry::open(&copy).unwrap_err().to_string().contains("is a link"));
    let toml = copy.join("registry.toml");
    std::fs::remove_file(&toml).unwrap();
    symlink(blood.folder().join("registry.toml"), &toml).unwrap();
    assert!(Registry::open(&copy).unwrap_err().to_string().contains("is a link"));
}

#[test]
fn a_file_that_does_not_hold_is_not_written_over() {
    let folder = Folder::new();
    let (mut blood, ..) = with_one(&folder);
    let next = blood.folder().join("entries").join("site@north@aml@2.json");
    std::fs::write(&next, "damaged").unwrap();
    let error = blood.add(&key(1), of_site("aml", "")).unwrap_err();
    assert!(error.to_string().contains("does not hold"), "{error}");
    assert_eq!(std::fs::read(&next).unwrap(), b"damaged");
}

#[test]
fn an_unfinished_file_is_none() {
    let folder = Folder::new();
    let (blood, ..) = with_one(&folder);
    std::fs::write(blood.folder().join("entries").join(".site@x.part"), "{").unwrap();
    assert!(Registry::open(blood.folder()).unwrap().faults().is_empty());
}

#[test]
fn names_of_entries_are_no_paths() {
    for text in ["site/north", "site/north/", "site/../x/y", "sites/north/aml", "site/north/a/b"] {
        assert!(text.parse::<Id>().is_err(), "{text}");
    }
    let folder = Folder::new();
    let mut blood = folder.blood();
    for name in ["../aml", "a/b", "", "A", "a@b"] {
        assert!(blood.add(&key(1), of_site(name, "")).is_err(), "{name}");
    }
    assert_eq!(blood.count(), 0);
}

/// A generator that says as much as one may: about 180 KB.
fn large(name: &str) -> New {
    let long = |i: usize| format!("{i:0>128}");
    let model = Model {
        generator: true,
        file: "ab".repeat(32),
        title: "generator of blood".into(),
        made_by: "tables".into(),
        task: "synthesize".into(),
        columns: (0..500).map(long).collect(),
        outputs: (0..500).map(long).collect(),
        mode: "nodes".into(),
        hospitals: 3,
        cohort: String::new(),
        privacy: Privacy::Exact,
        promise: String::new(),
        simulated: false,
        figures: Vec::new(),
        limits: vec!["x".repeat(1000); 40],
        schema_digest: "ab".repeat(32),
        study: None,
        journal: None,
    };
    New { kind: Kind::Generator, content: Content::Model(model), ..of_site(name, "") }
}

#[test]
fn a_party_that_says_too_much_takes_no_place_of_the_others() {
    let folder = Folder::new();
    let mut blood = folder.blood();
    blood.add(&key(2), of_site("aml", "")).unwrap();
    // A copy with more of north than a party may say, all of it signed.
    let copy = folder.copy(&blood, "copy");
    for i in 0..30 {
        let new = large(&format!("g{i}"));
        let entry = Entry::sign(blood.charter(), &key(1), new, None).unwrap();
        std::fs::write(file(&copy, &entry), serde_json::to_vec_pretty(&entry).unwrap()).unwrap();
    }
    let other = Registry::open(&copy).unwrap();
    let told = |own: &Fault| {
        own.file.starts_with("generator@north@") && own.problem.contains("at most 4194304")
    };
    assert!(other.faults().iter().all(told), "{:?}", other.faults());
    let taken = take(&mut blood, &other).unwrap();
    assert!(taken.refused.is_empty(), "{taken:?}");
    assert!((10..30).contains(&taken.entries.len()), "{}", taken.entries.len());
    assert_eq!(taken.entries.len() + other.faults().len(), 30, "its surplus alone is a fault");

    // Its place is full here too, but for taking back; the others go on.
    let error = blood.add(&key(1), large("more")).unwrap_err().to_string();
    assert!(error.contains("north would have"), "{error}");
    blood.add(&key(2), of_site("mds", "")).unwrap();
    blood.add(&key(1), New { content: Content::Withdrawn, ..large("g0") }).unwrap();
    let read = Registry::open(blood.folder()).unwrap();
    assert!(read.faults().is_empty(), "{:?}", read.faults());
    let current = current(&read);
    for own in ["site/south/aml", "site/south/mds"] {
        assert!(current.contains(&(own.to_owned(), 1)), "{current:?}");
    }
    assert!(current.iter().all(|(id, _)| id != "generator/north/g0"), "{current:?}");
}

#[test]
fn files_under_one_partys_name_leave_those_of_the_others_read() {
    let folder = Folder::new();
    let (mut blood, ..) = with_one(&folder);
    blood.add(&key(2), of_site("aml", "")).unwrap();
    // They stand before the entries of sites, and have more bytes than one would read in all.
    for i in 0..70 {
        let path = blood.folder().join("entries").join(format!("generator@north@g{i}@1.json"));
        std::fs::File::create(path).unwrap().set_len((1 << 20) - 1).unwrap();
    }
    let read = Registry::open(blood.folder()).unwrap();
    assert_eq!(current(&read), [("site/south/aml".to_owned(), 1)]);
    assert_eq!(read.faults().len(), 71, "and north's own behind them");
    let last = &read.faults()[70].problem;
    assert!(last.contains("is not read") && last.contains("named after north"), "{last}");
}
