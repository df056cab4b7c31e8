//! Who is who in a lab cluster: brokers, controllers, the listeners of each, and the parties that call them.
//!
//! Names only; what a listener's address is, and what stands between, is the business of `settings` and `links`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::lab::LabError;
pub use crate::model::ids::{BrokerId, ControllerId};

/// How many Tanist nodes have listeners of their own on every broker and controller.
pub const TANIST_NODES: u8 = 3;

/// Whose listener it is: one per Tanist node, and one for everybody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Listener {
    /// The listener of Tanist node 1, 2 or 3.
    Tanist(u8),
    /// The listener of ordinary clients.
    Clients,
}

impl Listener {
    /// Gives all client listeners that a broker has.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=TANIST_NODES).map(Self::Tanist).chain([Self::Clients])
    }

    /// Gives the name of the listener in a broker's settings.
    #[must_use]
    pub fn on_broker(self) -> String {
        match self {
            Self::Tanist(node) => format!("TANIST{node}"),
            Self::Clients => "CLIENTS".to_owned(),
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tanist(node) => write!(f, "tanist{node}"),
            Self::Clients => f.write_str("clients"),
        }
    }
}

impl FromStr for Listener {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self, LabError> {
        let lower = text.to_ascii_lowercase();
        if lower == "clients" {
            return Ok(Self::Clients);
        }
        lower
            .strip_prefix("tanist")
            .or_else(|| lower.strip_prefix('t'))
            .and_then(|digits| digits.parse::<u8>().ok())
            .filter(|node| (1..=TANIST_NODES).contains(node))
            .map(Self::Tanist)
            .ok_or_else(|| {
                LabError::Usage(format!("no listener {text:?}: tanist1 to tanist{TANIST_NODES}, or clients"))
            })
    }
}

/// From where a fault of the client path is felt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Vantage {
    /// By everybody: all client listeners.
    All,
    /// By the users of one listener only.
    Only(Listener),
}

impl Vantage {
    /// Tells whether the users of `listener` feel it.
    #[must_use]
    pub fn covers(self, listener: Listener) -> bool {
        match self {
            Self::All => true,
            Self::Only(one) => one == listener,
        }
    }
}

/// What a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Target {
    /// A broker, `b1`.
    Broker(BrokerId),
    /// A controller, `k101`.
    Controller(ControllerId),
    /// A Tanist node's own way to the controllers, `t2`.
    Tanist(u8),
}

impl From<BrokerId> for Target {
    fn from(broker: BrokerId) -> Self {
        Self::Broker(broker)
    }
}

impl From<ControllerId> for Target {
    fn from(controller: ControllerId) -> Self {
        Self::Controller(controller)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(broker) => broker.fmt(f),
            Self::Controller(controller) => controller.fmt(f),
            Self::Tanist(node) => write!(f, "t{node}"),
        }
    }
}

impl FromStr for Target {
    type Err = LabError;

    fn from_str(text: &str) -> Result<Self, LabError> {
        let tanist = || match text.parse() {
            Ok(Listener::Tanist(node)) => Some(Self::Tanist(node)),
            Ok(Listener::Clients) | Err(_) => None,
        };
        let controller = || text.starts_with('k').then(|| text.parse().ok().map(Self::Controller)).flatten();
        let broker = text.starts_with('b').then(|| text.parse().ok().map(Self::Broker)).flatten();
        broker.or_else(controller).or_else(tanist).ok_or_else(|| {
            LabError::Usage(format!("no target {text:?}: a broker (b1), a controller (k101) or a Tanist node (t1)"))
        })
    }
}
