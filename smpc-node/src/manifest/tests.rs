//! What a manifest must hold, and an example for the tests of other modules.

use haima_crypto::identity::IdentityKey;

use super::*;

/// A manifest of two nodes and three sites, with every party's key.
pub(crate) fn example() -> (Manifest, Vec<(String, IdentityKey)>) {
    let names = ["coordinator", "node-1", "node-2", "site-a", "site-b", "site-c"];
    let key = |i: usize| IdentityKey::from_secret(&[u8::try_from(i).unwrap() + 1; 32]);
    let party = |i: usize| Party {
        name: names[i].into(),
        operator: format!("operator of {}", names[i]),
        identity: key(i).public().to_string(),
        tls: Digest::of(names[i].as_bytes()).to_string(),
        address: "127.0.0.1:1".into(),
    };
    let site = |i: usize| {
        let Party { name, operator, identity, tls, .. } = party(i);
        SiteParty { name, operator, identity, tls, max_patients: 10 }
    };
    let manifest = Manifest {
        version: 1,
        study: "test".into(),
        revision: 1,
        amends: None,
        mode: Mode::Nodes,
        masking: None,
        min_sites: 2,
        max_dimension: 10,
        round_ms: 1000,
        grace_ms: 1000,
        tick_ms: 10,
        hospitals_per_patient: 1,
        release_quorum: None,
        plan: crate::plan::Plan::of_tasks("test", &[]).digest().to_string(),
        coordinator: party(0),
        nodes: vec![party(1), party(2)],
        sites: vec![site(3), site(4), site(5)],
        tasks: vec![],
        schema: toml::Table::new(),
    };
    let keys = names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), key(i))).collect();
    (manifest.checked().unwrap(), keys)
}

/// What was signed before there were titles has the digest that was signed.
#[test]
fn a_title_is_signed_with_the_rest_and_changes_nothing_where_there_is_none() {
    let (mut manifest, _) = example();
    let entry = |id: &str, title: Option<&str>| TaskEntry {
        id: id.into(),
        task: "table1".into(),
        version: 1,
        class: Class::Exact,
        max_steps: 1,
        spare_attempts: 0,
        needs_bound: false,
        noise: None,
        title: title.map(str::to_owned),
        params: toml::Table::new(),
    };
    let mut digest = |one: Option<&str>, two: Option<&str>| {
        manifest.tasks = vec![entry("one", one), entry("two", two)];
        manifest.digest()
    };
    let digests = [
        digest(None, None),
        digest(Some("Ages"), None),
        digest(None, Some("Ages")),
        digest(Some("Ages"), Some("Ages")),
        digest(Some("Sexes"), None),
    ];
    let different: BTreeSet<Digest> = digests.into_iter().collect();
    assert_eq!(different.len(), digests.len());

    let text = toml::to_string(&manifest).unwrap();
    let read = Manifest::parse(&text).unwrap();
    assert_eq!((read.tasks[0].heading(), read.tasks[1].heading()), ("Sexes", "two"));
    assert_eq!(text.matches("title = ").count(), 1, "none is written where there is none: {text}");
    let error = Manifest::parse(&text.replace("Sexes", "a\\nb")).unwrap_err().to_string();
    assert!(error.contains("title of task one"), "{error}");
}

