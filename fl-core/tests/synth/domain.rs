//! The domain of a synthetic cohort: levels of real patients, values of virtual ones, conditions.

use std::collections::BTreeMap;

use haima_fl_core::cohort::Cohort;
use haima_fl_core::error::Error;
use haima_fl_core::schema::Schema;
use haima_fl_core::synth::condition::Condition;
use haima_fl_core::synth::core::Order;
use haima_fl_core::synth::domain::{Attribute, Domain, Impossible, Kind, check_keys};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

const SCHEMA: &str = r#"
    patient = "id"
    [[column]]
    name = "age"
    kind = "numeric"
    range = [0, 110]
    [[column]]
    name = "hb"
    kind = "numeric"
    range = [3, 22]
    missing = true
    [[column]]
    name = "sex"
    kind = "category"
    levels = ["F", "M"]
    [[column]]
    name = "ecog"
    kind = "category"
    levels = ["0", "1", "2", "3"]
    missing = true
    [[column]]
    name = "npm1"
    kind = "flag"
    [[column]]
    name = "os_days"
    kind = "numeric"
    unit = "days"
    range = [0, 5000]
    missing = true
    [[column]]
    name = "ended"
    kind = "category"
    levels = ["censored", "relapse", "death"]
"#;

const PARAMS: &str = r#"
    bins = { age = 11, hb = [7, 10, 12.5] }
    survival = [{ time = "os_days", event = "ended", cuts = [365, 730] }]
    ordered = ["ecog"]
"#;

fn schema() -> Schema {
    Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap()
}

fn of(params: &str) -> Result<Domain, Error> {
    Domain::of_params(&params.parse().unwrap(), &schema())
}

fn domain() -> Domain {
    of(PARAMS).unwrap()
}

fn at(domain: &Domain, name: &str) -> usize {
    domain.attributes.iter().position(|own| own.columns().contains(&name)).unwrap()
}

/// Any levels of the domain.
fn any(domain: &Domain, rng: &mut ChaCha20Rng) -> Vec<u16> {
    domain.sizes().iter().map(|n| (rng.next_u32() % *n as u32) as u16).collect()
}

/// A row by column.
fn named(domain: &Domain, row: Vec<String>) -> BTreeMap<String, String> {
    domain.header().into_iter().zip(row).collect()
}

