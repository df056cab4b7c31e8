//! Taking a dead broker's registration away, after a last look at whether it is dead.
//!
//! Deliberately careful: Kafka compares nothing here, and the broker that comes back to no registration must be restarted.

use std::collections::BTreeSet;

use crate::adapters::kafka::wire::{ClusterView, Endpoint, ErrorCode};
use crate::model::ids::BrokerId;
use crate::model::record::{Receipt, StepRefusal};
use crate::ports::ApplyError;

use super::{KafkaHand, Mandate, RECHECK_FOR, Whom, receipt};

impl KafkaHand {
    pub(super) async fn unregister(&self, broker: BrokerId, mandate: Mandate<'_>) -> Result<Receipt, ApplyError> {
        let mut whom = Whom { not: BTreeSet::from([broker]), heard: Vec::new() };
        let within = mandate.left()?.min(RECHECK_FOR);
        let Some(view) = self.contacts.registrations(&mut whom, within).await else {
            return Err(ApplyError::Unreachable("no broker said in time who is registered".to_owned()));
        };
        let address = match registration(broker, &view) {
            // Applying a step twice changes nothing the second time.
            Registered::Gone => return Ok(receipt(&[], &[])),
            Registered::At(address) => Some(address),
            Registered::Untold => self.contacts.address_of(broker).await,
        };
        // Kafka compares nothing here, and a live broker becomes a zombie: whoever answers now has a life of its own.
        let within = mandate.left()?.min(RECHECK_FOR);
        if let Some(address) = address
            && self.contacts.answers(&address, within).await
        {
            return Err(ApplyError::Stale(StepRefusal::NewIncarnation));
        }
        let sent = self
            .send(&whom, mandate, |connection, within| async move {
                connection.unregister(broker.0, within).await.map(|_| ())
            })
            .await;
        match sent {
            Ok(()) => Ok(receipt(&[], &[])),
            // It is gone already: applying a step twice changes nothing the second time.
            Err(ApplyError::Refused(StepRefusal::Kafka(code))) if code == ErrorCode::BrokerIdNotRegistered.number() => {
                Ok(receipt(&[], &[]))
            }
            Err(error) => Err(error),
        }
    }
}

/// What the cluster says of a broker's registration.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Registered {
    /// It has none any more.
    Gone,
    /// It has one, and listens there.
    At(Endpoint),
    /// Fenced brokers are not told before Kafka 4.0.
    Untold,
}

fn registration(broker: BrokerId, view: &ClusterView) -> Registered {
    match view.nodes.iter().find(|node| node.id == broker.0) {
        Some(node) => Registered::At(node.endpoint.clone()),
        None if view.includes_fenced => Registered::Gone,
        None => Registered::Untold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kafka::wire::RegisteredBroker;

    #[test]
    fn a_broker_that_is_not_listed_is_gone_only_where_fenced_ones_are_listed_too() {
        let endpoint = Endpoint::new("127.0.0.1", 9092);
        let node = RegisteredBroker { id: 1, endpoint: endpoint.clone(), rack: None, fenced: true };
        let view = |includes_fenced| ClusterView {
            cluster_id: "c".to_owned(),
            controller: None,
            nodes: vec![node.clone()],
            includes_fenced,
        };
        assert_eq!(registration(BrokerId(1), &view(true)), Registered::At(endpoint));
        assert_eq!(registration(BrokerId(2), &view(true)), Registered::Gone);
        assert_eq!(registration(BrokerId(2), &view(false)), Registered::Untold);
    }
}
