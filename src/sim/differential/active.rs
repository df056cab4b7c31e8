//! Which controller is the active one before the trouble, where brokers and controllers share processes.
//!
//! Elsewhere it does not matter: no trouble there strikes a controller.

use super::script::VICTIM;
use super::state::State;
use crate::model::ids::ControllerId;

/// The controller in the victim's process: a combined node has one number.
pub const VICTIMS: ControllerId = ControllerId(VICTIM.0);

/// Whose controller is the active one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Active {
    /// The victim's.
    Victims,
    /// Anybody's but the victim's.
    Anothers,
}

impl Active {
    /// Gives whose it must be before a state is made; none where controllers have processes of their own.
    #[must_use]
    pub fn before(state: State) -> Option<Self> {
        match state {
            State::CombinedKilled | State::CombinedStopped | State::CombinedTerminated => Some(Self::Victims),
            State::CombinedStandbyKilled => Some(Self::Anothers),
            State::Healthy
            | State::Killed
            | State::Stopped
            | State::Terminated
            | State::ClientCut
            | State::ClientFrozen
            | State::ReplicationFrozen
            | State::Shrunk
            | State::DiskStalled
            | State::ControllerCut
            | State::Fenced
            | State::Unregistered
            | State::Leaderless
            | State::Reassigning
            | State::UnderMinIsr
            | State::SoleReplica
            | State::Deleted
            | State::Throttled => None,
        }
    }

    /// Tells whether that controller is such a one.
    #[must_use]
    pub fn fits(self, id: ControllerId) -> bool {
        match self {
            Self::Victims => id == VICTIMS,
            Self::Anothers => id != VICTIMS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::differential::state::Ground;

    #[test]
    fn who_is_active_is_said_where_brokers_and_controllers_share_processes_and_only_there() {
        for state in State::ALL {
            assert_eq!(Active::before(state).is_some(), state.ground() == Ground::Combined, "{state}");
        }
    }
}
