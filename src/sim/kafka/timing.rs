//! How long things take inside the pretended Kafka, each with where the figure comes from. Ranges are drawn from evenly.
//!
//! - *Measured*: a real 4.3.1 cluster of three brokers and three controllers on one machine of two cores, every link through a proxy.
//! - *Recorded*: in this repository, by file and field; what can be computed from it is held against it in `tests/fitted.rs`.
//! - *Kafka*: a setting with its default, or a class that says so. Looked up in 4.3, and in 3.9 where the model tells them apart.
//! - *Estimate*: nobody measured it alone. What bounds it, and what another value (half or twice) would change.
//!
//! Where what was recorded later or Kafka itself says something else than the value, that stands there as *But*. Settings that a
//! cluster may choose (sessions, lag) are not here but in the plan.

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
/// A server's work on what it answers at once, a refusal as well. Estimate: what is left of 1-2 ms for `ApiVersions` there and back
/// (measured) with [`ONE_WAY`] taken off twice. Twice as long, such an answer comes 0.9 ms later.
pub(super) const PING_WORK: Range = micros(200, 900);
/// A broker's work on a request about its own view or logs. Measured: a few milliseconds for some hundred partitions.
pub(super) const LOCAL_WORK: Range = millis(1, 5);
/// From a broker or an asker at its door to the active controller's queue. Estimate: with [`QUORUM_WORK`] it makes 5-8 ms of
/// `DescribeQuorum`, with [`OBSERVER_LAG`] the 8-39 ms of an observer, both measured. Twice as long, `DescribeQuorum` could take 15 ms.
pub(super) const TO_CONTROLLER: Range = millis(1, 4);
/// The active controller's answer to `DescribeQuorum`. Measured: 5-8 ms a call in all.
pub(super) const QUORUM_WORK: Range = millis(3, 6);
/// From a change in the metadata log to the answer of the RPC that asked for it. Measured: 50-95 ms in all for six partitions. Recorded:
/// single requests take 24-110 ms for six, in the middle 44 (`failover*.ndjson` `oracle_took_ms`, `stages`; `matrix.ndjson`
/// `act_took_ms`).
pub(super) const ADMIN_ANSWER: Range = millis(30, 80);
/// What each further record of one request adds to its answer. Measured: 2,000 partitions take 0.07-0.56 s. Recorded, in the same files:
/// single requests that change up to 500 take 21-99 ms, the middle 47. This keeps to the quick end of the first.
pub(super) const ADMIN_PER_RECORD: Duration = Duration::from_micros(30);
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
/// A broker's work for each partition whose leader or epoch changes. Measured: 500 fenced at once serve after 0.95 s, 2,000 after 5.0 s.
/// Recorded since (`one_worst_ms`): 500 serve 0.6-0.9 s after the fence (`matrix.ndjson`). But with Kafka's data in memory it is
/// 0.1-0.2 s, once 0.5 s (`failover.ndjson`, oracle-fence): most of this work is to write and sync checkpoints.
pub(super) const LEADER_WORK: Duration = Duration::from_micros(2_100);
/// A broker's work for each other change of a partition. Measured: a reorder of 500 before the fence adds 0.23 s, of 2,000 1.6 s.
pub(super) const ORDER_WORK: Duration = Duration::from_micros(550);
/// From a new leader to a follower's first fetch of it that brings nothing new.
/// Measured: fence to acks=all 0.05-0.2 s after the RPC, six partitions.
pub(super) const FOLLOW: Range = millis(10, 60);
/// From a broken link that opens, or a process that goes on, to the follower's next fetch. Measured: back in every ISR
/// within 1 s of SIGCONT or thaw. Kafka waits `replica.fetch.backoff.ms` (1 s) after an error.
pub(super) const REFOLLOW: Range = millis(50, 600);
/// How fast a follower makes up for what it lacks, in records a second. Estimate, at the slow end. Recorded: 14 partitions that
/// lack 1.8 MB each are whole within a second (`kafka-*.ndjson`, throttled/returned `took`, three releases), which is 19 MB/s at least;
/// this is 20. Twice as fast, a broker that lacks a minute of 1,000 records a second is level 0.15 s sooner.
pub(super) const CATCH_UP_PER_S: u64 = 200_000;
/// What a record takes on disks and links, in bytes. A choice, as records have no content here: some forty bytes in a batch of their own,
/// whose header takes 61 (`DefaultRecordBatch.RECORD_BATCH_OVERHEAD`). Quotas and log dirs count with it: twice as much doubles the bytes
/// that are told and the time that a throttled copy takes.
pub(super) const BYTES_PER_RECORD: u64 = 100;
/// What one fetch brings of a partition at most: `replica.fetch.max.bytes`.
pub(super) const FETCH_PARTITION_MAX: u64 = 1 << 20;
/// What one fetch brings of all partitions at most: `replica.fetch.response.max.bytes`.
pub(super) const FETCH_MAX: u64 = 10 << 20;
/// From a fetch that brought something to the next one's answer. Kafka: `AbstractFetcherThread.doWork` asks again at once. Estimate: a
/// round trip of up to [`FETCH_PARTITION_MAX`]. Counts under quotas only: twice as long adds 10 ms to each MiB, which 1 MB/s
/// makes a second.
pub(super) const NEXT_FETCH: Duration = Duration::from_millis(10);
/// What was copied before is no longer counted: `replication.quota.window.num` windows of a second. Measured: under 20 kB/s a record of
/// 900 kB is copied every 11.1 s.
pub(super) const QUOTA_WINDOW: Duration = Duration::from_secs(11);
/// How long a quota seems to have been counted when the first copy is made: fitted. Measured: six such records take 3.2 s under 1 MB/s (two more
/// right after the first, then one a second) and 31 s under 100 kB/s (after 8, 12, 20, 23 and 31 s).
pub(super) const QUOTA_HEAD_START: Duration = Duration::from_millis(1_500);
/// What the answers of a second cost that bring nothing, in bytes. Kafka: `KafkaApis.sizeOfThrottledPartitions` counts the fields around
/// the records, and an idle fetch is answered every 500 ms (`replica.fetch.wait.max.ms`). Estimate: twice a hundred bytes. Measured:
/// under 1 B/s no record is ever copied, under 20 kB/s some are (`tests/throttles.rs` plays both). Only a quota of some hundred bytes a
/// second would show half or twice as much.
pub(super) const ASKING_PER_S: u64 = 200;
/// From an append to the in-sync followers' having it, and the leader's knowing. Measured: acks=all takes 2-6 ms. Recorded
/// (`rolling.ndjson`, `quiet` `p50_us`): 6.7-7.4 ms through librdkafka, its own part included.
pub(super) const REPLICATE: Range = millis(1, 4);
/// How long before its kill a leader acknowledges alone what no follower has fetched yet: the middle of [`REPLICATE`]. Not drawn: a draw
/// more would change what happens afterwards.
pub(super) const LAST_MOMENT: Duration = Duration::from_micros(2_500);
/// From a leader's wish to change the ISR to the controller's record. Kafka: `AlterPartitionManager.submit` sends at once, unless one is
/// under way. Estimate: [`TO_CONTROLLER`], and part of an answer to wait for. Twice as long, whoever comes back is in sync 25 ms later.
pub(super) const ALTER: Range = millis(5, 25);
/// From unfencing to the fetch that shows a level follower to its leader: `replica.fetch.wait.max.ms` is 500 ms.
/// Measured: un-fenced at +0.98 s, in the ISR at +1.2 s.
pub(super) const EXPAND: Range = millis(20, 450);
/// From process start to the first registration. Measured: in every ISR 3 s after the start. Recorded (`kafka-*.ndjson`,
/// unregistered/restarted `took`, 63 cells of three releases): 1 to 3 s from the start to being in sync.
pub(super) const BOOT: Range = millis(1_500, 2_000);
/// What recovering its log adds for each partition of a broker that did not shut down in order. Kafka: `LogManager.loadLogs` looks
/// through every log that was not flushed, with one thread a dir in 3.9, two since (`num.recovery.threads.per.data.dir`). Estimate: some
/// calls of the file system for a log that is nearly empty. Twice as long, 500 partitions are back 0.25 s later, and six 3 ms.
pub(super) const RECOVERY_PER_PARTITION: Duration = Duration::from_micros(500);
/// From registration to having read the metadata log, listening, and the first heartbeat that asks to be unfenced. Kafka:
/// `BrokerServer.startup` waits until it has caught up, asked every 10 ms (`BrokerLifecycleManager`), then publishes what it has read.
/// Estimate: the recordings at [`BOOT`] bound the sum of both, not its parts. Half or twice moves each restart by up to 0.6 s.
pub(super) const CATCH_UP_METADATA: Range = millis(250, 600);
/// The first wait between two attempts to register in 3.9; it doubles each time. Kafka 3.9.1: `BrokerLifecycleManager`'s resend backoff.
/// Measured through it: 8 s from the start with a session renewed 4 s before. Since KAFKA-19294 (3.9.2, 4.0.1, 4.1) it is tried again
/// every `broker.heartbeat.interval.ms` instead.
pub(super) const REGISTER_BACKOFF: Duration = Duration::from_millis(100);
/// From a broker's heartbeat being due to the controller's having it. Estimate: [`ONE_WAY`] and [`TO_CONTROLLER`] (4.x notes it without a
/// queue, `BrokerHeartbeatTracker`). Twice as long, a session of 9 s begins 5 ms later.
pub(super) const HEARTBEAT: Range = millis(1, 5);
/// From a SIGCONT or a thawed link to the overdue heartbeat. Kafka: `KafkaEventQueue` runs at once what is overdue. Estimate: a process
/// that wakes up. Recorded (`kafka-*.ndjson`, fenced/returned `took`, 57 cells): in sync within 1 s of SIGCONT, which leaves it 0.3 s.
pub(super) const OVERDUE: Range = millis(5, 60);
/// After a cut link to the controllers has opened, what was under way on it runs into its time-out first, at most this part of a session
/// later (a divisor). Kafka: `NodeToControllerChannelManager` waits for half a session (KAFKA-14392). Recorded with one of 9 s
/// (`kafka-*.ndjson`, controller-cut/returned `took`, 57 cells): in sync within 1 s, 1 to 3 s and 3 to 6 s, by when it was cut.
pub(super) const OVERDUE_AFTER_CUT: u32 = 2;
/// From the grant of a controlled shutdown to the process's end. Kafka: `BrokerServer.shutdown` ends its threads one after the other,
/// then flushes and closes every log. Estimate: nobody looked when the process was gone. It leads nothing then and is fenced: half or
/// twice moves when its connections close, and with them when it is found stopped.
pub(super) const EXIT: Range = millis(400, 1_200);
/// From a controlled shutdown's first answer to its asking again; from then on it asks every `broker.heartbeat.interval.ms`. Kafka:
/// `BrokerLifecycleManager`. Recorded with an interval of 0.5 s (`kafka-*.ndjson`, terminated/before `took`): granted within 1 to 3 s, or
/// sooner.
pub(super) const SHUTDOWN_ASK: Duration = Duration::from_millis(50);
/// A stalled block device holds writers up from the file system's next commit on. Measured: 5 s (ext4's commit interval).
pub(super) const STALL_SHOWS: Range = millis(4_500, 5_300);
/// A standby controller calls an election after so long without an answer: `controller.quorum.fetch.timeout.ms`.
pub(super) const QUORUM_FETCH_TIMEOUT: Duration = Duration::from_secs(2);
/// From that call to the next active controller. Estimate: at the least two rounds of votes and a record that a majority has, at the most
/// one vote that nobody wins and the wait after it (`controller.quorum.election.backoff.max.ms`, 1 s). But the time-out before it runs from
/// the last answer, up to 0.5 s before the death: Kafka may be that much sooner.
pub(super) const QUORUM_ELECTION: Range = millis(50, 1_100);
/// From an orderly end to the next active controller. Kafka: `EndQuorumEpoch` names first who is most level, and that one calls its
/// election at once (`KafkaRaftClient.endEpochElectionBackoff`). Estimate: three round trips, a record that a majority has
/// (`controller.quorum.append.linger.ms`, 25 ms), and taking over. Twice as long, what is asked meanwhile is answered up to 0.4 s later.
pub(super) const QUORUM_HANDOVER: Range = millis(50, 400);
/// From a new active controller to a broker that has found it. Kafka: a fetch that is sent away asks another voter after 20 ms
/// (`controller.quorum.retry.backoff.ms`), and whoever forwards looks every 100 ms (`NodeToControllerRequestThread.doWork`); a long poll
/// of 500 ms may lie between. Estimate from these. Twice as long, views and heartbeats are up to 1.2 s late, while all
/// sessions have begun anew.
pub(super) const FIND_CONTROLLER: Range = millis(50, 600);
/// From a controller's start to its following the quorum. Estimate: a Java process like that of [`BOOT`], with less to set up and a log
/// to read. Matters only where a majority is missing meanwhile: twice as long, nobody is active for up to 2.5 s more.
pub(super) const CONTROLLER_BOOT: Range = millis(1_200, 2_500);
/// A forwarded request is tried again so often while nobody is active. Kafka: `NodeToControllerRequestThread.doWork` polls for 100 ms.
pub(super) const FORWARD_RETRY: Duration = Duration::from_millis(100);
/// A forwarding broker, or a controller without a majority, gives up after so long: clients' `request.timeout.ms`. But a broker goes on
/// for 60 s (`BrokerServer`, channel `forwarding`), which only shows to who waits longer than 30 s.
pub(super) const FORWARD_FOR: Duration = Duration::from_secs(30);
/// So often within a session it is looked whether one is over (4.x). Kafka: `QuorumController.maybeFenceStaleBrokerPeriodNs`. Recorded
/// (`failover*.ndjson`, `matrix.ndjson`: stock, trio-dead and tuned, `one_worst_ms`): 7.2-10.0 s for sessions of 9 s, 2.6-3.4 s for 3 s.
pub(super) const SESSION_CHECKS: u32 = 8;
/// From one pass of that check to the next while there is somebody to fence: one broker a pass. Kafka: `PeriodicTask`'s immediate period.
/// In 3.9 the next pass is due at once (`QuorumController.rescheduleMaybeFenceStaleBrokers`); it gets the same here.
pub(super) const SESSION_NEXT: Duration = Duration::from_millis(10);
/// So often within `replica.lag.time.max.ms` a leader looks who lags. Kafka: `ReplicaManager`, task `isr-expiration`. Recorded
/// (`kafka-*.ndjson`, shrunk/before `took`, 66 cells): 3 to 12 s for a lag of 5 s, many beyond 6 s.
pub(super) const LAG_CHECKS: u32 = 2;
/// Growth of the metadata log is remembered for so long. No time of Kafka's: longer than [`METADATA_LAG`], so that everybody who reads
/// has it by then. More costs memory and changes nothing.
pub(super) const REMEMBERED: Duration = Duration::from_secs(1);
