//! An entry is of its registry and of its party.

use super::*;

#[test]
fn the_encoding_is_frozen() {
    let folder = Folder::new();
    let mut registry = folder.blood();
    assert_eq!(
        registry.charter().digest().to_string(),
        "9b04e53a1a70a195ec441838f25ad43a7f594f3f432f2205d3be698c2f47ea64"
    );
    let offer = Entry::sign(registry.charter(), &keeper(), of_site("aml", "why"), None).unwrap();
    assert_eq!(
        offer.digest().to_string(),
        "7e1280cc4cdcd9c7375fe387ea630e8aa3caf6d16ee08c170f32d203a83f6c79"
    );
    let withdrawn = registry.add(&keeper(), withdrawn("aml")).unwrap();
    assert_eq!(
        withdrawn.digest().to_string(),
        "22c34375ced4d6e5c5476b6b3736c24ac261024a6aa3c2dbb15226f256f47378"
    );
}

#[test]
fn an_entry_for_one_registry_is_void_in_another_even_of_the_same_party() {
    let folder = Folder::new();
    let mut blood = folder.blood();
    let other = folder.registry("anaemia", Platform::NonOncological, &[("north", 1)]);
    let entry = blood.add(&key(1), of_site("aml", "")).unwrap();
    std::fs::copy(file(blood.folder(), &entry), file(other.folder(), &entry)).unwrap();
    let other = Registry::open(other.folder()).unwrap();
    assert!(current(&other).is_empty());
    assert!(fault(&other).contains("an entry of one is void in another"), "{}", fault(&other));
    // The same name on the other platform is another registry, too.
    let twin = folder.path("twin");
    let requests = vec![request(Role::Coordinator, "centre", &keeper())];
    let charter = Charter::new("blood", Platform::NonOncological, &keeper(), requests).unwrap();
    assert_ne!(charter.digest(), blood.charter().digest());
    let mut twin = Registry::create(&twin, charter).unwrap();
    let error = super::super::merge::take(&mut twin, &blood).unwrap_err();
    assert!(error.to_string().contains("is another registry"), "{error}");
}

#[test]
fn a_party_of_one_registry_is_nobody_in_another() {
    let folder = Folder::new();
    let mut other = folder.registry("anaemia", Platform::NonOncological, &[("west", 3)]);
    let error = other.add(&key(1), of_site("aml", "")).unwrap_err();
    assert_eq!(error.code(), 10, "{error}");
    assert!(error.to_string().contains("no party of the registry anaemia"), "{error}");
    assert_eq!(Registry::open(other.folder()).unwrap().count(), 0);
}

#[test]
fn nobody_speaks_for_another_party() {
    let folder = Folder::new();
    let mut blood = folder.blood();
    let entry = blood.add(&key(1), of_site("aml", "ours")).unwrap();
    let path = file(blood.folder(), &entry);
    let good = std::fs::read_to_string(&path).unwrap();
    for (from, to) in [
        ("\"about\": \"ours\"", "\"about\": \"theirs\""),
        ("\"patients\": 40", "\"patients\": 50"),
        ("\"age\"", "\"years\""),
        ("\"missing\": true", "\"missing\": false"),
        ("\"made\": 1795458388", "\"made\": 1795458389"),
        ("\"abab", "\"cdab"),
    ] {
        let changed = good.replacen(from, to, 1);
        assert_ne!(changed, good, "{from}");
        std::fs::write(&path, changed).unwrap();
        let read = Registry::open(blood.folder()).unwrap();
        assert!(fault(&read).contains("not signed by north"), "{from}: {}", fault(&read));
        assert!(current(&read).is_empty(), "{from}");
    }
    // South's name over what north signed.
    std::fs::remove_file(&path).unwrap();
    let stolen = path.with_file_name("site@south@aml@1.json");
    std::fs::write(stolen, good.replace("\"party\": \"north\"", "\"party\": \"south\"")).unwrap();
    let read = Registry::open(blood.folder()).unwrap();
    assert!(fault(&read).contains("not signed by south"), "{}", fault(&read));
}

#[test]
fn the_list_of_parties_is_its_keepers() {
    let folder = Folder::new();
    let blood = folder.blood();
    let path = blood.folder().join("registry.toml");
    let good = std::fs::read_to_string(&path).unwrap();
    let theirs = [key(1).public().to_string(), key(9).public().to_string()];
    for (from, to) in [
        ("\"oncological\"", "\"non-oncological\""),
        ("\"blood\"", "\"bloods\""),
        ("The south", "The west"),
        ("revision = 1", "revision = 2"),
        (theirs[0].as_str(), theirs[1].as_str()),
    ] {
        let changed = good.replace(from, to);
        assert_ne!(changed, good, "{from}");
        std::fs::write(&path, changed).unwrap();
        assert!(Registry::open(blood.folder()).is_err(), "{from}");
    }
    std::fs::write(&path, good).unwrap();
    let stranger = blood.charter().amended(&key(1), vec![], &["south".into()]).unwrap_err();
    assert_eq!(stranger.code(), 10, "{stranger}");
    // A keeper is a coordinator among the parties.
    let site = vec![request(Role::Site, "north", &key(1))];
    assert!(Charter::new("blood", Platform::Oncological, &key(1), site).is_err());
}

#[test]
fn parties_come_and_leave_and_entries_stay_bound() {
    let folder = Folder::new();
    let mut blood = folder.blood();
    blood.add(&key(1), of_site("aml", "")).unwrap();
    blood.add(&key(2), of_site("aml", "")).unwrap();
    let digest = blood.charter().digest();
    let west = request(Role::Site, "west", &key(3));
    blood.admit(&keeper(), vec![west], &["north".into()]).unwrap();
    assert_eq!((blood.charter().digest(), blood.charter().revision()), (digest, 2));
    blood.add(&key(3), of_site("aml", "")).unwrap();
    let read = Registry::open(blood.folder()).unwrap();
    assert!(read.faults().is_empty(), "{:?}", read.faults());
    let expected = ["site/south/aml", "site/west/aml"].map(|id| (id.to_owned(), 1));
    assert_eq!(current(&read), expected, "nothing of who has left is shown");
    assert!(blood.add(&key(1), of_site("aml", "")).is_err(), "who has left says nothing");
    for taken in [request(Role::Site, "north", &key(8)), request(Role::Site, "east", &key(2))] {
        assert!(blood.admit(&keeper(), vec![taken], &[]).is_err(), "a name or key that is taken");
    }
    assert!(blood.admit(&keeper(), vec![], &["centre".into()]).is_err(), "the keeper stays");
}
