//! The doors between the controller and the world, and their errors. Each has two real implementations, or it would
//! be a struct. Looking (`Probe`) and touching (`Actuator`) are two doors: observe-only is a fact of wiring.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use crate::model::ids::{BrokerId, Term};
use crate::model::observation::{LookNow, Observation};
use crate::model::plan::Step;
use crate::model::record::{Receipt, StepRefusal};
use crate::model::topology::Topology;

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
    /// Applies one step on behalf of the leader of `term`; nothing is sent once `within` has passed.
    ///
    /// Errors: [`ApplyError::Stale`] means plan again; only [`ApplyError::Unreachable`] (nothing was sent) may be
    /// retried; [`ApplyError::Unanswered`] is read back, never resent.
    fn apply(
        &self,
        step: &Step,
        term: Term,
        within: Duration,
    ) -> impl Future<Output = Result<Receipt, ApplyError>> + Send;

    /// Reads the shape of the cluster back from at least two brokers other than `not`, for verification.
    ///
    /// Errors: [`ApplyError::Unreachable`] where fewer than two answered (one, where only one is left).
    fn read_back(
        &self,
        not: &BTreeSet<BrokerId>,
        within: Duration,
    ) -> impl Future<Output = Result<Topology, ApplyError>> + Send;
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
    /// Its time was over before anything was sent.
    #[error("its time was over before anything was sent")]
    Expired,
}
