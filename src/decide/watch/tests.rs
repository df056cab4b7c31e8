//! Tests of the watch: a small story per rule. Times are milliseconds since the story's start.

use std::time::Duration;

use super::*;
use crate::decide::fixture::{PLAIN, parse, partition};
use crate::model::ids::{LeaderEpoch, Offset};
use crate::model::observation::{Blindness, LogEnd, OffsetsReading, OwnHealth, PulseReading, TopologyReading};

/// One watch and what happens to it.
struct Story {
    watch: Watch,
    looks: Vec<LookNow>,
}

fn at(ms: u64) -> Timestamp {
    Timestamp(1000 * (100_000 + ms))
}

fn path() -> Listener {
    Listener("CLIENTS".to_owned())
}

impl Story {
    /// A cluster of three that has answered every 250 ms for five seconds, up to time 0.
    fn calm() -> Self {
        let watch = Watch::new(NodeId(1), &Policy::default(), path(), BTreeSet::new());
        let mut story = Self { watch, looks: Vec::new() };
        story.watch.readings.note_topology(&shape(TopologySource::Observer, 0));
        for quarter in 0..20 {
            let now = at(0).minus(Duration::from_millis(250 * (19 - quarter)));
            for broker in 1..=3 {
                story.fact(now, answered(broker, now));
            }
        }
        story.looks.clear();
        story
    }

    fn fact(&mut self, at: Timestamp, fact: Fact) -> bool {
        let noticed = self.watch.note(&Observation { at, fact });
        self.looks.extend(noticed.looks);
        noticed.changed
    }

    fn line(&mut self, ms: u64, change: LineChange) {
        self.fact(at(ms), Fact::Line { broker: BrokerId(1), path: path(), change });
    }

    fn tick(&mut self, ms: u64) -> bool {
        // The others go on answering, or this node would doubt itself.
        for broker in 2..=3 {
            self.fact(at(ms), answered(broker, at(ms)));
        }
        let noticed = self.watch.tick(at(ms));
        self.looks.extend(noticed.looks);
        noticed.changed
    }

    fn answers(&mut self, ms: u64) {
        self.fact(at(ms), answered(1, at(ms)));
    }

    fn pulse(&mut self, ms: u64, offsets: [Option<u64>; 3]) {
        self.pulse_of(9, ms, offsets);
    }

    fn pulse_of(&mut self, controller: i32, ms: u64, offsets: [Option<u64>; 3]) {
        let brokers = (1..).map(BrokerId).zip(offsets).filter_map(|(id, offset)| Some((id, Offset(offset?)))).collect();
        self.fact(at(ms + 5), Fact::Pulse(PulseReading::of(controller, at(ms), Offset(0), brokers)));
    }

    fn offsets(&mut self, ms: u64, broker: i32, offset: u64, epoch: i32) -> bool {
        let end = LogEnd { offset: Offset(offset), leader_epoch: Some(LeaderEpoch(epoch)) };
        let log_ends = [(partition(0), end)].into();
        self.fact(at(ms), Fact::Offsets(OffsetsReading { broker: BrokerId(broker), sent_at: at(ms), log_ends }))
    }

    fn sees(&self, ms: u64) -> Sighting {
        self.watch.report(at(ms)).brokers[&BrokerId(1)].clone()
    }

    fn light(&self) -> Light {
        self.sees(0).light
    }
}

fn answered(broker: i32, sent_at: Timestamp) -> Fact {
    let outcome = PingOutcome::Answered { rtt: Duration::from_millis(1) };
    Fact::Ping { broker: BrokerId(broker), path: path(), sent_at, outcome }
}

fn shape(source: TopologySource, ms: u64) -> TopologyReading {
    let topology = std::sync::Arc::clone(&parse(PLAIN).0.topology);
    TopologyReading { topology, source, sent_at: at(ms) }
}

fn refused_twice(story: &mut Story) {
    story.line(10, LineChange::Closed);
    story.line(30, LineChange::Refused);
    story.line(50, LineChange::Refused);
}

#[test]
fn a_closed_connection_and_two_refusals_are_red_at_once() {
    let mut story = Story::calm();
    story.line(10, LineChange::Closed);
    assert_eq!(story.light(), Light::Yellow);
    assert!(matches!(story.looks[..], [LookNow::Topology { .. }, LookNow::Ping(_)]), "{:?}", story.looks);
    story.line(30, LineChange::Refused);
    assert_eq!(story.light(), Light::Yellow);
    story.looks.clear();
    story.line(50, LineChange::Refused);
    assert_eq!(story.light(), Light::RedRefused);
    let [LookNow::Pulse { not }, LookNow::Offsets { partitions, .. }] = &story.looks[..] else {
        panic!("{:?}", story.looks)
    };
    assert_eq!((not, partitions.len()), (&BTreeSet::from([BrokerId(1)]), 6));
    assert_eq!(story.sees(80).light_for, Duration::from_millis(30));
}

