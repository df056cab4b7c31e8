//! What real clients feel: librdkafka producing at a steady rate and consuming, before, through and after a fault.
//!
//! Every client lives on a thread of its own: librdkafka's calls block, and dropping a client may hang while a leader is
//! unreachable, so a client is dropped by its thread after its report is out, and nobody waits for that.
//!
//! Why the load begins with one record a partition, alone (2026-11): a broker takes any first sequence number of a producer that it
//! does not know. If it refuses the first batch (it does not lead yet) and takes one that is under way behind it, librdkafka reports
//! both as delivered (confluent-kafka-go#921), and a proof built on its word finds records lost that Kafka never acknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

use super::felt::{Felt, Gaps};
use super::read::Place;
use crate::adapters::clock;
use crate::lab::LabError;

/// A steady load on one topic.
#[derive(Debug, Clone)]
pub struct SteadyOptions {
    /// The brokers' addresses on the listener of ordinary clients.
    pub brokers: Vec<SocketAddr>,
    /// The topic.
    pub topic: String,
    /// Its partitions, from 0.
    pub partitions: i32,
    /// Records a second, over all partitions in turn.
    pub records_per_s: u32,
}

/// What the clients felt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SteadyReport {
    /// Records handed to librdkafka.
    pub sent: u64,
    /// The ids of the records that were acknowledged by all replicas in sync, and where.
    pub acknowledged: BTreeMap<u64, Place>,
    /// Records that librdkafka gave up.
    pub failed: u64,
    /// From handing a record over to its acknowledgement: the middle and the longest.
    pub latency_median: Duration,
    /// The longest.
    pub latency_max: Duration,
    /// The longest time without an acknowledgement, by partition.
    pub produce_gap: BTreeMap<i32, Duration>,
    /// The longest time without a record for the consumer, by partition.
    pub consume_gap: BTreeMap<i32, Duration>,
}

impl SteadyReport {
    /// Gives the worst partition's longest time without an acknowledgement.
    #[must_use]
    pub fn worst_produce_gap(&self) -> Duration {
        self.produce_gap.values().copied().max().unwrap_or_default()
    }

    /// Gives the worst partition's longest time without a record.
    #[must_use]
    pub fn worst_consume_gap(&self) -> Duration {
        self.consume_gap.values().copied().max().unwrap_or_default()
    }
}

/// A producer (acks=all, idempotent) and a consumer at work.
#[derive(Debug)]
pub struct Steady {
    stop: Arc<AtomicBool>,
    produced: mpsc::Receiver<Deliveries>,
    consumed: mpsc::Receiver<BTreeMap<i32, Duration>>,
    acknowledged: Arc<Mutex<Deliveries>>,
}

/// What the producer's delivery reports add up to.
#[derive(Debug, Clone, Default)]
struct Deliveries {
    sent: u64,
    failed: u64,
    acknowledged: BTreeMap<u64, Place>,
    latencies: Vec<Duration>,
    gaps: Gaps,
}

/// Takes delivery reports on librdkafka's behalf.
#[derive(Debug, Clone)]
struct Books(Arc<Mutex<Deliveries>>);

impl ClientContext for Books {}

impl ProducerContext for Books {
    /// The record's id and when it was handed over.
    type DeliveryOpaque = Box<(u64, Instant)>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Self::DeliveryOpaque) {
        let now = clock::now();
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(message) => {
                let offset = Some(message.offset()).filter(|offset| 0 <= *offset);
                books.acknowledged.insert(sent.0, Place { partition: message.partition(), offset });
                books.latencies.push(now.saturating_duration_since(sent.1));
                books.gaps.heard(message.partition(), now);
            }
            Err(_) => books.failed += 1,
        }
    }
}

