//! Holds one played cell against the recorded one: every field must agree, but for what the table says that reality leaves open.
//!
//! One thing is open everywhere and settled here: who of several replicas joins or leaves an ISR first, and in how many records,
//! is chance. Steps that change nothing but ISR and ELR therefore count as one, however many they were.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::action::Action;
use super::allowance::{self, Allowance};
use super::recording::{Class, Line, Noted, Stage};
use super::state::State;

/// One field of one cell in which the two sides differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The state.
    pub state: State,
    /// The action.
    pub action: Action,
    /// The stage.
    pub stage: Stage,
    /// The field.
    pub field: Field,
    /// Which broker it is about, if about one.
    pub broker: Option<String>,
    /// What was recorded.
    pub recorded: String,
    /// What was played.
    pub played: String,
}

/// A field of [`Noted`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// Whether the stage is there at all.
    Stage,
    /// Kafka's answers.
    Answers,
    /// How long things took.
    Took,
    /// The partition's states.
    Path,
    /// The move under way.
    Moving,
    /// Registrations.
    Brokers,
    /// Places in the metadata log.
    Pulse,
    /// Which brokers are listed.
    Lists,
    /// What brokers tell about the partition.
    Views,
    /// Records with acks=1.
    One,
    /// Records with acks=all.
    All,
    /// Log ends.
    Ends,
}

impl Field {
    /// Gives the field's name as recordings write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Answers => "answers",
            Self::Took => "took",
            Self::Path => "path",
            Self::Moving => "moving",
            Self::Brokers => "brokers",
            Self::Pulse => "pulse",
            Self::Lists => "lists",
            Self::Views => "views",
            Self::One => "one",
            Self::All => "all",
            Self::Ends => "ends",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {} {}", self.state, self.action, self.stage, self.field.name())?;
        if let Some(broker) = &self.broker {
            write!(f, " of {broker}")?;
        }
        write!(f, ": recorded [{}], played [{}]", self.recorded, self.played)
    }
}

/// Gives every difference that the table does not allow.
#[must_use]
pub fn differences(recorded: &Line, played: &Line) -> Vec<Difference> {
    all_differences(recorded, played).into_iter().filter(|difference| allowing(difference).is_none()).collect()
}

/// Gives what allows a difference, if anything does.
#[must_use]
pub fn allowing(difference: &Difference) -> Option<&'static Allowance> {
    allowance::ALLOWANCES.iter().find(|allowance| allowance.covers(difference))
}

/// Gives every difference.
#[must_use]
pub fn all_differences(recorded: &Line, played: &Line) -> Vec<Difference> {
    let mut found = Vec::new();
    let stages = |line: &Line| line.stages.iter().map(|noted| noted.stage.to_string()).collect::<Vec<_>>().join(" ");
    let differs = Differs { state: recorded.state, action: recorded.action, stage: Stage::Before };
    let (left, right) = (stages(recorded), stages(played));
    if left != right {
        found.push(differs.text(Field::Stage, left, right));
        return found;
    }
    for (left, right) in recorded.stages.iter().zip(&played.stages) {
        let differs = Differs { stage: left.stage, ..differs };
        differs.note(left, right, &mut found);
    }
    found
}

/// Where a difference would be.
#[derive(Debug, Clone, Copy)]
struct Differs {
    state: State,
    action: Action,
    stage: Stage,
}

impl Differs {
    fn note(self, left: &Noted, right: &Noted, found: &mut Vec<Difference>) {
        let mut lists = |field: Field, left: &[String], right: &[String]| {
            if left != right {
                found.push(self.text(field, left.join(" | "), right.join(" | ")));
            }
        };
        lists(Field::Answers, &left.answers, &right.answers);
        lists(Field::Path, &settled(&left.path), &settled(&right.path));
        if left.moving != right.moving {
            let text = |moving: &Option<String>| moving.clone().unwrap_or_default();
            found.push(self.text(Field::Moving, text(&left.moving), text(&right.moving)));
        }
        let near = |(left, right): (&Class, &Class)| left.is_near(*right);
        if left.took.len() != right.took.len() || !left.took.iter().zip(&right.took).all(near) {
            found.push(self.text(Field::Took, format!("{:?}", left.took), format!("{:?}", right.took)));
        }
        for (field, left, right) in [
            (Field::Brokers, &left.brokers, &right.brokers),
            (Field::Pulse, &left.pulse, &right.pulse),
            (Field::Lists, &left.lists, &right.lists),
            (Field::Views, &left.views, &right.views),
            (Field::One, &left.one, &right.one),
            (Field::All, &left.all, &right.all),
            (Field::Ends, &left.ends, &right.ends),
        ] {
            self.map(field, left, right, found);
        }
    }

    fn map(
        self,
        field: Field,
        left: &BTreeMap<String, String>,
        right: &BTreeMap<String, String>,
        found: &mut Vec<Difference>,
    ) {
        let keys: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
        for key in keys {
            let (recorded, played) = (left.get(key), right.get(key));
            if recorded != played {
                let text = |value: Option<&String>| value.cloned().unwrap_or_default();
                let difference = self.text(field, text(recorded), text(played));
                found.push(Difference { broker: Some(key.clone()), ..difference });
            }
        }
    }

    fn text(self, field: Field, recorded: String, played: String) -> Difference {
        let Self { state, action, stage } = self;
        Difference { state, action, stage, field, broker: None, recorded, played }
    }
}

/// Gives a path in which ISR changes that follow each other are one step, without the count of its records.
fn settled(path: &[String]) -> Vec<String> {
    let mut settled: Vec<String> = Vec::new();
    for step in path {
        let whole =
            step.split_once(" e+0 p+").and_then(|(leader, rest)| Some((leader, rest.split_once(", replicas ")?.1)));
        let Some((leader, rest)) = whole else {
            settled.push(step.clone());
            continue;
        };
        let replicas = rest.split_once(", isr").map_or("", |(replicas, _)| replicas);
        let same = |last: &&String| {
            last.starts_with(&format!("{leader} ")) && last.contains(&format!(", replicas {replicas}, isr"))
        };
        match settled.last().filter(same).cloned() {
            Some(last) => {
                settled.pop();
                let steps = last.split_once(" p+").map_or("", |(steps, _)| steps);
                settled.push(format!("{steps} p+, replicas {rest}"));
            }
            None => settled.push(step.clone()),
        }
    }
    // A single ISR step in one recording is two in another: neither count is told.
    for step in &mut settled {
        if let Some((head, rest)) = step.split_once(", replicas ")
            && let Some((steps, _)) = head.split_once(" p+")
            && head.contains(" e+0 ")
        {
            *step = format!("{steps} p+, replicas {rest}");
        }
    }
    settled
}
