//! Heir: which node of the trio is to lead in place of a leader that is ill placed, and why.
//!
//! Deliberately never between equals: what all nodes meet alike (controllers that elect, most brokers gone) moves nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::policy::DetectPolicy;
use crate::model::ids::NodeId;
use crate::model::record::{IllPlaced, Vantage};

/// How new what an heir knows of the active controller must be: two readings and two reports. One that knows it a little longer than
/// the leader does has heard it no better.
const WAY_OPEN_WITHIN: Duration = Duration::from_secs(1);

/// Gives why a leader is ill placed, if it is.
#[must_use]
pub fn ill_placed(mine: &Vantage, policy: &DetectPolicy) -> Option<IllPlaced> {
    if mine.way_open_ago.is_none_or(|ago| policy.pulse_age_max < ago) {
        Some(IllPlaced::WayClosed)
    } else if policy.abstain_from <= mine.lhm {
        Some(IllPlaced::Doubtful)
    } else {
        None
    }
}

/// Gives the node that is best placed to lead in place of `me`; none where no other is well placed.
#[must_use]
pub fn heir(me: NodeId, vantages: &BTreeMap<NodeId, Vantage>, policy: &DetectPolicy) -> Option<NodeId> {
    let well =
        |one: &Vantage| one.lhm < policy.abstain_from && one.way_open_ago.is_some_and(|ago| ago <= WAY_OPEN_WITHIN);
    let others = vantages.iter().filter(|(node, one)| **node != me && well(one));
    others.min_by_key(|(node, one)| (one.lhm, **node)).map(|(node, _)| *node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vantage(lhm: u8, ms: Option<u64>) -> Vantage {
        Vantage { lhm, way_open_ago: ms.map(Duration::from_millis) }
    }

    #[test]
    fn a_leader_is_ill_placed_without_a_way_or_a_vote() {
        let why = |lhm, ms| ill_placed(&vantage(lhm, ms), &DetectPolicy::default());
        assert_eq!(why(0, Some(2000)), None);
        assert_eq!(why(3, Some(0)), None);
        assert_eq!(why(0, Some(2001)), Some(IllPlaced::WayClosed));
        assert_eq!(why(8, None), Some(IllPlaced::WayClosed), "nothing could be sent at all");
        assert_eq!(why(4, Some(0)), Some(IllPlaced::Doubtful));
    }

    #[test]
    fn the_heir_has_an_open_way_and_a_vote_and_doubts_itself_least() {
        let heir = |two, three| {
            let vantages = [(NodeId(1), vantage(0, Some(0))), (NodeId(2), two), (NodeId(3), three)].into();
            heir(NodeId(1), &vantages, &DetectPolicy::default())
        };
        assert_eq!(heir(vantage(0, Some(900)), vantage(0, Some(0))), Some(NodeId(2)));
        assert_eq!(heir(vantage(1, Some(0)), vantage(0, Some(900))), Some(NodeId(3)));
        assert_eq!(heir(vantage(4, Some(0)), vantage(3, Some(0))), Some(NodeId(3)));
        assert_eq!(heir(vantage(0, Some(1001)), vantage(0, None)), None);
        assert_eq!(super::heir(NodeId(1), &[(NodeId(1), vantage(0, Some(0)))].into(), &DetectPolicy::default()), None);
    }
}
