//! What of an answer counts. The fixture: E01 votes_red 3, E02 votes_total 3, E03 refused 1 (of B1); E04 in_isr 1,
//! E05 lag_records 5120 (1.5 s old), E06 leaders_held 4 (of B2); E07 live_brokers 3.

use expect_test::{Expect, expect};

use super::super::judge;
use super::fixture;
use crate::model::advice::{Absent, FactKey, Outcome, Subject};

/// Asks what becomes of an answer: `verdict`, then one `CODE E01=3,E02=3 words` per line.
fn check(answer: &str, expected: Expect) {
    expected.assert_eq(&told(answer, &fixture()));
}

fn told(answer: &str, brief: &crate::model::advice::Brief) -> String {
    let (verdict, rows) = answer.split_once('\n').unwrap();
    let reasons: Vec<_> = rows.lines().map(reason).collect();
    let text = serde_json::json!({"reasons": reasons, "verdict": verdict, "confidence_pct": 50, "risks": [],
        "missing": [], "alternative": "none"});
    match judge(brief, &text.to_string()).1 {
        Outcome::None(why) => format!("none({})", why.name()),
        Outcome::Said(said) => {
            let kept = said.reasons.iter().map(|reason| format!("\n+ {} {:?}", reason.code, reason.text));
            let lost = said.dropped.iter().map(|lost| format!("\n- {}", serde_json::to_string(lost).unwrap()));
            format!("{}{}", said.verdict, kept.chain(lost).collect::<String>())
        }
    }
}

fn reason(row: &str) -> serde_json::Value {
    let mut parts = row.trim().splitn(3, ' ');
    let (code, cited) = (parts.next().unwrap(), parts.next().unwrap_or("-"));
    let claims = cited.split(',').filter_map(|claim| claim.split_once('='));
    let claims: Vec<_> = claims.map(|(e, v)| serde_json::json!({"e": e, "v": v.parse::<i64>().unwrap()})).collect();
    serde_json::json!({"code": code, "claims": claims, "text": parts.next().unwrap_or("")})
}

#[test]
fn a_reason_that_cites_facts_as_they_are_stays() {
    check(
        "approve\nSUSPECT_DOWN E01=3,E03=1 all 3 call B1 red, E03 says refused",
        expect![[r#"
        approve
        + SUSPECT_DOWN "all 3 call B1 red, E03 says refused""#]],
    );
}

#[test]
fn one_invented_claim_takes_its_reason_with_it() {
    check(
        "veto\nDATA_AT_RISK E05=5120,E40=1 old\nSUSPECT_ALIVE E03=0\nCANDIDATE_UNSAFE E05=5120",
        expect![[r#"
        veto
        + CANDIDATE_UNSAFE ""
        - {"reason":{"place":0,"why":"no_such_fact"}}
        - {"reason":{"place":1,"why":"wrong_value"}}"#]],
    );
}

#[test]
fn an_answer_without_a_grounded_reason_says_nothing() {
    check("veto\nDATA_AT_RISK E05=5121", expect!["none(ungrounded)"]);
    check("veto\nDATA_AT_RISK -", expect!["none(ungrounded)"]);
    check("approve\n", expect!["none(ungrounded)"]);
}

#[test]
fn a_verdict_needs_a_reason_that_leans_its_way() {
    check("veto\nSUSPECT_DOWN E01=3", expect!["none(ungrounded)"]);
    check("approve\nCANDIDATE_UNSAFE E05=5120", expect!["none(ungrounded)"]);
    check(
        "escalate\nCANDIDATE_UNSAFE E05=5120",
        expect![[r#"
        escalate
        + CANDIDATE_UNSAFE """#]],
    );
}

#[test]
fn each_code_wants_its_own_facts_pointing_its_way() {
    for (row, carried) in [
        ("SUSPECT_DOWN E03=1", true),
        ("SUSPECT_DOWN E02=3", false),
        ("SUSPECT_DOWN E05=5120", false),
        ("CANDIDATE_SAFE E04=1", true),
        ("CANDIDATE_SAFE E05=5120", false),
        ("CANDIDATE_UNSAFE E05=5120", true),
        ("CANDIDATE_UNSAFE E04=1", false),
        ("CANDIDATE_UNSAFE E03=1", false),
        ("CANDIDATE_LOADED E06=4", true),
        ("CANDIDATE_LOADED E07=3", false),
        ("SHARED_RACK E06=4", false),
        ("SUSPECT_ALIVE E01=3", false),
        ("VOTES_SPLIT E01=3", false),
        ("DATA_AT_RISK E05=5120", true),
        ("COLLATERAL E07=3", false),
        ("BLAST_RADIUS E07=3", false),
        ("FOREIGN_WORK E07=3", false),
        ("EVIDENCE_STALE E05=5120", true),
        ("EVIDENCE_STALE E04=1", false),
        ("EVIDENCE_MISSING E04=1", false),
    ] {
        let verdict =
            if row.starts_with("SUSPECT_DOWN") || row.starts_with("CANDIDATE_SAFE") { "approve" } else { "veto" };
        let kept = told(&format!("{verdict}\n{row}"), &fixture()) != "none(ungrounded)";
        assert_eq!(kept, carried, "{row}");
    }
}

#[test]
fn missing_evidence_is_a_reason_only_where_some_is_missing() {
    let mut brief = fixture();
    brief.absent.push(Absent { key: FactKey::EchoBehind, observer: None, subject: Subject::Broker(1) });
    assert_eq!(told("escalate\nEVIDENCE_MISSING E04=1", &brief), "escalate\n+ EVIDENCE_MISSING \"\"");
}

#[test]
fn a_text_with_a_number_that_is_not_cited_is_dropped() {
    for (text, kept) in [
        ("B1 refuses and 1 node saw it", true),
        ("lag of 5120 records", false),
        ("B2 would be better", false),
        ("E04 says so", false),
        ("since 1.5 s", false),
        ("001", false),
        ("\u{661} node", false),
        ("one\nnode", false),
        ("\u{1b}[31mred", false),
        ("n1ce", true),
        ("", true),
    ] {
        let told = told(&format!("approve\nSUSPECT_DOWN E03=1 {}", text.replace('\n', "\u{b}")), &fixture());
        assert_eq!(!told.contains("\"text\":"), kept, "{text:?}: {told}");
    }
}
