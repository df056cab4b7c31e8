//! What must hold of the trio itself: one leader per term, one chain, equal states, bounds, and a leader in time.

use std::time::Duration;

use crate::control::event::{Kept, Role};
use crate::model::ids::NodeId;

use super::{Checks, Scene, Violation};

/// A leader of ours stands after so long.
const LEADER_WITHIN: Duration = Duration::from_secs(3);

/// For so long a deposed leader may not have heard of its successor, all being well.
const TWO_LEADERS_MAX: Duration = Duration::from_secs(5);

/// Requests of one probe that are under way for each broker and controller: a few lanes, and some looks out of turn.
const CALLS_MAX_EACH: usize = 60;

/// Inputs that may wait for a disk.
const INPUTS_MAX: usize = 4_096;

/// Open cases for each broker, and what people may be told and not have acknowledged.
const CASES_MAX_EACH: usize = 4;
const ATTENTIONS_MAX: usize = 10_000;

impl Checks {
    pub(super) fn became(&mut self, scene: Scene<'_>, node: NodeId, role: Role) -> Result<(), Violation> {
        match role {
            Role::Leading(term) => {
                self.count("S1");
                let first = *self.leaders.entry(term).or_insert(node);
                self.leading.insert(node, term);
                if first != node {
                    return scene.deny("S1", Some(node), || format!("leads term {term}, which {first} leads"));
                }
            }
            Role::Following { .. } | Role::Leaderless(_) => {
                self.leading.remove(&node);
            }
        }
        Ok(())
    }

    /// A record was kept: each place of the chain holds the same on every node.
    pub(super) fn chained(&mut self, scene: Scene<'_>, node: NodeId, kept: &Kept) -> Result<bool, Violation> {
        self.count("S7");
        let known = self.chain.get(&kept.head.index).copied();
        match known {
            Some(hash) if hash != kept.head.hash => {
                let what = || format!("record {} is another one than elsewhere", kept.head.index);
                scene.deny("S7", Some(node), what).map(|()| false)
            }
            Some(_) => Ok(false),
            None => {
                self.chain.insert(kept.head.index, kept.head.hash);
                Ok(true)
            }
        }
    }

    /// Compares the states of these nodes with all that have taken in equally much.
    pub(super) fn look_at_states(&mut self, scene: Scene<'_>, whose: &[NodeId]) -> Result<(), Violation> {
        let running: Vec<_> = scene
            .machines
            .iter()
            .filter_map(|(id, machine)| Some((*id, machine.process.as_ref()?.controller.state())))
            .collect();
        for (place, (one, this)) in running.iter().enumerate() {
            for (other, that) in running.iter().skip(place.saturating_add(1)) {
                let asked = whose.contains(one) || whose.contains(other);
                if !asked || this.applied != that.applied {
                    continue;
                }
                self.count("S7");
                if this != that {
                    let what = || format!("{one} and {other} applied {} and differ", this.applied);
                    return scene.deny("S7", Some(*other), what);
                }
            }
        }
        Ok(())
    }

    pub(super) fn look_at_bounds(&mut self, scene: Scene<'_>) -> Result<(), Violation> {
        let brokers = scene.kafka.truth().registrations().len().saturating_add(8);
        for (id, machine) in scene.machines {
            let Some(process) = machine.process.as_ref() else { continue };
            self.count("S8");
            let state = process.controller.state();
            let sizes = [
                ("requests under way", process.probe.under_way(), brokers.saturating_mul(CALLS_MAX_EACH)),
                ("inputs that wait for the disk", process.peer.status().queued_inputs, INPUTS_MAX),
                ("open cases", state.cases.len(), brokers.saturating_mul(CASES_MAX_EACH)),
                ("unread attentions", state.attentions.len(), ATTENTIONS_MAX),
                ("open intents", state.intents.len(), 1),
            ];
            if let Some((what, count, most)) = sizes.into_iter().find(|(_, count, most)| most < count) {
                return scene.deny("S8", Some(*id), || format!("{count} {what}, at most {most}"));
            }
        }
        Ok(())
    }

    /// Whenever two nodes that hear each other are well, somebody leads in time.
    pub(super) fn look_at_core(&mut self, scene: Scene<'_>) -> Result<(), Violation> {
        let now = scene.now;
        let healthy = core_is_healthy(scene);
        self.core.healthy_since = if healthy { Some(self.core.healthy_since.unwrap_or(now)) } else { None };
        let led = self.leading.keys().any(|id| scene.machines.get(id).is_some_and(super::Machine::is_well));
        self.core.leaderless_since = if led { None } else { Some(self.core.leaderless_since.unwrap_or(now)) };
        self.core.led_twice_since =
            if healthy && 1 < self.leading.len() { Some(self.core.led_twice_since.unwrap_or(now)) } else { None };
        if self.core.led_twice_since.is_some_and(|since| TWO_LEADERS_MAX < now.since(since)) {
            scene.deny("S1", None, || format!("two of us have led for more than {TWO_LEADERS_MAX:?}"))?;
        }
        if let (Some(well), Some(without)) = (self.core.healthy_since, self.core.leaderless_since) {
            self.count("L1");
            if LEADER_WITHIN < now.since(well.max(without)) {
                return scene.deny("L1", None, || format!("nobody has led for more than {LEADER_WITHIN:?}"));
            }
        }
        Ok(())
    }

    /// Tells whether the trio has been well for so long.
    pub(super) fn core_well_for(&self, scene: Scene<'_>, span: Duration) -> bool {
        self.core.healthy_since.is_some_and(|since| span <= scene.now.since(since))
            && self.core.leaderless_since.is_none()
    }
}

/// At least two nodes are well, no other one runs badly, and every link lets everything through: a node that is half cut off
/// may hold up an election for longer than a leader may take.
fn core_is_healthy(scene: Scene<'_>) -> bool {
    let well = scene.machines.values().filter(|machine| machine.is_well()).count();
    let unwell = scene.machines.values().any(|machine| machine.process.is_some() && !machine.is_well());
    2 <= well && !unwell && scene.net.all_good()
}
