//! What a world is made of, as one line: `seed=7 brokers=4 partitions=6 replication=3 mode=auto`.
//!
//! Deliberately few keys: what a scenario does not say is what production ships with.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::decide::policy::{Mode, Permission, Policy};
use crate::model::ids::{BrokerId, ControllerId};
use crate::sim::adviser::Adviser;
use crate::sim::kafka::plan::{Flow, KafkaPlan, Settings, Switch, Version, controllers_apart};
use crate::sim::kafka::talk::Layout;
use crate::sim::sabotage::Sabotage;
use crate::sim::world::{ControllerAccess, WorldPlan};

use super::command::Span;

/// The one topic of a scenario.
pub(in crate::sim) const TOPIC: &str = "orders";

/// The most brokers and partitions that a world may have.
const BROKERS_MAX: u16 = 400;
const PARTITIONS_MAX: u32 = 400_000;

/// A world's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Where all chance comes from.
    pub seed: u64,
    /// Brokers b1 to bN, in racks a, b, c in turn.
    pub brokers: u16,
    /// Partitions of the one topic.
    pub partitions: u32,
    /// Replicas of each.
    pub replication: u16,
    /// In-sync replicas that acks=all waits for; none: as the cluster has it, two.
    pub min_isr: Option<u16>,
    /// The mode.
    pub mode: Mode,
    /// Which Kafka.
    pub version: Version,
    /// Whether Kafka's times are the tuned ones.
    pub tuned: Switch,
    /// Whether a broker may be fenced by heartbeat.
    pub fence: Switch,
    /// Whether a broker may be unregistered.
    pub unregister: Switch,
    /// Whether the first three brokers are the controllers as well.
    pub combined: Switch,
    /// Whether Kafka keeps eligible replicas, which 3.9 never does.
    pub elr: Switch,
    /// The adviser.
    pub adviser: Adviser,
    /// How the controllers are reached.
    pub controllers: ControllerAccess,
    /// How long a broker is green before it leads again.
    pub failback_after: Duration,
    /// No second act on a broker for this long.
    pub cool_down: Duration,
    /// Records a second with acks=all into each partition.
    pub writes: u32,
    /// Records a second with acks=1 into each partition.
    pub writes_one: u32,
    /// Whether consumers read along where something is written.
    pub readers: Switch,
    /// Brokers that people have put into maintenance.
    pub maintenance: BTreeSet<BrokerId>,
    /// Who leads every partition; none spreads them.
    pub leader: Option<BrokerId>,
    /// How often somebody looks who says yes to every offer, and restarts zombies; none: nobody does.
    pub operator: Option<Duration>,
    /// What is deliberately broken.
    pub sabotage: Sabotage,
}

impl Default for Setting {
    fn default() -> Self {
        let policy = Policy::default();
        Self {
            seed: 1,
            brokers: 3,
            partitions: 6,
            replication: 3,
            min_isr: None,
            mode: Mode::Auto,
            version: Version::V4_3,
            tuned: Switch::Off,
            fence: Switch::Off,
            unregister: Switch::Off,
            combined: Switch::Off,
            elr: Switch::On,
            adviser: Adviser::Off,
            controllers: ControllerAccess::Direct,
            failback_after: policy.act.failback_after,
            cool_down: policy.guard.broker_cool_down,
            writes: 0,
            writes_one: 0,
            readers: Switch::Off,
            maintenance: BTreeSet::new(),
            leader: None,
            operator: None,
            sabotage: Sabotage::None,
        }
    }
}

/// Every key, for messages.
pub(super) const KEYS: &str = "seed, brokers, partitions, replication, min-isr, mode, version, tuned, fence, unregister, combined, \
                               elr, adviser, controllers, failback-after, cool-down, writes, writes-one, readers, maintenance, \
                               leader, operator, sabotage";

impl Setting {
    /// Gives the world of this line.
    #[must_use]
    pub fn plan(&self) -> WorldPlan {
        let mut kafka =
            KafkaPlan::usual(self.version, self.brokers).with_topic(TOPIC, self.partitions, self.replication);
        if self.tuned == Switch::On {
            kafka.settings = Settings::tuned(self.version);
        }
        if self.elr == Switch::Off {
            kafka.settings.elr = Switch::Off;
        }
        if self.combined == Switch::On {
            kafka = kafka.with_combined_nodes();
        }
        for topic in &mut kafka.topics {
            if let Some(leader) = self.leader {
                topic.layout = Layout::Given(self.led_by(leader));
            }
            topic.min_isr = self.min_isr;
            topic.flow = Flow { acks_all_per_s: self.writes, acks_one_per_s: self.writes_one };
        }
        let mut plan = WorldPlan::new(self.seed, kafka);
        plan.policy.mode = self.mode;
        plan.policy.act.fence_heartbeat = permission(self.fence);
        plan.policy.act.unregister = permission(self.unregister);
        plan.policy.act.failback_after = self.failback_after;
        plan.policy.guard.broker_cool_down = self.cool_down;
        plan.policy.guard.maintenance.clone_from(&self.maintenance);
        plan.adviser = self.adviser;
        plan.controllers = self.controllers;
        plan.readers = self.readers;
        plan.sabotage = self.sabotage;
        plan.operator = self.operator;
        plan
    }

