//! The probe against brokers of the test's own: what it tells when they hang, refuse, close, throttle or lie.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::sync::watch;

use super::{KafkaProbe, ProbeOptions};
use crate::adapters::kafka::wire::fake_broker::{FakeBroker, Peer, all_versions};
use crate::adapters::kafka::wire::{Api, Endpoint};
use crate::model::ids::{BrokerId, ClusterId, Listener};
use crate::model::observation::{Blindness, Fact, LineChange, LookNow, Observation, PingOutcome, ProbeKind};
use crate::model::time::Timestamp;
use crate::ports::Probe;

const SOON: Duration = Duration::from_secs(10);

/// How a fake broker treats its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Serve,
    /// Reads, and never answers again.
    Hang,
    /// Connections made before this mode hang, later ones are served.
    HangOld,
    /// Accepts and closes.
    Cap,
    /// Answers pings with a throttle time.
    Throttle,
    /// Everything is closed.
    Dead,
}

/// A cluster of fakes that know each other.
struct Fakes {
    brokers: Vec<Fake>,
    addresses: Arc<Mutex<Vec<Endpoint>>>,
}

struct Fake {
    mode: watch::Sender<Mode>,
    requests: Arc<AtomicU32>,
    listening: Option<FakeBroker>,
}

impl Fakes {
    async fn start(count: usize) -> Self {
        let addresses = Arc::new(Mutex::new(Vec::new()));
        let mut brokers = Vec::new();
        for _ in 0..count {
            let (mode, modes) = watch::channel(Mode::Serve);
            let requests = Arc::new(AtomicU32::new(0));
            let (known, counted) = (Arc::clone(&addresses), Arc::clone(&requests));
            let listening =
                FakeBroker::start(move |peer| serve(peer, modes.clone(), Arc::clone(&known), Arc::clone(&counted)))
                    .await;
            addresses.lock().unwrap().push(listening.endpoint.clone());
            brokers.push(Fake { mode, requests, listening: Some(listening) });
        }
        Self { brokers, addresses }
    }

    fn probe(&self) -> Watch {
        let bootstrap = self.addresses.lock().unwrap().clone();
        Watch::start(ProbeOptions::new(bootstrap, Listener("CLIENT".to_owned())))
    }

    fn set(&self, broker: usize, mode: Mode) {
        self.brokers[broker - 1].mode.send_replace(mode);
    }

    fn kill(&mut self, broker: usize) {
        self.brokers[broker - 1].listening = None;
        self.set(broker, Mode::Dead);
    }
}

async fn serve(
    mut peer: Peer,
    mut modes: watch::Receiver<Mode>,
    known: Arc<Mutex<Vec<Endpoint>>>,
    requests: Arc<AtomicU32>,
) {
    let born = *modes.borrow_and_update();
    if born == Mode::Cap {
        return;
    }
    loop {
        let seen = tokio::select! {
            seen = peer.request() => seen,
            _ = modes.wait_for(|mode| *mode == Mode::Dead || *mode == Mode::Cap) => None,
        };
        let Some(seen) = seen else { return };
        let mode = *modes.borrow();
        if mode == Mode::Hang || (mode == Mode::HangOld && born != Mode::HangOld) {
            // Closed with the others, and silent until then.
            let _ = modes.wait_for(|mode| *mode == Mode::Dead).await;
            return;
        }
        requests.fetch_add(1, Ordering::Relaxed);
        let body = body(seen.key, mode, &known.lock().unwrap());
        peer.answer(seen.correlation, &body).await;
    }
}

/// The body of an answer: as little as the probe needs to go on.
fn body(key: i16, mode: Mode, brokers: &[Endpoint]) -> Vec<u8> {
    let mut body = BytesMut::new();
    if key == Api::ApiVersions.key() {
        let mut versions = all_versions();
        if mode == Mode::Throttle {
            let end = versions.len();
            versions[end - 2] = 9;
        }
        return versions;
    }
    // Header tags; then throttle time where the answer has one.
    body.put_u8(0);
    if key != Api::DescribeQuorum.key() {
        body.put_i32(0);
    }
    if key == Api::DescribeCluster.key() {
        describe_cluster(&mut body, brokers);
    } else if key == Api::DescribeTopicPartitions.key() {
        // No topics, no cursor.
        body.put_slice(&[1, 0xff, 0]);
    } else if key == Api::DescribeQuorum.key() {
        describe_quorum(&mut body, brokers.len());
    } else if key == Api::DescribeLogDirs.key() {
        body.put_slice(&[0, 0, 1, 0]);
    } else if key == Api::ListPartitionReassignments.key() {
        body.put_slice(&[0, 0, 0, 1, 0]);
    } else {
        // ListOffsets and DescribeConfigs: nothing to tell.
        body.put_slice(&[1, 0]);
    }
    body.to_vec()
}

