//! `tanist simulate`: plays a scenario or random worlds, and says what came of it and how fast it went.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;

use super::demo::demo;
use super::toll;
use crate::adapters::clock;
use crate::sim::random::{Ran, RandomPlan, shrink};
use crate::sim::sabotage::Sabotage;
use crate::sim::scan::{Alone, Row, Scan, Scenarios, Witness, page, rows};
use crate::sim::scenario::{Comparison, Course, Played, measured, replay, text_of};
use crate::surface::cli::Output;
use crate::surface::exit::{ExitStatus, Failure};
use crate::surface::simulate::{Answers, Simulation};

/// A run says where it is as often.
const HOUR_S: u64 = 3600;

/// Does what was asked for; gives 0 where everything went as it must, 1 where an invariant or an expectation failed.
pub(super) fn simulate(what: Simulation, output: Output, to: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    match what {
        Simulation::Scenario { file, answers } => scenario(&file, answers, (output, to)),
        Simulation::Demo(show) => demo(show, output, to),
        Simulation::Sabotages { folder, seeds, span, page } => {
            let before = page.as_deref().and_then(|page| std::fs::read_to_string(page).ok());
            let known = before.and_then(|page| rows(&page)).unwrap_or_default();
            let scan = Scan { scenarios: scenarios(&folder)?, seeds, span, known };
            sabotages(&scan, page.as_deref(), (output, to))
        }
        Simulation::Whole { plan } => whole(&plan, (output, to)),
        Simulation::Random { plan, seeds, save } => random(&plan, seeds, save.as_deref(), (output, to)),
    }
}

fn scenario(file: &Path, answers: Answers, (output, to): (Output, &mut dyn Write)) -> anyhow::Result<ExitStatus> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let began = clock::now();
    let (played, course) = match answers {
        Answers::Printed => measured(&text),
        Answers::Bare | Answers::Recorded => replay(&text).map(|played| (played, None)),
    }
    .map_err(|error| Failure { status: ExitStatus::Usage, what: format!("{}: {error}", file.display()) })?;
    let took = clock::now().saturating_duration_since(began);
    match (answers, output) {
        (Answers::Printed | Answers::Bare, Output::Table) => {
            write!(to, "{}", played.text)?;
            // The same is played once more for it: nobody shall wait for that to read what happened.
            to.flush()?;
            if let Some(compared) = course.and_then(Course::compared) {
                write!(to, "\n{}", toll::text(&compared))?;
            }
        }
        (Answers::Printed | Answers::Bare, Output::Json) => {
            scenario_json(file, &played, (took, course.and_then(Course::compared)), to)?;
        }
        (Answers::Recorded, Output::Table | Output::Json) => {
            std::fs::write(file, &played.text).with_context(|| format!("{} cannot be written", file.display()))?;
        }
    }
    for failure in &played.failures {
        writeln!(std::io::stderr(), "{}: {failure}", file.display())?;
    }
    let other = if answers == Answers::Recorded { None } else { other_answer(&text, &played.text) };
    if let Some((line, now)) = other {
        writeln!(
            std::io::stderr(),
            "{}: line {line} is otherwise now: {now:?} (--rewrite records it)",
            file.display()
        )?;
    }
    Ok(if played.failures.is_empty() && other.is_none() { ExitStatus::Yes } else { ExitStatus::No })
}

/// Gives the first line of a scenario with answers that is otherwise now; none where nothing was recorded yet.
fn other_answer<'a>(text: &str, played: &'a str) -> Option<(usize, &'a str)> {
    if !text.lines().any(|line| line == "----") {
        return None;
    }
    let end = text.lines().map(Some).chain(std::iter::repeat(None));
    let differs = |((_, now), recorded): &((usize, &str), Option<&str>)| Some(*now) != *recorded;
    let first = (1..).zip(played.lines()).zip(end).find(differs).map(|((line, now), _)| (line, now));
    first.or_else(|| (text.lines().count() != played.lines().count()).then(|| (played.lines().count() + 1, "")))
}

