//! How things stand, as this node tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::decide::readings::OwnDirs;
use crate::decide::watch::BrokerMetrics;
use crate::model::canon::to_canonical_bytes;
use crate::model::ids::{BrokerId, CaseId, NodeId, Term};
use crate::model::observation::{Blindness, Light, ProbeKind};
use crate::model::operator::view::{
    AttentionView, AuditHead, BlindView, BrokerView, CaseView, Difference, Judged, Latest, NodeView, PauseView,
    PlanBrief, PlanState, PlanView, Quorum, Seen, StatusView,
};
use crate::model::operator::{Answer, DigestPrefix, NotFound};
use crate::model::plan::{Plan, PlanDigest};
use crate::model::snapshot::{Heard, Load, Snapshot};
use crate::model::topology::Standing;

use super::controller::{Controller, Now};
use super::event::{PauseFile, Role};
use super::state::{Case, Intent, Offer};

impl Controller {
    /// Gives how things stand from this node's point of view.
    pub(super) fn status(&mut self, now: Now) -> StatusView {
        let log_time = self.lead.as_ref().map_or(self.state.last_at, |lead| lead.log_time(now.at));
        let snapshot = self.snapshot(now.at, log_time);
        let (leader, term) = match self.role {
            Role::Leading(term) => (Some(self.options.me), term),
            Role::Following { leader, term } => (Some(leader), term),
            Role::Leaderless(term) => (None, term),
        };
        StatusView {
            node: self.options.me,
            cluster: self.state.cluster.clone(),
            leader,
            term: Term(term.0),
            quorum: if leader.is_some() { Quorum::Present } else { Quorum::Lost },
            // What is in force is the leader's; before the first record, what this node would bring.
            mode: self.state.mode.unwrap_or(self.options.policy.mode),
            paused: self.pause_view(),
            policy: self.state.policy.unwrap_or(self.policy_digest),
            nodes: self.node_views(now),
            controller: snapshot.controller,
            brokers: self.broker_views(now, &snapshot),
            cases: self.state.cases.iter().map(|(id, case)| self.case_view(*id, case, &snapshot)).collect(),
            plans: self.plan_briefs(&snapshot),
            attentions: self
                .state
                .attentions
                .iter()
                .map(|(index, told)| AttentionView {
                    index: *index,
                    wall_ms: told.wall_ms,
                    case: told.case,
                    what: told.what.clone(),
                })
                .collect(),
            audit: AuditHead {
                index: self.state.head.index,
                hash: (0 < self.state.head.index.0).then_some(self.state.head.hash),
                at: self.state.last_at,
            },
            missing: snapshot.missing,
            blind: self.blind_views(snapshot.heard.get(&self.options.me)),
            troubles: Vec::new(),
        }
    }

    /// Gives what this node does not see, broker by broker where brokers refuse to show themselves.
    fn blind_views(&self, own: Option<&Heard>) -> BTreeSet<BlindView> {
        let readings = self.watch.readings();
        let whole = readings.blind.iter().map(|(probe, (_, why))| BlindView { why: *why, probe: *probe, broker: None });
        let parts = readings.blind_of.iter();
        let parts = parts.map(|((probe, id), why)| BlindView { why: *why, probe: *probe, broker: Some(*id) });
        let seen = own.into_iter().flat_map(|own| own.report.brokers.iter());
        let lights = seen.filter_map(|(id, seen)| match seen.light {
            Light::Unknown(why) if why != Blindness::NotTried => {
                Some(BlindView { why, probe: ProbeKind::Ping, broker: Some(*id) })
            }
            Light::Unknown(_) => None,
            Light::Green | Light::Yellow | Light::RedRefused | Light::RedSilent | Light::Recovering => None,
        });
        whole.chain(parts).chain(lights).collect()
    }

