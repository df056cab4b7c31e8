//! What must hold of the trio itself: one leader per term, one chain, equal states, bounds, and a leader in time.

use std::time::Duration;

use crate::control::event::{Kept, Role};
use crate::model::ids::NodeId;
use crate::sim::kafka::talk::Asker;
use crate::sim::net::Cut;
use crate::sim::node::Process;

use super::pace::LOOK_EVERY;
use super::{Checks, Machine, Scene, Violation};

/// A leader of ours stands after so long.
const LEADER_WITHIN: Duration = Duration::from_secs(3);

/// For so long a deposed leader may not have heard of its successor, all being well.
const TWO_LEADERS_MAX: Duration = Duration::from_secs(5);

/// Requests of one probe that are under way for each broker and controller: a few lanes, and some looks out of turn. As many are
/// heard, and as many timers end, in a second.
const CALLS_MAX_EACH: usize = 60;

/// Requests of one hand for each broker: an errand of its own and two of an earlier leader's ask every broker once, and one sends.
const HAND_CALLS_MAX_EACH: usize = 4;

/// Requests on one line to one that does not answer: a plan is read back each 100 ms for 5 s (`VERIFY_EVERY`, `VERIFY_FOR`), and a case
/// is tried six times (`ACTS_MAX`, and as often again on the way back); the facts are read again for some steps of each.
const LINE_MAX: usize = 400;

/// Readings of places in the metadata log: those of the lead (90 ms) before the newest, and of the 2 s that its answer may have taken.
/// A look takes 4 ms at least.
const READINGS_MAX: usize = 512;

/// Inputs that may wait for a disk (`queue_inputs_max`).
const INPUTS_MAX: usize = 4_096;

/// Entries of the log behind the newest snapshot: 2,000 make one wanted (`snapshot_each_entries`), and before it stands an append of
/// 1 MiB (5,000 records of 200 bytes) may come, and all that waits for the disk.
const UNSNAPPED_MAX: usize = 12_000;

/// Entries on the disk: 10,000 are kept behind the snapshot (`keep_entries`), a tenth more makes the cut worth a write, and it waits for a
/// checkpoint (5 s).
const LOG_MAX: usize = 13_000 + UNSNAPPED_MAX;

/// Open cases for each broker; each has one offer, and people may ask for another. What they may be told and not have acknowledged.
const CASES_MAX_EACH: usize = 4;
const ATTENTIONS_MAX: usize = 10_000;

/// Offers that are gone, and requests of people, are remembered to this number (`GONE_MAX`, `REQUESTS_MAX`); no more people can wait.
const GONE_MAX: usize = 16;
const REQUESTS_MAX: usize = 1_024;
/// Questions to the adviser are remembered to this number (`QUESTIONS_MAX`).
const QUESTIONS_MAX: usize = 64;