#[test]
fn silence_is_yellow_from_one_and_a_half_gaps_and_red_beyond_a_second() {
    let mut story = Story::calm();
    assert!(!story.tick(375));
    assert_eq!(story.light(), Light::Green);
    assert!(story.tick(376), "a light that turns is told at once");
    assert_eq!((story.light(), &story.looks[..]), (Light::Yellow, &[LookNow::Ping(BrokerId(1))][..]));
    story.tick(1000);
    assert_eq!(story.light(), Light::Yellow);
    story.tick(1001);
    assert_eq!(story.light(), Light::RedSilent);
    assert_eq!(story.sees(1001).silent_for, Some(Duration::from_millis(1001)));
}

#[test]
fn green_comes_back_only_after_ten_seconds_of_answers() {
    let mut story = Story::calm();
    refused_twice(&mut story);
    story.line(2000, LineChange::Opened);
    assert_eq!(story.light(), Light::Recovering);
    for ms in (2250..12_000).step_by(250) {
        story.answers(ms);
        story.tick(ms);
        assert_eq!(story.light(), Light::Recovering, "at {ms}");
    }
    // What was sent after the first red contradicts it, green or not.
    assert_eq!(story.sees(11_800).success_sent_ago, Some(Duration::from_millis(50)));
    story.answers(12_000);
    assert_eq!(story.light(), Light::Green);
}

#[test]
fn a_gap_while_recovering_starts_the_ten_seconds_anew() {
    let mut story = Story::calm();
    refused_twice(&mut story);
    for ms in (2000..11_000).step_by(250) {
        story.answers(ms);
    }
    story.tick(11_500);
    story.answers(12_100);
    assert_eq!(story.light(), Light::Recovering);
}

#[test]
fn blindness_is_not_silence() {
    for why in [Blindness::Denied, Blindness::Throttled, Blindness::Capped, Blindness::NoRoute] {
        let mut story = Story::calm();
        story.fact(at(100), Fact::Blind { broker: Some(BrokerId(1)), probe: ProbeKind::Ping, why });
        story.tick(60_000);
        assert_eq!(story.light(), Light::Unknown(why));
    }
}

#[test]
fn a_broker_that_was_never_tried_is_unknown_and_never_turns_red_by_time() {
    let mut story = Story::calm();
    story.watch.lines.insert(BrokerId(1), Line::new(at(0), &story.watch.policy));
    story.tick(60_000);
    assert_eq!(story.light(), Light::Unknown(Blindness::NotTried));
    story.line(60_100, LineChange::NoAnswer);
    assert_eq!(story.light(), Light::RedSilent, "silent since it was to be asked");
}

#[test]
fn a_node_that_runs_badly_waits_longer() {
    let mut story = Story::calm();
    let late = OwnHealth { timer_lag: Duration::from_millis(101), fsync: Duration::ZERO };
    assert!(story.fact(at(900), Fact::Own(late)));
    assert_eq!(story.watch.report(at(900)).lhm, 1);
    story.tick(1500);
    assert_eq!(story.light(), Light::Yellow);
    story.fact(at(1800), Fact::Own(late));
    story.tick(2700);
    assert_eq!(story.light(), Light::Yellow);
    story.fact(at(2701), Fact::Own(OwnHealth::default()));
    story.tick(3001);
    assert_eq!(story.light(), Light::RedSilent);
}

#[test]
fn a_killed_broker_is_behind_once_others_have_been_ahead_for_the_lead() {
    let mut story = Story::calm();
    for (ms, offset) in [(0, 10), (500, 11), (1000, 12), (1250, 12)] {
        story.pulse(ms, [Some(offset); 3]);
    }
    assert_eq!(story.sees(1300).pulse.state, PulseState::Level);
    story.line(1310, LineChange::Closed);
    story.line(1330, LineChange::Refused);
    story.line(1350, LineChange::Refused);
    story.pulse(1360, [Some(12); 3]);
    assert_eq!(story.sees(1400).pulse.beats_since_red, 0, "nothing has grown since");
    story.pulse(1500, [Some(12), Some(13), Some(13)]);
    assert_eq!(story.sees(1510).pulse.state, PulseState::Level, "not long enough ago");
    story.pulse(1590, [Some(12), Some(13), Some(13)]);
    assert_eq!(story.sees(1594).pulse.beats_since_red, 0);
    story.pulse(1595, [Some(12), Some(13), Some(13)]);
    let pulse = story.sees(1600).pulse;
    assert_eq!((pulse.state, pulse.beats_since_red, pulse.behind_since_red), (PulseState::Behind(1), 1, true));
}

