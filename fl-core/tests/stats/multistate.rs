//! Illness-death, against R's `survfit` of three states.

use haima_fl_core::Error;
use haima_fl_core::results::multistate::MultiState;
use serde_json::Value;

use crate::common::{
    MGUS2_EVENT, close, cohorts, deal, mgus2_event, numbers, open, run, schema, shipped_oracle,
};

const PARAMS: &str = "illness_time = \"ptime\"\nillness = \"pstat\"\n\
                      time = \"futime\"\nevent = \"death\"\ngrid = ";

fn model(grid: &str, files: &[String]) -> MultiState {
    let schema = schema(MGUS2_EVENT);
    let params = format!("{PARAMS}{grid}");
    let output = run("multistate", &params, &schema, &cohorts(&schema, files), 1).expect("model");
    serde_json::from_value(output).expect("haima.multistate/1")
}

/// R's matrices are written column by column; its times are those of any event or censoring.
fn equals(what: &str, ours: &MultiState, values: &[f64], r_time: &[f64], r: &Value) {
    let r = numbers(r);
    let theirs: Vec<f64> = (ours.time.iter())
        .map(|t| r[r_time.iter().rposition(|time| time <= t).expect("a time of R")])
        .collect();
    let worst = close(what, values, &theirs, 1e-9);
    assert!(theirs.iter().any(|value| *value > 0.01), "{what}");
    eprintln!("multistate {what}: {worst:.1e}");
}

#[test]
fn illness_death_over_hospitals_equals_r() {
    let r = &shipped_oracle("competing.json")["multistate"];
    let time = numbers(&r["time"]);
    let ours = model("1.0", &deal(&mgus2_event(), 6));
    assert_eq!((ours.n, ours.events, ours.sites), (1384, 963, 6));
    for (column, state) in ours.states.iter().enumerate() {
        equals(&state.state, &ours, &state.pstate, &time, &r["pstate"][column]);
    }
    for (which, key) in ["illness", "death", "death_after_illness"].iter().enumerate() {
        let transition = &ours.transitions[which];
        let name = format!("{} to {}", transition.from, transition.to);
        equals(&name, &ours, &transition.cumhaz, &time, &r["cumhaz"][which]);
        equals(&name, &ours, &transition.cumhaz, &time, &r["nelson_aalen"][key]["cumhaz"]);
        equals(&format!("{name}, se"), &ours, &transition.se, &time, &r["nelson_aalen"][key]["se"]);
    }
    let ill: u64 = ours.transitions[0].n_event.iter().sum();
    assert_eq!(ill, 115);
}

/// Whatever the grid, everybody is in one state, and who is at risk is who came and has not gone.
#[test]
fn states_of_an_illness_death_model_add_up() {
    for grid in ["1.0", "12.0", "500.0"] {
        let ours = model(grid, &deal(&mgus2_event(), 3));
        for row in 0..ours.time.len() {
            let all: f64 = ours.states.iter().map(|state| state.pstate[row]).sum();
            assert!((all - 1.0).abs() < 1e-12, "{grid} at {}", ours.time[row]);
            assert!(ours.states.iter().all(|state| state.pstate[row] >= -1e-12));
        }
        let censored: u64 = ours.states.iter().flat_map(|state| &state.n_censor).sum();
        assert_eq!(censored + ours.events, ours.n);
    }
}

#[test]
fn illness_death_does_not_depend_on_the_split() {
    let mut one = model("6.0", &deal(&mgus2_event(), 1));
    one.sites = 9;
    assert_eq!(one, model("6.0", &deal(&mgus2_event(), 9)));
}

#[test]
fn a_cohort_without_illness_has_nobody_ill() {
    let file = "id,age,sex,dxyr,hgb,creat,mspike,ptime,pstat,futime,death,etime,event\n\
                1,60,F,1980,13,1,1,5,0,5,1,5,death\n2,60,F,1980,13,1,1,7,0,7,0,7,censored\n";
    let ours = model("1.0", &[file.to_owned()]);
    assert_eq!(ours.time, [5.0, 7.0]);
    assert_eq!(ours.states[0].n_risk, [2, 1]);
    assert_eq!(ours.states[1].pstate, [0.0, 0.0]);
    assert_eq!(ours.states[2].pstate, [0.5, 0.5]);
    // Who fell ill after the end of follow-up is left out.
    let wrong = file.replace("7,0,7,0,7", "9,1,7,0,7");
    assert_eq!(model("1.0", &[wrong]).n, 1);
}

#[test]
fn illness_death_refuses_other_columns() {
    let schema = schema(MGUS2_EVENT);
    for (params, what) in [
        (PARAMS.replace("\"pstat\"", "\"death\"") + "1.0", "both illness and death"),
        (PARAMS.replace("\"pstat\"", "\"event\"") + "1.0", "`event`"),
        (PARAMS.replace("\"ptime\"", "\"sex\"") + "1.0", "`sex`"),
        (PARAMS.to_owned() + "-1.0", "`grid`"),
    ] {
        let Some(Error::Params { reason, .. }) = open("multistate", &params, &schema).err() else {
            panic!("opened {params}")
        };
        assert!(reason.contains(what), "{reason}");
    }
}
