//! What the demonstration shows: progress while it runs, results when it is done.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use haima_fl_core::results::{Curves, Fit, Table1};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::network::Plan;
use super::virtual_patients::Drawn;
use crate::coordinator::events::Event;
use crate::model_file::Guarantee;
use crate::report::words::Ratio;
use crate::report::{Class, Holds, StepResult, StudyReport, numbers};

/// The demonstration's terminal. Progress goes to standard error, results to standard output.
pub(super) struct Screen {
    bars: MultiProgress,
    state: RefCell<State>,
    titles: BTreeMap<String, String>,
}

#[derive(Default)]
struct State {
    joining: Option<ProgressBar>,
    task: Option<(String, ProgressBar)>,
    /// Told once, not every round.
    refusal_said: bool,
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

impl Screen {
    pub(super) fn new(plan: &Plan, data: &Path, patients: usize) -> Self {
        let screen = Self {
            bars: MultiProgress::new(),
            state: RefCell::default(),
            titles: plan.study.about().titles,
        };
        let how = match plan.study.terms(plan.cohorts.len()) {
            None => format!("{} SMPC nodes", plan.nodes),
            Some(masking) => format!(
                "no nodes (masked: threshold {}, secret against the coordinator and {} hospitals)",
                masking.threshold, masking.corrupt
            ),
        };
        screen.say(&format!(
            "{}: {patients} {}, {} hospitals, {how}, 1 coordinator; \
             each its own process, mutual TLS on loopback",
            data.display(),
            plan.study.about.subject,
            plan.cohorts.len(),
        ));
        if let Some(poisoner) = &plan.poisoner {
            screen.say(&format!(
                "  {poisoner} cheats: it tries to move every sum 1,000 times as far as it may"
            ));
        }
        screen
    }

    /// A line above the bars.
    pub(super) fn say(&self, line: &str) {
        if self.bars.is_hidden() {
            eprintln!("{line}");
        } else {
            let _ = self.bars.println(line);
        }
    }

    /// One event of the coordinator.
    pub(super) fn show(&self, event: &Event) {
        let mut state = self.state.borrow_mut();
        match event {
            Event::Joined { sites, of } => {
                let bar = state.joining.get_or_insert_with(|| {
                    let bar = self.bars.add(ProgressBar::new(*of as u64));
                    bar.set_style(style("  {msg:<44} {bar:28} {pos}/{len}"));
                    bar.set_message("hospitals joining");
                    bar
                });
                bar.set_position(*sites as u64);
                if sites == of {
                    bar.finish();
                }
            }
            Event::TaskStarted { task, max_steps } => {
                let bar = self.bars.add(ProgressBar::new(u64::from(*max_steps)));
                bar.set_style(style("  {msg:<44} {bar:28} {pos}/{len} rounds  {elapsed}"));
                let title = self.titles.get(task).unwrap_or(task);
                bar.set_message(title.chars().take(44).collect::<String>());
                bar.enable_steady_tick(Duration::from_millis(200));
                state.task = Some((task.clone(), bar));
            }
            Event::Released { round, refused, .. } => {
                if !refused.is_empty() && !std::mem::replace(&mut state.refusal_said, true) {
                    self.say(&format!(
                        "  round {}: {} left out: the proof of its bound failed, and the round \
                         went on",
                        round.number,
                        refused.join(", ")
                    ));
                }
                if let Some((_, bar)) = &state.task {
                    bar.inc(1);
                }
            }
            Event::Failed { round, reason, .. } => {
                self.say(&format!("  round {} failed: {reason}; another attempt", round.number));
            }
            Event::TaskDone { .. } => {
                if let Some((task, bar)) = state.task.take() {
                    // Tasks that converge end before their last allowed step.
                    bar.set_length(bar.position());
                    bar.finish();
                    if self.bars.is_hidden() {
                        self.say(&format!("  {task}: {} rounds", bar.position()));
                    }
                }
            }
            Event::Opened(_) | Event::Done => {}
        }
    }

    /// The study has ended.
    pub(super) fn done(&self) {
        self.say("");
    }

