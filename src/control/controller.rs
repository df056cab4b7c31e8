//! The controller: hears events, keeps its own watch and the replicated state, and answers with effects.
//!
//! Deliberately one door: production's driver and the simulation both call [`Controller::step`] and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::decide::assemble::{Gathered, assemble, assemble_reports};
use crate::decide::policy::Policy;
use crate::decide::watch::{Noticed, Watch};
use crate::model::ids::{Digest, Listener, NodeId, RaftIndex, RecordIndex, Term};
use crate::model::observation::{Fact, Report};
use crate::model::record::{Attention, Body, Record};
use crate::model::snapshot::Snapshot;
use crate::model::time::{LogTime, Timestamp};
use crate::render::warning;

use super::event::{Effect, Event, PauseFile, PeerReport, Role};
use super::lead::Lead;
use super::state::{PausedHere, State};

/// How often a node tells the others everything it sees, changed or not (`house.md` §7).
const REPORT_EVERY: Duration = Duration::from_millis(250);

/// How long a report is believed to be about the present for status; decisions use the policy's own limit.
const REPORT_FORGOTTEN: Duration = Duration::from_secs(10);

/// The present, as the driver sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// On the monotonic clock: everything is decided by it.
    pub at: Timestamp,
    /// On the wall: annotation only.
    pub wall_ms: u64,
}

/// Whether somebody can be asked for an opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// `[adviser]` names a server.
    On,
    /// Rules only.
    Off,
}

/// Who this node is and what it was told.
#[derive(Debug, Clone)]
pub struct ControllerOptions {
    /// This node.
    pub me: NodeId,
    /// The voters of the trio.
    pub voters: BTreeSet<NodeId>,
    /// Every setting that can change a decision.
    pub policy: Policy,
    /// The listener that this node looks through.
    pub path: Listener,
    /// Brokers that share a host with this node: no vote on them.
    pub no_vote_on: BTreeSet<crate::model::ids::BrokerId>,
    /// Whether an adviser is there.
    pub advice: Advice,
    /// What was seen of this node's pause file before it took part: without a look it would count as away.
    pub pause_file: PauseFile,
}

/// The whole controller of one node.
#[derive(Debug)]
pub struct Controller {
    pub(super) options: ControllerOptions,
    pub(super) policy_digest: Digest,
    pub(super) watch: Watch,
    pub(super) reports: BTreeMap<NodeId, (Timestamp, PeerReport)>,
    pub(super) state: State,
    pub(super) role: Role,
    pub(super) pause_file: PauseFile,
    /// Whether this node's history was set aside and no record says so yet.
    history_rebuilt: bool,
    pub(super) lead: Option<Lead>,
    pub(super) errands: u64,
    /// What the present step wants done.
    pub(super) out: Vec<Effect>,
    report_due: Timestamp,
    /// Whether this node has said that nobody tells it the cluster's shape.
    pub(super) said_unseen: bool,
    /// Whether any leader was followed since this process started: if not, the whole trio may have been down.
    pub(super) followed: Followed,
}

/// Whether this process has followed a leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Followed {
    /// Not since it started.
    Nobody,
    /// It has.
    Somebody,
}

impl Controller {
    /// Starts a controller on the state that its store recovered.
    #[must_use]
    pub fn new(options: ControllerOptions, state: State) -> Self {
        let watch = Watch::new(options.me, &options.policy, options.path.clone(), options.no_vote_on.clone());
        Self {
            policy_digest: options.policy.digest(),
            watch,
            reports: BTreeMap::new(),
            state,
            role: Role::Leaderless(Term(0)),
            pause_file: options.pause_file,
            history_rebuilt: false,
            lead: None,
            errands: 0,
            out: Vec::new(),
            report_due: Timestamp(0),
            said_unseen: false,
            followed: Followed::Nobody,
            options,
        }
    }