impl Steady {
    /// Starts both clients on threads of their own.
    ///
    /// Errors: [`LabError::Usage`] with librdkafka's complaint about its settings.
    pub fn start(options: &SteadyOptions) -> Result<Self, LabError> {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(Mutex::new(Deliveries::default()));
        let complaint = |error: rdkafka::error::KafkaError| LabError::Usage(format!("librdkafka: {error}"));
        let producer: BaseProducer<Books> =
            settings(options, &PRODUCER).create_with_context(Books(Arc::clone(&acknowledged))).map_err(complaint)?;
        let consumer: BaseConsumer = settings(options, &CONSUMER).create().map_err(complaint)?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..options.partitions {
            assignment.add_partition_offset(&options.topic, partition, Offset::Beginning).map_err(complaint)?;
        }
        consumer.assign(&assignment).map_err(complaint)?;
        let (produced_out, produced) = mpsc::channel();
        let (consumed_out, consumed) = mpsc::channel();
        let (producing, consuming) = (Arc::clone(&stop), Arc::clone(&stop));
        let (load, books) = (options.clone(), Arc::clone(&acknowledged));
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            thread::Builder::new()
                .name(name.to_owned())
                .spawn(work)
                .map_err(LabError::socket("start a client's thread"))
        };
        spawn(
            "lab-producer",
            Box::new(move || {
                let sent = produce(&producer, &load, &producing, &books);
                let mut deliveries = books.lock().unwrap_or_else(PoisonError::into_inner).clone();
                deliveries.sent = sent;
                // Nobody may be waiting any more.
                let _heard = produced_out.send(deliveries);
            }),
        )?;
        spawn(
            "lab-consumer",
            Box::new(move || {
                let _heard = consumed_out.send(consume(&consumer, &consuming));
            }),
        )?;
        Ok(Self { stop, produced, consumed, acknowledged })
    }

    /// Gives how many records have been acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.len()
    }

    /// Forgets all gaps and latencies so far: what is measured begins now.
    pub fn mark(&self) {
        let mut books = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        books.latencies.clear();
        books.gaps.forget();
    }

    /// Gives what producing has felt like since the last mark.
    #[must_use]
    pub fn felt(&self) -> Felt {
        let books = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Felt::of(books.latencies, books.gaps.close(clock::now()))
    }

    /// Stops both clients, waits for what is under way, and gives what they felt. Blocks.
    ///
    /// Errors: [`LabError::Late`] if a client does not come to its end.
    pub fn stop(self) -> Result<SteadyReport, LabError> {
        self.stop.store(true, Ordering::Relaxed);
        let late = |_| LabError::Late {
            awaited: "the steady clients to stop".to_owned(),
            within: STOP_WITHIN,
            last_seen: "librdkafka hangs".to_owned(),
        };
        let mut deliveries = self.produced.recv_timeout(STOP_WITHIN).map_err(late)?;
        let consume_gap = self.consumed.recv_timeout(STOP_WITHIN).map_err(late)?;
        deliveries.latencies.sort();
        let middle = deliveries.latencies.len() / 2;
        Ok(SteadyReport {
            sent: deliveries.sent,
            acknowledged: deliveries.acknowledged,
            failed: deliveries.failed,
            latency_median: deliveries.latencies.get(middle).copied().unwrap_or_default(),
            latency_max: deliveries.latencies.last().copied().unwrap_or_default(),
            produce_gap: deliveries.gaps.close(clock::now()),
            consume_gap,
        })
    }
}

/// Longer than the producer's last flush.
const STOP_WITHIN: Duration = Duration::from_secs(30);
const FLUSH_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// What a careful operator's producer has set.
const PRODUCER: [(&str, &str); 4] =
    [("acks", "all"), ("enable.idempotence", "true"), ("linger.ms", "0"), ("compression.type", "none")];
const CONSUMER: [(&str, &str); 3] =
    [("group.id", "tanist-lab"), ("enable.auto.commit", "false"), ("fetch.wait.max.ms", "100")];

fn settings(options: &SteadyOptions, own: &[(&str, &str)]) -> ClientConfig {
    let brokers: Vec<String> = options.brokers.iter().map(ToString::to_string).collect();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers.join(",")).set("client.id", "tanist-lab-steady");
    // Broken connections are what the lab makes; a line about each would bury a test's own words.
    config.set("log_level", "3").set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg);
    for (key, value) in own {
        config.set(*key, *value);
    }
    config
}

fn produce(producer: &BaseProducer<Books>, load: &SteadyOptions, stop: &AtomicBool, books: &Mutex<Deliveries>) -> u64 {
    let interval = Duration::from_secs(1) / load.records_per_s.max(1);
    let partitions = u64::try_from(load.partitions.max(1)).unwrap_or(1);
    let mut start = clock::now();
    let mut id = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        if id == partitions {
            await_first(producer, partitions, stop, books);
            // The time spent waiting is not made up for by a burst.
            start = clock::now() - interval * u32::try_from(id).unwrap_or(u32::MAX);
        }
        let payload = id.to_string();
        let turn = i32::try_from(id % partitions).unwrap_or(0);
        let opaque = Box::new((id, clock::now()));
        let record = BaseRecord::<(), str, _>::with_opaque_to(&load.topic, opaque).partition(turn).payload(&payload);
        // A full queue refuses the record; it was never handed over, and the next turn has a new id.
        let _queued = producer.send(record);
        id += 1;
        let due = start + interval * u32::try_from(id).unwrap_or(u32::MAX);
        producer.poll(Timeout::After(due.saturating_duration_since(clock::now())));
    }
    // What cannot be delivered by then stays unacknowledged, which is what the report says of it.
    let _flushed = producer.flush(Timeout::After(FLUSH_WITHIN));
    id
}

/// Waits until each partition has taken its first record: from then on a gap in the sequence is refused.
fn await_first(producer: &BaseProducer<Books>, partitions: u64, stop: &AtomicBool, books: &Mutex<Deliveries>) {
    let settled = || {
        let books = books.lock().unwrap_or_else(PoisonError::into_inner);
        u64::try_from(books.acknowledged.len()).unwrap_or(u64::MAX).saturating_add(books.failed)
    };
    while settled() < partitions && !stop.load(Ordering::Relaxed) {
        producer.poll(Timeout::After(POLL));
    }
}

