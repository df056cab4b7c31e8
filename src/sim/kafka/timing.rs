//! How long things take inside the pretended Kafka, each with where the figure comes from.
//!
//! "Measured" means a real 4.3.1 cluster of three brokers and three controllers on one machine of two cores, every link through
//! a proxy; ranges are drawn from evenly. Settings of Kafka's own (sessions, lag) are not here but in the plan.

use std::time::Duration;

/// For what is counted in microseconds and told by the second.
pub(super) const MICROS_PER_S: u64 = 1_000_000;

/// A span to draw from, both ends included.
pub(super) type Range = (Duration, Duration);

const fn micros(least: u64, most: u64) -> Range {
    (Duration::from_micros(least), Duration::from_micros(most))
}

const fn millis(least: u64, most: u64) -> Range {
    (Duration::from_millis(least), Duration::from_millis(most))
}

/// One way over a loopback link with a proxy. Measured: `ApiVersions` there and back takes 1-2 ms.
pub(super) const ONE_WAY: Range = micros(200, 600);
/// From a process's death to the FIN at those connected. Measured: 10 ms.
pub(super) const FIN: Range = millis(2, 10);
/// A broker's work on `ApiVersions`.
pub(super) const PING_WORK: Range = micros(200, 900);
/// A broker's work on a request about its own view or logs. Measured: a few milliseconds for some hundred partitions.
pub(super) const LOCAL_WORK: Range = millis(1, 5);
/// From a broker or an asker at its door to the active controller's queue.
pub(super) const TO_CONTROLLER: Range = millis(1, 4);
/// The active controller's answer to `DescribeQuorum`. Measured: 5-8 ms a call in all.
pub(super) const QUORUM_WORK: Range = millis(3, 6);
/// From a change in the metadata log to the answer of the RPC that asked for it. Measured: 50-95 ms in all for six partitions.
pub(super) const ADMIN_ANSWER: Range = millis(45, 85);
/// What each further record of one request adds to its answer. Measured: 0.07-0.56 s for 2,000 partitions.
pub(super) const ADMIN_PER_RECORD: Duration = Duration::from_micros(230);
/// From a record in the metadata log to a broker that has fetched it. Measured: level within 25-60 ms.
pub(super) const METADATA_LAG: Range = millis(8, 45);
/// From a record in the metadata log to a broker of 3.9 that acts on it. Such a one has it as soon, but learns that it is committed only
/// with the next record, or at the end of a fetch that waits [`METADATA_FETCH_WAIT`] (before KIP-1166). Recorded of 3.9.1: after a broker's
/// return 70 of 759 views were older than 0.3 s; an even draw up to the bound makes more of them.
pub(super) const APPLY_LAG_3_9: Range = millis(8, 500);
/// From a record in the metadata log to an observer. Measured: 8-39 ms after the RPC was sent, of which it spends
/// [`TO_CONTROLLER`] on its way.
pub(super) const OBSERVER_LAG: Range = millis(5, 34);
/// Between two `NoOp` records: `metadata.max.idle.interval.ms`.
pub(super) const PULSE: Duration = Duration::from_millis(500);
/// A broker's fetch of the metadata log waits at most so long: KafkaRaftClient.MAX_FETCH_WAIT_MS.
pub(super) const METADATA_FETCH_WAIT: Duration = Duration::from_millis(500);
/// After so long without a fetch, `DescribeQuorum` names a broker no more: LeaderState.OBSERVER_SESSION_TIMEOUT_MS.
pub(super) const OBSERVER_FORGOTTEN: Duration = Duration::from_secs(300);
/// A broker's work for each partition whose leader or epoch changes. Measured: 500 fenced at once serve after 0.95 s, 2,000
/// after 5.0 s.
pub(super) const LEADER_WORK: Duration = Duration::from_micros(2_100);
/// A broker's work for each other change of a partition. Measured: a reorder of 500 before the fence adds 0.23 s, of 2,000 1.6 s.
pub(super) const ORDER_WORK: Duration = Duration::from_micros(550);
/// From a new leader to a follower's first fetch of it that brings nothing new.
/// Measured: fence to acks=all 0.05-0.2 s after the RPC, six partitions.
pub(super) const FOLLOW: Range = millis(10, 60);
/// From a broken link that opens, or a process that goes on, to the follower's next fetch. Measured: back in every ISR
/// within 1 s of SIGCONT or thaw. Kafka waits `replica.fetch.backoff.ms` (1 s) after an error.
pub(super) const REFOLLOW: Range = millis(50, 600);
/// How fast a follower makes up for what it lacks, in records a second.
pub(super) const CATCH_UP_PER_S: u64 = 200_000;
/// What a record takes on disks and links, roughly.
pub(super) const BYTES_PER_RECORD: u64 = 100;
/// What one fetch brings of a partition at most: `replica.fetch.max.bytes`.
pub(super) const FETCH_PARTITION_MAX: u64 = 1 << 20;
/// What one fetch brings of all partitions at most: `replica.fetch.response.max.bytes`.
pub(super) const FETCH_MAX: u64 = 10 << 20;
/// From a fetch that brought something to the next one's answer.
pub(super) const NEXT_FETCH: Duration = Duration::from_millis(10);
/// What was copied before is no longer counted: `replication.quota.window.num` windows of a second. Measured: under 20 kB/s a record of
/// 900 kB is copied every 11.1 s.
pub(super) const QUOTA_WINDOW: Duration = Duration::from_secs(11);
/// How long a quota seems to have been counted when the first copy is made: fitted. Measured: six such records take 3.2 s under 1 MB/s (two more
/// right after the first, then one a second) and 31 s under 100 kB/s (after 8, 12, 20, 23 and 31 s).
pub(super) const QUOTA_HEAD_START: Duration = Duration::from_millis(1_500);
/// What the answers of a second cost that bring nothing. An estimate: under 1 B/s no record is ever copied, under 20 kB/s some are.
pub(super) const ASKING_PER_S: u64 = 200;
/// From an append to the in-sync followers' having it, and the leader's knowing. Measured: acks=all takes 2-6 ms.
pub(super) const REPLICATE: Range = millis(1, 4);
/// From a leader's wish to change the ISR to the controller's record.
pub(super) const ALTER: Range = millis(5, 25);
/// From unfencing to the fetch that shows a level follower to its leader: `replica.fetch.wait.max.ms` is 500 ms.
/// Measured: un-fenced at +0.98 s, in the ISR at +1.2 s.
pub(super) const EXPAND: Range = millis(20, 450);
/// From process start to the first registration. Measured: in every ISR 3 s after the start.
pub(super) const BOOT: Range = millis(1_500, 2_000);
/// What recovering its log adds for each partition of a broker that did not shut down in order; an estimate.
pub(super) const RECOVERY_PER_PARTITION: Duration = Duration::from_micros(500);
/// From registration to having read the metadata log, listening, and the first heartbeat that asks to be unfenced.
pub(super) const CATCH_UP_METADATA: Range = millis(250, 600);
/// The first wait between two attempts to register; it doubles each time (BrokerLifecycleManager's resend backoff). Measured
/// through it: 8 s from the start with a session renewed 4 s before.
pub(super) const REGISTER_BACKOFF: Duration = Duration::from_millis(100);
/// From a broker's heartbeat being due to the controller's having it.
pub(super) const HEARTBEAT: Range = millis(1, 5);
/// From a SIGCONT or an opened link to the overdue heartbeat.
pub(super) const OVERDUE: Range = millis(5, 60);
/// From the grant of a controlled shutdown to the process's end. An estimate; Kafka closes its logs in between.
pub(super) const EXIT: Range = millis(400, 1_200);
/// How often a broker in controlled shutdown asks whether it may go: it heartbeats at once while it waits.
pub(super) const SHUTDOWN_ASK: Duration = Duration::from_millis(100);
/// A stalled block device holds writers up from the file system's next commit on. Measured: 5 s (ext4's commit interval).
pub(super) const STALL_SHOWS: Range = millis(4_500, 5_300);
/// A standby controller calls an election after so long without an answer: `controller.quorum.fetch.timeout.ms`.
pub(super) const QUORUM_FETCH_TIMEOUT: Duration = Duration::from_secs(2);
/// And then waits a random part of `controller.quorum.election.timeout.ms`, and wins; takes over in some milliseconds.
pub(super) const QUORUM_ELECTION: Range = millis(50, 1_100);
/// After an orderly end (EndQuorumEpoch) the next controller takes over at once.
pub(super) const QUORUM_HANDOVER: Range = millis(50, 400);
/// From a new active controller to a broker that has found it.
pub(super) const FIND_CONTROLLER: Range = millis(50, 600);
/// From a controller's start to its following the quorum.
pub(super) const CONTROLLER_BOOT: Range = millis(1_200, 2_500);
/// A forwarded request is tried again while nobody is active.
pub(super) const FORWARD_RETRY: Duration = Duration::from_millis(100);
/// A forwarding broker, or a controller without a majority, gives up: `request.timeout.ms`.
pub(super) const FORWARD_FOR: Duration = Duration::from_secs(30);
/// Passes of the session check follow each other closely while there is somebody to fence (4.x).
pub(super) const SESSION_NEXT: Duration = Duration::from_millis(10);