    /// Gives how many in-sync replicas acks=all waits for until somebody changes that.
    pub(in crate::sim) fn min_isr_at_first(&self) -> u16 {
        self.min_isr.unwrap_or(Settings::stock(self.version).min_isr)
    }

    /// Gives the numbers of the controllers.
    pub(in crate::sim) fn controllers(&self) -> [ControllerId; 3] {
        match self.combined {
            Switch::On => [1, 2, 3].map(ControllerId),
            Switch::Off => controllers_apart(self.brokers),
        }
    }

    /// Tells whether there are brokers enough to be the controllers as well.
    ///
    /// Errors: what was expected.
    pub(super) fn has_its_controllers(&self) -> Result<(), String> {
        if self.combined == Switch::On && self.brokers < 3 {
            return Err("three brokers or more: they are the controllers as well".to_owned());
        }
        Ok(())
    }

    /// Tells whether its release knows the eligible leader replicas, if it was asked for them by name.
    ///
    /// Errors: what was expected.
    pub(super) fn has_its_elr(&self, keys: &BTreeSet<&str>) -> Result<(), String> {
        if self.version == Version::V3_9 && self.elr == Switch::On && keys.contains("elr") {
            return Err("nothing, or elr=off: eligible leader replicas came with 4.0".to_owned());
        }
        Ok(())
    }

    /// Tells whether this is a controller of this world.
    ///
    /// Errors: what was expected.
    pub(super) fn has_controller(&self, id: ControllerId) -> Result<(), String> {
        let all = self.controllers();
        let [first, second, third] = all;
        if all.contains(&id) { Ok(()) } else { Err(format!("{first}, {second} or {third}")) }
    }

    /// Gives the replicas of each partition where one broker leads all: the others follow in turn.
    fn led_by(&self, leader: BrokerId) -> Vec<Vec<BrokerId>> {
        let others: Vec<BrokerId> =
            (1..=self.brokers).map(|id| BrokerId(id.into())).filter(|id| *id != leader).collect();
        let followers = |first: usize| {
            let more = usize::from(self.replication.saturating_sub(1));
            others.iter().cycle().skip(first.checked_rem(others.len()).unwrap_or(0)).take(more).copied()
        };
        let partitions = usize::try_from(self.partitions).unwrap_or(usize::MAX);
        (0..partitions).map(|first| std::iter::once(leader).chain(followers(first)).collect()).collect()
    }

    /// Reads one `key=value`; gives what was expected where it does not fit.
    pub(super) fn take(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "seed" => self.seed = value.parse().map_err(|_| "a number".to_owned())?,
            "brokers" => self.brokers = within(value, 1, BROKERS_MAX.into())?,
            "partitions" => self.partitions = within(value, 1, PARTITIONS_MAX.into())?,
            "replication" => self.replication = within(value, 1, 9)?,
            "min-isr" => self.min_isr = Some(within(value, 1, 9)?),
            "writes" => self.writes = within(value, 0, 1_000_000)?,
            "writes-one" => self.writes_one = within(value, 0, 1_000_000)?,
            "readers" => self.readers = switch(value)?,
            "mode" => {
                self.mode = match value {
                    "auto" => Mode::Auto,
                    "approve" => Mode::Approve,
                    "observe" => Mode::Observe,
                    _ => return Err("auto, approve or observe".to_owned()),
                }
            }
            "version" => {
                self.version = match value {
                    "3.9" => Version::V3_9,
                    "4.1" => Version::V4_1,
                    "4.3" => Version::V4_3,
                    _ => return Err("3.9, 4.1 or 4.3".to_owned()),
                }
            }
            "tuned" => self.tuned = switch(value)?,
            "fence" => self.fence = switch(value)?,
            "unregister" => self.unregister = switch(value)?,
            "combined" => self.combined = switch(value)?,
            "elr" => self.elr = switch(value)?,
            "adviser" => {
                let names = "off, approves, vetoes, escalates, hangs, lies or moody";
                self.adviser = Adviser::named(value).ok_or_else(|| names.to_owned())?;
            }
            "controllers" => {
                self.controllers = match value {
                    "direct" => ControllerAccess::Direct,
                    "through-brokers" => ControllerAccess::ThroughBrokers,
                    _ => return Err("direct or through-brokers".to_owned()),
                }
            }
            "failback-after" => self.failback_after = span(value)?,
            "cool-down" => self.cool_down = span(value)?,
            "maintenance" => self.maintenance = value.split(',').map(broker).collect::<Result<_, _>>()?,
            "leader" => self.leader = Some(broker(value)?),
            "operator" => self.operator = Some(span(value)?),
            "sabotage" => self.sabotage = value.parse().map_err(|error| format!("a sabotage: {error}"))?,
            _ => return Err(format!("one of {KEYS}")),
        }
        Ok(())
    }
}

