//! What is due: the entries of the model's own queue.
//!
//! An entry names whose it is (a reign, a life), so that what a dead process had planned never happens.

use super::state::{Life, Place, Socket};
use super::talk::{Answer, Call, Request};
use crate::model::ids::{BrokerId, ControllerId};
use crate::model::time::Timestamp;

/// Something that happens inside.
#[derive(Debug)]
pub(super) enum Happening {
    /// Something of the active controller of this reign.
    Controller(Reign, Duty),
    /// The controllers elect one of them, unless the active one is back.
    Elect,
    /// A controller that was started follows the quorum.
    ControllerUp(ControllerId, u64),
    /// Something inside a broker's process of this life.
    Inside(BrokerId, Life, Chore),
    /// A socket's dialling arrives.
    Dialled(Socket),
    /// The next request over a socket arrives.
    Arrived(Socket),
    /// The work on a socket's request is done.
    Worked(Socket, Box<Answer>),
    /// A request for the active controller is there, or tries again.
    Forwarded(Box<Errand>),
    /// The active controller of a reign has done what it was asked.
    Replied(Reign, Box<Errand>, Box<Answer>),
    /// Observers hear what is new.
    Publish,
}

/// Names a reign of an active controller: what a former one had planned never happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reign(pub(super) i32);

/// What the active controller does by itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Duty {
    /// Appends a record that says nothing.
    Pulse,
    /// Looks whose session is over.
    Sessions,
    /// Gives leadership back to first replicas.
    Rebalance,
}

/// What a broker's process does by itself.
#[derive(Debug, Clone)]
pub(super) enum Chore {
    /// It has started and tries to register.
    Register(u32),
    /// It has read the metadata log up to its registration.
    Loaded,
    /// It heartbeats.
    Beat,
    /// It has worked off the oldest change of the metadata log that it has; only if it went on reading since.
    Apply(u64),
    /// Followers that were fetching are level.
    CaughtUp,
    /// It asks for changes of ISRs.
    Alter,
    /// Its fetches show it to leaders that have it not in the ISR.
    Show,
    /// It looks for followers that lag.
    CheckLag,
    /// In-sync followers have what was appended.
    Replicated(Place),
    /// A produce request has waited long enough.
    GiveUp(Place, Call),
    /// Its stalled disk holds writers up from now on.
    StallShows,
    /// It asks whether it may go.
    MayGo,
    /// It has closed everything.
    Exit,
}

impl Chore {
    /// Tells whether who serves clients may be another after it. What only asks the controller for something is not among them: what
    /// comes of it is appended to the metadata log.
    pub(super) fn stirs(&self) -> bool {
        match self {
            Self::Loaded
            | Self::Apply(_)
            | Self::CaughtUp
            | Self::Alter
            | Self::Replicated(_)
            | Self::StallShows
            | Self::Exit => true,
            Self::Register(_) | Self::Beat | Self::Show | Self::CheckLag | Self::GiveUp(..) | Self::MayGo => false,
        }
    }
}

/// A request on its way to the active controller, from the socket that it came in by.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) socket: Socket,
    pub(super) via: Option<(BrokerId, Life)>,
    pub(super) request: Request,
    pub(super) until: Timestamp,
}
