//! Records of the metadata log, made by hand from Kafka's schemas, and the image they make.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::image::Image;
use super::records::{self, MetadataRecord};
use crate::model::ids::{BrokerId, ClusterId, LeaderEpoch, Offset, PartitionId, TopicId};
use crate::model::topology::{Standing, Topology};

pub(super) const TOPIC: TopicId = TopicId([7; 16]);

/// Writes one record's frame: type, version, body.
fn framed(kind: u8, version: u8, body: impl FnOnce(&mut BytesMut)) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_slice(&[1, kind, version]);
    body(&mut bytes);
    bytes.freeze()
}

fn text(bytes: &mut BytesMut, value: &str) {
    bytes.put_u8(u8::try_from(value.len() + 1).unwrap());
    bytes.put_slice(value.as_bytes());
}

fn ids(bytes: &mut BytesMut, values: &[i32]) {
    bytes.put_u8(u8::try_from(values.len() + 1).unwrap());
    for value in values {
        bytes.put_i32(*value);
    }
}

/// A tagged field: number, length, value.
fn tag(bytes: &mut BytesMut, number: u8, value: impl FnOnce(&mut BytesMut)) {
    let mut field = BytesMut::new();
    value(&mut field);
    bytes.put_u8(number);
    bytes.put_u8(u8::try_from(field.len()).unwrap());
    bytes.put_slice(&field);
}

fn register(broker: i32, epoch: i64) -> Bytes {
    framed(0, 3, |b| {
        b.put_i32(broker);
        b.put_u8(0);
        b.put_u128(5);
        b.put_i64(epoch);
        // One endpoint.
        b.put_u8(2);
        text(b, "PLAINTEXT");
        text(b, "h");
        b.put_u16(9092);
        b.put_i16(0);
        b.put_u8(0);
        // One feature.
        b.put_u8(2);
        text(b, "metadata.version");
        b.put_i16(1);
        b.put_i16(2);
        b.put_u8(0);
        text(b, "a");
        b.put_u8(1);
        b.put_u8(0);
        // Log dirs, tagged.
        b.put_u8(1);
        tag(b, 0, |f| {
            f.put_u8(2);
            f.put_u128(9);
        });
    })
}

fn unfence(broker: i32, epoch: i64) -> Bytes {
    framed(17, 2, |b| {
        b.put_i32(broker);
        b.put_i64(epoch);
        b.put_u8(1);
        tag(b, 0, |f| f.put_i8(-1));
    })
}

pub(super) fn topic(name: &str) -> Bytes {
    framed(2, 0, |b| {
        text(b, name);
        b.put_slice(&TOPIC.0);
        b.put_u8(0);
    })
}

pub(super) fn partition(replicas: &[i32], leader: i32) -> Bytes {
    framed(3, 2, |b| {
        b.put_i32(0);
        b.put_slice(&TOPIC.0);
        ids(b, replicas);
        ids(b, replicas);
        ids(b, &[]);
        ids(b, &[]);
        b.put_i32(leader);
        b.put_i32(4);
        b.put_i32(9);
        // One directory per replica.
        b.put_u8(u8::try_from(replicas.len() + 1).unwrap());
        replicas.iter().for_each(|_| b.put_u128(1));
        b.put_u8(1);
        tag(b, 1, |f| ids(f, &[3]));
    })
}

pub(super) fn change(fields: &[(u8, Vec<i32>)], leader: Option<i32>) -> Bytes {
    framed(5, 2, |b| {
        b.put_i32(0);
        b.put_slice(&TOPIC.0);
        b.put_u8(u8::try_from(fields.len() + usize::from(leader.is_some())).unwrap());
        if let Some(leader) = leader {
            tag(b, 1, |f| f.put_i32(leader));
        }
        for (number, values) in fields {
            tag(b, *number, |f| ids(f, values));
        }
    })
}

fn marker(kind: u8) -> Bytes {
    framed(kind, 0, |b| b.put_u8(0))
}

fn min_isr(kind: i8, whose: &str, value: &str) -> Bytes {
    framed(4, 0, |b| {
        b.put_i8(kind);
        text(b, whose);
        text(b, "min.insync.replicas");
        text(b, value);
        b.put_u8(0);
    })
}

fn image_of(records: &[Bytes]) -> Topology {
    let mut image = Image::of(ClusterId("c".to_owned()));
    for record in records {
        image.apply(records::read(record.clone()).unwrap()).unwrap();
    }
    (*image.topology(Offset(1)).0).clone()
}

fn only(topology: &Topology) -> &crate::model::topology::Partition {
    topology.partitions.get(&PartitionId { topic: TOPIC, number: 0 }).unwrap()
}