    /// Takes one event and gives what is to be done about it.
    #[must_use]
    pub fn step(&mut self, now: Now, event: Event) -> Vec<Effect> {
        match event {
            Event::Tick => {
                let noticed = self.watch.tick(now.at);
                self.noticed(now, noticed);
                if self.report_due <= now.at {
                    self.tell(now);
                }
                self.look_at_unseen(now);
                self.lead_tick(now);
            }
            Event::Observed(observation) => {
                let noticed = self.watch.note(&observation);
                let news = noticed.changed;
                self.noticed(now, noticed);
                if !news && matches!(observation.fact, Fact::Pulse(_)) {
                    // Nothing new, but one look follows the other while an echo is awaited.
                    self.advance(now);
                } else if !news && matches!(observation.fact, Fact::Topology(_)) && self.awaits_shape() {
                    // This node sees nothing red, so it is no news to it; the votes of the others waited for it.
                    self.look_again(now);
                }
            }
            Event::Reported { from, report } => self.reported(now, from, report),
            Event::Role(role) => self.take_role(now, role),
            Event::Committed { index, entry } => self.committed(now, index, &entry),
            Event::ProposalDropped => self.proposal_dropped(),
            Event::Applied { errand, result } => self.step_applied(now, errand, result),
            Event::ReadBack { errand, views } => self.was_read_back(now, errand, views),
            Event::Advised { case, plan, opinion } => self.advised(now, case, plan, *opinion),
            Event::Asked { ticket, request } => self.asked(now, ticket, request),
            Event::HistoryRebuilt => {
                self.history_rebuilt = true;
                self.tell(now);
                self.look_again(now);
            }
            Event::PauseFile(file) => {
                self.pause_file = file;
                self.tell(now);
                self.look_again(now);
            }
        }
        std::mem::take(&mut self.out)
    }

    /// Gives the replicated state, for snapshots of the log and for the store.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Replaces the replicated state by one that a peer's snapshot brought; gives what is to be done about it.
    ///
    /// Whoever takes a snapshot leads no more: operators who wait are told that their record may or may not come to be.
    #[must_use]
    pub fn install(&mut self, state: State) -> Vec<Effect> {
        self.stop_leading();
        if let Role::Leading(term) = self.role {
            self.role = Role::Leaderless(term);
        }
        self.state = state;
        std::mem::take(&mut self.out)
    }

    /// Gives this node's id.
    #[must_use]
    pub fn me(&self) -> NodeId {
        self.options.me
    }

    /// Gives this node's place in the trio.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Gives this node's own watch, for metrics.
    #[must_use]
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    fn noticed(&mut self, now: Now, noticed: Noticed) {
        self.out.extend(noticed.looks.into_iter().map(Effect::Look));
        if noticed.changed {
            self.tell(now);
            self.look_again(now);
        }
    }

    fn reported(&mut self, now: Now, from: NodeId, report: PeerReport) {
        if from == self.options.me || !self.options.voters.contains(&from) {
            return;
        }
        let news = self
            .reports
            .get(&from)
            .is_none_or(|(_, old)| old.pause_file != report.pause_file || is_news(&old.report, &report.report));
        self.reports.insert(from, (now.at, report));
        if news {
            self.look_again(now);
        }
    }

    /// Sends this node's view to both others: whoever leads next has it already, and any node can answer `status`.
    fn tell(&mut self, now: Now) {
        self.report_due = now.at.plus(REPORT_EVERY);
        let report = self.own_report(now.at);
        self.reports.insert(self.options.me, (now.at, report.clone()));
        for peer in self.options.voters.iter().filter(|peer| **peer != self.options.me) {
            self.out.push(Effect::Report { to: *peer, report: Box::new(report.clone()) });
        }
        self.reports.retain(|_, (at, _)| now.at.since(*at) < REPORT_FORGOTTEN);
    }

    fn own_report(&self, now: Timestamp) -> PeerReport {
        PeerReport {
            report: self.watch.report(now),
            way_open_ago: self.watch.readings().way_open_ago(now),
            pause_file: self.pause_file,
            head: self.state.head,
            policy: self.policy_digest,
            history_rebuilt: self.history_rebuilt,
        }
    }

    /// Fuses what is known now into the picture that a decision is made on.
    pub(super) fn snapshot(&mut self, now: Timestamp, log_time: LogTime) -> Snapshot {
        self.assembled(now, log_time, assemble)
    }

    /// What each node says now: all that an echo is judged by, without a walk over every partition.
    pub(super) fn reports_now(&mut self, now: Timestamp, log_time: LogTime) -> Snapshot {
        self.assembled(now, log_time, assemble_reports)
    }

