//! Tests of the chain: each way of tampering is named with its index, and nothing else is.

use super::*;
use proptest::prelude::*;

fn chain(records: u64) -> Vec<Link> {
    let mut head = Head::GENESIS;
    (1..=records)
        .map(|n| {
            let bytes = format!("{{\"n\":{n}}}").into_bytes();
            head = head.extend(&bytes);
            Link { index: head.index, bytes, hash: head.hash }
        })
        .collect()
}

fn check(links: Vec<Link>, expected: &str) {
    let text = verify(Head::GENESIS, links).to_string();
    assert!(text.starts_with(expected), "{text}, expected {expected}");
}

#[test]
fn the_hash_is_the_documented_one() {
    // Computed apart: printf '%064x%016x7b7d' 0 1 | xxd -r -p | sha256sum
    let head = Head::GENESIS.extend(b"{}");
    assert_eq!(head.to_string(), "1:1bad765d926feacace97a8ddcd329a1f4254c208affc1ba86b3c7d59e8fba83e");
    assert_eq!(head.to_string().parse(), Ok(head));
    assert_eq!(head.hash.short(), "1bad765d926f");
}

#[test]
fn an_untouched_chain_is_whole() {
    check(chain(0), "whole, 0 records");
    check(chain(9), "whole, 9 records");
    let after = chain(4).last().map(|link| Head { index: link.index, hash: link.hash }).expect("a record");
    assert!(matches!(verify(after, chain(9).split_off(4)), Verdict::Whole(Head { index: RecordIndex(9), .. })));
}

#[test]
fn a_changed_record_is_named() {
    let mut links = chain(9);
    links[4].bytes[2] ^= 1;
    check(links, "broken: record 5 was changed");
    let mut links = chain(9);
    links[8].hash.0[31] ^= 1;
    check(links, "broken: record 9 was changed");
}

#[test]
fn a_dropped_record_is_named() {
    let mut links = chain(9);
    links.remove(4);
    check(links, "broken: record 5 was dropped");
    let mut links = chain(9);
    links.remove(0);
    check(links, "broken: record 1 was dropped");
}

#[test]
fn a_dropped_record_whose_followers_were_renumbered_is_named() {
    let mut links = chain(9);
    links.remove(4);
    links.iter_mut().skip(4).for_each(|link| link.index.0 -= 1);
    check(links, "broken: record 5 was changed");
}

#[test]
fn an_inserted_record_is_named() {
    let mut links = chain(9);
    let forged = Link { index: RecordIndex(5), bytes: b"{}".to_vec(), hash: GENESIS_HASH };
    links.insert(4, forged.clone());
    check(links, "broken: record 5 was inserted");
    let mut links = chain(9);
    links.insert(6, forged);
    check(links, "broken: record 5 was inserted");
    let mut links = chain(9);
    links.insert(3, links[2].clone());
    check(links, "broken: record 3 was inserted");
}

#[test]
fn a_reordered_record_is_named() {
    let mut links = chain(9);
    links.swap(4, 5);
    check(links, "broken: record 5 was re-ordered");
}

#[test]
fn a_removed_tail_shows_beside_another_head() {
    let links = chain(9);
    let head_at = |n: usize| Head { index: links[n - 1].index, hash: links[n - 1].hash };
    let hash_at = |index: RecordIndex| links.get(usize::try_from(index.0).ok()? - 1).map(|link| link.hash);
    assert_eq!(compare_heads(head_at(6), head_at(9), hash_at), Agreement::TailMissing { records: 3 });
    assert_eq!(compare_heads(head_at(9), head_at(6), hash_at), Agreement::Holds { beyond_records: 3 });
    assert_eq!(compare_heads(head_at(9), Head::GENESIS, hash_at), Agreement::Holds { beyond_records: 9 });
    let forged = Head { index: RecordIndex(6), hash: GENESIS_HASH };
    assert_eq!(compare_heads(head_at(9), forged, hash_at), Agreement::Differs { at: RecordIndex(6) });
    let forged = Head { index: RecordIndex(0), hash: head_at(1).hash };
    assert_eq!(compare_heads(head_at(9), forged, hash_at), Agreement::Differs { at: RecordIndex(0) });
}

proptest! {
    #[test]
    fn any_single_tampering_is_named_at_its_first_index(
        records in 2_u64..20, at in any::<prop::sample::Index>(), kind in 0_u8..4, byte in any::<prop::sample::Index>()
    ) {
        let mut links = chain(records);
        let at = at.index(links.len());
        let first = match kind {
            0 => { let byte = byte.index(links[at].bytes.len()); links[at].bytes[byte] ^= 0x10; at }
            1 if at + 1 < links.len() => { links.remove(at); at }
            2 => { let mut twin = links[at].clone(); twin.bytes.push(b' '); links.insert(at, twin); at }
            _ if at + 1 < links.len() => { links.swap(at, at + 1); at }
            _ => { links[at].hash.0[0] ^= 1; at }
        };
        let verdict = verify(Head::GENESIS, links);
        let named = matches!(verdict, Verdict::Broken { at, .. } if at.0 == first as u64 + 1);
        prop_assert!(named, "{}", verdict);
    }
}
