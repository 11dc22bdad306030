//! A cohort within a domain: what every condition has within, and so every virtual patient.

use rand_core::SeedableRng as _;

use super::*;

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
    range = [0, 5000]
    missing = true
    [[column]]
    name = "ended"
    kind = "category"
    levels = ["censored", "relapse", "death, of leukaemia"]
    [[column]]
    name = "died"
    kind = "flag"
    [[column]]
    name = "follow_up"
    kind = "numeric"
    range = [0, 5000]
"#;

const PARAMS: &str = "bins = { age = 11, hb = [7, 10, 12.5] }
    survival = [{ time = \"os_days\", event = \"ended\", cuts = [365, 730] },
                { time = \"follow_up\", event = \"died\", cuts = 2 }]\n";

fn of(params: &str) -> Result<Domain, Error> {
    let schema = Schema::from_toml(&SCHEMA.parse().unwrap()).unwrap();
    Domain::of_params(&params.parse().unwrap(), &schema)
}

fn at(domain: &Domain, name: &str) -> usize {
    domain.attributes.iter().position(|own| own.columns().contains(&name)).unwrap()
}

fn texts(conditions: &[&str]) -> Vec<String> {
    conditions.iter().map(|text| (*text).to_owned()).collect()
}

/// The share of each level that the cohort of these parameters leaves.
fn left(cohort: &str, column: &str) -> Vec<f64> {
    let domain = of(&format!("{PARAMS}{cohort}")).unwrap();
    let text = serde_json::to_string(&domain).unwrap();
    assert_eq!(serde_json::from_str::<Domain>(&text).unwrap(), domain, "a file keeps it, too");
    domain.condition(&[]).unwrap().allowed[&at(&domain, column)].clone()
}

#[test]
fn a_cohort_holds_of_every_virtual_patient_whatever_is_asked() {
    let of_include = |predicate: &str, column: &str| {
        left(&format!("cohort = {{ include = [\"{predicate}\"] }}"), column)
    };
    let of_exclude = |predicate: &str, column: &str| {
        left(&format!("cohort = {{ exclude = [\"{predicate}\"] }}"), column)
    };
    let ages = of_include("age >= 63", "age");
    assert_eq!((&ages[..6], ages[6], &ages[7..]), (&[0.0; 6][..], 0.7, &[1.0; 4][..]));
    assert_eq!(of_exclude("age < 63", "age"), ages);
    // A comparison is never true of a missing value: it is not included, and not excluded.
    assert_eq!(of_include("hb >= 10", "hb"), [0.0, 0.0, 1.0, 1.0, 0.0]);
    assert_eq!(of_exclude("hb < 10", "hb"), [0.0, 0.0, 1.0, 1.0, 1.0]);
    assert_eq!(of_include("ecog != 3", "ecog"), [1.0, 1.0, 1.0, 0.0, 0.0]);
    assert_eq!(of_exclude("ecog in [0, 3]", "ecog"), [0.0, 1.0, 1.0, 0.0, 1.0]);
    assert_eq!(of_exclude("ecog is missing", "ecog"), [1.0, 1.0, 1.0, 1.0, 0.0]);
    assert_eq!(of_include("npm1 >= 1", "npm1"), [0.0, 1.0]);
    assert_eq!(of_exclude("sex = F", "sex"), [0.0, 1.0]);
    let others = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
    assert_eq!(of_exclude("ended = relapse", "ended"), others);
    // Other names, of which one fits in no list, and a flag that the domain knows as two names.
    assert_eq!(of_include("ended != relapse", "ended")[..9], others[..9]);
    let relapses = others.map(|share| 1.0 - share);
    assert_eq!(of_include("ended = relapse", "ended"), relapses);
    assert_eq!(of_include("died > 0", "died"), [0.0, 1.0, 0.0, 1.0]);
    assert_eq!(of_include("os_days < 365", "ended")[..4], [1.0, 1.0, 1.0, 0.0]);

    // With what is asked; what contradicts the cohort is refused.
    let domain = of(&format!("{PARAMS}cohort = {{ include = [\"age >= 63\"] }}")).unwrap();
    let young = domain.condition(&texts(&["age < 70"])).unwrap();
    assert_eq!(young.allowed[&0].iter().sum::<f64>(), 0.7);
    let mut rng = chacha20::ChaCha20Rng::seed_from_u64(6);
    for _ in 0..200 {
        let row = domain.decode_within(&[6, 0, 0, 0, 0, 0, 0], &young, &mut rng);
        assert!((63..70).contains(&row[0].parse::<i32>().unwrap()), "{row:?}");
    }
    let error = domain.condition(&texts(&["age < 63"])).unwrap_err().to_string();
    assert!(error.contains("age < 63") && error.contains("in the cohort"), "{error}");
}

#[test]
fn a_cohort_is_kept_as_far_as_the_domain_has_its_columns() {
    let cohort = "cohort = { include = [\"age >= 63\"], exclude = [\"npm1 = 1\"] }";
    let domain = of(&format!("columns = [\"sex\", \"npm1\"]\n{cohort}")).unwrap();
    assert_eq!((domain.cohort.include.len(), domain.cohort.exclude.len()), (0, 1));
    assert!(of("columns = [\"sex\"]").unwrap().cohort.is_all());
    // A cohort of nobody is no cohort.
    let nobody = "cohort = { include = [\"age > 80\"], exclude = [\"age > 70\"] }";
    let error = of(&format!("{PARAMS}{nobody}")).unwrap_err().to_string();
    assert!(error.contains("leaves no value"), "{error}");
    let error = of(&format!("{PARAMS}cohort = {{ include = [\"age > 200\"] }}")).unwrap_err();
    assert!(error.to_string().contains("public range is 0 to 110"), "{error}");
}

#[test]
fn a_file_with_a_cohort_that_its_domain_cannot_read_is_refused() {
    let good = of(PARAMS).unwrap();
    let refused = |include: Vec<String>| {
        let mut domain = good.clone();
        domain.cohort.include.extend(include);
        domain.check().expect_err("checked").to_string()
    };
    assert!(refused(texts(&["weight > 3"])).contains("weight"));
    assert!(refused(texts(&["age ~ 3"])).contains("COLUMN OP VALUE"));
    assert!(refused(texts(&["age > 70", "age < 60"])).contains("leaves no value"));
    let many = (0..5000).map(|i| format!("age != {i}")).collect();
    assert!(refused(many).contains("at most 4096"));
}