fn permission(switch: Switch) -> Permission {
    match switch {
        Switch::On => Permission::Allowed,
        Switch::Off => Permission::Forbidden,
    }
}

fn switch(value: &str) -> Result<Switch, String> {
    match value {
        "on" => Ok(Switch::On),
        "off" => Ok(Switch::Off),
        _ => Err("on or off".to_owned()),
    }
}

fn span(value: &str) -> Result<Duration, String> {
    Span::read(value).ok_or_else(|| "a span such as 30s".to_owned())
}

fn broker(value: &str) -> Result<BrokerId, String> {
    let id = value.strip_prefix('b').and_then(|digits| digits.parse().ok());
    id.filter(|id| 0 < *id).map(BrokerId).ok_or_else(|| "brokers such as b1,b2".to_owned())
}

fn within<T: TryFrom<u64>>(value: &str, least: u64, most: u64) -> Result<T, String> {
    let wanted = || format!("a number from {least} to {most}");
    let number: u64 = value.parse().map_err(|_| wanted())?;
    let fits = least <= number && number <= most;
    T::try_from(number).ok().filter(|_| fits).ok_or_else(wanted)
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Self::default();
        write!(f, "seed={} brokers={}", self.seed, self.brokers)?;
        write!(f, " partitions={} replication={}", self.partitions, self.replication)?;
        if let Some(least) = self.min_isr {
            write!(f, " min-isr={least}")?;
        }
        let on = |switch: Switch| if switch == Switch::On { "on" } else { "off" };
        match self.mode {
            Mode::Auto => {}
            Mode::Approve => f.write_str(" mode=approve")?,
            Mode::Observe => f.write_str(" mode=observe")?,
        }
        match self.version {
            Version::V3_9 => f.write_str(" version=3.9")?,
            Version::V4_1 => f.write_str(" version=4.1")?,
            Version::V4_3 => {}
        }
        for (key, mine, theirs) in [
            ("tuned", self.tuned, usual.tuned),
            ("fence", self.fence, usual.fence),
            ("unregister", self.unregister, usual.unregister),
            ("combined", self.combined, usual.combined),
            ("elr", self.elr, usual.elr),
        ] {
            if mine != theirs {
                write!(f, " {key}={}", on(mine))?;
            }
        }
        if self.adviser != usual.adviser {
            write!(f, " adviser={}", self.adviser.name())?;
        }
        if self.controllers == ControllerAccess::ThroughBrokers {
            f.write_str(" controllers=through-brokers")?;
        }
        if self.failback_after != usual.failback_after {
            write!(f, " failback-after={}", Span(self.failback_after))?;
        }
        if self.cool_down != usual.cool_down {
            write!(f, " cool-down={}", Span(self.cool_down))?;
        }
        for (key, per_s) in [("writes", self.writes), ("writes-one", self.writes_one)] {
            if per_s != 0 {
                write!(f, " {key}={per_s}")?;
            }
        }
        if self.readers != usual.readers {
            write!(f, " readers={}", on(self.readers))?;
        }
        if !self.maintenance.is_empty() {
            let ids: Vec<String> = self.maintenance.iter().map(ToString::to_string).collect();
            write!(f, " maintenance={}", ids.join(","))?;
        }
        if let Some(leader) = self.leader {
            write!(f, " leader={leader}")?;
        }
        if let Some(every) = self.operator {
            write!(f, " operator={}", Span(every))?;
        }
        if self.sabotage != Sabotage::None {
            write!(f, " sabotage={}", self.sabotage)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_what_it_says() {
        let line = "seed=7 brokers=4 partitions=6 replication=3 min-isr=1 tuned=on writes=20 writes-one=5 readers=on leader=b2";
        let mut setting = Setting::default();
        for word in line.split(' ') {
            let (key, value) = word.split_once('=').unwrap();
            setting.take(key, value).unwrap();
        }
        assert_eq!(setting.to_string(), line);
        let plan = setting.plan();
        assert_eq!(plan.kafka.topics[0].flow, Flow { acks_all_per_s: 20, acks_one_per_s: 5 });
        assert_eq!((plan.readers, plan.kafka.topics[0].min_isr), (Switch::On, Some(1)));
        assert_eq!(setting.take("readers", "maybe"), Err("on or off".to_owned()));
    }
}
