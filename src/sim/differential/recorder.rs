//! Turns readings into lines: absolute numbers in, relations out.

use std::collections::{BTreeMap, BTreeSet};

use super::action::Action;
use super::reading::{CellReading, Moving, Partition, PartitionState, Pulse, Reading, Registered, Silence, View};
use super::recording::{Class, Line, Noted, Stage};
use super::script::Batch;
use crate::model::ids::BrokerId;
use crate::model::topology::Standing;

/// Collects what one batch showed.
#[derive(Debug)]
pub struct Recorder {
    lines: BTreeMap<Action, Line>,
    answers: BTreeMap<Action, Vec<String>>,
    took: Vec<Class>,
    /// Each cell's partition at the last reading.
    before: BTreeMap<Action, Partition>,
    /// Each broker's registration at the last reading.
    registered: BTreeMap<BrokerId, Registered>,
}

impl Recorder {
    /// Begins a batch; nothing has been read.
    #[must_use]
    pub fn begin(batch: &Batch) -> Self {
        let line = |action: Action| (action, Line { state: batch.state, action, stages: Vec::new() });
        Self {
            lines: batch.cells.iter().copied().map(line).collect(),
            answers: BTreeMap::new(),
            took: Vec::new(),
            before: BTreeMap::new(),
            registered: BTreeMap::new(),
        }
    }

    /// Sets what everything was when the topics had been made: the first reading is compared with it.
    pub fn start_from(&mut self, reading: &Reading) {
        for (action, cell) in &reading.cells {
            if let Some(last) = cell.path.last() {
                self.before.insert(*action, last.clone());
            }
        }
        self.remember(reading);
    }

    /// Takes an answer in.
    pub fn answered(&mut self, action: Action, answer: String) {
        self.answers.entry(action).or_default().push(answer);
    }

    /// Takes in how long something took; it concerns every cell.
    pub fn awaited(&mut self, class: Class) {
        self.took.push(class);
    }

    /// Takes a reading in.
    pub fn note(&mut self, stage: Stage, reading: &Reading) {
        let brokers = reading.registrations.iter().map(|(id, path)| (key(*id), self.registration(*id, path))).collect();
        let pulse: BTreeMap<String, String> =
            reading.pulses.iter().map(|(id, pulse)| (key(*id), pulse_text(*pulse).to_owned())).collect();
        let lists: BTreeMap<String, String> =
            reading.lists.iter().map(|(id, list)| (key(*id), list.as_ref().map_or_else(silence, ids_of_set))).collect();
        let empty = CellReading::default();
        for (action, line) in &mut self.lines {
            let cell = reading.cells.get(action).unwrap_or(&empty);
            let before = self.before.get(action);
            let noted = Noted {
                stage,
                answers: self.answers.remove(action).unwrap_or_default(),
                took: self.took.clone(),
                path: path_text(before, &cell.path),
                moving: cell.moving.as_ref().map(moving_text),
                brokers: BTreeMap::clone(&brokers),
                pulse: pulse.clone(),
                lists: lists.clone(),
                views: views_text(cell, before),
                one: taken_text(&cell.one),
                all: taken_text(&cell.all),
                ends: ends_text(cell, before),
            };
            line.stages.push(noted);
            if let Some(last) = cell.path.last() {
                self.before.insert(*action, last.clone());
            }
        }
        self.took.clear();
        self.remember(reading);
    }

    /// Gives the lines.
    #[must_use]
    pub fn finish(self) -> Vec<Line> {
        self.lines.into_values().collect()
    }

    fn remember(&mut self, reading: &Reading) {
        for (id, path) in &reading.registrations {
            if let Some(last) = path.last() {
                self.registered.insert(*id, *last);
            }
        }
    }

    /// `active`, or `active > fenced > active` if it changed; a star marks a new life.
    fn registration(&self, id: BrokerId, path: &[Registered]) -> String {
        let mut life = self.registered.get(&id).and_then(|before| before.epoch);
        let mut words: Vec<String> = Vec::new();
        let before = self.registered.get(&id).copied();
        let mut last = None;
        for one in before.iter().chain(path) {
            // Kafka writes some changes of a registration that concern nobody here.
            if last.replace(*one) == Some(*one) {
                continue;
            }
            let star = if one.epoch.is_some() && one.epoch != life { "*" } else { "" };
            life = one.epoch.or(life);
            words.push(format!("{}{star}", standing_text(one.standing)));
        }
        words.join(" > ")
    }
}

fn key(id: BrokerId) -> String {
    id.0.to_string()
}

