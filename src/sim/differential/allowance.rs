//! What reality leaves open: fields in which two recordings of the same Kafka differ, each with the reason.
//!
//! An allowance names the texts that are allowed, not the field as a whole: both sides must show one of them.

use super::action::Action;
use super::compare::{Difference, Field};
use super::recording::Stage;
use super::state::State;

/// A field that may differ in some cells.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// In which states; all if empty.
    pub states: &'static [State],
    /// In which actions; all if empty.
    pub actions: &'static [Action],
    /// In which stages; all if empty.
    pub stages: &'static [Stage],
    /// Which field.
    pub field: Field,
    /// About which brokers; all, and what is about none, if empty.
    pub brokers: &'static [&'static str],
    /// What either side may show: texts that contain one of these; an empty one stands for nothing at all.
    pub texts: &'static [&'static str],
    /// Why reality leaves it open.
    pub reason: &'static str,
}

impl Allowance {
    /// Tells whether it concerns that stage of that cell.
    #[must_use]
    pub fn is_about(&self, state: State, action: Action, stage: Stage) -> bool {
        (self.states.is_empty() || self.states.contains(&state))
            && (self.actions.is_empty() || self.actions.contains(&action))
            && (self.stages.is_empty() || self.stages.contains(&stage))
    }

    /// Tells whether it allows that difference.
    #[must_use]
    pub fn covers(&self, difference: &Difference) -> bool {
        let broker = difference.broker.as_deref().unwrap_or_default();
        let allowed =
            |text: &str| self.texts.iter().any(|one| if one.is_empty() { text.is_empty() } else { text.contains(one) });
        self.is_about(difference.state, difference.action, difference.stage)
            && self.field == difference.field
            && (self.brokers.is_empty() || self.brokers.contains(&broker))
            && allowed(&difference.recorded)
            && allowed(&difference.played)
    }
}

const STARTS: &str =
    "how long a process takes to start, to outwait its former session and its fetch backoff is the machine's";
const FIRST_BACK: &str = "which follower joins first decides which replicas the move still waits for";
const JOINING: &str = "a new replica outwaits the fetch backoff of an error: it joins before or after the look";
const LEADING: &str = "a record comes while the broker is just about to lead, or is refused and not written";
const IN_FLIGHT: &str = "a fetch that was under way when links froze or a process stopped still brings the last record";

const HELD_UP: &str = "writes that a stalled disk holds up leave a thread for a question about log ends, or none";

const fn anywhere(field: Field, texts: &'static [&'static str], reason: &'static str) -> Allowance {
    Allowance { states: &[], actions: &[], stages: &[], field, brokers: &[], texts, reason }
}

const fn first_back(actions: &'static [Action], texts: &'static [&'static str]) -> Allowance {
    Allowance {
        states: &[State::ReplicationFrozen, State::Shrunk, State::Leaderless, State::UnderMinIsr],
        actions,
        stages: &[Stage::Returned],
        ..anywhere(Field::Path, texts, FIRST_BACK)
    }
}

const fn joining(field: Field, brokers: &'static [&'static str], texts: &'static [&'static str]) -> Allowance {
    Allowance {
        states: &[State::Killed, State::Stopped, State::ControllerCut],
        actions: &[Action::AddReplica, Action::Replace],
        stages: &[Stage::Later, Stage::Returned],
        brokers,
        ..anywhere(field, texts, JOINING)
    }
}

const fn leading(field: Field, brokers: &'static [&'static str], texts: &'static [&'static str]) -> Allowance {
    Allowance {
        states: &[State::Killed, State::Stopped, State::ControllerCut],
        stages: &[Stage::Later],
        brokers,
        ..anywhere(field, texts, LEADING)
    }
}

/// Every allowance.
pub const ALLOWANCES: &[Allowance] = &[
    Allowance {
        stages: &[Stage::Returned, Stage::Restarted],
        ..anywhere(Field::Took, &["[Second]", "[Seconds]", "[TunedSession]", "[StockSession]", "[Longer]"], STARTS)
    },
    // Before the session's end is noticed a new life registers at once, after it the old one is fenced first.
    Allowance {
        states: &[State::Healthy],
        actions: &[Action::Restart],
        brokers: &["1"],
        ..anywhere(Field::Brokers, &["fenced* > active"], STARTS)
    },
    first_back(&[Action::RemoveOnly, Action::RemoveGuarded], &["replicas 2 3, isr 2 3, elr -"]),
    first_back(&[Action::Replace], &["replicas 3 2, isr 2 3, elr -"]),
    first_back(&[Action::RemoveToOne], &["replicas 2, isr 2, elr"]),
    joining(Field::Path, &[], &["replicas 1 2 3, isr", "replicas 3 2, isr 2 3", "replicas 3 2 1, isr", ""]),
    joining(Field::Moving, &[], &["adding 3", ""]),
    joining(Field::Views, &["2", "3"], &["leader 2, isr 2", "leader 2 (old), isr 2", "leader 3, isr 2"]),
    joining(Field::One, &["2", "3"], &["ok", "NOT_LEADER_OR_FOLLOWER"]),
    joining(Field::All, &["2", "3"], &["ok", "NOT_ENOUGH_REPLICAS", "REQUEST_TIMED_OUT", "NOT_LEADER_OR_FOLLOWER"]),
    joining(Field::Ends, &[], &["ahead", "behind", "level"]),
    leading(Field::One, &["2"], &["ok", "NOT_LEADER_OR_FOLLOWER"]),
    leading(Field::All, &["2"], &["ok", "NOT_LEADER_OR_FOLLOWER", "REQUEST_TIMED_OUT"]),
    leading(Field::Ends, &["1"], &["ahead", "behind", "level"]),
    Allowance {
        states: &[State::DiskStalled],
        stages: &[Stage::Later],
        brokers: &["1"],
        ..anywhere(Field::Ends, &["behind", "level", "silent"], HELD_UP)
    },
    Allowance {
        states: &[State::Leaderless, State::UnderMinIsr],
        ..anywhere(Field::Ends, &["behind", "level"], IN_FLIGHT)
    },
];
