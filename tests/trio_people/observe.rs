//! Mode `observe`, the default: everything but the sending, and every question answered by every node.

use std::path::Path;
use std::process::Command;

use crate::desk::{Desk, kind, options, verdict};
use crate::ground::{BEFORE_KAFKA, VICTIM, on_ground, until};

/// Every command that changes nothing, or that a second one takes back, with its exit status.
const QUESTIONS: &[(&[&str], i32)] = &[
    (&["status"], 0),
    (&["plan", "list"], 0),
    (&["plan", "show", "abcdef012345"], 1),
    (&["plan", "approve", "abcdef012345"], 1),
    (&["audit", "list"], 0),
    (&["audit", "show", "1"], 0),
    (&["audit", "show", "999999"], 1),
    (&["audit", "verify"], 0),
    (&["pause", "--reason", "a look at the brokers"], 0),
    (&["resume"], 0),
    (&["undo", "c-1"], 1),
];

async fn every_question_is_answered(desk: &Desk, id: u8) {
    for (question, status) in QUESTIONS {
        let table = desk.says(id, question, *status).await;
        assert!(!table.out.trim().is_empty(), "n{id} {question:?} says nothing");
        let json = [*question, &["-o", "json"]].concat();
        let answer = desk.says(id, &json, *status).await.json().unwrap();
        assert_eq!(answer["version"], 1, "n{id} {question:?}");
        let kind = answer["kind"].as_str().unwrap_or_default().to_owned();
        assert!(answer.get(&kind).is_some(), "n{id} {question:?}: {answer}");
    }
    let file = desk.trio.config(id).unwrap().display().to_string();
    let checked = desk.says(id, &["config", "check", &file], 0).await;
    assert!(checked.out.contains("good"), "{}", checked.out);
    let printed = desk.says(id, &["config", "print"], 0).await;
    assert!(printed.out.contains(&format!("id = {id}\n")), "{}", printed.out);
}

/// Runs the second verifier, which shares nothing with the program but the documented rule.
fn second_verifier(export: &Path, text: &str) -> (bool, String) {
    std::fs::write(export, text).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify_audit.py");
    let ended = Command::new("python3").arg(script).arg(export).output().unwrap();
    let said = [ended.stdout, ended.stderr].concat();
    (ended.status.success(), String::from_utf8_lossy(&said).into_owned())
}

async fn the_export_verifies_and_a_forged_one_does_not(desk: &Desk, id: u8) {
    let export = desk.says(id, &["audit", "export"], 0).await.out;
    let file = desk.trio.folder().join("export.ndjson");
    let (whole, said) = second_verifier(&file, &export);
    assert!(whole, "{said}");
    println!("second verifier: {said}");
    let lines: Vec<&str> = export.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let changed = export.replacen("would_act", "would_ask", 1);
    assert_ne!(changed, export);
    let dropped = joined(&[&lines[..3], &lines[4..]].concat());
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    for (how, forged) in [("changed", changed), ("dropped", dropped), ("re-ordered", joined(&swapped))] {
        let (whole, said) = second_verifier(&file, &forged);
        assert!(!whole && said.contains("broken: record"), "{how}: {said}");
        println!("{how}: {said}");
    }
}

#[test]
fn observing_answers_every_question_and_sends_nothing_and_says_what_it_would_have_done() {
    on_ground(async |ground| {
        let topic = ground.topic().await;
        let desk = Desk::open(ground, options("observe")).await;
        let (leader, follower) = desk.settled().await;
        for id in [leader, follower] {
            every_question_is_answered(&desk, id).await;
        }
        let before = ground.cluster.topic(&topic.name).await.unwrap();
        let fault = ground.kill_victim();
        let took = ground.recovered(&topic, fault).await;
        println!("observe: acks=all after {took:?}");
        assert!(BEFORE_KAFKA <= took, "somebody moved leadership before Kafka could: {took:?}");
        let after = ground.cluster.topic(&topic.name).await.unwrap();
        for (was, is) in before.partitions.iter().zip(&after.partitions) {
            assert_eq!(was.replicas, is.replicas, "partition {}", is.index);
            assert_eq!(was.leader_epoch.map(|epoch| epoch + 1), is.leader_epoch, "partition {}: one move", is.index);
        }

        for id in [leader, follower] {
            let records = desk.records(id).await;
            assert!(records.iter().any(|entry| verdict(entry) == Some("would_act")), "n{id}: {records:#?}");
            let acts = records.iter().filter(|entry| verdict(entry) == Some("act") || kind(entry) == "outcome");
            assert_eq!(acts.count(), 0, "n{id}");
            let why = desk.says(id, &["why", &format!("b{}", VICTIM.0)], 0).await;
            assert!(why.out.contains("would have"), "n{id}: {}", why.out);
            let listed = desk.says(id, &["audit", "list"], 0).await;
            assert!(listed.out.contains("would have"), "n{id}: {}", listed.out);
            let answer = desk.says(id, &["why", &format!("{}-0", topic.name), "-o", "json"], 0).await.json().unwrap();
            assert_eq!(answer["explained"]["found"], "yes", "{answer}");
            until("a sound history", crate::ground::PATIENCE, async || {
                (desk.ask(id, &["audit", "verify"]).await.status == 0).then_some(())
            })
            .await;
        }
        the_export_verifies_and_a_forged_one_does_not(&desk, follower).await;
    });
}