fn scenario_json(
    file: &Path,
    played: &Played,
    (took, compared): (Duration, Option<Comparison>),
    to: &mut dyn Write,
) -> anyhow::Result<()> {
    let value = serde_json::json!({
        "version": 1,
        "kind": "scenario",
        "file": file.display().to_string(),
        "simulated_s": played.span.as_secs(),
        "node_steps": played.statistics.node_steps,
        "node_steps_per_s": per_second(played.statistics.node_steps, took),
        "times_real_time": per_second(played.span.as_secs(), took),
        "trace": played.trace.to_string(),
        "failures": played.failures,
        "violation": played.violation.as_ref().map(ToString::to_string),
        "came_to": compared.as_ref().map(toll::json),
    });
    writeln!(to, "{value}")?;
    Ok(())
}

/// Plays every sabotage; gives 1 where one is not found.
fn sabotages(scan: &Scan, file: Option<&Path>, (output, to): (Output, &mut dyn Write)) -> anyhow::Result<ExitStatus> {
    let (mut rows, mut missed) = (Vec::new(), 0_u32);
    for sabotage in Sabotage::ALL {
        let row = scan.row(*sabotage);
        match output {
            Output::Table => writeln!(to, "{sabotage}: {}", told(row.as_ref()))?,
            Output::Json => {
                let value = serde_json::json!({
                    "version": 1,
                    "kind": "sabotage",
                    "sabotage": sabotage.name(),
                    "found_by": row.as_ref().map(|row| row.number.clone()),
                    "in": row.as_ref().map(|row| place(&row.witness)),
                    "alone": row.as_ref().map(|row| row.alone == Alone::Yes),
                    "first_seed": row.as_ref().and_then(|row| row.random.as_ref()).map(|(seed, _)| *seed),
                });
                writeln!(to, "{value}")?;
            }
        }
        missed = missed.saturating_add(u32::from(row.is_none()));
        rows.extend(row);
    }
    if let Some(file) = file {
        std::fs::write(file, page(&rows)).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(if missed == 0 { ExitStatus::Yes } else { ExitStatus::No })
}

fn told(row: Option<&Row>) -> String {
    let Some(row) = row else { return "NOT FOUND".to_owned() };
    let alone = if row.alone == Alone::Yes { ", and nobody else would have" } else { "" };
    let random = row.random.as_ref().map_or_else(
        || "no random world shows it".to_owned(),
        |(seed, number)| format!("at random first with seed {seed} ({number})"),
    );
    format!("{} found it in {}{alone}; {random}", row.number, place(&row.witness))
}

fn place(witness: &Witness) -> String {
    match witness {
        Witness::Scenario(name) => name.clone(),
        Witness::Seed(seed) => format!("seed {seed}"),
    }
}

/// Reads every scenario below a folder.
fn scenarios(folder: &Path) -> anyhow::Result<Scenarios> {
    let mut found = Scenarios::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| format!("{} cannot be read", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "scn") {
                let text =
                    std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
                let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
                found.insert(name, text);
            }
        }
    }
    anyhow::ensure!(!found.is_empty(), "{} holds no scenario", folder.display());
    Ok(found)
}

fn whole(plan: &RandomPlan, (output, to): (Output, &mut dyn Write)) -> anyhow::Result<ExitStatus> {
    if output == Output::Json {
        let what = "--whole tells a scenario, which is no JSON: leave `-o json` out, or `--whole`".to_owned();
        return Err(Failure { status: ExitStatus::Usage, what }.into());
    }
    let played = replay(&plan.whole())?;
    write!(to, "{}", played.text)?;
    Ok(if played.failures.is_empty() { ExitStatus::Yes } else { ExitStatus::No })
}

