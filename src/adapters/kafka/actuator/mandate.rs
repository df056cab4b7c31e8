//! Whether a step may still be sent: its time, and the term in which its intent was committed.
//!
//! Deliberately asked again right before each write: a step is more than one request, and another node may lead in between.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::adapters::clock;
use crate::control::event::Role;
use crate::control::pace::LEAST;
use crate::model::ids::Term;
use crate::ports::ApplyError;

/// On whose behalf a step is sent, and until when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mandate<'a> {
    pub(super) until: Instant,
    pub(super) term: Term,
    /// This node's present place in the trio.
    pub(super) role: &'a watch::Receiver<Role>,
}

impl Mandate<'_> {
    /// Gives how long a request may take.
    ///
    /// Errors: [`ApplyError::Deposed`] and [`ApplyError::Expired`]; nothing may be sent any more.
    pub(super) fn left(self) -> Result<Duration, ApplyError> {
        if *self.role.borrow() != Role::Leading(self.term) {
            return Err(ApplyError::Deposed(self.term));
        }
        let left = self.until.saturating_duration_since(clock::now());
        if left < LEAST { Err(ApplyError::Expired) } else { Ok(left) }
    }
}