#[test]
fn a_broker_registers_fenced_and_is_unfenced_later() {
    let fenced = image_of(&[register(1, 77)]);
    let broker = fenced.brokers.get(&BrokerId(1)).unwrap();
    assert_eq!((broker.standing, broker.epoch.unwrap().0), (Standing::Fenced, 77));
    assert_eq!(broker.rack.as_ref().unwrap().0, "a");
    let active = image_of(&[register(1, 77), unfence(1, 77)]);
    assert_eq!(active.brokers.get(&BrokerId(1)).unwrap().standing, Standing::Active);
}

#[test]
fn a_change_of_leader_raises_the_epoch_and_leaves_the_rest() {
    let before = image_of(&[topic("t"), partition(&[1, 2], 1)]);
    assert_eq!(only(&before).elr, [BrokerId(3)].into());
    let after = image_of(&[topic("t"), partition(&[1, 2], 1), change(&[(0, vec![2])], Some(2))]);
    let partition = only(&after);
    assert_eq!((partition.leader, partition.leader_epoch), (Some(BrokerId(2)), LeaderEpoch(5)));
    assert_eq!(partition.isr, [BrokerId(2)].into());
    assert_eq!(partition.replicas, [BrokerId(1), BrokerId(2)]);
    assert_eq!(partition.elr, [BrokerId(3)].into());
}

#[test]
fn a_partition_without_a_leader_has_none_and_a_new_epoch() {
    let after = image_of(&[topic("t"), partition(&[1, 2], 1), change(&[], Some(-1))]);
    assert_eq!((only(&after).leader, only(&after).leader_epoch), (None, LeaderEpoch(5)));
}

#[test]
fn a_reassignment_lasts_until_both_halves_are_empty() {
    let moving = [topic("t"), partition(&[1, 2], 1), change(&[(2, vec![1, 2, 3]), (3, vec![1]), (4, vec![3])], None)];
    assert!(only(&image_of(&moving)).reassigning);
    let half = [moving.as_slice(), &[change(&[(4, vec![])], None)]].concat();
    assert!(only(&image_of(&half)).reassigning);
    let done = [half.as_slice(), &[change(&[(3, vec![])], None)]].concat();
    assert!(!only(&image_of(&done)).reassigning);
}

#[test]
fn an_unregistered_broker_stays_as_such_while_a_replica_list_names_it() {
    let gone = framed(1, 0, |b| {
        b.put_i32(1);
        b.put_i64(77);
        b.put_u8(0);
    });
    let named = image_of(&[register(1, 77), topic("t"), partition(&[1, 2], 2), gone.clone()]);
    let broker = named.brokers.get(&BrokerId(1)).unwrap();
    assert_eq!((broker.standing, broker.epoch), (Standing::Unregistered, None));
    assert!(image_of(&[register(1, 77), gone]).brokers.is_empty());
}

#[test]
fn a_topics_own_min_isr_wins_over_the_clusters() {
    let settings = [topic("t"), min_isr(4, "", "2"), min_isr(2, "t", "3")];
    assert_eq!(image_of(&settings[..2]).topics.get(&TOPIC).unwrap().min_isr, Some(2));
    assert_eq!(image_of(&settings).topics.get(&TOPIC).unwrap().min_isr, Some(3));
}

#[test]
fn a_transaction_takes_effect_at_its_end_or_not_at_all() {
    let open = [marker(23), topic("t"), partition(&[1, 2], 1)];
    assert!(image_of(&open).topics.is_empty());
    assert_eq!(image_of(&[open.as_slice(), &[marker(24)]].concat()).topics.len(), 1);
    assert!(image_of(&[open.as_slice(), &[marker(25)]].concat()).topics.is_empty());
}

#[test]
fn a_removed_topic_takes_its_partitions_along() {
    let removed = framed(9, 0, |b| {
        b.put_slice(&TOPIC.0);
        b.put_u8(0);
    });
    let after = image_of(&[topic("t"), partition(&[1, 2], 1), removed]);
    assert!(after.topics.is_empty() && after.partitions.is_empty());
}

#[test]
fn a_change_of_what_is_not_there_is_an_error() {
    let mut image = Image::of(ClusterId("c".to_owned()));
    let lost = image.apply(records::read(change(&[], Some(1))).unwrap()).unwrap_err();
    assert!(lost.to_string().contains("is not there"), "{lost}");
}

#[test]
fn a_newer_version_of_a_record_that_matters_is_refused_and_an_unknown_type_passed_over() {
    assert!(records::read(framed(3, 3, |b| b.put_u8(0))).is_err());
    assert_eq!(records::read(framed(99, 9, |b| b.put_u8(0))), Ok(MetadataRecord::Other));
}

proptest! {
    #[test]
    fn mutated_records_never_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        for whole in [register(1, 2), partition(&[1, 2], 1), change(&[(0, vec![2])], Some(2)), topic("t")] {
            let mut bytes = whole.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = records::read(bytes.clone().into());
            bytes.truncate(cut.index(bytes.len()));
            let _ = records::read(bytes.into());
        }
    }
}
