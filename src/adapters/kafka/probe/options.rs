//! What the probe needs to know, with its rhythm.

use std::sync::Arc;
use std::time::Duration;

use crate::adapters::kafka::wire::{Endpoint, Transport};
use crate::model::ids::{ClusterId, Listener};

/// How one node looks at one cluster.
#[derive(Debug, Clone)]
pub struct ProbeOptions {
    /// Brokers to begin with, on the listener that this node looks through.
    pub bootstrap: Vec<Endpoint>,
    /// The controllers' listener; none means no observer, and the pulse is asked of brokers.
    pub controllers: Vec<Endpoint>,
    /// The name of the listener that this node looks through.
    pub path: Listener,
    /// The cluster that this trio belongs to; none takes the first that answers.
    pub cluster: Option<ClusterId>,
    /// The name that the brokers' logs and quotas see.
    pub client_id: Arc<str>,
    /// How the bytes travel.
    pub transport: Transport,
    /// How often to look.
    pub rhythm: Rhythm,
}

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
    /// P8: between two looks at a broker's log dirs, the reassignments, and the topics' settings.
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

impl ProbeOptions {
    /// Gives the usual options for a cluster reached through these brokers.
    #[must_use]
    pub fn new(bootstrap: Vec<Endpoint>, path: Listener) -> Self {
        Self {
            bootstrap,
            controllers: Vec::new(),
            path,
            cluster: None,
            client_id: Arc::from("tanist"),
            transport: Transport::Plain,
            rhythm: Rhythm::default(),
        }
    }
}