fn random(
    plan: &RandomPlan,
    seeds: u64,
    save: Option<&Path>,
    (output, to): (Output, &mut dyn Write),
) -> anyhow::Result<ExitStatus> {
    for seed in (0..seeds).map(|more| plan.seed.wrapping_add(more)) {
        let plan = RandomPlan { seed, ..plan.clone() };
        if output == Output::Table {
            writeln!(to, "seed {seed}")?;
        }
        let episodes = plan.episodes();
        let began = clock::now();
        let took = || clock::now().saturating_duration_since(began);
        let mut hours = 0;
        let ran = plan.play_aloud(&episodes, &mut |now| {
            let passed = now.as_secs() / HOUR_S;
            // What comes after the span is how everything comes to its end.
            if hours < passed && now < plan.span {
                hours = passed;
                // Nobody who watches a day shall wonder whether it goes on; where stderr is gone nobody watches.
                let [whole, took] = [plan.span, Duration::from_secs(took().as_secs())].map(humantime::format_duration);
                let _ = writeln!(std::io::stderr(), "seed {seed}: {passed}h of {whole} played in {took}");
            }
        });
        let took = took();
        match output {
            Output::Table => table(&ran, took, to)?,
            Output::Json => json(seed, &ran, took, to)?,
        }
        if let Some(violation) = ran.violation {
            if output == Output::Table {
                // A day is played anew for each try to shrink it: nobody shall wait for those to read what broke.
                writeln!(to, "seed {seed}: {violation}; looking for a shorter schedule that shows it")?;
                to.flush()?;
            }
            let shrunk = shrink(&plan, episodes, violation);
            let text = plan.failing(&shrunk.episodes, &shrunk.violation);
            let recorded = replay(&text).map_or_else(|_| text_of("unreadable", &[]), |played| played.text);
            match save {
                Some(file) => {
                    std::fs::write(file, recorded).with_context(|| format!("{} cannot be written", file.display()))?;
                }
                None if output == Output::Table => write!(to, "\n{recorded}\n")?,
                None => {}
            }
            if output == Output::Table {
                let (left, runs) = (shrunk.episodes.len(), shrunk.runs);
                writeln!(to, "{} (shrunk to {left} episode(s) in {runs} runs)\nseed {seed}", shrunk.violation)?;
            }
            return Ok(ExitStatus::No);
        }
        if output == Output::Table {
            writeln!(to, "seed {seed}: every invariant held, everything came to its end")?;
        }
    }
    Ok(ExitStatus::Yes)
}

fn table(ran: &Ran, took: Duration, to: &mut dyn Write) -> anyhow::Result<()> {
    let list = |sums: &BTreeMap<String, u64>| {
        sums.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
    };
    writeln!(to, "faults:  {}", list(&ran.faults))?;
    writeln!(to, "records: {}", list(&ran.records))?;
    let found = found_of(ran).map(|(what, count)| format!("{what} {count}")).join(", ");
    writeln!(to, "faults and findings: {found}")?;
    let steps = ran.statistics.node_steps;
    writeln!(
        to,
        "{} simulated seconds, {steps} node-steps in {:.1?}: {} a second, {} times real time",
        ran.span.as_secs(),
        took,
        per_second(steps, took),
        per_second(ran.span.as_secs(), took)
    )?;
    writeln!(to, "trace {}", ran.trace)?;
    Ok(())
}

/// Gives what became of faults that could be told, and findings about brokers that were well.
fn found_of(ran: &Ran) -> [(&'static str, u64); 4] {
    let found = ran.found;
    [("right", found.right), ("late", found.late), ("missed", found.missed), ("wrong", found.wrong)]
}

fn json(seed: u64, ran: &Ran, took: Duration, to: &mut dyn Write) -> anyhow::Result<()> {
    let value = serde_json::json!({
        "version": 1,
        "kind": "simulation",
        "seed": seed,
        "simulated_s": ran.span.as_secs(),
        "node_steps": ran.statistics.node_steps,
        "node_steps_per_s": per_second(ran.statistics.node_steps, took),
        "times_real_time": per_second(ran.span.as_secs(), took),
        "trace": ran.trace.to_string(),
        "faults": ran.faults,
        "records": ran.records,
        "found": found_of(ran).into_iter().collect::<BTreeMap<_, _>>(),
        "looked": ran.looked,
        "violation": ran.violation.as_ref().map(ToString::to_string),
    });
    writeln!(to, "{value}")?;
    Ok(())
}

/// Gives how many there were a second, rounded down.
fn per_second(count: u64, took: Duration) -> u64 {
    let micros = took.as_micros().max(1);
    u64::try_from(u128::from(count).saturating_mul(1_000_000) / micros).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::other_answer;

    #[test]
    fn the_first_answer_that_is_another_one_is_told_and_a_file_without_answers_has_none() {
        let played = "run 1s\n----\n one\n";
        assert_eq!(other_answer("run 1s\n", played), None);
        assert_eq!(other_answer(played, played), None);
        assert_eq!(other_answer("run 1s\n----\n two\n", played), Some((3, " one")));
        assert_eq!(other_answer("run 1s\n----\n", played), Some((3, " one")));
        assert_eq!(other_answer("run 1s\n----\n one\n two\n", played), Some((4, "")));
    }
}