    fn pause_view(&self) -> Option<PauseView> {
        let file = self.paused_by_file().map(|(node, file)| match file {
            PauseFile::Unreadable => PauseView::Unreadable { node },
            PauseFile::Present | PauseFile::Absent => PauseView::File { node },
        });
        let by = self.state.paused.as_ref().map(|order| PauseView::By {
            by: order.by.clone(),
            reason: order.reason.clone(),
            since_wall_ms: order.wall_ms,
        });
        file.or(by)
    }

    fn node_views(&self, now: Now) -> Vec<NodeView> {
        let view = |id: &NodeId| {
            let said = self.reports.get(id);
            NodeView {
                id: *id,
                heard_ago: said.map(|(at, _)| if *id == self.options.me { Duration::ZERO } else { now.at.since(*at) }),
                lhm: said.map(|(_, said)| said.report.lhm),
                reaches_controller: said.map(|(_, said)| said.report.reaches_controller),
                policy: said.map(|(_, said)| said.policy),
            }
        };
        self.options.voters.iter().map(view).collect()
    }

    fn broker_views(&self, now: Now, snapshot: &Snapshot) -> Vec<BrokerView> {
        let mut views = broker_views(snapshot);
        for view in &mut views {
            view.failed_dirs = self.watch.readings().log_dirs.get(&view.id).map(OwnDirs::failed_dirs);
            view.judged = self.watch.metrics(view.id, now.at).map(judged);
        }
        views
    }

    fn case_view(&self, id: CaseId, case: &Case, snapshot: &Snapshot) -> CaseView {
        CaseView {
            id,
            kind: case.finding.kind,
            broker: case.finding.broker,
            open_for: snapshot.taken_at.since(case.opened),
            last: self.latest(id, case),
        }
    }

    /// An intent, an offer and a "would have" each take the last reason for doing nothing away: one that is there is newer.
    fn latest(&self, id: CaseId, case: &Case) -> Option<Latest> {
        let in_flight = self.state.intents.iter().find(|(_, intent)| intent.case == id);
        let offered = self.state.offers.iter().find(|(_, offer)| offer.case == id);
        in_flight
            .map(|(plan, _)| Latest::InFlight(*plan))
            .or_else(|| case.inaction.clone().map(Latest::Nothing))
            .or_else(|| offered.map(|(plan, _)| Latest::Offered(*plan)))
            .or_else(|| case.acted.and_then(|(plan, end)| Some(Latest::Acted { plan, end: end? })))
            .or_else(|| case.would.map(Latest::WouldAct))
    }

    fn plan_briefs(&self, snapshot: &Snapshot) -> Vec<PlanBrief> {
        let offers = self.state.offers.iter().map(|(digest, offer)| PlanBrief {
            digest: *digest,
            case: offer.case,
            state: offered(offer, snapshot),
        });
        let intents = self.state.intents.iter().map(|(digest, intent)| PlanBrief {
            digest: *digest,
            case: intent.case,
            state: PlanState::InFlight,
        });
        offers.chain(intents).collect()
    }

    /// Gives the plans that wait or are in flight.
    pub(super) fn plans(&mut self, now: Now) -> Vec<PlanView> {
        let log_time = self.lead.as_ref().map_or(self.state.last_at, |lead| lead.log_time(now.at));
        let snapshot = self.snapshot(now.at, log_time);
        let offers = self.state.offers.iter().map(|(digest, offer)| offer_view(*digest, offer, &snapshot));
        let intents = self.state.intents.iter().map(|(digest, intent)| intent_view(*digest, intent, &snapshot));
        offers.chain(intents).collect()
    }

    pub(super) fn show_plan(&mut self, now: Now, prefix: &DigestPrefix) -> Answer {
        let mut found: Vec<PlanView> =
            self.plans(now).into_iter().filter(|view| prefix.matches(&view.digest)).collect();
        match (found.len(), found.pop()) {
            (1, Some(view)) => Answer::Plan(Box::new(view)),
            (0, _) | (_, None) => Answer::NotFound(NotFound::Plan(prefix.clone())),
            (_, Some(last)) => {
                let all = found.iter().map(|view| view.digest).chain([last.digest]).collect();
                Answer::NotFound(NotFound::Ambiguous(all))
            }
        }
    }
}

