//! What Kafka would let this node do, asked before the first act: a right that is missing shows in `status`, not in an outage.
//!
//! Deliberately tries nothing: Kafka itself says what the asker may do, and asking changes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::endpoints;
use crate::adapters::kafka::wire::{Allowed, Connection, Endpoint, Endpoints, Operation, Options, Rights, WireError};
use crate::config::Settings;
use crate::decide::policy::Mode;

/// How often Kafka is asked: rights change when a person changes them, and a minute later `status` should know.
const ASK_EVERY: Duration = Duration::from_secs(60);

/// How soon it is asked again where nobody has answered yet.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// How long one node of Kafka may take to answer.
const ASK_WITHIN: Duration = Duration::from_secs(2);

/// What this node will want to do, and whom it will send that to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    operations: BTreeSet<Operation>,
    of: Endpoints,
    peers: Vec<Endpoint>,
    client_id: String,
}

impl Wanted {
    /// Gives what the settings make this node do; none where it changes nothing.
    fn by(settings: &Settings) -> Option<Self> {
        match settings.policy().mode {
            Mode::Observe => return None,
            Mode::Approve | Mode::Auto => {}
        }
        // Where controllers are named, the hand sends everything to them.
        let (of, peers) = match &settings.kafka.bootstrap_controllers {
            Some(controllers) => (Endpoints::Controllers, endpoints(controllers)),
            None => (Endpoints::Brokers, endpoints(&settings.kafka.bootstrap_servers)),
        };
        let mut operations = BTreeSet::from([Operation::Alter]);
        if settings.act.fence_heartbeat {
            operations.insert(Operation::ClusterAction);
        }
        Some(Self { operations, of, peers, client_id: settings.kafka.client_id.clone() })
    }

    fn whom(&self) -> &'static str {
        match self.of {
            Endpoints::Brokers => "brokers of kafka.\"bootstrap.servers\"",
            Endpoints::Controllers => "controllers of kafka.\"bootstrap.controllers\"",
        }
    }

    /// Asks one after the other until somebody answers.
    async fn ask(&self) -> Said {
        let mut last = "none is named".to_owned();
        for peer in &self.peers {
            let asked = async {
                let mut options = Options::new(Rights::ReadOnly);
                options.client_id = self.client_id.as_str().into();
                options.connect_within = ASK_WITHIN;
                Ok(Connection::open(peer, &options).await?.allowed(self.of, ASK_WITHIN).await?.body)
            };
            match asked.await {
                Ok(allowed) => return Said::May(allowed),
                Err(WireError::Denied { .. }) => return Said::Nothing,
                Err(error) => last = error.to_string(),
            }
        }
        Said::Unheard(last)
    }

    /// Gives what is wrong, in whole sentences.
    fn troubles(&self, said: &Said) -> Vec<String> {
        let allowed = match said {
            Said::May(allowed) if allowed.may(Operation::Describe) => *allowed,
            Said::May(_) => {
                return vec![
                    "Kafka does not say whether it lets this node act: grant its user DESCRIBE on the cluster."
                        .to_owned(),
                ];
            }
            Said::Nothing => {
                return vec![format!(
                    "{} The {} tell no more before that.",
                    self.lacking(Operation::Alter),
                    self.whom()
                )];
            }
            Said::Unheard(why) => {
                return vec![format!(
                    "Whether Kafka lets this node act is not known yet: none of the {} answers ({why}).",
                    self.whom()
                )];
            }
        };
        let lacks = self.operations.iter().filter(|operation| !allowed.may(**operation));
        lacks.map(|operation| self.lacking(*operation)).collect()
    }

    fn lacking(&self, operation: Operation) -> String {
        let (right, what, instead) = match operation {
            Operation::Alter => ("ALTER", "elections and changes of order", "set act.mode = \"observe\""),
            Operation::ClusterAction => ("CLUSTER_ACTION", "fencing by heartbeat", "set act.fence.heartbeat = false"),
            Operation::Describe => ("DESCRIBE", "looking", "set act.mode = \"observe\""),
        };
        format!(
            "Kafka would refuse {what} of this node: its user lacks {right} on the cluster. Grant it (kafka-acls.sh --add \
             --cluster), or {instead}."
        )
    }
}

/// What Kafka said about this node's rights.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// It may do this.
    May(Allowed),
    /// It may not even ask: a controller tells only whoever has ALTER.
    Nothing,
    /// Nobody answered; why, of the last one tried.
    Unheard(String),
}

/// Begins to ask what Kafka would let this node do; gives what is wrong, in sentences for `status`.
pub(super) fn begin_asking(settings: &Settings) -> (JoinHandle<()>, watch::Receiver<Vec<String>>) {
    let (tell, troubles) = watch::channel(Vec::new());
    (tokio::spawn(keep_asking(Wanted::by(settings), tell)), troubles)
}

/// Asks at a slow pace for ever.
async fn keep_asking(wanted: Option<Wanted>, tell: watch::Sender<Vec<String>>) {
    let Some(wanted) = wanted else { return };
    let mut known = false;
    loop {
        let said = wanted.ask().await;
        let heard = !matches!(said, Said::Unheard(_));
        // Somebody who does not answer for once takes nothing back; that Kafka is away is told by those who look.
        if heard || !known {
            let troubles = wanted.troubles(&said);
            if *tell.borrow() != troubles {
                troubles.iter().for_each(|trouble| tracing::warn!("{trouble}"));
                tell.send_replace(troubles);
            }
        }
        known |= heard;
        tokio::time::sleep(if known { ASK_EVERY } else { ASK_AGAIN_AFTER }).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(mode: Mode) -> Settings {
        let mut settings = Settings::example();
        settings.act.mode = mode;
        settings.act.fence_heartbeat = true;
        settings
    }

    fn troubles(said: &Said) -> Vec<String> {
        Wanted::by(&settings(Mode::Auto)).unwrap().troubles(said)
    }

    #[test]
    fn whoever_only_observes_wants_no_right_to_act() {
        assert_eq!(Wanted::by(&settings(Mode::Observe)), None);
    }

    #[test]
    fn each_right_that_is_missing_is_named_with_its_setting() {
        let all = [Operation::Alter, Operation::Describe, Operation::ClusterAction];
        assert_eq!(troubles(&Said::May(Allowed::of(&all))), Vec::<String>::new());
        for (allowed, named) in [
            (&[Operation::Describe, Operation::ClusterAction], ["ALTER", "act.mode"]),
            (&[Operation::Describe, Operation::Alter], ["CLUSTER_ACTION", "act.fence.heartbeat"]),
        ] {
            let told = troubles(&Said::May(Allowed::of(allowed)));
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(named.iter().all(|word| told[0].contains(word)), "{told:?}");
        }
        assert_eq!(troubles(&Said::May(Allowed::of(&[Operation::Describe]))).len(), 2);
    }

    #[test]
    fn a_fence_that_is_not_wanted_needs_no_right() {
        let mut settings = settings(Mode::Approve);
        settings.act.fence_heartbeat = false;
        let wanted = Wanted::by(&settings).unwrap();
        let allowed = Allowed::of(&[Operation::Describe, Operation::Alter]);
        assert_eq!(wanted.troubles(&Said::May(allowed)), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_told_is_no_consent() {
        for (said, part) in [
            (Said::May(Allowed::of(&[])), "DESCRIBE"),
            (Said::Nothing, "ALTER"),
            (Said::Unheard("refused".to_owned()), "not known yet"),
        ] {
            let told = troubles(&said);
            assert!(told.len() == 1 && told[0].contains(part), "{told:?}");
        }
    }
}