#[test]
fn a_broker_whose_port_alone_is_cut_is_level_at_the_echo() {
    let mut story = Story::calm();
    for (ms, offset) in [(0, 10), (500, 11), (1000, 12)] {
        story.pulse(ms, [Some(offset); 3]);
    }
    story.line(1310, LineChange::Closed);
    story.line(1330, LineChange::Refused);
    story.line(1350, LineChange::Refused);
    story.pulse(1360, [Some(12); 3]);
    story.pulse(1400, [Some(13); 3]);
    let pulse = story.sees(1410).pulse;
    assert_eq!((pulse.state, pulse.beats_since_red, pulse.behind_since_red), (PulseState::Level, 1, false));
}

#[test]
fn a_position_reached_between_the_last_reading_and_the_death_is_no_sign_of_life() {
    let mut story = Story::calm();
    for (ms, offset) in [(0, 10), (500, 11), (1000, 12)] {
        story.pulse(ms, [Some(offset); 3]);
    }
    // 13 was reached by all at 1100; b1 died at 1300; the first reading after the red shows it.
    story.line(1310, LineChange::Closed);
    story.line(1330, LineChange::Refused);
    story.line(1350, LineChange::Refused);
    story.pulse(1360, [Some(13); 3]);
    assert_eq!(story.sees(1370).pulse.beats_since_red, 0);
}

#[test]
fn missing_from_the_answer_is_behind() {
    let mut story = Story::calm();
    for (ms, offset) in [(0, 10), (500, 11), (1000, 12), (1250, 12)] {
        story.pulse(ms, [Some(offset); 3]);
    }
    story.pulse(1500, [None, Some(13), Some(13)]);
    assert!(story.sees(1510).pulse.state.is_behind());
}

#[test]
fn a_new_active_controller_is_not_believed_for_two_beats() {
    let mut story = Story::calm();
    for (ms, offset) in [(0, 10), (500, 11), (1000, 12)] {
        story.pulse(ms, [Some(offset); 3]);
    }
    assert_eq!(story.sees(1010).pulse.state, PulseState::Level);
    story.pulse_of(8, 1250, [None, Some(12), Some(12)]);
    assert_eq!(story.sees(1260).pulse.state, PulseState::Unknown);
    story.pulse_of(8, 1500, [None, Some(13), Some(13)]);
    assert_eq!(story.sees(1510).pulse.state, PulseState::Unknown);
    story.pulse_of(8, 2000, [None, Some(14), Some(14)]);
    assert_eq!(story.sees(2010).pulse.state, PulseState::Missing);
}

#[test]
fn a_pulse_not_read_for_long_says_nothing_and_the_controller_is_not_reached() {
    let mut story = Story::calm();
    for (ms, offset) in [(0, 10), (500, 11), (1000, 12)] {
        story.pulse(ms, [Some(offset); 3]);
    }
    assert!(story.watch.report(at(3000)).reaches_controller);
    assert_eq!(story.sees(3005).pulse.state, PulseState::Level);
    assert!(!story.watch.report(at(3006)).reaches_controller);
    assert_eq!(story.sees(3006).pulse.state, PulseState::Unknown);
}

#[test]
fn log_ends_that_grow_after_the_red_are_progress() {
    let mut story = Story::calm();
    story.offsets(40, 2, 90, 7);
    refused_twice(&mut story);
    story.offsets(60, 2, 100, 7);
    assert_eq!(story.sees(60).progress, Progress::Unknown, "growth before the red proves nothing");
    story.offsets(100, 2, 100, 7);
    assert_eq!(story.sees(100).progress, Progress::Unknown, "too close to be a standstill");
    story.offsets(320, 2, 100, 7);
    assert_eq!(story.sees(320).progress, Progress::None);
    story.offsets(400, 2, 101, 7);
    assert_eq!(story.sees(400).progress, Progress::Growing(1));
    story.offsets(700, 2, 101, 7);
    assert_eq!(story.sees(700).progress, Progress::None);
}

