//! What was so a moment ago: no asker can know it, and checks hold what was sent against what its sender may have been told.
//!
//! Deliberately short: of whoever goes by what is older nothing can be said.

use std::collections::{BTreeMap, VecDeque};
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
    /// What each partition was, and until when; in the order in which that ended. A write of many orders asks about each of them.
    states: BTreeMap<Place, VecDeque<(Timestamp, Arc<State>)>>,
    /// Which partition was something until when, for all of them in one order: what is forgotten stands in front.
    ended: VecDeque<(Timestamp, Place)>,
    /// From when until when a broker believed what was so before, in the order in which that ended; only those that are older than all
    /// that ended later.
    beliefs: VecDeque<(Timestamp, Timestamp)>,
}

impl Past {
    /// A partition was this until now.
    pub(super) fn was(&mut self, now: Timestamp, place: Place, state: Arc<State>) {
        self.states.entry(place).or_default().push_back((now, state));
        self.ended.push_back((now, place));
    }

    /// A broker has believed since then what was so before, and believes it no more.
    pub(super) fn believed(&mut self, since: Timestamp, now: Timestamp) {
        // Whoever asks about one that is no older and ended earlier asks about this one as well.
        while self.beliefs.back().is_some_and(|(from, _)| since <= *from) {
            self.beliefs.pop_back();
        }
        self.beliefs.push_back((since, now));
    }

    /// Forgets what is too old.
    pub(super) fn forget(&mut self, now: Timestamp) {
        while self.ended.front().is_some_and(|(until, _)| until.plus(KEPT_FOR) < now) {
            let Some((_, place)) = self.ended.pop_front() else { break };
            let Some(states) = self.states.get_mut(&place) else { continue };
            states.pop_front();
            if states.is_empty() {
                self.states.remove(&place);
            }
        }
        while self.beliefs.front().is_some_and(|(_, until)| until.plus(KEPT_FOR) < now) {
            self.beliefs.pop_front();
        }
    }

    /// Gives what a partition was at some moment since then, but for what it is now; the newest first.
    pub(super) fn of(&self, place: Place, since: Timestamp) -> impl Iterator<Item = &State> {
        let newest_first = self.states.get(&place).into_iter().flat_map(|states| states.iter().rev());
        newest_first.take_while(move |(until, _)| since <= *until).map(|(_, state)| state.as_ref())
    }

    /// Gives of when the oldest belief was that ended since then; `since` itself where none was older.
    pub(super) fn oldest_belief(&self, since: Timestamp) -> Timestamp {
        // Of those that ended since then the first is the oldest.
        let first = self.beliefs.partition_point(|(_, until)| *until < since);
        self.beliefs.get(first).map_or(since, |(from, _)| since.min(*from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Place = Place(1);
    const TWO: Place = Place(2);

    fn at(second: u64) -> Timestamp {
        Timestamp(0).plus(Duration::from_secs(second))
    }

    /// A past in which partitions were something until these seconds; what they were is numbered alike.
    fn past() -> Past {
        let mut past = Past::default();
        for (second, place) in [(1_u32, ONE), (2, TWO), (3, ONE), (4, ONE)] {
            let state = State { partition_epoch: second, ..State::default() };
            past.was(at(u64::from(second)), place, Arc::new(state));
        }
        past
    }

    fn of(past: &Past, place: Place, since: u64) -> Vec<u32> {
        past.of(place, at(since)).map(|state| state.partition_epoch).collect()
    }

    #[test]
    fn of_one_partition_is_told_what_it_was_since_then() {
        let past = past();
        assert_eq!(of(&past, ONE, 0), [4, 3, 1]);
        assert_eq!(of(&past, ONE, 3), [4, 3]);
        assert_eq!(of(&past, TWO, 0), [2]);
        assert!(of(&past, TWO, 3).is_empty());
        assert!(of(&past, Place(3), 0).is_empty());
    }

    #[test]
    fn what_has_not_been_so_for_ten_seconds_is_forgotten_wherever_it_was() {
        let mut past = past();
        past.forget(at(13));
        assert_eq!(of(&past, ONE, 0), [4, 3]);
        assert!(of(&past, TWO, 0).is_empty());
        past.forget(at(15));
        assert!(past.states.is_empty() && past.ended.is_empty(), "{past:?}");
    }

    #[test]
    fn the_oldest_belief_is_that_of_all_that_ended_since_then() {
        let all: [(u64, u64); 5] = [(1, 5), (4, 6), (2, 7), (7, 8), (6, 9)];
        let mut past = Past::default();
        all.iter().for_each(|(from, until)| past.believed(at(*from), at(*until)));
        assert_eq!(past.beliefs.len(), 3);
        for since in 0..11_u64 {
            let ended = all.iter().filter(|(_, until)| since <= *until).map(|(from, _)| *from);
            assert_eq!(past.oldest_belief(at(since)), at(ended.fold(since, u64::min)), "{since}");
        }
    }
}
