//! The exit status of every command, and how an answer or an error becomes one.

use std::fmt;
use std::process::ExitCode;

use crate::model::operator::view::Quorum;
use crate::model::operator::{Answer, Found, Refusal};

use super::grpc::client::AskError;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitStatus {
    /// Yes, or done.
    Yes = 0,
    /// The answer is no.
    No = 1,
    /// The command or the settings are wrong.
    Usage = 2,
    /// The node, or Kafka, could not be reached.
    Unreachable = 3,
    /// Held, or needs approval.
    Held = 4,
    /// No two nodes of the trio hear each other.
    NoQuorum = 5,
}

/// An error whose exit status is known where it arises.
#[derive(Debug)]
pub struct Failure {
    /// The status.
    pub status: ExitStatus,
    /// What happened and what to do.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

impl From<ExitStatus> for u8 {
    fn from(status: ExitStatus) -> Self {
        status as u8
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(u8::from(status))
    }
}

impl ExitStatus {
    /// Gives the status that an answer ends a command with.
    #[must_use]
    pub fn of(answer: &Answer) -> Self {
        match answer {
            // What was asked is answered either way; scripts want to know that nothing can act.
            Answer::Status(view) if view.quorum == Quorum::Lost => Self::NoQuorum,
            Answer::Status(_)
            | Answer::Plans(_)
            | Answer::Plan(_)
            | Answer::Records(_)
            | Answer::Record(_)
            | Answer::Page { .. }
            | Answer::Done { .. } => Self::Yes,
            Answer::Verified(verification) if verification.faults.is_empty() => Self::Yes,
            Answer::Explained(explanation) if explanation.found == Found::Yes => Self::Yes,
            Answer::Verified(_) | Answer::Explained(_) | Answer::Superseded { .. } | Answer::NotFound(_) => Self::No,
            Answer::NeedsMore { .. } | Answer::Offered { .. } => Self::Held,
            Answer::Refused(refusal) => Self::of_refusal(refusal),
            Answer::NotLeader { .. } | Answer::Unanswered => Self::Unreachable,
            Answer::NoQuorum { .. } => Self::NoQuorum,
        }
    }

    fn of_refusal(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Role { .. } | Refusal::Expired { .. } | Refusal::ObserveOnly | Refusal::AuditRebuilding => {
                Self::No
            }
            Refusal::AlreadyApproved { .. } | Refusal::Held(_) | Refusal::NoPlan(_) | Refusal::PausedByFile { .. } => {
                Self::Held
            }
            Refusal::Busy => Self::Unreachable,
            Refusal::Version { .. } => Self::Usage,
        }
    }

    /// Gives the status of an error, from the first of its causes that knows one.
    #[must_use]
    pub fn of_error(error: &anyhow::Error) -> Self {
        // What nobody knows better is a matter of the set-up: a folder, a port, a file, a right that somebody must change.
        error.chain().find_map(Self::of_cause).unwrap_or(Self::Usage)
    }

    fn of_cause(cause: &(dyn std::error::Error + 'static)) -> Option<Self> {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            return Some(failure.status);
        }
        if let Some(asked) = cause.downcast_ref::<AskError>() {
            return Some(match asked {
                AskError::Unreachable { .. } | AskError::Unanswered { .. } => Self::Unreachable,
                AskError::Refused { .. } | AskError::Unreadable { .. } | AskError::Tls { .. } => Self::Usage,
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{Digest, NodeId, Term};

    #[test]
    fn each_kind_of_answer_has_its_status() {
        let plan = Digest([1; 32]);
        let cases = [
            (Answer::Done { record: None, plan: None }, ExitStatus::Yes),
            (Answer::Superseded { plan, by: None, difference: vec![] }, ExitStatus::No),
            (Answer::NeedsMore { plan, people: 1 }, ExitStatus::Held),
            (Answer::Refused(Refusal::Held(vec![])), ExitStatus::Held),
            (Answer::Refused(Refusal::ObserveOnly), ExitStatus::No),
            (Answer::NotLeader { leader: NodeId(1), address: None }, ExitStatus::Unreachable),
            (Answer::NoQuorum { term: Term(1), heard: vec![] }, ExitStatus::NoQuorum),
        ];
        for (answer, status) in cases {
            assert_eq!(ExitStatus::of(&answer), status, "{answer:?}");
        }
    }

    #[test]
    fn the_first_cause_that_knows_a_status_decides() {
        let failure = Failure { status: ExitStatus::NoQuorum, what: "two nodes are down".to_owned() };
        let error = anyhow::Error::new(failure).context("the plan was not approved");
        assert_eq!(ExitStatus::of_error(&error), ExitStatus::NoQuorum);
        assert_eq!(ExitStatus::of_error(&anyhow::anyhow!("something")), ExitStatus::Usage);
        let unreachable = AskError::Unreachable { address: "n:1".parse().unwrap(), why: "refused".to_owned() };
        assert_eq!(ExitStatus::of_error(&anyhow::Error::new(unreachable)), ExitStatus::Unreachable);
    }
}