    /// The results, for a person.
    pub(super) fn results(&self, report: &StudyReport, drawn: Option<&Drawn>, page: &Path) {
        println!("{}", report.title);
        for warning in &report.warnings {
            println!("! {warning}");
        }
        for out in &report.excluded {
            println!("! {}: {}", out.site, out.reason);
        }
        for step in &report.steps {
            let class = match &step.class {
                Class::Exact => "exact: no differential privacy".to_owned(),
                Class::Private(p) => format!(
                    "patient-level eps {} ({}), {} (public), delta {:.0e}",
                    numbers::epsilon(p.epsilon_coalition),
                    against(report),
                    numbers::epsilon(p.best_public.epsilon),
                    p.delta
                ),
            };
            println!("\n{} [{class}]", step.title);
            match &step.result {
                Some(StepResult::Table1(table)) => table1(table, report.floors.min_cell),
                Some(StepResult::Curves(result)) => curves(result),
                Some(StepResult::Fit(result)) => fit(result),
                Some(StepResult::Hazard(model)) => println!(
                    "  {}; {} weights, {} steps",
                    model.formula,
                    model.weights.len(),
                    model.steps
                ),
                Some(StepResult::Concordance(c)) => println!(
                    "  C-index {:.3} over {} {} patients, {} events",
                    c.c_index, c.n, c.subset, c.events
                ),
                Some(StepResult::Generator(made)) => println!(
                    "  generator ({}) of {}, from {}",
                    made.method,
                    numbers::counted(
                        made.domain.attributes.len() as u64,
                        "attribute",
                        "attributes"
                    ),
                    numbers::counted(made.rounds.into(), "sum", "sums")
                ),
                Some(_) => println!("  in the report"),
                None => println!("  no result"),
            }
        }
        costs(report);
        if let Some(comparison) = &report.comparison {
            println!(
                "\nC-index of the network: {:.3}; the same network without noise: {:.3}\n  ({})",
                comparison.with_noise.c_index, comparison.without_noise.c_index, comparison.note
            );
        }
        println!("\nWhat is promised in this mode ({})", report.mode);
        for promise in &report.promises {
            let holds = match promise.holds {
                Holds::Yes => "yes   ",
                Holds::Partly => "partly",
                Holds::No => "NO    ",
            };
            println!("  {holds} {} | against {}", promise.property, promise.against);
        }
        if let Some(drawn) = drawn {
            virtual_patients(drawn, report);
        }
        println!("\nReport: {}", page.display());
    }
}

fn costs(report: &StudyReport) {
    println!(
        "\n{:<42} {:>6} {:>7} {:>10} {:>10}  privacy (coalition)",
        "What each step cost", "rounds", "s", "sent", "released"
    );
    for step in &report.steps {
        let privacy = match &step.class {
            Class::Exact => "none (exact)".to_owned(),
            Class::Private(p) => {
                format!("eps {}, delta {:.0e}", numbers::epsilon(p.epsilon_coalition), p.delta)
            }
        };
        println!(
            "{:<42} {:>6} {:>7.1} {:>10} {:>10}  {privacy}",
            step.title.chars().take(42).collect::<String>(),
            step.rounds,
            step.seconds,
            bytes(step.bytes_sent_by_sites),
            bytes(step.bytes_released),
        );
    }
    if !report.steps.iter().any(|step| matches!(step.class, Class::Private(_))) {
        println!("No task of this study is private: no eps is spent, and none covers it.");
        return;
    }
    let most = report.ledger.iter().max_by(|a, b| a.epsilon_spent.total_cmp(&b.epsilon_spent));
    if let Some(site) = most {
        let told = site.told();
        println!(
            "Each hospital's ledger: eps {} used at delta {:.0e}; {}; {} without any privacy guarantee",
            told.epsilons(),
            site.delta,
            told.left(),
            numbers::counted(site.exact_releases.into(), "exact result", "exact results")
        );
    }
    if let Some(plan) = &report.plan {
        println!(
            "The plan, committed beforehand: eps {} against {} ({}), {} in public ({}), \
             delta {:.0e}, one patient added or removed",
            numbers::epsilon(plan.best_coalition.epsilon),
            against(report),
            plan.best_coalition.method,
            numbers::epsilon(plan.best_public.epsilon),
            plan.best_public.method,
            plan.delta
        );
    }
}

fn virtual_patients(drawn: &Drawn, report: &StudyReport) {
    let privacy = match &drawn.privacy {
        Guarantee::Exact { .. } => "no differential privacy".to_owned(),
        Guarantee::Dp { epsilon, delta, .. } => {
            format!("eps {} ({}), delta {delta:.0e}", numbers::epsilon(*epsilon), against(report))
        }
    };
    let (path, rows) = (drawn.path.display(), numbers::counted(drawn.rows, "row", "rows"));
    println!("\nVirtual patients: {path}, {rows}, {privacy}");
    if let Some(page) = &drawn.page {
        println!("  beside the real ones: {} (exact counts: confidential)", page.display());
    }
}

/// Whom the coalition's figure is against.
fn against(report: &StudyReport) -> String {
    match &report.masked {
        None => "all nodes but one".to_owned(),
        Some(masked) => format!("the coordinator and {} hospitals", masked.corrupt),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

fn table1(table: &Table1, min_cell: u64) {
    use haima_fl_core::results::Cells;
    let count = |n: u64| match n {
        0 => "0".to_owned(),
        n if n < min_cell => format!("<{min_cell}"),
        n => n.to_string(),
    };
    print!("  {:<28}", "");
    for (group, n) in table.groups.iter().zip(&table.n) {
        print!(" {:>20}", format!("{group} (n={})", count(*n)));
    }
    println!();
    for row in &table.rows {
        match &row.cells {
            Cells::Numeric { mean, sd, .. } => {
                print!("  {:<28}", format!("{}, mean (SD)", row.label));
                for (mean, sd) in mean.iter().zip(sd) {
                    print!(" {:>20}", format!("{mean:.1} ({sd:.1})"));
                }
                println!();
            }
            Cells::Categorical { levels, counts } => {
                for (level, counts) in levels.iter().zip(counts) {
                    print!("  {:<28}", format!("{} = {level}", row.label));
                    for n in counts {
                        print!(" {:>20}", count(*n));
                    }
                    println!();
                }
            }
        }
    }
}

fn curves(curves: &Curves) {
    println!("  {}; {} patients, {} events", curves.formula, curves.n, curves.events);
    for curve in &curves.curves {
        let median = curve.median.map_or("not reached".to_owned(), |m| format!("{m:.0}"));
        println!("  {:<12} n {:>5}  median {median}", curve.group, curve.n);
    }
    if let Some(test) = &curves.logrank {
        println!("  log-rank chi-square {:.3} on {} df, p {:.3}", test.chisq, test.df, test.p);
    }
}

fn fit(fit: &Fit) {
    println!("  {}; {} patients, {} events", fit.formula, fit.n, fit.events);
    println!("  {:<20} {:>8} {:>22} {:>8}", "", Ratio::of(fit).short, "95 % CI", "p");
    for term in fit.terms.iter().filter(|term| term.name != "(Intercept)") {
        let p = if term.p < 0.001 { "<0.001".to_owned() } else { format!("{:.3}", term.p) };
        let interval = format!("{:.3} to {:.3}", term.lo, term.hi);
        println!("  {:<20} {:>8.3} {interval:>22} {p:>8}", term.name, term.hr);
    }
}