fn describe_cluster(body: &mut BytesMut, brokers: &[Endpoint]) {
    // No error, no message, brokers' endpoints, cluster "c", no controller.
    body.put_slice(&[0, 0, 0, 1, 2, b'c']);
    body.put_i32(-1);
    body.put_u8(u8::try_from(brokers.len() + 1).unwrap());
    for (id, endpoint) in (1..).zip(brokers) {
        body.put_i32(id);
        body.put_u8(u8::try_from(endpoint.host.len() + 1).unwrap());
        body.put_slice(endpoint.host.as_bytes());
        body.put_i32(i32::from(endpoint.port));
        // No rack, not fenced.
        body.put_slice(&[0, 0, 0]);
    }
    body.put_i32(0);
    body.put_u8(0);
}

fn describe_quorum(body: &mut BytesMut, brokers: usize) {
    let replica = |body: &mut BytesMut, id: i32| {
        body.put_i32(id);
        body.put_u128(0);
        body.put_i64(50);
        body.put_i64(1);
        body.put_i64(1);
        body.put_u8(0);
    };
    // No error, no message, one topic "m" with one partition.
    body.put_slice(&[0, 0, 0, 2, 2, b'm', 2, 0, 0, 0, 0, 0, 0, 0]);
    body.put_i32(101);
    body.put_i32(7);
    body.put_i64(49);
    body.put_u8(2);
    replica(body, 101);
    body.put_u8(u8::try_from(brokers + 1).unwrap());
    (1..).take(brokers).for_each(|id| replica(body, id));
    // Tags of partition and topic, no nodes, tags.
    body.put_slice(&[0, 0, 1, 0]);
}

/// A probe and what it has told.
struct Watch {
    probe: KafkaProbe,
    told: Vec<Observation>,
}

impl Watch {
    fn start(options: ProbeOptions) -> Self {
        Self { probe: KafkaProbe::start(options), told: Vec::new() }
    }

    async fn until<T>(&mut self, mut wanted: impl FnMut(&Observation) -> Option<T>) -> T {
        loop {
            let next = tokio::time::timeout(SOON, self.probe.next()).await;
            let seen = next.expect("the probe tells something").unwrap();
            let found = wanted(&seen);
            self.told.push(seen);
            if let Some(found) = found {
                return found;
            }
            assert!(self.told.len() < 2_000, "never told; last: {:?}", self.told.last());
        }
    }

    /// Waits until all brokers have answered a ping, and forgets what was told until then.
    async fn warm(&mut self, brokers: i32) {
        let mut waiting: Vec<i32> = (1..=brokers).collect();
        self.until(|seen| {
            waiting.retain(|broker| answered(seen, *broker).is_none());
            waiting.is_empty().then_some(())
        })
        .await;
        self.told.clear();
    }

    fn ever<T>(&self, wanted: impl Fn(&Observation) -> Option<T>) -> bool {
        self.told.iter().any(|seen| wanted(seen).is_some())
    }
}

fn answered(seen: &Observation, of: i32) -> Option<Timestamp> {
    let Fact::Ping { broker, outcome: PingOutcome::Answered { .. }, sent_at, .. } = &seen.fact else { return None };
    (broker.0 == of).then_some(*sent_at)
}

fn timed_out(seen: &Observation, of: i32) -> Option<Timestamp> {
    let Fact::Ping { broker, outcome: PingOutcome::TimedOut { .. }, .. } = &seen.fact else { return None };
    (broker.0 == of).then_some(seen.at)
}

fn changed(seen: &Observation, of: i32, to: LineChange) -> Option<Timestamp> {
    let Fact::Line { broker, change, .. } = &seen.fact else { return None };
    (broker.0 == of && *change == to).then_some(seen.at)
}

fn blind(seen: &Observation, wanted: Blindness) -> Option<ProbeKind> {
    let Fact::Blind { probe, why, .. } = &seen.fact else { return None };
    (*why == wanted).then_some(*probe)
}

#[tokio::test]
async fn a_closed_port_is_told_as_closed_then_refused_twice() {
    let mut fakes = Fakes::start(2).await;
    let mut watch = fakes.probe();
    watch.warm(2).await;
    fakes.kill(2);
    let closed = watch.until(|seen| changed(seen, 2, LineChange::Closed)).await;
    watch.until(|seen| changed(seen, 2, LineChange::Refused)).await;
    let twice = watch.until(|seen| changed(seen, 2, LineChange::Refused)).await;
    assert!(twice.since(closed) < Duration::from_millis(200), "{:?}", twice.since(closed));
    assert!(!watch.ever(|seen| changed(seen, 1, LineChange::Closed)));
}