#[test]
fn log_ends_are_asked_for_again_until_they_can_be_compared_unless_the_broker_is_behind() {
    let offsets = |looks: &[LookNow]| looks.iter().filter(|look| matches!(look, LookNow::Offsets { .. })).count();
    let mut story = Story::calm();
    refused_twice(&mut story);
    assert_eq!(offsets(&story.looks), 1);
    story.tick(349);
    assert_eq!(offsets(&story.looks), 1);
    story.tick(350);
    assert_eq!(offsets(&story.looks), 2);
    for ms in (400..60_000).step_by(100) {
        story.tick(ms);
    }
    assert_eq!(offsets(&story.looks), 10, "and not for ever");
    let mut dead = Story::calm();
    for (ms, offset) in [(0, 10), (500, 11), (1000, 12)] {
        dead.pulse(ms, [Some(10), Some(offset), Some(offset)]);
    }
    for (ms, change) in [(1010, LineChange::Closed), (1030, LineChange::Refused), (1050, LineChange::Refused)] {
        dead.line(ms, change);
    }
    dead.tick(1400);
    assert_eq!(offsets(&dead.looks), 1);
}

#[test]
fn growth_under_a_new_leader_is_no_progress_of_the_old_one() {
    let mut story = Story::calm();
    refused_twice(&mut story);
    story.offsets(60, 2, 100, 7);
    story.offsets(400, 2, 150, 8);
    assert_eq!(story.sees(400).progress, Progress::Unknown);
    let moved = std::sync::Arc::clone(&parse(&PLAIN.replace("led b1", "led b2")).0.topology);
    let reading = TopologyReading { topology: moved, source: TopologySource::Observer, sent_at: at(500) };
    story.fact(at(500), Fact::Topology(reading));
    story.offsets(800, 2, 200, 8);
    story.offsets(1200, 2, 300, 8);
    assert_eq!(story.sees(1200).progress, Progress::Unknown);
}

#[test]
fn a_broker_that_is_behind_as_well_turns_red_sooner_once_its_tail_is_measured() {
    let mut story = Story::calm();
    for (ms, offset) in [(0, 10), (250, 11), (500, 12)] {
        story.pulse(ms, [Some(offset); 3]);
    }
    story.pulse(750, [Some(12), Some(13), Some(13)]);
    story.pulse(1000, [Some(12), Some(13), Some(13)]);
    assert_eq!(story.sees(1000).tau, Duration::from_secs(1), "nothing is known of its tail");
    // An hour of answers without a stall.
    let line = story.watch.lines.get_mut(&BrokerId(1)).expect("a line");
    for quarter in 0..14_400 {
        line.answered(at(1000 + 250 * quarter), None, 0, &DetectPolicy::default());
    }
    let hour = 3_600_750;
    for (ms, offset) in [(0, 20), (250, 21), (500, 22)] {
        story.pulse(hour + ms, [Some(12), Some(offset), Some(offset)]);
    }
    assert_eq!(story.sees(hour + 600).tau, Duration::from_millis(500));
}

#[test]
fn metrics_tell_how_soon_and_how_wrongly_a_broker_would_be_red() {
    let story = Story::calm();
    let metrics = story.watch.metrics(BrokerId(1), at(0)).expect("known");
    assert_eq!(metrics.tau, Duration::from_secs(1));
    assert_eq!(metrics.detection, Duration::from_millis(875));
    assert_eq!((metrics.stalls, metrics.tail_index_permille, metrics.false_acts_permille), (0, None, 0));
    assert_eq!(story.watch.metrics(BrokerId(9), at(0)), None);
}

#[test]
fn a_log_end_is_news_while_a_broker_is_red_and_not_before() {
    let mut story = Story::calm();
    assert!(!story.offsets(5, 2, 5, 7));
    refused_twice(&mut story);
    assert!(story.offsets(80, 2, 5, 7));
}

#[test]
fn a_shape_that_brokers_tell_is_news_while_a_broker_is_red_and_not_before() {
    let mut story = Story::calm();
    let brokers = || TopologySource::Metadata([BrokerId(2)].into());
    assert!(!story.fact(at(6), Fact::Topology(shape(brokers(), 5))));
    refused_twice(&mut story);
    assert!(story.fact(at(65), Fact::Topology(shape(brokers(), 60))));
    assert!(!story.fact(at(75), Fact::Topology(shape(TopologySource::Observer, 70))), "nobody waits for a push");
}
