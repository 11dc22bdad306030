//! What is newer replaces what is older, and nothing goes back.

use super::super::merge::{compare, take};
use super::*;

#[test]
fn a_newer_version_replaces_the_older_and_a_withdrawal_is_one() {
    let folder = Folder::new();
    let mut blood = folder.blood();
    for version in 1..=11 {
        let entry = blood.add(&key(1), of_site("aml", &format!("the {version}th"))).unwrap();
        assert_eq!(entry.version(), version);
    }
    let mut read = Registry::open(blood.folder()).unwrap();
    assert!(read.faults().is_empty(), "{:?}", read.faults());
    assert_eq!(current(&read), [("site/north/aml".to_owned(), 11)]);
    assert_eq!(read.versions(&id("site/north/aml"))[1].about(), "the 2th");
    read.add(&key(1), withdrawn("aml")).unwrap();
    assert!(current(&Registry::open(blood.folder()).unwrap()).is_empty());
    read.add(&key(1), of_site("aml", "again")).unwrap();
    let read = Registry::open(blood.folder()).unwrap();
    assert_eq!(current(&read), [("site/north/aml".to_owned(), 13)]);
}

#[test]
fn a_version_without_those_before_it_does_not_hold() {
    let folder = Folder::new();
    let mut blood = folder.blood();
    let first = blood.add(&key(1), of_site("aml", "one")).unwrap();
    blood.add(&key(1), of_site("aml", "two")).unwrap();
    std::fs::remove_file(file(blood.folder(), &first)).unwrap();
    let read = Registry::open(blood.folder()).unwrap();
    assert!(current(&read).is_empty());
    assert!(fault(&read).contains("version 1 is missing"), "{}", fault(&read));
}

#[test]
fn what_was_cut_off_at_the_end_shows_beside_a_copy_and_comes_back_by_merging() {
    let folder = Folder::new();
    let mut blood = folder.blood();
    blood.add(&key(1), of_site("aml", "one")).unwrap();
    let second = blood.add(&key(1), withdrawn("aml")).unwrap();
    let kept = Registry::open(&folder.copy(&blood, "kept")).unwrap();
    std::fs::remove_file(file(blood.folder(), &second)).unwrap();
    let mut back = Registry::open(blood.folder()).unwrap();
    assert_eq!(current(&back), [("site/north/aml".to_owned(), 1)], "alone it seems whole");
    assert_eq!(compare(&back, &kept).unwrap().newer, ["site/north/aml"]);
    let taken = take(&mut back, &kept).unwrap();
    assert_eq!((taken.entries, taken.refused), (vec![second.file()], vec![]));
    assert!(current(&Registry::open(blood.folder()).unwrap()).is_empty());
}

#[test]
fn merging_takes_what_is_newer_and_never_goes_back() {
    let folder = Folder::new();
    let mut blood = folder.blood();
    blood.add(&key(1), of_site("aml", "one")).unwrap();
    let mut other = Registry::open(&folder.copy(&blood, "other")).unwrap();
    blood.add(&key(1), of_site("aml", "two")).unwrap();
    blood.admit(&keeper(), vec![request(Role::Site, "west", &key(3))], &[]).unwrap();
    blood.add(&key(3), of_site("aml", "west")).unwrap();
    other.add(&key(2), of_site("mds", "south")).unwrap();

    let taken = take(&mut blood, &other).unwrap();
    assert_eq!(taken.entries, ["site@south@mds@1.json"]);
    assert!(!taken.parties && taken.refused.is_empty(), "{taken:?}");
    let taken = take(&mut other, &blood).unwrap();
    assert!(taken.parties, "the newer list of parties");
    assert_eq!(taken.entries, ["site@north@aml@2.json", "site@west@aml@1.json"]);
    let [a, b] = [&blood, &other].map(|own| Registry::open(own.folder()).unwrap());
    assert_eq!(current(&a), current(&b));
    assert_eq!(a.charter(), b.charter());
    let again = take(&mut other, &blood).unwrap();
    assert_eq!(again, super::super::merge::Taken::default(), "nothing is newer");
}

#[test]
fn a_party_that_signs_two_versions_of_one_number_is_told_and_ours_stays() {
    let folder = Folder::new();
    let mut blood = folder.blood();
    blood.add(&key(1), of_site("aml", "one")).unwrap();
    let mut other = Registry::open(&folder.copy(&blood, "other")).unwrap();
    blood.add(&key(1), of_site("aml", "ours")).unwrap();
    other.add(&key(1), of_site("aml", "theirs")).unwrap();
    other.add(&key(1), of_site("aml", "and further")).unwrap();
    let taken = take(&mut blood, &other).unwrap();
    assert!(taken.entries.is_empty(), "{taken:?}");
    assert!(taken.refused[0].contains("north has signed two versions 2"), "{taken:?}");
    let read = Registry::open(blood.folder()).unwrap();
    assert_eq!(read.current().next().unwrap().about(), "ours");
    // Their third version, put among ours by hand, follows on another second one.
    let third = other.versions(&id("site/north/aml"))[2].clone();
    std::fs::copy(file(other.folder(), &third), file(blood.folder(), &third)).unwrap();
    let read = Registry::open(blood.folder()).unwrap();
    assert!(fault(&read).contains("follows on another version 2"), "{}", fault(&read));
    assert_eq!(read.current().next().unwrap().version(), 2);
}

#[test]
fn a_keeper_that_signs_two_lists_or_drops_a_party_is_refused() {
    let folder = Folder::new();
    let mut blood = folder.blood();
    let mut other = Registry::open(&folder.copy(&blood, "other")).unwrap();
    blood.admit(&keeper(), vec![request(Role::Site, "west", &key(3))], &[]).unwrap();
    other.admit(&keeper(), vec![request(Role::Site, "east", &key(4))], &[]).unwrap();
    let error = take(&mut blood, &other).unwrap_err();
    assert!(error.to_string().contains("two lists of parties of revision 2"), "{error}");
    // A further revision does not hide that one of ours is gone.
    other.admit(&keeper(), vec![request(Role::Site, "far", &key(5))], &[]).unwrap();
    let error = take(&mut blood, &other).unwrap_err();
    assert!(error.to_string().contains("revision 3 has dropped west"), "{error}");
    assert!(blood.charter().party("west").is_some() && blood.charter().party("east").is_none());
}
