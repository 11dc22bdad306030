//! A second example: every task over the transplant patients, computed here by the plain sum, with
//! a result that no version of the page knows.

use haima::report::{Class, Party, Role, Step, StepResult, StudyReport};

use crate::every_task::{every_task, plain};

fn step(id: &str, task: &str, result: StepResult) -> Step {
    Step {
        id: id.to_owned(),
        title: id.to_owned(),
        task: task.to_owned(),
        class: Class::Exact,
        cohort: "include age > 1\n".to_owned(),
        rounds: 1,
        attempts_failed: 0,
        seconds: 0.1,
        bytes_sent_by_sites: 1000,
        bytes_received_by_nodes: 1000,
        bytes_released: 100,
        result: Some(result),
    }
}

pub(crate) fn further() -> StudyReport {
    let setup = every_task();
    let results = plain(&setup);
    let mut steps: Vec<Step> = setup
        .study
        .tasks
        .iter()
        .map(|task| step(&task.id, &task.task, StepResult::read(&results[&task.id])))
        .collect();
    let unknown = serde_json::json!({ "schema": "haima.tomorrow/1", "n": 3 });
    steps.push(step("tomorrow", "tomorrow", StepResult::read(&unknown)));
    let mut report = StudyReport { steps, ..StudyReport::new("Transplantation") };
    report.title = "137 patients, 4 hospitals".to_owned();
    report.parties = setup
        .cohorts
        .keys()
        .map(|name| Party {
            name: name.clone(),
            role: Role::Site,
            operator: name.clone(),
            fingerprint: String::new(),
            note: String::new(),
        })
        .collect();
    let wording = &mut report.wording;
    wording.outcome = "Disease-free survival".to_owned();
    wording.event = "relapse or death".to_owned();
    wording.events = "relapses or deaths".to_owned();
    wording.origin = "transplantation".to_owned();
    wording.time_unit = "days".to_owned();
    let labels = [
        ("patient_age", "Age, per 10 years"),
        ("patient_male=0", "Women"),
        ("patient_male=1", "Men"),
        ("disease_group=ALL", "ALL"),
        ("disease_group=AML_high_risk", "AML, high risk"),
        ("disease_group=AML_low_risk", "AML, low risk"),
        ("disease_groupAML_high_risk", "AML, high risk (against ALL)"),
        ("disease_groupAML_low_risk", "AML, low risk (against ALL)"),
        ("fab_4_5_aml", "FAB grade 4 or 5 and AML"),
        ("patient_cmv", "CMV, patient"),
        ("donor_cmv", "CMV, donor"),
        ("ill", "chronic GVHD"),
        ("dead", "relapsed or dead"),
    ];
    wording.labels = labels.map(|(key, text)| (key.to_owned(), text.to_owned())).into();
    wording.per.insert("patient_age".to_owned(), 10.0);
    report
}
