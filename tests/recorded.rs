//! Histories that were recorded on a real cluster, judged again without one: each decision comes out as it was recorded.
//!
//! `tests/fixtures/recorded/` holds exports of whole histories; CONTRIBUTING.md says how to record them anew.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tanist::decide::deliberate::{Replayed, replay};
use tanist::decide::policy::Policy;
use tanist::model::canon::from_canonical_bytes;
use tanist::model::chain::export::{from_line, read_lines, verify_export};
use tanist::model::finding::FindingKind;
use tanist::model::record::{Body, DecisionVerdict, Record};

fn recorded() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/recorded");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn records(file: &Path) -> Vec<Record> {
    let lines: Vec<Vec<u8>> = read_lines(fs::read(file).unwrap().as_slice()).collect::<Result<_, _>>().unwrap();
    lines[1..].iter().map(|line| from_canonical_bytes(&from_line(line).unwrap().bytes).unwrap()).collect()
}

#[test]
fn every_recorded_history_is_whole() {
    for file in recorded() {
        let bytes = fs::read(&file).unwrap();
        let verdict = verify_export(read_lines(bytes.as_slice()), None).unwrap();
        assert!(verdict.is_good(), "{}: {verdict:?}", file.display());
    }
}

#[test]
fn every_recorded_decision_comes_out_the_same_again() {
    let (mut judged, mut acted, mut kinds) = (0, 0, BTreeSet::new());
    for file in recorded() {
        let mut policy = None;
        for (place, record) in records(&file).iter().enumerate() {
            if let Body::PolicyIs { settings } = &record.body {
                policy = Some(Policy::from_settings(settings).unwrap());
            }
            let Body::Decided(decision) = &record.body else { continue };
            let policy = policy.as_ref().expect("a policy stands before the first decision");
            assert_eq!(replay(decision, policy), Replayed::Same, "{}: record {}", file.display(), place + 1);
            judged += 1;
            acted += u32::from(matches!(decision.verdict, DecisionVerdict::Act { .. }));
            kinds.extend(decision.finding.iter().map(|finding| finding.kind));
        }
    }
    println!("{judged} decisions judged again, {acted} of them acts, about {kinds:?}");
    let wanted = [FindingKind::BrokerCrashed, FindingKind::BrokerSilent, FindingKind::ClientPathCut];
    assert!(wanted.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    assert!(3 <= acted, "the acts and the failbacks: {acted}");
}
