//! Taking a whole broker out: `UnregisterBroker` and the heartbeat that asks for fencing.
//!
//! The heartbeat goes to the active controller, on its own listener; the broker epoch makes it a compare-and-set, so a
//! new incarnation is never hit. Unregistering has no such guard.

use std::time::Duration;

use kafka_protocol::messages::{BrokerHeartbeatRequest, BrokerId, UnregisterBrokerRequest};

use super::connection::Decoded;
use super::reader::{Malformed, Reader};
use super::{Answer, Api, Connection, ErrorCode, WireError};

/// What the controller made of a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fenced {
    /// Whether the broker counts as caught up.
    pub caught_up: bool,
    /// Whether the broker is fenced now.
    pub fenced: bool,
    /// Whether it has been told to shut down.
    pub should_shut_down: bool,
}

impl Connection {
    /// Fences one incarnation of a broker: it leaves every ISR and leads nothing, until its own next heartbeat.
    ///
    /// Errors: as every call; [`WireError::Refused`] with `StaleBrokerEpoch` if another incarnation is registered (nothing
    /// happened), with `NotController` from a standby.
    /// Source: kafka.md §12.10, §13.
    pub async fn fence(
        &self,
        broker: i32,
        broker_epoch: i64,
        metadata_offset: i64,
        within: Duration,
    ) -> Result<Answer<Fenced>, WireError> {
        let request = BrokerHeartbeatRequest::default()
            .with_broker_id(BrokerId(broker))
            .with_broker_epoch(broker_epoch)
            .with_current_metadata_offset(metadata_offset)
            .with_want_fence(true)
            .with_want_shut_down(false);
        self.call(Api::BrokerHeartbeat, &request, decode_fence, within).await
    }

    /// Drops a broker's registration: it leaves every ISR and leads nothing, until its process starts anew.
    ///
    /// Errors: as every call; [`WireError::Refused`] with `BrokerIdNotRegistered`.
    /// Source: kafka.md §3.
    pub async fn unregister(&self, broker: i32, within: Duration) -> Result<Answer<()>, WireError> {
        let request = UnregisterBrokerRequest::default().with_broker_id(BrokerId(broker));
        self.call(Api::UnregisterBroker, &request, decode_unregister, within).await
    }
}

pub(super) fn decode_fence(reader: &mut Reader, _version: i16) -> Result<Decoded<Fenced>, Malformed> {
    let throttle_ms = reader.i32()?;
    let error = ErrorCode::from_wire(reader.i16()?);
    let body = Fenced { caught_up: reader.bool()?, fenced: reader.bool()?, should_shut_down: reader.bool()? };
    reader.tags()?;
    Ok(Decoded { throttle_ms, error, message: None, body })
}

pub(super) fn decode_unregister(reader: &mut Reader, _version: i16) -> Result<Decoded<()>, Malformed> {
    let throttle_ms = reader.i32()?;
    let error = ErrorCode::from_wire(reader.i16()?);
    let message = reader.nullable_string()?;
    reader.tags()?;
    Ok(Decoded { throttle_ms, error, message, body: () })
}
