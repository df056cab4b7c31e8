//! A machine of ours: a clock, a disk, perhaps a process, and what keeps the process from its work.

mod process;
mod saboteur;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::consensus::{Members, Peer, PeerOptions, Persist, PersistToken, Recovered};
use crate::control::event::PauseFile;
use crate::control::pace::Rhythm;
use crate::control::state::State;
use crate::control::{Advice, Controller, ControllerOptions};
use crate::decide::policy::Policy;
use crate::model::ids::{BrokerId, ControllerId, Listener, NodeId};
use crate::model::time::Timestamp;

use super::adviser::Adviser;
use super::chance::Chance;
use super::clock::Clock;
use super::desk::Desk;
use super::disk::{Disk, Honesty};
use super::hand::{Hand, HandOptions};
use super::probe::{Probe, ProbeOptions};
use super::sabotage::Sabotage;
use super::stimulus::Stimulus;
use process::Parts;
pub(in crate::sim) use process::Process;
use saboteur::Saboteur;

/// The one client path, as production names it.
const CLIENT_PATH: &str = "clients";

/// Ticks of silence before an election, where a saboteur makes them long.
const SLOW_ELECTION_TICKS: usize = 80;

/// What every process of the trio is started with.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Setup {
    pub(in crate::sim) voters: BTreeSet<NodeId>,
    pub(in crate::sim) policy: Policy,
    pub(in crate::sim) adviser: Adviser,
    pub(in crate::sim) brokers: Vec<BrokerId>,
    pub(in crate::sim) controllers: Vec<ControllerId>,
    pub(in crate::sim) sabotage: Sabotage,
}

/// One machine.
pub(in crate::sim) struct Machine {
    pub(in crate::sim) id: NodeId,
    pub(in crate::sim) clock: Clock,
    pub(in crate::sim) disk: Disk,
    pub(in crate::sim) process: Option<Process>,
    /// Rises with each start: what was meant for an earlier life is lost.
    pub(in crate::sim) life: u64,
    pub(in crate::sim) hold: Hold,
    /// What waits while the process is stopped, or busy.
    pub(in crate::sim) waits: VecDeque<Stimulus>,
    /// Writes that a stalled disk has not answered, and since when those that are to be synced have waited.
    pub(in crate::sim) stalled: Vec<(PersistToken, Option<Timestamp>)>,
    pub(in crate::sim) pause_file: PauseFile,
    /// Why the process ended by itself, where it did.
    pub(in crate::sim) ended: Option<String>,
    /// What each stimulus costs a slow process, and until when it is busy.
    pub(in crate::sim) slow: Duration,
    pub(in crate::sim) busy_until: Timestamp,
}

/// Whether a process is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sim) enum Hold {
    /// It runs.
    Runs,
    /// It is stopped (SIGSTOP): nothing is lost, all is late.
    Stopped,
}

/// Why a process does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::sim) enum NoStart {
    /// The store refuses to open.
    #[error("its store is damaged")]
    Damaged,
    /// The log cannot be continued.
    #[error("its log cannot be continued: {0}")]
    Log(String),
}

impl Machine {
    /// Gives a machine that has just been set up, its process not started.
    pub(in crate::sim) fn new(id: NodeId, setup: &Setup, chance: &mut Chance) -> Self {
        let honesty = if setup.sabotage == Sabotage::DiskLies { Honesty::Lies } else { Honesty::Honest };
        let members = match setup.sabotage {
            Sabotage::LogOfOne => Members::voters([id]),
            _ => Members::voters(setup.voters.iter().copied()),
        };
        Self {
            id,
            // Monotonic clocks begin anywhere.
            clock: Clock::new(chance.below(1 << 40)),
            disk: Disk::new(Recovered::first_members(members), honesty),
            process: None,
            life: 0,
            hold: Hold::Runs,
            waits: VecDeque::new(),
            stalled: Vec::new(),
            pause_file: PauseFile::Absent,
            ended: None,
            slow: Duration::ZERO,
            busy_until: Timestamp(0),
        }
    }

    /// Starts the process on what the disk holds.
    pub(in crate::sim) fn start(&mut self, setup: &Setup, seed: u64, desk: &mut Desk<'_>) -> Result<(), NoStart> {
        let recovered = self.disk.read_back().ok_or(NoStart::Damaged)?;
        let mut options = PeerOptions::of_a_trio(self.id, seed);
        if setup.sabotage == Sabotage::SlowElections {
            options.election_ticks = SLOW_ELECTION_TICKS;
        }
        let raft_tick = options.tick;
        let (peer, first) = Peer::start(options, recovered).map_err(|why| NoStart::Log(why.to_string()))?;
        self.life = self.life.saturating_add(1);
        self.hold = Hold::Runs;
        self.waits.clear();
        self.stalled.clear();
        self.ended = None;
        self.busy_until = Timestamp(0);
        let parts = Parts {
            peer,
            raft_tick,
            controller: Controller::new(self.controller_options(setup), State::default()),
            probe: Probe::start(probe_options(setup), desk),
            hand: Hand::new(HandOptions {
                brokers: setup.brokers.clone(),
                controllers: setup.controllers.clone(),
                sabotage: setup.sabotage,
            }),
            voters: setup.voters.clone(),
            saboteur: Saboteur::new(setup.sabotage, self.id, setup.voters.clone()),
        };
        self.process = Some(Process::start(parts, first, desk));
        Ok(())
    }

    fn controller_options(&self, setup: &Setup) -> ControllerOptions {
        ControllerOptions {
            me: self.id,
            voters: setup.voters.clone(),
            policy: saboteur::policy(setup.sabotage, setup.policy.clone()),
            path: Listener(CLIENT_PATH.to_owned()),
            no_vote_on: BTreeSet::new(),
            advice: if setup.adviser == Adviser::Off { Advice::Off } else { Advice::On },
            pause_file: self.pause_file,
        }
    }

    /// Takes a write to the disk; gives when it is answered.
    pub(in crate::sim) fn write(&mut self, now: Timestamp, persist: Persist, chance: &mut Chance) -> super::disk::Due {
        self.disk.write(now, persist, chance)
    }

    /// Tells whether the process does anything, however badly: it runs, and is not held.
    pub(in crate::sim) fn works(&self) -> bool {
        self.process.is_some() && self.hold == Hold::Runs
    }

    /// Tells whether the process works as it should: its disk answers in time as well, and it is not slow.
    pub(in crate::sim) fn is_well(&self) -> bool {
        self.works() && self.disk.trouble.is_none() && self.slow.is_zero()
    }
}

fn probe_options(setup: &Setup) -> ProbeOptions {
    ProbeOptions {
        path: Listener(CLIENT_PATH.to_owned()),
        bootstrap: setup.brokers.clone(),
        controllers: setup.controllers.clone(),
        rhythm: Rhythm { ping: setup.policy.detect.ping_interval, ..Rhythm::default() },
    }
}
