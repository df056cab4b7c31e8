//! The links between our nodes: late, lossy, cut one way or both, and in disorder where a scenario wants that.
//!
//! Deliberately frames and not bytes: what a frame looks like is tested against its own codec.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::ids::NodeId;
use crate::model::time::Timestamp;

use super::chance::Chance;

/// How long a frame takes between two machines of one site.
const FRAME_TAKES: (Duration, Duration) = (Duration::from_micros(150), Duration::from_micros(700));

/// What is the matter with a link, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LinkTrouble {
    /// Nothing gets through.
    pub cut: Cut,
    /// So many frames of a thousand are lost.
    pub loss_permille: u16,
    /// So many of a thousand arrive twice.
    pub twice_permille: u16,
    /// Each frame is late by up to this much; they overtake each other.
    pub late: Duration,
}

/// Whether a link is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Cut {
    /// It is not.
    #[default]
    No,
    /// Nothing gets through, and nobody is told.
    Yes,
}

/// The links of the trio.
#[derive(Debug)]
pub(in crate::sim) struct Net {
    chance: Chance,
    trouble: BTreeMap<(NodeId, NodeId), LinkTrouble>,
    /// When the newest frame of a link arrives: a good link keeps its order.
    newest: BTreeMap<(NodeId, NodeId), Timestamp>,
}

impl Net {
    /// Gives links without trouble.
    pub(in crate::sim) fn new(chance: Chance) -> Self {
        Self { chance, trouble: BTreeMap::new(), newest: BTreeMap::new() }
    }

    /// Gives when a frame that is sent now arrives: never, once or twice.
    pub(in crate::sim) fn send(&mut self, now: Timestamp, from: NodeId, to: NodeId) -> [Option<Timestamp>; 2] {
        let takes = self.chance.span(FRAME_TAKES);
        let newest = self.newest.entry((from, to)).or_default();
        let Some(trouble) = self.trouble.get(&(from, to)) else {
            // One more microsecond than the one before: frames of one link never change places.
            let at = now.plus(takes).max(newest.plus(Duration::from_micros(1)));
            *newest = at;
            return [Some(at), None];
        };
        if trouble.cut == Cut::Yes || self.chance.happens(u64::from(trouble.loss_permille)) {
            return [None, None];
        }
        let mut late = || now.plus(takes).plus(self.chance.span((Duration::ZERO, trouble.late)));
        let first = late();
        let second = late();
        *newest = (*newest).max(first);
        let twice = self.chance.happens(u64::from(trouble.twice_permille));
        [Some(first), twice.then_some(second)]
    }

    /// Changes what is the matter with a link, in one direction.
    pub(in crate::sim) fn set(&mut self, from: NodeId, to: NodeId, trouble: LinkTrouble) {
        if trouble == LinkTrouble::default() {
            self.trouble.remove(&(from, to));
        } else {
            self.trouble.insert((from, to), trouble);
        }
    }

    /// Gives what is the matter with a link.
    pub(in crate::sim) fn get(&self, from: NodeId, to: NodeId) -> LinkTrouble {
        self.trouble.get(&(from, to)).copied().unwrap_or_default()
    }

    /// Tells whether a link lets everything through in time.
    pub(in crate::sim) fn is_good(&self, from: NodeId, to: NodeId) -> bool {
        !self.trouble.contains_key(&(from, to))
    }

    /// Tells whether every link is good.
    pub(in crate::sim) fn all_good(&self) -> bool {
        self.trouble.is_empty()
    }

    /// Ends all trouble.
    pub(in crate::sim) fn heal(&mut self) {
        self.trouble.clear();
    }
}
