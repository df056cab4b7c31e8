//! What a scenario came to for those who write to Kafka: with Tanist, and once more with nobody who acts.
//!
//! Why (2026-11): Kafka alone is the same world with a trio that only looks on, not a cluster without one. What the trio asks draws from
//! the same chance; so both runs are equal event by event up to Tanist's first act, and what differs afterwards is its doing.

use crate::decide::policy::Mode;
use crate::model::time::Timestamp;
use crate::sim::meter::Toll;
use crate::sim::sabotage::Sabotage;

use super::command::Command;
use super::play::Player;
use super::setting::Setting;

/// What befell the world of a scenario, each with when it was over, and what it came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    setting: Setting,
    commands: Vec<(Command, Timestamp)>,
    asked: u64,
    toll: Toll,
}

/// What a scenario came to, and what it would have come to without Tanist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// The world's line.
    pub setting: Setting,
    /// How often people asked something of the trio, an operator on duty included; it is left out where nobody acts.
    pub asked: u64,
    /// As it was played.
    pub with_tanist: Toll,
    /// The same with a trio that only looks on.
    pub kafka_alone: Toll,
}

impl Course {
    /// Gives the course of what was played; nothing where nobody measured, or before there is a world.
    pub(super) fn of(player: &Player) -> Option<Self> {
        let commands = player.course();
        let (Command::World(setting), _) = commands.first()? else { return None };
        let (setting, world) = ((**setting).clone(), player.world()?);
        Some(Self { setting, commands: commands.to_vec(), asked: world.asked(), toll: world.toll()? })
    }

    /// Plays the same once more with nobody who acts, and compares.
    #[must_use]
    pub fn compared(self) -> Option<Comparison> {
        let kafka_alone = self.alone().world()?.toll()?;
        Some(Comparison { setting: self.setting, asked: self.asked, with_tanist: self.toll, kafka_alone })
    }

    /// Gives whoever has played the same with nobody who acts; each command takes as long as it did.
    fn alone(&self) -> Player {
        let mut player = Player::measuring();
        for (command, over) in &self.commands {
            if let Command::World(setting) = command {
                player.follow(&Command::World(Box::new(looking_on(setting))), *over);
            } else {
                player.follow(command, *over);
            }
        }
        player
    }
}

/// Gives the same world with a trio that only looks on, and nobody on duty: what there is to say yes to, and the zombies that are restarted,
/// are Tanist's doing.
fn looking_on(setting: &Setting) -> Setting {
    // A trio that is broken might act all the same; a Kafka that is broken is so without Tanist, too.
    let sabotage = if setting.sabotage == Sabotage::UncleanKafka { setting.sabotage } else { Sabotage::None };
    Setting { mode: Mode::Observe, operator: None, sabotage, ..setting.clone() }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{measured, replay};
    use super::*;
    use crate::sim::meter::Outage;
    use crate::sim::world::World;

    fn course(text: &str) -> Course {
        measured(text).expect("a scenario").1.expect("it begins with its world")
    }

    #[test]
    fn a_killed_leader_is_missed_for_a_moment_with_tanist_and_for_a_session_without() {
        let came_to = course(include_str!("../../../simulations/crash/leader-killed.scn")).compared().expect("a world");
        let (with, alone) = (came_to.with_tanist, came_to.kafka_alone);
        let seconds = Duration::from_secs;
        assert_eq!((with.leaderless.partitions, alone.leaderless.partitions), (2, 2));
        assert!(with.leaderless.longest < seconds(1), "{with:?}");
        assert!((seconds(7)..seconds(11)).contains(&alone.leaderless.longest), "{alone:?}");
        // A fence is not allowed there: acks=all waits for Kafka's own either way.
        assert!(seconds(5) < with.refusing.longest && seconds(5) < alone.refusing.longest, "{came_to:?}");
        assert_eq!((with.leaderless.lasting, alone.leaderless.lasting), (0, 0));
        assert_eq!((with.acknowledged_records, with.lost_records), (0, 0));
    }

    #[test]
    fn what_lasts_to_the_end_is_told_apart() {
        let came_to =
            course("world seed=7 brokers=4\n\nrun 20s\n\nclient-cut b1\n\nrun 30s\n").compared().expect("a world");
        // Kafka never notices that clients do not reach a broker.
        let alone = came_to.kafka_alone.leaderless;
        assert!(0 < alone.lasting && alone.lasting == alone.partitions, "{alone:?}");
        assert_eq!(alone.longest, Duration::from_secs(30));
        assert!(came_to.with_tanist.leaderless.longest < alone.longest, "{came_to:?}");
    }

    #[test]
    fn a_quiet_world_costs_nothing_and_acknowledges_what_is_written() {
        let came_to = course("world seed=3 writes=20\n\nrun 10s\n").compared().expect("a world");
        for toll in [came_to.with_tanist, came_to.kafka_alone] {
            assert_eq!((toll.leaderless, toll.refusing), (Outage::default(), Outage::default()));
            assert_eq!((toll.acknowledged_records, toll.lost_records), (6 * 20 * 10, 0));
        }
    }

    #[test]
    fn measuring_changes_nothing() {
        let text = "world seed=7 brokers=4 writes=20\n\nrun 10s\n\nstop b2\n\nrun 20s\n\nheal stop b2\n\nrun 10s\n";
        let plain = replay(text).expect("a scenario");
        let (watched, _) = measured(text).expect("the same");
        assert_eq!(plain, watched);
    }

    #[test]
    fn nobody_acts_where_kafka_is_alone_and_everything_takes_as_long() {
        let text = "world seed=7 brokers=4 mode=approve fence=on\n\nrun 20s\n\nkill b1\n\nrun 3s\n\napprove by alice\n\n\
                    crash n3\n\nheal kill b1\n\nmust converge within 20s\n\nelect all\n";
        let course = course(text);
        let alone = course.alone();
        let world = alone.world().expect("there is one");
        assert_eq!(world.statistics().touches, 0);
        assert_eq!(Some(world.now()), course.commands.last().map(|(_, over)| *over));
        assert_eq!(course.compared().map(|came_to| came_to.asked), Some(1));
    }

    #[test]
    fn what_an_operator_on_duty_says_yes_to_was_asked_and_where_kafka_is_alone_nobody_is_on_duty() {
        let text = "world seed=7 brokers=4 mode=approve operator=5s\n\nrun 20s\n\nkill b1\n\nrun 20s\n";
        let course = course(text);
        let did = |world: &World| (world.asked(), world.statistics().touches);
        assert_eq!(course.alone().world().map(did), Some((0, 0)));
        let came_to = course.compared().expect("a world");
        let (with, alone) = (came_to.with_tanist.leaderless.longest, came_to.kafka_alone.leaderless.longest);
        assert!(0 < came_to.asked && with < alone, "{came_to:?}");
    }

    #[test]
    fn what_could_not_be_asked_was_not() {
        let came_to = course("world seed=7 mode=approve\n\nrun 10s\n\napprove by alice\n").compared().expect("a world");
        assert_eq!(came_to.asked, 0, "nothing is on offer");
    }
}
