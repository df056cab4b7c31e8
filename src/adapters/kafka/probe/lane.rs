//! A connection kept for one purpose: opened when first needed, opened anew when it has failed.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::adapters::kafka::wire::{Answer, Connection, Endpoint, Options, WireError};

/// One connection to one peer for one purpose.
#[derive(Debug)]
pub(super) struct Lane {
    peer: Endpoint,
    options: Options,
    open: Mutex<Option<Arc<Connection>>>,
}

impl Lane {
    pub(super) fn new(peer: Endpoint, options: Options) -> Self {
        Self { peer, options, open: Mutex::new(None) }
    }

    /// Gives the open connection, or opens one.
    ///
    /// Errors: those of opening.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, WireError> {
        let mut open = self.open.lock().await;
        if let Some(connection) = open.as_ref().filter(|connection| connection.closed_already().is_none()) {
            return Ok(Arc::clone(connection));
        }
        let fresh = Arc::new(Connection::open(&self.peer, &self.options).await?);
        *open = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Passes on how an exchange ended; after one that spoils the connection the next use opens a fresh one.
    pub(super) async fn settle<T>(&self, outcome: Result<Answer<T>, WireError>) -> Result<Answer<T>, WireError> {
        if outcome.as_ref().is_err_and(spoils) {
            *self.open.lock().await = None;
        }
        outcome
    }
}

/// Says whether nothing more should be asked over the connection that failed so.
fn spoils(error: &WireError) -> bool {
    match error {
        WireError::Unreachable { .. }
        | WireError::ConnectionCapped { .. }
        | WireError::Unanswered { .. }
        | WireError::Closed { .. }
        | WireError::Malformed { .. } => true,
        WireError::Unsupported { .. }
        | WireError::Denied { .. }
        | WireError::Refused { .. }
        | WireError::ReadOnly { .. }
        | WireError::Unsendable { .. } => false,
    }
}