fn texts(conditions: &[&str]) -> Vec<String> {
    conditions.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn columns_become_attributes_with_their_levels() {
    let domain = domain();
    assert_eq!(domain.header(), ["age", "hb", "sex", "ecog", "npm1", "os_days", "ended"]);
    // 11 bins; 4 and missing; 2; 4 and missing; 2; 3 time bins of 3 ends, and missing.
    assert_eq!(domain.sizes(), [11, 5, 2, 5, 2, 10]);
    let orders: Vec<Order> = domain.attributes().into_iter().map(|own| own.order).collect();
    let chain = |levels: std::ops::Range<u16>| levels.collect::<Vec<u16>>();
    assert_eq!(orders[0], Order::Chains(vec![chain(0..11)]));
    assert_eq!(orders[1], Order::Chains(vec![chain(0..4), vec![4]]));
    assert_eq!(orders[2], Order::Nominal);
    assert_eq!(orders[3], Order::Chains(vec![chain(0..4), vec![4]]));
    // Neighbouring times of one end of follow-up, never two ends together.
    let ends = vec![vec![0, 3, 6], vec![1, 4, 7], vec![2, 5, 8], vec![9]];
    assert_eq!(orders[5], Order::Chains(ends));
}

#[test]
fn a_patient_falls_into_the_bins_that_hold_its_values() {
    let domain = domain();
    let csv = "id,age,hb,sex,ecog,npm1,os_days,ended\n\
               a,0,3,F,0,0,0,censored\n\
               b,110,7,M,3,1,365,death\n\
               c,39.9,6.99,M,,1,364.9,relapse\n\
               d,40,,F,2,0,5000,relapse\n\
               e,55,22,F,1,0,,death\n";
    let cohort = Cohort::from_reader("a.csv", csv.as_bytes(), &schema()).unwrap();
    let levels: Vec<Vec<u16>> =
        (0..cohort.len()).map(|patient| domain.encode(&cohort, patient).unwrap()).collect();
    assert_eq!(levels[0], [0, 0, 0, 0, 0, 0]);
    assert_eq!(levels[1], [10, 1, 1, 3, 1, 5]);
    assert_eq!(levels[2], [3, 0, 1, 4, 1, 1]);
    assert_eq!(levels[3], [4, 4, 0, 2, 0, 7]);
    assert_eq!(levels[4], [5, 3, 0, 1, 0, 9]);
}

#[test]
fn a_value_outside_the_domain_or_missing_without_a_level_is_no_patient_of_it() {
    let mut narrow = domain();
    narrow.attributes[0].kind = Kind::Number { edges: vec![0.0, 50.0, 100.0], decimals: 0 };
    narrow.attributes[1].missing = false;
    let csv = "id,age,hb,sex,ecog,npm1,os_days,ended\n\
               a,100,9,F,0,0,0,censored\n\
               b,101,9,F,0,0,0,censored\n\
               c,50,,F,0,0,0,censored\n";
    let cohort = Cohort::from_reader("a.csv", csv.as_bytes(), &schema()).unwrap();
    let there: Vec<bool> = (0..3).map(|i| narrow.encode(&cohort, i).is_some()).collect();
    assert_eq!(there, [true, false, false]);
}

#[test]
fn what_is_decoded_reads_back_to_the_levels_it_came_from() {
    let (domain, mut rng) = (domain(), ChaCha20Rng::seed_from_u64(1));
    let rows: Vec<Vec<u16>> = (0..3000).map(|_| any(&domain, &mut rng)).collect();
    let mut schema = domain.schema();
    schema.patient = haima_fl_core::schema::PatientKey::Column("id".into());
    let mut csv = format!("id,{}\n", domain.header().join(","));
    for (patient, row) in domain.texts(&rows, &Condition::default(), 7).into_iter().enumerate() {
        csv += &format!("{patient},{}\n", row.join(","));
    }
    // Intake refuses what lies outside the public range.
    let cohort = Cohort::from_reader("virtual", csv.as_bytes(), &schema).unwrap();
    let back: Vec<Vec<u16>> =
        (0..cohort.len()).map(|patient| domain.encode(&cohort, patient).unwrap()).collect();
    assert_eq!(back, rows);
}

#[test]
fn values_are_uniform_within_their_bin_and_have_the_decimals_of_their_column() {
    let (domain, mut rng) = (domain(), ChaCha20Rng::seed_from_u64(2));
    // Age 40 to 49, haemoglobin 7.0 to 9.9.
    let row = [4, 1, 0, 0, 0, 0];
    let (mut ages, mut hbs) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..9000 {
        let row = domain.decode(&row, &mut rng);
        *ages.entry(row[0].clone()).or_insert(0) += 1;
        *hbs.entry(row[1].clone()).or_insert(0) += 1;
    }
    let even = |counts: &BTreeMap<String, i32>, first: &str, last: &str, values: usize| {
        assert_eq!(counts.len(), values, "{counts:?}");
        assert!(counts.contains_key(first) && counts.contains_key(last), "{counts:?}");
        let expected = 9000.0 / values as f64;
        // Pearson's statistic has a mean of one less than the values, and twice that as variance.
        let statistic: f64 =
            counts.values().map(|n| (f64::from(*n) - expected).powi(2) / expected).sum();
        let freedom = values as f64 - 1.0;
        assert!(statistic < freedom + 6.0 * (2.0 * freedom).sqrt(), "{statistic} {counts:?}");
    };
    even(&ages, "40", "49", 10);
    even(&hbs, "7.0", "9.9", 30);
}

#[test]
fn one_seed_makes_the_same_values_and_another_makes_others() {
    let (domain, mut rng) = (domain(), ChaCha20Rng::seed_from_u64(3));
    let rows: Vec<Vec<u16>> = (0..50).map(|_| any(&domain, &mut rng)).collect();
    let all = Condition::default();
    let of = |seed| domain.texts(&rows, &all, seed);
    assert_eq!(of(11), of(11));
    assert_ne!(of(11), of(12));
    let first = &of(11)[0];
    assert_eq!(first.len(), domain.header().len());
}

/// The share of a bin that meets a bound, counted number by number.
#[test]
fn a_condition_weighs_each_level_by_the_numbers_that_meet_it() {
    let domain = domain();
    type Meets = fn(f64) -> bool;
    let cases: [(&str, Meets); 7] = [
        ("age >= 63", |x| x >= 63.0),
        ("age < 63", |x| x < 63.0),
        ("age > 63.5", |x| x > 63.5),
        ("age <= 59", |x| x <= 59.0),
        ("age = 40", |x| x == 40.0),
        ("age != 110", |x| x != 110.0),
        ("age >= 0", |_| true),
    ];
    for (text, meets) in cases {
        let condition = domain.condition(&texts(&[text])).unwrap();
        let (mut met, mut all) = ([0.0; 11], [0.0; 11]);
        for age in 0..=110 {
            let bin = (age / 10).min(10) as usize;
            all[bin] += 1.0;
            met[bin] += f64::from(u8::from(meets(f64::from(age))));
        }
        let expected: Vec<f64> = met.iter().zip(all).map(|(met, all)| met / all).collect();
        assert_eq!(condition.allowed[&0], expected, "{text}");
        assert_eq!(condition.allowed.len(), 1);
    }
}

#[test]
fn conditions_speak_of_levels_of_ends_of_follow_up_and_of_what_is_missing() {
    let domain = domain();
    let shares = |text: &str, column: &str| {
        domain.condition(&texts(&[text])).unwrap().allowed[&at(&domain, column)].clone()
    };
    assert_eq!(shares("sex = F", "sex"), [1.0, 0.0]);
    assert_eq!(shares("sex = F|M", "sex"), [1.0, 1.0]);
    assert_eq!(shares("ecog = 1 | 2", "ecog"), [0.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(shares("ecog != 3", "ecog"), [1.0, 1.0, 1.0, 0.0, 0.0], "missing is no other level");
    assert_eq!(shares("ecog is known", "ecog"), [1.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(shares("hb is missing", "hb"), [0.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(shares("npm1 = 1", "npm1"), [0.0, 1.0]);
    let death = [0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0];
    assert_eq!(shares("ended = death", "ended"), death);
    let late = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0];
    assert_eq!(shares("os_days >= 365", "os_days"), late);
    // Both columns of one attribute.
    let both = domain.condition(&texts(&["ended = death", "os_days >= 365"])).unwrap();
    assert_eq!(both.allowed[&5], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0]);
}

#[test]
fn every_decoded_value_meets_the_condition_that_its_row_was_drawn_under() {
    let (domain, mut rng) = (domain(), ChaCha20Rng::seed_from_u64(4));
    let asked = texts(&["age >= 63", "age < 88.5", "hb > 9.7", "sex = M", "os_days <= 400"]);
    let condition = domain.condition(&asked).unwrap();
    let mut seen = 0;
    for _ in 0..20_000 {
        let row = any(&domain, &mut rng);
        let allowed = |(at, shares): (&usize, &Vec<f64>)| shares[usize::from(row[*at])] > 0.0;
        if !condition.allowed.iter().all(allowed) {
            continue;
        }
        seen += 1;
        let row = named(&domain, domain.decode_within(&row, &condition, &mut rng));
        let number = |column: &str| row[column].parse::<f64>().unwrap();
        assert!((63.0..88.5).contains(&number("age")), "{row:?}");
        assert!(number("hb") > 9.7 && number("os_days") <= 400.0 && row["sex"] == "M", "{row:?}");
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_condition_that_nothing_meets_or_nobody_understands_is_refused() {
    let domain = domain();
    let cases: [(&[&str], &str); 8] = [
        (&["age > 110"], "public range is 0 to 110"),
        (&["age >= 63", "age < 63"], "age < 63"),
        (&["sex = F", "sex = M"], "its levels are F, M"),
        (&["sex is missing"], "no value of `sex` meets it"),
        (&["weight > 1"], "it has age, hb, sex"),
        (&["sex = X|Y"], "no level `X`"),
        (&["age ~ 3"], "COLUMN OP VALUE"),
        (&["age >= inf"], "no number"),
    ];
    for (asked, says) in cases {
        let error = domain.condition(&texts(asked)).expect_err(asked[0]).to_string();
        assert!(error.contains(says), "{asked:?}: {error}");
    }
    assert!(domain.condition(&[]).unwrap().is_all());
    assert_eq!(domain.as_predicate("sex = F|M"), "sex in [F,M]");
    assert_eq!(domain.as_predicate("age >= 60"), "age >= 60");
}

#[test]
fn a_level_has_words_for_messages() {
    let domain = domain();
    let cases: [((usize, u16), &str); 5] = [
        ((0, 4), "age from 40 to 50"),
        ((1, 4), "hb is missing"),
        ((2, 1), "sex = M"),
        ((5, 5), "os_days from 365 to 730 with ended = death"),
        ((9, 0), "?"),
    ];
    for (level, words) in cases {
        assert_eq!(domain.words(level), words);
    }
    // Without the last digits of a double.
    let mut long = domain.clone();
    long.attributes[0].kind = Kind::Number { edges: vec![-10.0 + 6.6, 1.0], decimals: 1 };
    assert_eq!(long.words((0, 0)), "age from -3.4 to 1");
    assert!(domain.words((0, 200)).starts_with("age"));
}

#[test]
fn a_key_that_there_is_not_is_told_with_all_and_one_of_another_method_with_its_method() {
    let refused = |params: &str| {
        let error = check_keys(&params.parse().unwrap()).expect_err(params);
        error.to_string()
    };
    let said = refused("bin = { age = 3 }");
    for key in ["`bin`", "bins", "columns", "survival", "method", "rounds", "model_cells", "seed"] {
        assert!(said.contains(key), "{key}: {said}");
    }
    assert!(!said.contains("training"), "{said}");
    let said = refused("method = \"vae\"\nlayers = 3");
    assert!(said.contains("network, training") && !said.contains("rounds"), "{said}");
    for (params, says) in [
        ("network = {}", "`network` belongs to method = \"vae\", and the method here is \"aim\""),
        ("method = \"mst\"\ntraining = {}", "the method here is \"mst\""),
        ("method = \"vae\"\nfocus = []", "`focus` belongs to method = \"aim\" and \"mst\""),
    ] {
        let said = refused(params);
        assert!(said.contains(says), "{params}: {said}");
    }
    let all = format!("{PARAMS}method = \"aim\"\nholdout = 0.1\ncohort = {{ include = [] }}");
    assert!(check_keys(&all.parse().unwrap()).is_ok());
    assert!(check_keys(&"training = { steps = 3 }\nmethod = \"vae\"".parse().unwrap()).is_ok());
}

#[test]
fn impossible_values_become_pairs_of_levels() {
    let pairs =
        |text: &str| of(&format!("{PARAMS}impossible = [{text}]")).map(|own| own.impossible);
    let pair = |left, right| Impossible { left, right };
    assert_eq!(pairs("[{ sex = \"M\" }, { npm1 = 1 }]").unwrap(), [pair((2, 1), (4, 1))]);
    // Two bins of age below 20, one of haemoglobin below 7.
    assert_eq!(
        pairs("[{ age = \"< 20\" }, { hb = \"< 7\" }]").unwrap(),
        [pair((0, 0), (1, 0)), pair((0, 1), (1, 0))]
    );
    assert_eq!(pairs("[{ ecog = \"is missing\" }, { sex = \"F\" }]").unwrap().len(), 1);
    for (text, says) in [
        // Bins of ten years: of no bin all, and of one bin a part.
        ("[{ age = \"< 5\" }, { sex = \"M\" }]", "`age < 5` cuts the bin from 0 to 10"),
        ("[{ age = \"< 25\" }, { sex = \"M\" }]", "`age < 25` cuts the bin from 20 to 30"),
        ("[{ sex = \"M\" }, { age = \"!= 40\" }]", "cuts the bin from 40 to 50; use one of these"),
        ("[{ sex = \"M\" }, { os_days = \">= 400\" }]", "cuts the bin from 365 to 730"),
        ("[{ sex = \"M\" }, { sex = \"F\" }]", "two values of `sex` itself"),
        ("[{ sex = \"M\", npm1 = 1 }, { age = \"< 20\" }]", "pairs of one value each"),
        ("[{ sex = \"X\" }, { npm1 = 1 }]", "no level `X`"),
        ("[{ sex = \"M\" }, { weight = 1 }]", "no column `weight`"),
        ("[{ sex = \"M\" }]", "pairs of one value each"),
    ] {
        let error = pairs(text).expect_err(text).to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn without_keys_the_schema_gives_columns_bins_and_decimals() {
    let all = of("").unwrap();
    assert_eq!(all.header(), ["age", "hb", "sex", "ecog", "npm1", "os_days", "ended"]);
    let number = |name: &str| match &all.attributes[at(&all, name)].kind {
        Kind::Number { edges, decimals } => (edges.len() - 1, *decimals),
        other => panic!("{other:?}"),
    };
    // The schema's own 20 bins; 111 whole ages; 19 units of haemoglobin are too few without a decimal.
    assert_eq!((number("age"), number("hb"), number("os_days")), ((20, 0), (20, 1), (20, 0)));

    // More bins than a domain needs are joined, neighbour to neighbour.
    let bins: Vec<String> = (0..=100).map(|k| k.to_string()).collect();
    let text = format!(
        "one_row_per_patient = true\n[[column]]\nname = \"x\"\nkind = \"numeric\"\nrange = [0, 100]\n\
         bins = [{}]\n",
        bins.join(", ")
    );
    let schema = Schema::from_toml(&text.parse().unwrap()).unwrap();
    let joined = Domain::of_params(&toml::Table::new(), &schema).unwrap();
    let Kind::Number { edges, decimals } = &joined.attributes[0].kind else { panic!() };
    assert_eq!((edges.len(), edges[1], edges[20], *decimals), (21, 5.0, 100.0, 0));

    let named = of("decimals = { age = 2, os_days = 1 }\nbins = { hb = [7.25] }").unwrap();
    let decimals = |name: &str| match &named.attributes[at(&named, name)].kind {
        Kind::Number { decimals, .. } => *decimals,
        other => panic!("{other:?}"),
    };
    // As many as the named edges are written with.
    assert_eq!((decimals("age"), decimals("os_days"), decimals("hb")), (2, 1, 2));
}

#[test]
fn columns_are_named_by_their_beginnings_too() {
    let some = of("columns = [\"sex\", \"e*\", \"sex\"]").unwrap();
    assert_eq!(some.header(), ["sex", "ecog", "ended"]);
    // Of a time to event both columns come, named or not.
    let timed = of("columns = [\"sex\"]\nsurvival = [{ time = \"os_days\", event = \"ended\" }]");
    assert_eq!(timed.unwrap().sizes(), [2, 31]);
}

#[test]
fn parameters_that_do_not_fit_are_refused_with_key_column_and_limit() {
    for (params, says) in [
        ("columns = [\"weight\"]", "no column `weight`"),
        ("columns = []", "`columns` is empty"),
        ("columns = [\"z*\"]", "no column begins with `z`"),
        ("bins = { age = 0 }", "0 bins; give 1 to 512"),
        ("bins = { age = 1 }", "`age` has one bin only"),
        ("bins = { age = 600 }", "600 bins"),
        ("bins = { age = [200] }", "200 lies outside the public range from 0 to 110"),
        ("bins = { age = [50, 20] }", "must ascend"),
        ("bins = { sex = 3 }", "`sex` is no number"),
        ("bins = { age = \"many\" }", "a number of bins, or a list of edges"),
        ("bins = { age = 300 }\ndecimals = { age = 0 }", "no number of 0 decimals"),
        ("decimals = { age = 9 }", "9 decimals, at most 6"),
        ("decimals = { sex = 1 }", "`sex` is no number"),
        ("ordered = [\"age\"]", "`age` is no category"),
        ("survival = [{ time = \"sex\", event = \"ended\" }]", "`sex` is no number"),
        ("survival = [{ time = \"os_days\", event = \"age\" }]", "`age` is a number"),
        ("survival = [{ time = \"os_days\", event = \"os_days\" }]", "twice"),
        (
            "survival = [{ time = \"os_days\", event = \"ended\", cuts = [9000] }]",
            "outside the public",
        ),
        (
            "survival = [{ time = \"os_days\", event = \"ended\", cuts = 400 }]",
            "1201 levels, at most 1024",
        ),
        (
            "survival = [{ time = \"os_days\", event = \"ended\" }]\nbins = { os_days = 5 }",
            "a time to event has `cuts`",
        ),
    ] {
        let error = of(params).expect_err(params).to_string();
        assert!(error.contains(says), "{params}: {error}");
    }
    // Keys of others are not read.
    assert!(of("method = \"aim\"\nrounds = 7").is_ok());
}

#[test]
fn a_domain_with_too_many_levels_names_the_largest_columns() {
    let mut text = String::from("one_row_per_patient = true\n");
    for column in 0..128 {
        text +=
            &format!("[[column]]\nname = \"x{column}\"\nkind = \"numeric\"\nrange = [0, 1000]\n");
    }
    let schema = Schema::from_toml(&text.parse().unwrap()).unwrap();
    let bins: Vec<String> = (0..128).map(|column| format!("x{column} = 500")).collect();
    let params = format!("bins = {{ {} }}", bins.join(", "));
    let error = Domain::of_params(&params.parse().unwrap(), &schema).unwrap_err().to_string();
    assert!(error.contains("64000 levels") && error.contains("`x0` (500)"), "{error}");
}

#[test]
fn a_domain_from_a_file_is_checked() {
    let good = domain();
    assert!(good.check().is_ok());
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(serde_json::from_str::<Domain>(&text).unwrap(), good);
    let refused = |change: &dyn Fn(&mut Domain)| {
        let mut domain = good.clone();
        change(&mut domain);
        domain.check().expect_err("checked")
    };
    let number = |edges: &[f64], decimals| Kind::Number { edges: edges.to_vec(), decimals };
    refused(&|own| own.attributes.clear());
    refused(&|own| own.attributes[1] = own.attributes[0].clone());
    refused(&|own| own.attributes[0].kind = number(&[0.0, f64::NAN, 2.0], 0));
    refused(&|own| own.attributes[0].kind = number(&[2.0, 1.0, 0.0], 0));
    refused(&|own| own.attributes[0].kind = number(&[0.0, 0.2, 0.4, 1.0], 0));
    refused(&|own| own.attributes[0].kind = number(&[0.0, 1e300, 1e301], 0));
    refused(&|own| own.attributes[0].kind = number(&[0.0, 1.0, 2.0], 200));
    refused(&|own| own.attributes[0].name = "a\nb".into());
    refused(&|own| own.impossible = vec![Impossible { left: (0, 0), right: (0, 1) }]);
    refused(&|own| own.impossible = vec![Impossible { left: (0, 11), right: (1, 0) }]);
    refused(&|own| own.impossible = vec![Impossible { left: (0, 0), right: (99, 0) }]);
    let levels = vec!["F".to_owned(), "F".to_owned()];
    let twice = Kind::Levels { levels, flag: false, ordered: false };
    refused(&|own| own.attributes[2].kind = twice.clone());
    let lone = Attribute { name: "lone".into(), kind: number(&[0.0, 1.0], 0), missing: false };
    refused(&|own| own.attributes.push(lone.clone()));
}

#[test]
fn rows_of_strangers_decode_without_harm() {
    let (domain, mut rng) = (domain(), ChaCha20Rng::seed_from_u64(5));
    for row in [vec![], vec![u16::MAX; 6], vec![3; 2]] {
        assert_eq!(domain.decode(&row, &mut rng).len(), domain.header().len());
    }
    assert!(domain.decode(&[u16::MAX; 6], &mut rng).iter().all(String::is_empty));
}
