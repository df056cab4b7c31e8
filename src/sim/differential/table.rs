//! The table: which action is tried in which state, and why not where it is not; and what reality leaves open.
//!
//! What the answers are is not written here: that is recorded from real Kafka (`tests/differential/*.ndjson`).

use super::action::Action;
use super::state::State;

/// Gives why the cell is empty; none for a cell that is played.
#[must_use]
pub fn reason_empty(state: State, action: Action) -> Option<&'static str> {
    match (state, action) {
        (State::Healthy, Action::ReorderUnclean) => {
            Some("a partition with a leader refuses an unclean election: see unclean")
        }
        (State::Healthy, _) => None,
        (_, Action::Restart) => {
            Some("a broker in good order is restarted; each state has a way back of its own: see healthy")
        }
        (State::Leaderless, Action::ReorderUnclean) => None,
        (State::Shrunk | State::UnderMinIsr, Action::ReorderUnclean) => None,
        (_, Action::ReorderUnclean) => Some("a partition with a leader refuses an unclean election: see unclean"),
        (State::ClientFrozen, Action::None | Action::Preferred | Action::Move) => None,
        (State::ClientFrozen, _) => Some("to controllers and replicas the same as client-cut"),
        (State::Deleted, action) => deleted(action),
        (State::SoleReplica, action) => sole_replica(action),
        (State::Reassigning, action) => reassigning(action),
        (State::CombinedKilled, action) => combined(action, Extent::Ours, SEE_KILLED),
        (State::CombinedStopped, action) => combined(action, Extent::Ours, SEE_STOPPED),
        (State::CombinedTerminated, action) => combined(action, Extent::Brief, SEE_TERMINATED),
        (State::CombinedStandbyKilled, action) => combined(action, Extent::Brief, SEE_KILLED_APART),
        (_, _) => None,
    }
}

fn deleted(action: Action) -> Option<&'static str> {
    match action {
        Action::Preferred
        | Action::Unclean
        | Action::Reorder
        | Action::RemoveOnly
        | Action::Cancel
        | Action::DeleteTopic => None,
        Action::None => Some("there is nothing left that could change by itself"),
        Action::Move
        | Action::ReorderUnclean
        | Action::RemoveToOne
        | Action::RemoveGuarded
        | Action::AddReplica
        | Action::Replace
        | Action::UnknownTarget => Some("the topic is looked up before the list: see reorder"),
        Action::CreateTopic => Some("a new topic has nothing to do with a deleted one: see healthy"),
        Action::FenceStale
        | Action::FenceFuture
        | Action::UnregisterUnknown
        | Action::Fence
        | Action::ReorderFence
        | Action::Unregister
        | Action::ReorderUnregister
        | Action::Restart => Some("about brokers, not topics: see healthy"),
    }
}

fn sole_replica(action: Action) -> Option<&'static str> {
    match action {
        Action::Reorder | Action::Move | Action::ReorderUnclean | Action::ReorderFence | Action::ReorderUnregister => {
            Some("a list of one has one order")
        }
        Action::RemoveOnly | Action::RemoveToOne | Action::RemoveGuarded => {
            Some("nobody would be left but the one that replace brings in")
        }
        Action::None
        | Action::Preferred
        | Action::Unclean
        | Action::AddReplica
        | Action::Replace
        | Action::UnknownTarget
        | Action::Cancel
        | Action::CreateTopic
        | Action::DeleteTopic
        | Action::FenceStale
        | Action::FenceFuture
        | Action::UnregisterUnknown
        | Action::Fence
        | Action::Unregister
        | Action::Restart => None,
    }
}

fn reassigning(action: Action) -> Option<&'static str> {
    match action {
        Action::AddReplica | Action::Replace | Action::RemoveToOne | Action::RemoveGuarded => {
            Some("the list holds three already while the move is under way: see remove-only, reorder")
        }
        Action::ReorderUnclean => Some("a partition with a leader refuses an unclean election: see unclean"),
        Action::None
        | Action::Preferred
        | Action::Unclean
        | Action::Reorder
        | Action::Move
        | Action::RemoveOnly
        | Action::UnknownTarget
        | Action::Cancel
        | Action::CreateTopic
        | Action::DeleteTopic
        | Action::FenceStale
        | Action::FenceFuture
        | Action::UnregisterUnknown
        | Action::Fence
        | Action::ReorderFence
        | Action::Unregister
        | Action::ReorderUnregister
        | Action::Restart => None,
    }
}

const SEE_KILLED: &str = "another controller answers by the same rules: see killed";
const SEE_STOPPED: &str = "another controller answers by the same rules: see stopped";
const SEE_KILLED_APART: &str = "the active controller is the same before and after: see killed";
const SEE_TERMINATED: &str = "another controller answers by the same rules: see terminated";

/// How much of the table is played with combined nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What Tanist asks of Kafka, and nothing: the rules are the same, what differs is who is asked and how long it counts.
    Ours,
    /// Less, where next to nothing differs from nodes apart.
    Brief,
}

fn combined(action: Action, extent: Extent, why: &'static str) -> Option<&'static str> {
    match action {
        Action::None | Action::Fence => None,
        Action::Preferred
        | Action::Reorder
        | Action::Move
        | Action::ReorderFence
        | Action::Unregister
        | Action::ReorderUnregister => match extent {
            Extent::Ours => None,
            Extent::Brief => Some(why),
        },
        Action::Unclean
        | Action::ReorderUnclean
        | Action::RemoveOnly
        | Action::RemoveToOne
        | Action::RemoveGuarded
        | Action::AddReplica
        | Action::Replace
        | Action::UnknownTarget
        | Action::Cancel
        | Action::CreateTopic
        | Action::DeleteTopic
        | Action::FenceStale
        | Action::FenceFuture
        | Action::UnregisterUnknown
        | Action::Restart => Some(why),
    }
}
