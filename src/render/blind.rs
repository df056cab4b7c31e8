//! What a node does not see: each reason in words, with what to do about it.
//!
//! Deliberately apart from what is found: being unable to look says nothing about a broker.

use std::collections::BTreeSet;

use crate::model::ids::ClusterId;
use crate::model::observation::{Blindness, ProbeKind};
use crate::model::operator::view::StatusView;

use super::words::{and, escape, list};

/// Gives one sentence for each reason why something is not seen, with what to do about it.
pub(super) fn sentences(view: &StatusView) -> Vec<String> {
    let reasons: BTreeSet<Blindness> = view.blind.iter().map(|one| one.why).collect();
    let sentence = |why: Blindness| {
        let of: Vec<_> = view.blind.iter().filter(|one| one.why == why).collect();
        let what: BTreeSet<&str> = of.iter().map(|one| probed(one.probe)).collect();
        let whom: BTreeSet<_> = of.iter().filter_map(|one| one.broker).collect();
        let whom = if whom.is_empty() { String::new() } else { format!(" of {}", and(whom)) };
        let cure = cure(why, view.cluster.as_ref());
        format!("{}{whom}: {}: {cure}", list(what), blindness(why))
    };
    reasons.into_iter().map(sentence).collect()
}

/// Gives one thing that a node does not see, why, and what to do about it, in a line.
#[must_use]
pub fn unseen(probe: ProbeKind, why: Blindness) -> String {
    format!("{}: {}: {}", probed(probe), blindness(why), cure(why, None))
}

/// Gives what a probe looks at.
pub(super) fn probed(probe: ProbeKind) -> &'static str {
    match probe {
        ProbeKind::Line | ProbeKind::Ping => "whether it answers",
        ProbeKind::Metadata => "the cluster's shape",
        ProbeKind::Pulse => "the active controller and who follows the metadata log",
        ProbeKind::Observer => "the metadata log itself",
        ProbeKind::Offsets => "the log ends",
        ProbeKind::LogDirs => "the log dirs",
        ProbeKind::Reassignments => "reassignments in flight",
    }
}

/// Gives what to do about a reason for seeing nothing.
fn cure(why: Blindness, tied_to: Option<&ClusterId>) -> String {
    match why {
        Blindness::NotTried => "wait some seconds".to_owned(),
        Blindness::Denied => {
            "let this node's user Describe the cluster and all topics (kafka-acls.sh), and check its credentials"
                .to_owned()
        }
        Blindness::Throttled => "raise the request quota of this node's client id (kafka.\"client.id\")".to_owned(),
        Blindness::Capped => {
            "the broker closes our connections at once: raise its max.connections.per.ip or max.connections".to_owned()
        }
        Blindness::NoRoute => "check this node's network and name service".to_owned(),
        Blindness::Malformed => {
            "is that a Kafka listener, and a plaintext one? Check kafka.\"bootstrap.servers\"".to_owned()
        }
        Blindness::WrongCluster => {
            let ours = tied_to.map(|id| format!(" {}", escape(&id.0))).unwrap_or_default();
            format!("this node belongs to cluster{ours}: correct kafka.\"bootstrap.servers\"")
        }
        Blindness::NobodyAnswered => {
            "is Kafka running and reachable from here? Check kafka.\"bootstrap.servers\"".to_owned()
        }
        Blindness::Stale => "the answer came too late to tell: this passes, or the network is slow".to_owned(),
        Blindness::Unsupported => "Kafka 3.9 or later is needed".to_owned(),
    }
}

pub(super) fn blindness(why: Blindness) -> &'static str {
    match why {
        Blindness::NotTried => "not tried yet",
        Blindness::Denied => "may not look",
        Blindness::Throttled => "throttled",
        Blindness::Capped => "connection cap",
        Blindness::NoRoute => "no route",
        Blindness::Malformed => "unreadable answer",
        Blindness::WrongCluster => "another cluster",
        Blindness::NobodyAnswered => "nobody answered",
        Blindness::Stale => "too old an answer",
        Blindness::Unsupported => "version not spoken",
    }
}