fn offered(offer: &Offer, snapshot: &Snapshot) -> PlanState {
    PlanState::Offered {
        people: offer.people,
        approved: offer.approvals.clone(),
        expires_in: offer.expires.since(snapshot.taken_at),
    }
}

fn offer_view(digest: PlanDigest, offer: &Offer, snapshot: &Snapshot) -> PlanView {
    PlanView {
        digest,
        case: offer.case,
        record: offer.record,
        state: offered(offer, snapshot),
        topics: topics(&offer.plan, snapshot),
        plan: offer.plan.clone(),
        ruling: None,
    }
}

fn intent_view(digest: PlanDigest, intent: &Intent, snapshot: &Snapshot) -> PlanView {
    PlanView {
        digest,
        case: intent.case,
        record: intent.record,
        state: PlanState::InFlight,
        topics: topics(&intent.plan, snapshot),
        plan: intent.plan.clone(),
        ruling: None,
    }
}

fn topics(plan: &Plan, snapshot: &Snapshot) -> BTreeMap<crate::model::ids::TopicId, String> {
    let partitions = plan.undo.iter().flat_map(|order| order.partitions.iter());
    let named = partitions.filter_map(|partition| {
        snapshot.topology.topics.get(&partition.topic).map(|topic| (partition.topic, topic.name.clone()))
    });
    named.collect()
}

fn judged(metrics: BrokerMetrics) -> Judged {
    let BrokerMetrics { gap, tau, stalls, tail_index_permille, detection, false_acts_permille } = metrics;
    Judged { gap, tau, stalls, tail_index_permille, detection, false_acts_permille }
}

fn broker_views(snapshot: &Snapshot) -> Vec<BrokerView> {
    let mut ids: BTreeSet<BrokerId> = snapshot.topology.brokers.keys().copied().collect();
    ids.extend(snapshot.heard.values().flat_map(|heard| heard.report.brokers.keys().copied()));
    let view = |id: BrokerId| {
        let registration = snapshot.topology.brokers.get(&id);
        let load = snapshot.loads.get(&id).copied().unwrap_or(Load::default());
        let seen = snapshot.heard.iter().filter_map(|(node, heard)| {
            let seen = heard.report.brokers.get(&id)?;
            let light_for = seen.light_for.saturating_add(heard.age);
            Some((*node, Seen { light: seen.light, light_for, pulse: seen.pulse.state }))
        });
        BrokerView {
            id,
            rack: registration.and_then(|registration| registration.rack.clone()),
            standing: registration.map_or(Standing::Unregistered, |registration| registration.standing),
            leads: load.leads,
            replicas: load.replicas,
            seen: seen.collect(),
            failed_dirs: None,
            judged: None,
        }
    };
    ids.into_iter().map(view).collect()
}

/// Tells in which parts two plans differ, each part as its canonical text.
pub(super) fn differences(was: &Plan, is: Option<&Plan>) -> Vec<Difference> {
    let text = |value: Result<Vec<u8>, _>| -> String {
        value.map_or_else(
            |_: crate::model::canon::CanonError| String::new(),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        )
    };
    let parts = |plan: &Plan| {
        [
            ("origin", text(to_canonical_bytes(&plan.origin))),
            ("class", text(to_canonical_bytes(&plan.class))),
            ("steps", text(to_canonical_bytes(&plan.steps))),
            ("undo", text(to_canonical_bytes(&plan.undo))),
        ]
    };
    let was = parts(was);
    let is = is.map(parts);
    let differs = |(place, (part, was)): (usize, (&str, String))| {
        let is = is.as_ref().and_then(|is| is.get(place)).map_or_else(|| "no plan".to_owned(), |(_, is)| is.clone());
        (was != is).then(|| Difference { part: part.to_owned(), was, is })
    };
    was.into_iter().enumerate().filter_map(differs).collect()
}
