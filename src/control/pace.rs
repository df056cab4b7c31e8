//! The pace of a node: how often it looks and ticks, and how long it waits for what it has asked.
//!
//! Deliberately constants and hardly any behaviour: the driver and the adapters keep this pace in real time, the simulation in
//! virtual time, and neither may differ from the other.

use std::time::Duration;

use crate::model::observation::{Blindness, OwnHealth};
use crate::model::time::Timestamp;

/// How often each probe looks, and how long it waits.
///
/// Source: judgement.md §1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// P1: between two pings of a broker.
    pub ping: Duration,
    /// P1: silence after which a second connection is tried beside the first: 1.5 pings.
    pub yellow: Duration,
    /// P1: a ping without an answer for so long gives the connection up.
    pub ping_within: Duration,
    /// P0: between the two fresh connects after a connection has closed.
    pub reconnect: Duration,
    /// P2: between two looks at the topology.
    pub shape: Duration,
    /// P5: between two looks at the positions in the metadata log.
    pub pulse: Duration,
    /// P6: between two looks at a broker's log ends.
    pub offsets: Duration,
    /// P8: between two looks at a broker's log dirs (but see [`Rhythm::next_dirs`]), the reassignments, and the topics' settings.
    pub rounds: Duration,
    /// Every other request is given up after this.
    pub within: Duration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            ping: Duration::from_millis(250),
            yellow: Duration::from_millis(375),
            ping_within: Duration::from_secs(1),
            reconnect: Duration::from_millis(20),
            shape: Duration::from_secs(1),
            pulse: Duration::from_millis(250),
            offsets: Duration::from_secs(5),
            rounds: Duration::from_secs(30),
            within: Duration::from_secs(2),
        }
    }
}

impl Rhythm {
    /// P8: how long after a look at a broker's log dirs that ended so (none: it told them) the next one follows.
    ///
    /// A broker that could not be asked or did not answer is asked again at the pace of its log ends: a status that calls it
    /// unseen for half a minute after it is back sends people to look for what is not there. What it refuses is no sooner granted.
    #[must_use]
    pub fn next_dirs(&self, unseen: Option<Blindness>) -> Duration {
        let soon = matches!(unseen, Some(Blindness::NotTried | Blindness::NobodyAnswered));
        if soon { self.offsets.min(self.rounds) } else { self.rounds }
    }
}

/// How well a process keeps time and gets its writes onto the disk, as it tells its controller with each tick.
#[derive(Debug, Default)]
pub struct OwnPace {
    /// When the next tick is due.
    due: Timestamp,
    /// The slowest write since the last tick; each is told once.
    slowest_sync: Duration,
}

impl OwnPace {
    /// Gives the pace of a process that begins now.
    #[must_use]
    pub fn beginning(now: Timestamp) -> Self {
        Self { due: now.plus(TICK), slowest_sync: Duration::ZERO }
    }

    /// A write is on the disk; syncing took this long.
    pub fn synced(&mut self, took: Duration) {
        self.slowest_sync = self.slowest_sync.max(took);
    }

    /// A tick fires; gives what there is to tell since the last one.
    pub fn ticked(&mut self, now: Timestamp) -> OwnHealth {
        let own = OwnHealth { timer_lag: now.since(self.due), fsync: std::mem::take(&mut self.slowest_sync) };
        self.due = now.plus(TICK);
        own
    }
}

/// How often time passes for the controller. Fine enough that silence is seen within a twentieth of its limit.
pub const TICK: Duration = Duration::from_millis(50);

/// How long a read-back may take before it counts as not answered.
pub const READ_BACK_WITHIN: Duration = Duration::from_millis(800);

/// How long a failed read-back rests before it is given back: whoever wants it again asks at once.
pub const READ_BACK_REST: Duration = Duration::from_millis(100);

/// The shortest time that a request is given; with less left nothing is sent.
pub const LEAST: Duration = Duration::from_millis(20);

/// How long reading the facts again may take out of a step's time.
pub const RECHECK_FOR: Duration = Duration::from_millis(300);

/// How long one peer may take before the next is asked beside it: a live one needs 5-8 ms.
pub const HEDGE_AFTER: Duration = Duration::from_millis(60);

/// How many brokers are asked at once: the higher leader epoch is believed.
pub const VIEWS: usize = 2;

/// How long the second view may lag behind the first before the first stands alone.
pub const SECOND_VIEW_WITHIN: Duration = Duration::from_millis(100);

/// After a close: how many connects follow each other closely until two have been refused.
pub const QUICK_CONNECTS_MAX: u32 = 5;

/// How many connections in a row must be accepted and closed to call it a cap: a dying process does it once or twice.
pub const CAPPED_AFTER: u32 = 3;

/// Between two searches for the active controller.
pub const SEARCH_EVERY: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::policy::Policy;
    use crate::decide::watch::Watch;
    use crate::model::ids::{Listener, NodeId};
    use crate::model::observation::{Fact, Observation};

    #[test]
    fn whoever_did_not_answer_about_log_dirs_is_asked_again_soon_and_whoever_refused_is_not() {
        let rhythm = Rhythm::default();
        for unseen in [Blindness::NotTried, Blindness::NobodyAnswered] {
            assert_eq!(rhythm.next_dirs(Some(unseen)), rhythm.offsets, "{unseen:?}");
        }
        for told in [None, Some(Blindness::Denied), Some(Blindness::Unsupported)] {
            assert_eq!(rhythm.next_dirs(told), rhythm.rounds, "{told:?}");
        }
    }

    /// What ten quiet seconds leave of the doubt that one slow write brings, and the most that it came to.
    fn doubt_after_one_sync_of(took: Duration) -> (u8, u8) {
        let mut watch = Watch::new(NodeId(1), &Policy::default(), Listener("CLIENTS".to_owned()), [].into());
        let mut now = Timestamp(1_000_000);
        let mut pace = OwnPace::beginning(now);
        let mut most = 0;
        pace.synced(took);
        pace.synced(Duration::from_millis(1));
        for _ in 0..200 {
            now = now.plus(TICK);
            let fact = Fact::Own(pace.ticked(now));
            let _ = watch.note(&Observation { at: now, fact });
            let _ = watch.tick(now);
            most = watch.report(now).lhm.max(most);
        }
        (most, watch.report(now).lhm)
    }

    #[test]
    fn one_slow_write_raises_doubt_once_and_is_forgotten() {
        assert_eq!(doubt_after_one_sync_of(Duration::from_millis(300)), (1, 0));
        assert_eq!(doubt_after_one_sync_of(Duration::from_millis(3)), (0, 0));
    }
}
