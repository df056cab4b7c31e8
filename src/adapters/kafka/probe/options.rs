//! What the probe needs to know, with its rhythm.

use std::sync::Arc;

use crate::adapters::kafka::wire::{Endpoint, Transport};
pub use crate::control::pace::Rhythm;
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
