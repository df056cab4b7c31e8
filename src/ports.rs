//! The doors between the controller and the world, and their errors. Production has one real implementation of each, the
//! simulation the other; what has only one is a struct. Looking (`Probe`) and touching (`Actuator`) are two doors: observe-only is
//! a fact of wiring.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

pub use crate::control::event::PeerWords;
use crate::control::event::{Role, Views};
use crate::model::advice::{Brief, Opinion};
use crate::model::ids::{BrokerId, NodeId, RaftIndex, Term};
use crate::model::observation::{LookNow, Observation};
use crate::model::plan::Step;
use crate::model::record::{Receipt, StepRefusal};

/// Looks, never touches; partial results are normal and say what is missing.
///
/// Contract: observations flow into the channel that the implementation was built with, each as soon as it is learnt;
/// one broker that hangs delays nothing about another.
pub trait Probe: Send + Sync {
    /// Asks for one kind of reading at once, out of turn; never waits.
    fn look_now(&self, what: LookNow);

    /// Gives the next observation; none once the probe has stopped.
    fn next(&mut self) -> impl Future<Output = Option<Observation>> + Send;
}

/// The only hand that can change Kafka; looking is the job of [`Probe`].
///
/// Contract: applying a step twice changes nothing the second time; `moves` are re-checked just before sending, and a
/// partition that no longer fits is left out and reported.
pub trait Actuator: Send + Sync {
    /// Applies one step on behalf of the leader of `term`; nothing is sent once `within` has passed or that term is over.
    ///
    /// Errors: [`ApplyError::Stale`] means plan again; only [`ApplyError::Unreachable`] (nothing was sent) may be
    /// retried; [`ApplyError::Unanswered`] is read back, never resent.
    fn apply(
        &self,
        step: &Step,
        term: Term,
        within: Duration,
    ) -> impl Future<Output = Result<Receipt, ApplyError>> + Send;

    /// Reads the shape of the cluster back from two brokers other than `not` (one, where only one is left), for verification: each
    /// one's own view, as one that lags must not be covered by the other. Where fewer answer in time there are fewer.
    fn read_back(&self, not: &BTreeSet<BrokerId>, within: Duration) -> impl Future<Output = Views> + Send;
}

/// Ordered, append-only: gives back what two of three nodes hold, says who leads, and carries what nodes tell each other.
///
/// Contract: entries are given out in the order of the log, each once; a role is told before the first entry committed
/// under it and never after a later one.
pub trait Ledger: Send {
    /// Proposes entries, one after the other; never waits.
    fn propose(&mut self, entries: Vec<Vec<u8>>);

    /// Sends something to another node; may be lost.
    fn tell(&mut self, to: NodeId, words: PeerWords);

    /// Lets another node lead, if this one leads; the others elect where that comes to nothing.
    fn hand_over(&mut self, to: NodeId);

    /// Hands over the state that was wanted as of `index`, see [`LedgerEvent::WantState`].
    fn freeze(&mut self, index: RaftIndex, state: Vec<u8>);

    /// Gives the next thing that happened; none once the ledger has stopped for good.
    fn next(&mut self) -> impl Future<Output = Option<LedgerEvent>> + Send;
}

/// What a ledger tells.
#[derive(Debug, Clone)]
pub enum LedgerEvent {
    /// This node's place in the trio changed.
    Role(Role),
    /// An entry is committed.
    Committed {
        /// Its index in the log.
        index: RaftIndex,
        /// Its bytes.
        entry: Vec<u8>,
    },
    /// Some proposal of this node will not be committed, or nobody can tell.
    Dropped,
    /// The whole state is replaced: this node was too far behind.
    Install {
        /// The last index in the state.
        index: RaftIndex,
        /// The state.
        state: Vec<u8>,
    },
    /// The state is wanted as it is once all events before this one are taken, see [`Ledger::freeze`].
    WantState {
        /// The log index that this state stands for. The newest committed entry may be older: what the ledger keeps to itself
        /// (a change of its members) has a place in the log as well, and a new member is told of itself by no older state.
        index: RaftIndex,
    },
    /// Another node said something.
    Heard {
        /// Who.
        from: NodeId,
        /// What.
        words: PeerWords,
    },
    /// A write to the disk was made durable, and this is how long that took.
    Synced(Duration),
    /// This node must not take part any more, and why; the process ends.
    Faulted(String),
}

/// Answers a brief within a deadline, or says why it could not.
pub trait Adviser: Send + Sync {
    /// Asks once; the opinion says what became of it in every case.
    fn advise(&self, brief: &Brief, deadline: Duration) -> impl Future<Output = Opinion> + Send;
}

/// Why a step was not applied, named by what the caller should do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// The facts have moved: plan again.
    #[error("the facts have moved ({0:?}): plan again")]
    Stale(StepRefusal),
    /// Nothing was sent: may be retried within its time.
    #[error("nobody could be reached to send it to: {0}")]
    Unreachable(String),
    /// Sent and not answered: read back, never resend.
    #[error("sent, but not answered: {0}")]
    Unanswered(String),
    /// Kafka refused the request as a whole.
    #[error("Kafka refused it: {0:?}")]
    Refused(StepRefusal),
    /// Another term has begun: whoever leads in it reads back what became of the intent.
    #[error("term {0} is over: this node acts for nobody any more")]
    Deposed(Term),
    /// Its time was over before anything was sent.
    #[error("its time was over before anything was sent")]
    Expired,
}