#[test]
fn the_digest_is_of_the_parsed_value_and_every_field_is_in_it() {
    let (manifest, _) = example();
    let text = toml::to_string(&manifest).unwrap();
    let spaced = format!("# a comment\n\n{}", text.replace(" = ", "   =   "));
    assert_eq!(Manifest::parse(&spaced).unwrap().digest(), manifest.digest());
    // The same entries in another order.
    let table: toml::Table = toml::from_str(&text).unwrap();
    let (tables, values): (Vec<_>, Vec<_>) =
        table.iter().rev().partition(|(_, value)| value.is_table() || value.is_array());
    let mut reversed = String::new();
    for (key, value) in values.into_iter().chain(tables) {
        let one = toml::Table::from_iter([(key.clone(), value.clone())]);
        reversed += &toml::to_string(&one).unwrap();
    }
    assert_ne!(reversed, text);
    assert_eq!(Manifest::parse(&reversed).unwrap().digest(), manifest.digest());

    let changes: [fn(&mut Manifest); 27] = [
        |m| m.version += 1,
        |m| m.study.push('x'),
        |m| m.revision += 1,
        |m| m.amends = Some("00".repeat(32)),
        |m| m.min_sites += 1,
        |m| m.max_dimension += 1,
        |m| m.round_ms += 1,
        |m| m.grace_ms += 1,
        |m| m.tick_ms += 1,
        |m| m.hospitals_per_patient += 1,
        |m| m.release_quorum = Some(2),
        |m| m.masking = Some(Masking { threshold: 3, ..Masking::of(3) }),
        |m| m.masking = Some(Masking { threshold: 2, ..Masking::of(3) }),
        |m| m.masking = Some(Masking { corrupt: 0, ..Masking::of(3) }),
        |m| m.plan = "11".repeat(32),
        |m| m.coordinator.address.push('0'),
        |m| m.nodes[1].name.push('x'),
        |m| m.nodes[1].operator.push('x'),
        |m| m.nodes[1].identity = "22".repeat(32),
        |m| m.nodes[1].tls = "33".repeat(32),
        |m| m.nodes.swap(0, 1),
        |m| m.sites[2].name.push('x'),
        |m| m.sites[2].operator.push('x'),
        |m| m.sites[2].identity = "44".repeat(32),
        |m| m.sites[2].tls = "55".repeat(32),
        |m| m.sites[2].max_patients += 1,
        |m| {
            m.schema.insert("a".into(), 1.into());
        },
    ];
    let mut digests = BTreeSet::from([manifest.digest().to_string()]);
    for (i, change) in changes.iter().enumerate() {
        let mut changed = manifest.clone();
        change(&mut changed);
        assert!(digests.insert(changed.digest().to_string()), "change {i}");
    }
}

#[test]
fn an_amendment_names_what_it_amends() {
    let (manifest, _) = example();
    let amends = Some(manifest.digest().to_string());
    let second = Manifest { revision: 2, amends: amends.clone(), ..manifest.clone() };
    assert!(second.checked().is_ok());
    for (revision, amends) in [(0, None), (1, amends), (2, None), (2, Some("x".into()))] {
        assert!(Manifest { revision, amends, ..manifest.clone() }.checked().is_err());
    }
}

#[test]
fn an_address_is_a_host_with_a_port_and_an_operator_has_a_name() {
    let good = ["north:7443", "127.0.0.1:1", "[::1]:65535", "smpc_1.north-x.example.org:443"];
    for address in good {
        address_fits(address).unwrap();
    }
    let (manifest, _) = example();
    let refused = |change: &dyn Fn(&mut Manifest)| {
        let mut changed = manifest.clone();
        change(&mut changed);
        changed.checked().unwrap_err().to_string()
    };
    for address in [
        "",
        "127.0.0.1",
        "http://127.0.0.1:17443",
        "north:7443/",
        "north:99999",
        "north:0",
        "north:+1",
        "north:",
        ":7443",
        "::1:7443",
        "[::1]",
        "[north]:7443",
        "a b:1",
    ] {
        let of_node = refused(&|m| m.nodes[1].address = address.into());
        assert!(of_node.contains("address of node-2"), "{address:?}: {of_node}");
        let of_coordinator = refused(&|m| m.coordinator.address = address.into());
        assert!(of_coordinator.contains("address of coordinator"), "{of_coordinator}");
    }
    for operator in ["", " ", "North\nnode  south"] {
        let of_node = refused(&|m| m.nodes[0].operator = operator.into());
        assert!(of_node.contains("operator of node-1"), "{of_node}");
        let of_site = refused(&|m| m.sites[0].operator = operator.into());
        assert!(of_site.contains("operator of site-a"), "{of_site}");
    }
}

#[test]
fn a_fingerprint_is_25_digits_over_both_keys() {
    let [a, b] = ["00", "ff"].map(|byte| byte.repeat(32));
    // By another program: SHA3-256 of the canonical bytes, its first 16 as a number mod 10^25.
    assert_eq!(fingerprint(&a, &b).unwrap(), "75791 37114 06137 75762 42718");
    assert_ne!(fingerprint(&a, &a).unwrap(), fingerprint(&a, &b).unwrap());
    assert_ne!(fingerprint(&b, &a).unwrap(), fingerprint(&a, &b).unwrap());
    assert!(fingerprint("xx", &b).is_err());
}