#[tokio::test]
async fn a_hung_broker_is_silent_and_delays_nothing_about_another() {
    let fakes = Fakes::start(2).await;
    let mut watch = fakes.probe();
    watch.warm(2).await;
    fakes.set(2, Mode::Hang);
    watch.until(|seen| timed_out(seen, 2)).await;
    watch.until(|seen| timed_out(seen, 2)).await;
    let times: Vec<_> = watch.told.iter().filter_map(|seen| answered(seen, 1)).collect();
    assert!(4 < times.len(), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1].since(pair[0]) < Duration::from_millis(600)), "{times:?}");
    assert!(watch.ever(|seen| matches!(&seen.fact, Fact::Topology(_)).then_some(())));
    assert!(watch.ever(|seen| matches!(&seen.fact, Fact::Pulse(_)).then_some(())));
}

#[tokio::test]
async fn a_connection_that_hangs_alone_is_replaced_before_it_counts_as_silence() {
    let fakes = Fakes::start(1).await;
    let mut watch = fakes.probe();
    watch.warm(1).await;
    fakes.set(1, Mode::HangOld);
    watch.until(|seen| changed(seen, 1, LineChange::Opened)).await;
    watch.until(|seen| answered(seen, 1)).await;
    assert!(!watch.ever(|seen| timed_out(seen, 1)));
}

#[tokio::test]
async fn connections_accepted_and_closed_are_a_cap_and_no_silence() {
    let fakes = Fakes::start(1).await;
    let mut watch = fakes.probe();
    watch.warm(1).await;
    fakes.set(1, Mode::Cap);
    watch.until(|seen| blind(seen, Blindness::Capped).filter(|probe| *probe == ProbeKind::Line)).await;
    assert!(!watch.ever(|seen| changed(seen, 1, LineChange::Refused)));
    assert!(!watch.ever(|seen| timed_out(seen, 1)));
}

#[tokio::test]
async fn throttling_is_told_in_place_of_the_answer() {
    let fakes = Fakes::start(1).await;
    let mut watch = fakes.probe();
    watch.warm(1).await;
    fakes.set(1, Mode::Throttle);
    assert_eq!(watch.until(|seen| blind(seen, Blindness::Throttled)).await, ProbeKind::Ping);
    assert!(!watch.ever(|seen| answered(seen, 1)), "it would be green for a moment");
}

#[tokio::test]
async fn another_cluster_is_told_as_such_and_its_shape_is_not_believed() {
    let fakes = Fakes::start(1).await;
    let bootstrap = fakes.addresses.lock().unwrap().clone();
    let mut options = ProbeOptions::new(bootstrap, Listener("CLIENT".to_owned()));
    options.cluster = Some(ClusterId("another".to_owned()));
    let mut watch = Watch::start(options);
    for _ in 0..2 {
        assert_eq!(watch.until(|seen| blind(seen, Blindness::WrongCluster)).await, ProbeKind::Metadata);
    }
    assert!(!watch.ever(|seen| matches!(&seen.fact, Fact::Topology(_)).then_some(())));
}

#[tokio::test]
async fn a_look_that_was_asked_for_does_not_wait_for_its_rhythm() {
    let fakes = Fakes::start(1).await;
    let mut options = ProbeOptions::new(fakes.addresses.lock().unwrap().clone(), Listener("CLIENT".to_owned()));
    options.rhythm.pulse = SOON;
    options.rhythm.ping = Duration::from_secs(5);
    let mut watch = Watch::start(options);
    watch.warm(1).await;
    watch.until(|seen| matches!(&seen.fact, Fact::Offsets(_)).then_some(())).await;
    let asked = crate::adapters::clock::timestamp();
    watch.probe.look_now(LookNow::Pulse { not: [].into() });
    watch.probe.look_now(LookNow::Ping(BrokerId(1)));
    let pinged = watch.until(|seen| answered(seen, 1).filter(|sent| asked <= *sent).map(|_| seen.at)).await;
    assert!(pinged.since(asked) < Duration::from_secs(1), "{:?}", pinged.since(asked));
    let is_pulse = |seen: &Observation| matches!(&seen.fact, Fact::Pulse(p) if asked <= p.sent_at).then_some(());
    if !watch.ever(is_pulse) {
        watch.until(is_pulse).await;
    }
}

#[tokio::test]
async fn a_healthy_broker_is_asked_at_most_eight_times_a_second() {
    let fakes = Fakes::start(2).await;
    let mut watch = fakes.probe();
    watch.warm(2).await;
    let began = crate::adapters::clock::timestamp();
    let before: Vec<u32> = fakes.brokers.iter().map(|broker| broker.requests.load(Ordering::Relaxed)).collect();
    let watched = Duration::from_secs(4);
    watch.until(|seen| (watched <= seen.at.since(began)).then_some(())).await;
    for (broker, before) in fakes.brokers.iter().zip(before) {
        let asked = broker.requests.load(Ordering::Relaxed) - before;
        // One second's worth may have been saved up.
        assert!((16..=8 * 4 + 8).contains(&asked), "{asked} requests in {watched:?}");
    }
}
