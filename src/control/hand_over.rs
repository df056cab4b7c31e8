//! A leader that is ill placed lets another node lead: what it decides could not be sent, or it has no vote of its own, and another
//! node is better off.
//!
//! Deliberately between plans only, and recorded before it is done: who asks why leadership of ours moved finds the answer.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decide::heir::{heir, ill_placed};
use crate::model::ids::NodeId;
use crate::model::record::{Body, IllPlaced, Vantage};
use crate::model::time::{Timestamp, whole_ms};

use super::controller::{Controller, Now};
use super::event::{Effect, PeerReport};
use super::lead::CaseRef;

/// How long a leader doubts itself before that is no burst: doubt falls by one a second, from 8 to below 4 in 5 s. Where its way is
/// closed nothing is waited for: it is called so only after eight readings in vain.
const DOUBT_PATIENCE: Duration = Duration::from_secs(6);

/// How long nothing is decided while another is to take over: as long as an election takes at most.
const HANDING_OVER: Duration = Duration::from_secs(2);

/// After how long another try is made where nobody took over.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

impl Controller {
    /// Has another node lead where this one is ill placed and that one is not; tells whether it is to.
    pub(super) fn yields(&mut self, now: Now) -> bool {
        let vantages = self.vantages(now.at);
        let detect = &self.options.policy.detect;
        let why = vantages.get(&self.options.me).and_then(|mine| ill_placed(mine, detect));
        let to = heir(self.options.me, &vantages, detect);
        let Some(lead) = self.lead.as_mut() else { return false };
        let Some(why) = why else {
            lead.ill_placed = None;
            return false;
        };
        let since = lead.ill_placed.get_or_insert(now.at);
        let patience = if why == IllPlaced::Doubtful { DOUBT_PATIENCE } else { Duration::ZERO };
        let lasts = patience <= now.at.since(*since);
        let rested = lead.yielded.is_none_or(|at| AGAIN_AFTER <= now.at.since(at));
        let idle = lead.cursor.is_none() && self.state.intents.is_empty();
        let Some(to) = to.filter(|_| lasts && rested && idle) else { return false };
        lead.yielded = Some(now.at);
        self.write(CaseRef::None, Body::HandedOver { to, why, vantages });
        true
    }

    /// It is recorded that another is to lead: it is asked to.
    pub(super) fn hand_over(&mut self, now: Timestamp, to: NodeId) {
        if let Some(lead) = self.lead.as_mut() {
            lead.idle_until = now.plus(HANDING_OVER);
        }
        self.out.push(Effect::HandOver { to });
    }

    /// Gives how well each node is placed, by what it said lately.
    fn vantages(&self, now: Timestamp) -> BTreeMap<NodeId, Vantage> {
        let oldest = self.options.policy.detect.report_age_max;
        let age = |node: &NodeId, at: Timestamp| if *node == self.options.me { Duration::ZERO } else { now.since(at) };
        let lately = self.reports.iter().filter(|(node, (at, _))| age(node, *at) <= oldest);
        let vantage = |(node, (at, said)): (&NodeId, &(Timestamp, PeerReport))| {
            let way_open_ago = said.way_open_ago.map(|ago| whole_ms(ago.saturating_add(age(node, *at))));
            (*node, Vantage { lhm: said.report.lhm, way_open_ago })
        };
        lately.map(vantage).collect()
    }
}
