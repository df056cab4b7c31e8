//! The export, judged twice: by `tests/verify_audit.py`, written in another language from the documented rule alone, and by
//! our own verifier. Both must accept what is good, and name the same record where it was tampered with.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::Command;

use tanist::model::chain::export::{read_lines, verify_export};
use tanist::model::chain::{Head, Verdict};

use crate::fixture::{after, head_of, open, run};

const RECORDS: u64 = 120;

fn export() -> String {
    run(async {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, _) = open(dir.path(), Head::GENESIS).await.expect("opened");
        store.append(after(Head::GENESIS, RECORDS)).await.expect("appended");
        assert_eq!(store.verify().await, Ok(Verdict::Whole(head_of(RECORDS))));
        let (mut export, mut bytes) = (store.export(Head::GENESIS), Vec::new());
        while let Some(block) = export.next().await.expect("a block") {
            bytes.extend_from_slice(&block);
        }
        assert_eq!(export.head(), head_of(RECORDS));
        String::from_utf8(bytes).expect("utf-8")
    })
}

/// Exit status and words of the verifier in Python; its absence fails the test.
fn python(file: &Path, head: Option<Head>) -> (Option<i32>, String) {
    let mut verifier = Command::new("python3");
    verifier.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify_audit.py")).arg(file);
    if let Some(head) = head {
        verifier.arg("--head").arg(head.to_string());
    }
    let output = verifier.output().expect("python3 is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), text)
}

/// Both verifiers must say this of the file.
fn check(text: &str, head: Option<Head>, expected: Result<&str, &str>) {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("audit.ndjson");
    fs::write(&file, text).expect("written");
    let lines = read_lines(BufReader::new(File::open(&file).expect("a file")));
    let ours = verify_export(lines, head).expect("readable");
    let (status, theirs) = python(&file, head);
    let (word, code, good) = match expected {
        Ok(word) => (word, 0, true),
        Err(word) => (word, 1, false),
    };
    assert_eq!((status, ours.is_good()), (Some(code), good), "python: {theirs}ours: {ours}");
    assert!(theirs.contains(word), "python: {theirs}, expected {word}");
    assert!(ours.to_string().contains(word), "ours: {ours}, expected {word}");
}

fn edit(text: &str, change: impl FnOnce(&mut Vec<String>)) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    lines.join("\n") + "\n"
}

#[test]
fn both_verifiers_accept_a_good_export() {
    let text = export();
    check(&text, None, Ok("120 records"));
    check(&text, Some(head_of(RECORDS)), Ok("120 records"));
    check(&text, Some(head_of(70)), Ok("120 records"));
}

#[test]
fn both_verifiers_name_the_record_that_was_tampered_with() {
    let text = export();
    check(&edit(&text, |lines| lines[41] = lines[41].replacen("h", "i", 30)), None, Err("record 41 "));
    check(
        &edit(&text, |lines| lines[41] = lines[41].replace("\"n\":41", "\"n\":14")),
        None,
        Err("record 41 was changed"),
    );
    check(&edit(&text, |lines| drop(lines.remove(41))), None, Err("record 41 was dropped"));
    check(&edit(&text, |lines| drop(lines.remove(1))), None, Err("record 1 was dropped"));
    check(&edit(&text, |lines| lines.swap(41, 42)), None, Err("record 41 was re-ordered"));
    check(&edit(&text, |lines| lines.insert(41, lines[30].clone())), None, Err("record 30 was inserted"));
    let twin = |lines: &mut Vec<String>| lines.insert(41, lines[41].replace("\"n\":41", "\"n\":14"));
    check(&edit(&text, twin), None, Err("record 41 was inserted"));
    check(&edit(&text, |lines| lines[41] = lines[41].replace(",\"n\"", ", \"n\"")), None, Err("record 41 "));
    check(&edit(&text, |lines| lines[41].truncate(150)), None, Err("record 41 "));
    check(&edit(&text, |lines| lines[0] = lines[0].replace("audit-1", "audit-9")), None, Err("not an audit export"));
}

#[test]
fn both_verifiers_find_a_cut_tail_beside_a_head_and_only_then() {
    let text = export();
    let cut = edit(&text, |lines| lines.truncate(113));
    check(&cut, None, Ok("112 records"));
    check(&cut, Some(head_of(RECORDS)), Err("record 113 was dropped, the last 8 records are missing"));
    let mut forged = head_of(100);
    forged.hash.0[9] ^= 1;
    check(&text, Some(forged), Err("record 100"));
    // Cut in the middle of a line.
    check(&text[..text.len() - 40], None, Err("record 120 "));
}

#[test]
fn an_export_may_start_behind_any_record() {
    let text = run(async {
        let dir = tempfile::tempdir().expect("a folder");
        let (store, _) = open(dir.path(), Head::GENESIS).await.expect("opened");
        store.append(after(Head::GENESIS, RECORDS)).await.expect("appended");
        let (mut export, mut bytes) = (store.export(head_of(100)), Vec::new());
        while let Some(block) = export.next().await.expect("a block") {
            bytes.extend_from_slice(&block);
        }
        String::from_utf8(bytes).expect("utf-8")
    });
    check(&text, Some(head_of(RECORDS)), Ok("20 records"));
    check(&edit(&text, |lines| drop(lines.remove(1))), None, Err("record 101 was dropped"));
}