/// Records that wait for the batch in flight: a round runs only when none does, and writes a few for each broker.
const RECORDS_MAX_EACH: usize = 8;

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
        let truth = scene.kafka.truth();
        let (brokers, lines) = (truth.brokers_registered().saturating_add(8), truth.longest_lines());
        for (id, machine) in scene.machines {
            let Some(process) = machine.process.as_ref() else { continue };
            self.count("S8");
            let mut sizes = sizes(process, brokers);
            sizes.extend([
                ("log entries on the disk", machine.disk.log_len(), LOG_MAX),
                ("requests on one line", lines.get(&Asker::Node(*id)).copied().unwrap_or(0), LINE_MAX),
                ("stimuli that wait", machine.waits.len(), self.waits_max(scene, machine, brokers)),
            ]);
            if let Some((what, count, most)) = sizes.into_iter().find(|(_, count, most)| most < count) {
                return scene.deny("S8", Some(*id), || format!("{count} {what}, at most {most}"));
            }
        }
        Ok(())
    }

    /// Gives how much may wait for a process: nothing where all of us are well, else what comes while it cannot take it.
    fn waits_max(&mut self, scene: Scene<'_>, machine: &Machine, brokers: usize) -> usize {
        let Some(waited) = self.pace.waits_for(machine.id, scene.now, machine.waits.len()) else { return 0 };
        if scene.ours_well_for(LOOK_EVERY) {
            return 0;
        }
        let seconds = usize::try_from(waited.as_secs()).unwrap_or(usize::MAX).saturating_add(1);
        brokers.saturating_mul(CALLS_MAX_EACH).saturating_mul(seconds)
    }

    /// Whenever two nodes that hear each other are well, somebody leads in time.
    pub(super) fn look_at_core(&mut self, scene: Scene<'_>) -> Result<(), Violation> {
        let now = scene.now;
        let core = scene.core();
        let healthy = scene.is_healthy(&core);
        self.core.healthy_since = if healthy { Some(self.core.healthy_since.unwrap_or(now)) } else { None };
        let leaders = self.leading.keys().filter(|id| core.contains(id)).count();
        let led = 0 < leaders;
        self.core.leaderless_since = if led { None } else { Some(self.core.leaderless_since.unwrap_or(now)) };
        self.core.led_twice_since =
            if healthy && 1 < leaders { Some(self.core.led_twice_since.unwrap_or(now)) } else { None };
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

/// Gives what a process holds by its name: how much, and how much at most.
fn sizes(process: &Process, brokers: usize) -> Vec<(&'static str, usize, usize)> {
    let (state, peer, backlog) = (process.controller.state(), process.peer.status(), process.controller.backlog());
    let unsnapped = usize::try_from(peer.last.0.saturating_sub(peer.snapshot.0)).unwrap_or(usize::MAX);
    let each = |most: usize| brokers.saturating_mul(most);
    vec![
        ("requests under way", process.probe.under_way(), each(CALLS_MAX_EACH)),
        ("requests of the hand", process.hand.under_way(), each(HAND_CALLS_MAX_EACH)),
        ("readings of the pulse", process.controller.watch().pulses_remembered(), READINGS_MAX.saturating_add(brokers)),
        ("inputs that wait for the disk", peer.queued_inputs, INPUTS_MAX),
        ("log entries behind the snapshot", unsnapped, UNSNAPPED_MAX),
        ("open cases", state.cases.len(), each(CASES_MAX_EACH)),
        ("offers", state.offers.len(), each(CASES_MAX_EACH)),
        ("offers that are gone", state.gone.len(), GONE_MAX),
        ("requests of people", state.requests.len(), REQUESTS_MAX),
        ("unread attentions", state.attentions.len(), ATTENTIONS_MAX),
        ("open intents", state.intents.len(), 1),
        ("cool-downs", state.cool_downs.len().max(state.demoted.len()), brokers),
        ("records that wait for a batch", backlog.records, each(RECORDS_MAX_EACH)),
        ("people who wait", backlog.operators, REQUESTS_MAX),
        ("questions to the adviser", backlog.questions, QUESTIONS_MAX),
    ]
}

impl Scene<'_> {
    /// Gives those of us that take part: a node that is dead, stopped, or cut off both ways from all others is not there.
    pub(super) fn core(&self) -> Vec<NodeId> {
        let there = |machine: &&Machine| machine.works() && !self.is_cut_off(machine.id);
        self.machines.values().filter(there).map(|machine| machine.id).collect()
    }

    /// Tells whether whoever takes part are at least two, are well, and hear each other: one that is slow, or half cut off, may hold up
    /// an election for longer than a leader may take.
    fn is_healthy(&self, core: &[NodeId]) -> bool {
        let well = |id: &NodeId| self.machines.get(id).is_some_and(Machine::is_well);
        let hears = |from: &NodeId, to: &NodeId| from == to || self.net.is_good(*from, *to);
        2 <= core.len() && core.iter().all(well) && core.iter().all(|from| core.iter().all(|to| hears(from, to)))
    }

    /// Tells whether a node and the others hear nothing of each other.
    fn is_cut_off(&self, id: NodeId) -> bool {
        let cut = |from, to| self.net.get(from, to).cut == Cut::Yes;
        self.machines.keys().filter(|other| **other != id).all(|other| cut(id, *other) && cut(*other, id))
    }
}
