//! Reads the commands that need to know nothing of the world, and says which word of a line fits none of the forms that it may have.

use std::time::Duration;

use crate::control::event::PauseFile;
use crate::model::ids::NodeId;
use crate::sim::checks::NUMBERS;
use crate::sim::disk::DiskTrouble;
use crate::sim::net::{Cut, LinkTrouble};

use super::command::{Command, Ours, Span, Wish};
use super::parse::{ScenarioError, wrong};

/// What may be expected, by example.
pub(super) const EXPECTATIONS: [&str; 8] = [
    "b1 leads nothing",
    "p0 led by b2",
    "p0 blocked",
    "all serve",
    "nothing lost",
    "nothing sent",
    "a leader",
    "violation S2",
];

/// Gives the first word that fits none of these forms any more; empty where one is missing. A form's word stands for itself, for any
/// number after the same letter (`b1`), or, in capitals, for any word.
pub(super) fn misfit<'a>(words: &[&'a str], forms: &[&str]) -> &'a str {
    let numbered = |word: &str| {
        let mut letters = word.chars();
        let letter = letters.next();
        let digits = letters.as_str();
        letter.filter(|_| !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_digit()))
    };
    let is_like = |form: &str, word: &str| {
        let any = form.chars().all(|letter| letter.is_ascii_uppercase());
        any || form == word || numbered(form).is_some_and(|letter| numbered(word) == Some(letter))
    };
    let fits = |form: &&str| form.split_whitespace().zip(words).take_while(|(form, word)| is_like(form, word)).count();
    let most = forms.iter().map(fits).max().unwrap_or_default();
    words.get(most).copied().unwrap_or_default()
}

pub(super) fn invariant(at: usize, word: &str) -> Result<String, ScenarioError> {
    if NUMBERS.iter().any(|(number, _)| *number == word) {
        return Ok(word.to_owned());
    }
    let known: Vec<&str> = NUMBERS.iter().map(|(number, _)| *number).collect();
    Err(wrong(at, word, format!("the number of an invariant: {}", known.join(", "))))
}

pub(super) fn read_span(at: usize, word: &str) -> Result<Duration, ScenarioError> {
    Span::read(word).ok_or_else(|| wrong(at, word, "a span such as 250ms, 9s, 5m or 2h"))
}

fn node(at: usize, word: Option<&&str>) -> Result<NodeId, ScenarioError> {
    let word = word.copied().unwrap_or_default();
    let id = word.strip_prefix('n').and_then(|digits| digits.parse().ok());
    id.filter(|id| (1..=3).contains(id)).map(NodeId).ok_or_else(|| wrong(at, word, "a node of ours: n1, n2 or n3"))
}

pub(super) fn ours(at: usize, verb: &str, rest: &[&str]) -> Result<Command, ScenarioError> {
    let id = node(at, rest.first())?;
    let what = match verb {
        "crash" => Ours::Crash,
        "restart" => Ours::Restart,
        "hold" => Ours::Hold,
        "go-on" => Ours::GoOn,
        "cut" => Ours::Isolate(Cut::Yes),
        "join" => Ours::Isolate(Cut::No),
        "pause-file" => Ours::PauseFile(PauseFile::Present),
        "unreadable-pause-file" => Ours::PauseFile(PauseFile::Unreadable),
        _ => Ours::PauseFile(PauseFile::Absent),
    };
    match rest.get(1) {
        None => Ok(Command::Ours(id, what)),
        Some(word) => Err(wrong(at, word, "nothing more")),
    }
}

pub(super) fn machine(at: usize, verb: &str, rest: &[&str]) -> Result<Command, ScenarioError> {
    let id = node(at, rest.first())?;
    let after = rest.get(1..).unwrap_or_default();
    let forms: &[&str] = match verb {
        "disk" => &["good", "stalls", "full", "fails", "rots", "slow SPAN"],
        "slow" => &["SPAN"],
        _ => &["rate PERMILLE", "jumps TIME"],
    };
    let stranger = misfit(after, forms);
    let what = match (verb, after) {
        ("disk", ["good"]) => Ours::Disk(None),
        ("disk", ["stalls"]) => Ours::Disk(Some(DiskTrouble::Stalled)),
        ("disk", ["full"]) => Ours::Disk(Some(DiskTrouble::Full)),
        ("disk", ["fails"]) => Ours::Disk(Some(DiskTrouble::SyncFails)),
        ("disk", ["rots"]) => Ours::Disk(Some(DiskTrouble::Rotten)),
        ("disk", ["slow", span]) => Ours::Disk(Some(DiskTrouble::Slow(read_span(at, span)?))),
        ("disk", _) => return Err(wrong(at, stranger, "good, stalls, full, fails, rots or slow SPAN")),
        ("slow", [span]) => Ours::Slow(read_span(at, span)?),
        ("clock", ["rate", permille]) => {
            let rate = permille.parse().ok().filter(|rate| (500..=2000).contains(rate));
            Ours::Rate(rate.ok_or_else(|| wrong(at, permille, "permille of the true rate, 500 to 2000"))?)
        }
        ("clock", ["jumps", word]) => {
            let by = word.strip_suffix("ms").and_then(|digits| digits.parse().ok());
            Ours::Wall(by.ok_or_else(|| wrong(at, word, "milliseconds to and fro, such as -86400000ms"))?)
        }
        (_, _) => return Err(wrong(at, stranger, "`rate PERMILLE` or `jumps MILLISECONDSms` (slow: a span)")),
    };
    Ok(Command::Ours(id, what))
}

pub(super) fn link(at: usize, rest: &[&str]) -> Result<Command, ScenarioError> {
    let (from, to) = (node(at, rest.first())?, node(at, rest.get(1))?);
    if from == to {
        return Err(wrong(at, &to.to_string(), format!("another node: no link leads from {from} to itself")));
    }
    let mut trouble = LinkTrouble::default();
    for word in rest.get(2..).unwrap_or_default() {
        let permille = |value: &str| {
            value.parse().ok().filter(|number| *number <= 1000).ok_or_else(|| wrong(at, word, "permille, at most 1000"))
        };
        match word.split_once('=') {
            None if *word == "cut" => trouble.cut = Cut::Yes,
            Some(("loss", value)) => trouble.loss_permille = permille(value)?,
            Some(("twice", value)) => trouble.twice_permille = permille(value)?,
            Some(("late", value)) => trouble.late = read_span(at, value)?,
            Some(_) | None => return Err(wrong(at, word, "cut, loss=PERMILLE, twice=PERMILLE or late=SPAN")),
        }
    }
    Ok(Command::Link(from, to, trouble))
}

pub(super) fn person(at: usize, verb: &str, rest: &[&str]) -> Result<Command, ScenarioError> {
    let (asks, rest) = match (verb, rest) {
        ("approve", rest) => (Wish::Approve, rest),
        ("reject", rest) => (Wish::Reject, rest),
        ("pause", rest) => (Wish::Pause, rest),
        ("resume", rest) => (Wish::Resume, rest),
        (_, [case, rest @ ..]) => (Wish::Undo(case.parse().map_err(|_| wrong(at, case, "a case such as c-4"))?), rest),
        (_, []) => return Err(wrong(at, "", "a case such as c-4")),
    };
    match rest {
        ["by", by] => Ok(Command::Person { by: (*by).to_owned(), via: NodeId(1), asks }),
        ["by", by, "via", via] => Ok(Command::Person { by: (*by).to_owned(), via: node(at, Some(via))?, asks }),
        other => Err(wrong(at, misfit(other, &["by NAME via n2"]), "`by NAME` or `by NAME via n2`")),
    }
}
