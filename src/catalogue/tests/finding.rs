//! Search and the page.

use base64::Engine as _;

use super::super::page;
use super::super::search::{MOST_WORDS, Place, Question, search};
use super::*;

/// Three offers: `aml` of adults in the north, one of children, and one of another disease.
fn three() -> (Folder, Registry) {
    let folder = Folder::new();
    let mut blood = folder.blood();
    let mut children = of_site("aml-children", "Leukaemia of children");
    let mut other = of_site("mds", "Myelodysplasia; some went on to aml");
    if let Content::Site(offer) = &mut children.content {
        offer.population = "children".into();
        offer.variables[0].name = "blasts".into();
        offer.variables[0].label = "Blasts in marrow".into();
    }
    if let Content::Site(offer) = &mut other.content {
        offer.population = "mds".into();
    }
    blood.add(&key(1), of_site("aml", "Leukaemia of adults")).unwrap();
    blood.add(&key(2), children).unwrap();
    blood.add(&key(2), other).unwrap();
    (folder, blood)
}

fn found(registry: &Registry, words: &str, variables: &[&str]) -> Vec<String> {
    let question = Question {
        words: words.split(' ').map(str::to_owned).collect(),
        variables: variables.iter().map(|name| (*name).to_owned()).collect(),
        ..Question::default()
    };
    let hits = search(registry, &question).unwrap();
    hits.iter().map(|hit| format!("{}/{}", hit.entry.party(), hit.entry.name())).collect()
}

#[test]
fn every_word_must_be_found_and_a_name_counts_more_than_a_remark() {
    let (_folder, blood) = three();
    assert_eq!(found(&blood, "AML", &[]), ["north/aml", "south/aml-children", "south/mds"]);
    assert_eq!(found(&blood, "leukaemia adults", &[]), ["north/aml"]);
    assert_eq!(found(&blood, "leuk", &[]), ["north/aml", "south/aml-children"], "a beginning");
    assert_eq!(found(&blood, "eukaemia", &[]), Vec::<String>::new(), "no middle");
    assert_eq!(found(&blood, "marrow", &[]), ["south/aml-children"], "labels");
    assert_eq!(found(&blood, "", &["AGE"]), ["north/aml", "south/mds"]);
    assert_eq!(found(&blood, "mds", &["blasts"]), Vec::<String>::new());
    assert_eq!(found(&blood, "south", &["sex", "age"]), ["south/mds"], "parties and operators");
}

#[test]
fn a_hit_says_where_its_words_were_found() {
    let (_folder, blood) = three();
    let question = Question { words: vec!["blasts aml".into()], ..Question::default() };
    let hits = search(&blood, &question).unwrap();
    assert_eq!(hits[0].found_in, [Place::Name, Place::Variable]);
    // A whole word of a name, and a whole name of a variable.
    assert_eq!(hits[0].rank, 16 + 12);
}

#[test]
fn what_was_withdrawn_is_not_found_and_filters_hold() {
    let (_folder, mut blood) = three();
    blood.add(&key(1), withdrawn("aml")).unwrap();
    assert_eq!(found(&blood, "aml", &[]), ["south/aml-children", "south/mds"]);
    let of = |kind, party: Option<&str>, task: Option<&str>| {
        let [party, task] = [party, task].map(|text| text.map(str::to_owned));
        let question = Question { kind, party, task, ..Question::default() };
        search(&blood, &question).unwrap().len()
    };
    assert_eq!(of(None, None, None), 2);
    assert_eq!(of(Some(Kind::Study), None, None), 0);
    assert_eq!(of(Some(Kind::Site), Some("south"), None), 2);
    assert_eq!(of(None, Some("north"), None), 0);
    assert_eq!(of(None, None, Some("cox")), 0, "an offer has asked nothing");
    let words = vec!["a".to_owned(); MOST_WORDS + 1];
    assert!(search(&blood, &Question { words, ..Question::default() }).is_err());
}

#[test]
fn the_page_allows_its_own_style_alone_and_texts_of_parties_are_text() {
    let (_folder, mut blood) = three();
    blood.add(&key(1), of_site("hostile", "<script>alert(1)</script><b>")).unwrap();
    let text = page::render(&blood, 1_795_458_388);
    assert!(!text.contains("<script") && text.contains("&lt;script&gt;"));
    let policy = text.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = policy.split('"').next().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !text.contains("style=\""), "{policy}");
    let style = text.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let hash = <sha2::Sha256 as sha2::Digest>::digest(style.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(hash);
    assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    // Nothing of elsewhere: links lead to this page's own anchors, each of which is there once.
    assert!(!text.contains("src=") && !text.contains("http://") && !text.contains("https://"));
    for link in text.split("href=\"").skip(1) {
        let anchor = link.split('"').next().unwrap().strip_prefix('#').unwrap();
        assert_eq!(text.matches(&format!("id=\"{anchor}\"")).count(), 1, "{anchor}");
    }
    for part in ["<html lang=\"en\">", "<main id=\"main\"", "class=\"skip\"", "<h1>blood</h1>"] {
        assert!(text.contains(part), "{part}");
    }
}