fn standing_text(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "active",
        Standing::Fenced => "fenced",
        Standing::ShuttingDown => "leaving",
        Standing::Unregistered => "unregistered",
        Standing::Unknown => "unknown",
    }
}

fn pulse_text(pulse: Pulse) -> &'static str {
    match pulse {
        Pulse::Level => "level",
        Pulse::Behind => "behind",
        Pulse::Absent => "absent",
    }
}

fn silence(silence: &Silence) -> String {
    match silence {
        Silence::Refused => "refused".to_owned(),
        Silence::Silent => "silent".to_owned(),
        Silence::Error(name) => name.clone(),
    }
}

fn ids_of_set(set: &BTreeSet<BrokerId>) -> String {
    ids(set.iter())
}

fn ids<'a>(ids: impl Iterator<Item = &'a BrokerId>) -> String {
    let words: Vec<String> = ids.map(|id| id.0.to_string()).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

fn leader_text(leader: Option<BrokerId>) -> String {
    leader.map_or_else(|| "nobody".to_owned(), |id| id.0.to_string())
}

/// Each state of the path with the steps of both epochs since the one before it.
fn path_text(before: Option<&Partition>, path: &[Partition]) -> Vec<String> {
    let mut last = before;
    let mut words = Vec::new();
    for one in path {
        words.push(match one {
            Partition::Gone => "gone".to_owned(),
            Partition::Is(state) => state_text(state, last),
        });
        last = Some(one);
    }
    words
}

fn state_text(state: &PartitionState, last: Option<&Partition>) -> String {
    let steps = match last {
        Some(Partition::Is(last)) => format!(
            "e+{} p+{}",
            state.leader_epoch.saturating_sub(last.leader_epoch),
            state.partition_epoch.saturating_sub(last.partition_epoch)
        ),
        Some(Partition::Gone) | None => "new".to_owned(),
    };
    format!(
        "leader {} {steps}, replicas {}, isr {}, elr {}",
        leader_text(state.leader),
        ids(state.replicas.iter()),
        ids_of_set(&state.isr),
        ids_of_set(&state.elr)
    )
}

fn moving_text(moving: &Moving) -> String {
    format!("adding {}, removing {}", ids_of_set(&moving.adding), ids_of_set(&moving.removing))
}

fn taken_text(taken: &BTreeMap<BrokerId, Result<(), Silence>>) -> BTreeMap<String, String> {
    let text = |taken: &Result<(), Silence>| taken.as_ref().map_or_else(silence, |()| "ok".to_owned());
    taken.iter().map(|(id, taken)| (key(*id), text(taken))).collect()
}

/// The present truth of a cell: the end of its path, or what it was before.
fn present<'a>(cell: &'a CellReading, before: Option<&'a Partition>) -> Option<&'a PartitionState> {
    match cell.path.last().or(before) {
        Some(Partition::Is(state)) => Some(state),
        Some(Partition::Gone) | None => None,
    }
}

fn views_text(cell: &CellReading, before: Option<&Partition>) -> BTreeMap<String, String> {
    let truth = present(cell, before);
    let age = |view: &View| match (view.leader_epoch, truth.map(|truth| truth.leader_epoch)) {
        (Some(seen), Some(now)) if seen < now => " (old)",
        (_, _) => "",
    };
    let text = |view: &View| {
        let leader = leader_text(view.leader);
        format!("leader {leader}{}, isr {}, offline {}", age(view), ids_of_set(&view.isr), ids_of_set(&view.offline))
    };
    cell.views.iter().map(|(id, view)| (key(*id), view.as_ref().map_or_else(silence, text))).collect()
}

/// `level`, `behind` or `ahead` of the leader's replica; of the longest where the leader does not tell.
fn ends_text(cell: &CellReading, before: Option<&Partition>) -> BTreeMap<String, String> {
    let leader = present(cell, before).and_then(|truth| truth.leader);
    let leaders = leader.and_then(|leader| cell.ends.get(&leader)?.as_ref().ok());
    let longest = cell.ends.values().filter_map(|end| end.as_ref().ok()).max();
    let Some(measure) = leaders.or(longest) else {
        return cell
            .ends
            .iter()
            .map(|(id, end)| (key(*id), end.as_ref().err().map_or_else(String::new, silence)))
            .collect();
    };
    let text = |end: &i64| match end.cmp(measure) {
        std::cmp::Ordering::Less => "behind".to_owned(),
        std::cmp::Ordering::Equal => "level".to_owned(),
        std::cmp::Ordering::Greater => "ahead".to_owned(),
    };
    cell.ends.iter().map(|(id, end)| (key(*id), end.as_ref().map_or_else(silence, text))).collect()
}
