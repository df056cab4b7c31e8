//! What was so a moment ago: no asker can know it, and checks hold what was sent against what its sender may have been told.
//!
//! Deliberately short: of whoever goes by what is older nothing can be said.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::change::State;
use super::state::Place;
use crate::model::time::Timestamp;

/// What has not been so for longer is forgotten. A step is sent within a second of the last look; ten cover whatever is late.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(10);

/// What has changed lately.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// What partitions were, and until when; in the order in which that ended.
    states: VecDeque<(Timestamp, Place, Arc<State>)>,
    /// From when until when a broker believed what was so before; in the order in which that ended.
    beliefs: VecDeque<(Timestamp, Timestamp)>,
}

impl Past {
    /// A partition was this until now.
    pub(super) fn was(&mut self, now: Timestamp, place: Place, state: Arc<State>) {
        self.states.push_back((now, place, state));
    }

    /// A broker has believed since then what was so before, and believes it no more.
    pub(super) fn believed(&mut self, since: Timestamp, now: Timestamp) {
        self.beliefs.push_back((since, now));
    }

    /// Forgets what is too old.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while self.states.front().is_some_and(|(until, _, _)| until.plus(KEPT_FOR) < now) {
            self.states.pop_front();
        }
        while self.beliefs.front().is_some_and(|(_, until)| until.plus(KEPT_FOR) < now) {
            self.beliefs.pop_front();
        }
    }

    /// Gives what a partition was at some moment since then, but for what it is now.
    pub(super) fn of(&self, place: Place, since: Timestamp) -> impl Iterator<Item = &State> {
        let these = self.states.iter().filter(move |(until, of, _)| *of == place && since <= *until);
        these.map(|(_, _, state)| state.as_ref())
    }

    /// Gives of when the oldest belief was that ended since then; `since` itself where none was older.
    pub(super) fn oldest_belief(&self, since: Timestamp) -> Timestamp {
        let ended = self.beliefs.iter().filter(|(_, until)| since <= *until);
        ended.map(|(from, _)| *from).fold(since, Timestamp::min)
    }
}