    fn assembled(
        &mut self,
        now: Timestamp,
        log_time: LogTime,
        assemble: fn(&Gathered<'_>, &Policy) -> Snapshot,
    ) -> Snapshot {
        let own = self.own_report(now);
        self.reports.insert(self.options.me, (now, own));
        let reports: BTreeMap<NodeId, (Timestamp, Report)> =
            self.reports.iter().map(|(node, (at, said))| (*node, (*at, said.report.clone()))).collect();
        let mut standing = self.state.standing(self.paused_here());
        standing.maintenance.clone_from(&self.options.policy.guard.maintenance);
        let gathered = Gathered {
            now,
            log_time,
            me: self.options.me,
            voters: &self.options.voters,
            reports: &reports,
            readings: self.watch.readings(),
            standing: &standing,
        };
        assemble(&gathered, &self.options.policy)
    }

    /// Gives the node whose pause file pauses the trio, this one first: what a node says of its own file, or, where it is not
    /// heard, what it last said. It fails closed: a node that falls silent with its file in place goes on pausing.
    pub(super) fn paused_by_file(&self) -> Option<(NodeId, PauseFile)> {
        let me = self.options.me;
        let others = self.options.voters.iter().filter(|node| **node != me);
        std::iter::once(&me)
            .chain(others)
            .map(|node| (*node, self.pause_file_of(*node).unwrap_or_default()))
            .find(|(_, file)| file.pauses())
    }

    /// What a node says of its pause file; what is recorded of it where it is not heard.
    fn pause_file_of(&self, node: NodeId) -> Option<PauseFile> {
        self.pause_file_heard(node).or_else(|| self.state.pause_files.get(&node).copied())
    }

    fn pause_file_heard(&self, node: NodeId) -> Option<PauseFile> {
        if node == self.options.me {
            return Some(self.pause_file);
        }
        self.reports.get(&node).map(|(_, said)| said.pause_file)
    }

    /// Gives the pause files that are otherwise than recorded.
    pub(super) fn pause_files_changed(&self) -> Vec<(NodeId, PauseFile)> {
        let recorded = |node: &NodeId| self.state.pause_files.get(node).copied().unwrap_or_default();
        let heard = self.options.voters.iter().filter_map(|node| Some((*node, self.pause_file_heard(*node)?)));
        heard.filter(|(node, file)| recorded(node) != *file).collect()
    }

    pub(super) fn paused_here(&self) -> PausedHere {
        if self.paused_by_file().is_some() { PausedHere::Yes } else { PausedHere::No }
    }

    pub(super) fn next_errand(&mut self) -> super::event::Errand {
        self.errands = self.errands.saturating_add(1);
        super::event::Errand(self.errands)
    }

    fn committed(&mut self, now: Now, index: RaftIndex, entry: &[u8]) {
        match self.state.apply(index, entry) {
            Ok(Some(kept)) => {
                let record = kept.record.clone();
                if record.body == (Body::Attention { what: Attention::AuditRebuilt { node: self.options.me } }) {
                    self.history_rebuilt = false;
                }
                let head = kept.head;
                self.out.push(Effect::Keep(Box::new(kept)));
                self.warn_people(head.index, &record);
                self.record_committed(now, head, &record);
            }
            Ok(None) => {}
            Err(skipped) => {
                self.out.push(Effect::Warn(format!("a committed entry was skipped on every node: {skipped}")))
            }
        }
    }

    /// Says in the log of every node what a person is told: whoever wrote the record may be dead by now. What a node reads back
    /// from its own disk, before it knows of a leader, was said before it ended.
    fn warn_people(&mut self, index: RecordIndex, record: &Record) {
        if matches!(self.role, Role::Leaderless(_)) {
            return;
        }
        let shape = self.watch.readings().topology.as_ref();
        self.out.extend(warning(index, record, shape.map(|shape| shape.topology.as_ref())).map(Effect::Warn));
    }

    fn take_role(&mut self, now: Now, role: Role) {
        let before = self.role;
        self.role = role;
        match role {
            Role::Leading(term) => {
                if before != role {
                    self.begin_leading(now, term);
                }
            }
            Role::Following { .. } => {
                self.followed = Followed::Somebody;
                self.stop_leading();
            }
            Role::Leaderless(_) => self.stop_leading(),
        }
    }
}

/// Tells whether a report says something that can change a decision: a light, a pulse, progress or who abstains.
fn is_news(old: &Report, new: &Report) -> bool {
    let key = |report: &Report| {
        let brokers: Vec<_> = report
            .brokers
            .iter()
            .map(|(broker, seen)| {
                (
                    *broker,
                    seen.light,
                    seen.pulse.state,
                    seen.pulse.beats_since_red,
                    seen.pulse.behind_since_red,
                    seen.progress,
                )
            })
            .collect();
        (report.reaches_controller, report.lhm, brokers)
    };
    key(old) != key(new)
}