fn consume(consumer: &BaseConsumer, stop: &AtomicBool) -> BTreeMap<i32, Duration> {
    let mut gaps = Gaps::default();
    while !stop.load(Ordering::Relaxed) {
        if let Some(Ok(message)) = consumer.poll(Timeout::After(POLL)) {
            gaps.heard(message.partition(), clock::now());
        }
    }
    gaps.close(clock::now())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    const TOPIC: &str = "first";
    type Mock = MockCluster<'static, DefaultProducerContext>;

    /// A stand-in broker that will refuse the next batch and, as Kafka does, takes any first sequence number; with a producer that
    /// has its id already.
    fn refusing_once() -> (Mock, SteadyOptions, BaseProducer<Books>, Arc<Mutex<Deliveries>>) {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic(TOPIC, 1, 1).unwrap();
        mock.create_topic("other", 1, 1).unwrap();
        let brokers = mock.bootstrap_servers().split(',').map(|one| one.parse().unwrap()).collect();
        let options = SteadyOptions { brokers, topic: TOPIC.to_owned(), partitions: 1, records_per_s: 20 };
        let books = Arc::new(Mutex::new(Deliveries::default()));
        let producer: BaseProducer<Books> =
            settings(&options, &PRODUCER).create_with_context(Books(Arc::clone(&books))).unwrap();
        let opaque = Box::new((0, clock::now()));
        let record = BaseRecord::<(), str, _>::with_opaque_to("other", opaque).partition(0).payload("warm");
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(Timeout::After(FLUSH_WITHIN)).unwrap();
        // So that only the batches themselves travel once the round trips are long.
        producer.client().fetch_metadata(Some(TOPIC), FLUSH_WITHIN).unwrap();
        *books.lock().unwrap() = Deliveries::default();
        // Long enough that a second batch is under way before the first one's refusal is back.
        mock.broker_round_trip_time(1, Duration::from_millis(300)).unwrap();
        mock.request_errors(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION]);
        (mock, options, producer, books)
    }

    /// Reads the one partition until every id is there or nothing more comes.
    fn held(options: &SteadyOptions, wanted: &BTreeSet<u64>) -> BTreeSet<u64> {
        let consumer: BaseConsumer = settings(options, &CONSUMER).create().unwrap();
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(TOPIC, 0, Offset::Beginning).unwrap();
        consumer.assign(&assignment).unwrap();
        let mut held = BTreeSet::new();
        let mut heard = clock::now();
        while !wanted.is_subset(&held) && heard.elapsed() < Duration::from_secs(5) {
            if let Some(Ok(message)) = consumer.poll(Timeout::After(POLL)) {
                held.insert(std::str::from_utf8(message.payload().unwrap()).unwrap().parse().unwrap());
                heard = clock::now();
            }
        }
        held
    }

    fn acknowledged(books: &Mutex<Deliveries>) -> BTreeSet<u64> {
        books.lock().unwrap().acknowledged.keys().copied().collect()
    }

    #[test]
    fn a_first_batch_that_was_refused_is_never_taken_for_delivered() {
        let (_mock, options, producer, books) = refusing_once();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let load = scope.spawn(|| produce(&producer, &options, &stop, &books));
            let deadline = clock::now() + Duration::from_secs(20);
            while acknowledged(&books).len() < 20 && clock::now() < deadline {
                thread::sleep(POLL);
            }
            stop.store(true, Ordering::Relaxed);
            load.join().unwrap();
        });
        let acknowledged = acknowledged(&books);
        assert!(20 <= acknowledged.len(), "{acknowledged:?}");
        let held = held(&options, &acknowledged);
        assert_eq!(acknowledged.difference(&held).collect::<Vec<_>>(), Vec::<&u64>::new());
    }

    /// Why the load begins as it does. Should librdkafka mend it, this fails, and the beginning can be plain again.
    #[test]
    fn librdkafka_takes_a_refused_first_batch_for_delivered_once_a_second_one_is() {
        let (_mock, options, producer, books) = refusing_once();
        for id in 0..10_u64 {
            let (payload, opaque) = (id.to_string(), Box::new((id, clock::now())));
            let record = BaseRecord::<(), str, _>::with_opaque_to(TOPIC, opaque).partition(0).payload(&payload);
            producer.send(record).map_err(|(error, _)| error).unwrap();
            producer.poll(Timeout::After(POLL));
        }
        producer.flush(Timeout::After(FLUSH_WITHIN)).unwrap();
        let acknowledged = acknowledged(&books);
        assert_eq!(acknowledged.len(), 10, "it says that all were delivered");
        assert!(!acknowledged.is_subset(&held(&options, &acknowledged)), "and some are not there");
    }
}
