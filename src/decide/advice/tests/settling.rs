//! The table of `judgement.md` §4 and invariant 4: advice narrows.

use std::time::Duration;

use expect_test::expect;
use proptest::prelude::*;

use super::super::{Confirmation, Settled, Why, budget, narrow, settle};
use super::{fixture, judged, opinion};
use crate::model::advice::{Breaker, NoOpinion, Opinion, Outcome, Urgency};
use crate::model::plan::Class;
use crate::model::ruling::{Objection, Ruling};

const CLASSES: [Class; 4] = [Class::R0, Class::R1, Class::R2, Class::R3];

fn words(verdict: &str, reason: &str) -> Opinion {
    let text = format!(
        r#"{{"reasons":[{reason}],"verdict":"{verdict}","confidence_pct":99,"risks":[],"missing":[],"alternative":"none"}}"#
    );
    judged(&text)
}

fn approves() -> Opinion {
    words("approve", r#"{"code":"SUSPECT_DOWN","claims":[{"e":"E03","v":1}],"text":""}"#)
}

fn vetoes() -> Opinion {
    words("veto", r#"{"code":"CANDIDATE_UNSAFE","claims":[{"e":"E05","v":5120}],"text":""}"#)
}

fn escalates() -> Opinion {
    words("escalate", r#"{"code":"DATA_AT_RISK","claims":[{"e":"E05","v":5120}],"text":""}"#)
}

#[test]
fn what_follows_is_the_table_of_the_judgement() {
    let said = [
        ("approve", approves()),
        ("veto", vetoes()),
        ("escalate", escalates()),
        ("deadline", opinion(Outcome::None(NoOpinion::Deadline))),
        ("ungrounded", opinion(Outcome::None(NoOpinion::Ungrounded))),
        ("breaker", opinion(Outcome::None(NoOpinion::BreakerOpen(Breaker::Transport)))),
        ("off", opinion(Outcome::None(NoOpinion::Off))),
    ];
    let mut table = String::new();
    // R0 and R1 ask no leave whatever is said: `arbitrary_bytes_change_no_r1_and_permit_no_r3`.
    for class in [Class::R2, Class::R3] {
        for urgency in Urgency::ALL {
            for (name, opinion) in &said {
                let once = settle(class, *urgency, opinion, Confirmation::Once);
                let again = settle(class, *urgency, opinion, Confirmation::Again);
                let changed = if once == again { String::new() } else { format!("; again: {again:?}") };
                table.push_str(&format!("{class} {urgency} {name:10} {once:?}{changed}\n"));
            }
        }
    }
    expect![[r#"
        R2 U1 approve    Proceed(Approved)
        R2 U1 veto       Hold(Vetoed); again: Proceed(Overridden(Veto))
        R2 U1 escalate   Hold(Escalated); again: Proceed(Overridden(Escalate))
        R2 U1 deadline   Proceed(SilenceWhileWritesFail(Deadline))
        R2 U1 ungrounded Proceed(SilenceWhileWritesFail(Ungrounded))
        R2 U1 breaker    Proceed(SilenceWhileWritesFail(BreakerOpen(Transport)))
        R2 U1 off        Proceed(NoAdviser)
        R2 U2 approve    Proceed(Approved)
        R2 U2 veto       Hold(Vetoed)
        R2 U2 escalate   Hold(Escalated)
        R2 U2 deadline   Hold(Silence(Deadline))
        R2 U2 ungrounded Hold(Silence(Ungrounded))
        R2 U2 breaker    Hold(Silence(BreakerOpen(Transport)))
        R2 U2 off        Proceed(NoAdviser)
        R2 U3 approve    Proceed(Approved)
        R2 U3 veto       Hold(Vetoed)
        R2 U3 escalate   Hold(Escalated)
        R2 U3 deadline   Hold(Silence(Deadline))
        R2 U3 ungrounded Hold(Silence(Ungrounded))
        R2 U3 breaker    Hold(Silence(BreakerOpen(Transport)))
        R2 U3 off        Proceed(NoAdviser)
        R3 U1 approve    Hold(PeopleApprove)
        R3 U1 veto       Hold(Vetoed)
        R3 U1 escalate   Hold(Escalated)
        R3 U1 deadline   Hold(Silence(Deadline))
        R3 U1 ungrounded Hold(Silence(Ungrounded))
        R3 U1 breaker    Hold(Silence(BreakerOpen(Transport)))
        R3 U1 off        Hold(PeopleApprove)
        R3 U2 approve    Hold(PeopleApprove)
        R3 U2 veto       Hold(Vetoed)
        R3 U2 escalate   Hold(Escalated)
        R3 U2 deadline   Hold(Silence(Deadline))
        R3 U2 ungrounded Hold(Silence(Ungrounded))
        R3 U2 breaker    Hold(Silence(BreakerOpen(Transport)))
        R3 U2 off        Hold(PeopleApprove)
        R3 U3 approve    Hold(PeopleApprove)
        R3 U3 veto       Hold(Vetoed)
        R3 U3 escalate   Hold(Escalated)
        R3 U3 deadline   Hold(Silence(Deadline))
        R3 U3 ungrounded Hold(Silence(Ungrounded))
        R3 U3 breaker    Hold(Silence(BreakerOpen(Transport)))
        R3 U3 off        Hold(PeopleApprove)
    "#]]
    .assert_eq(&table);
}

#[test]
fn the_wait_follows_class_and_urgency() {
    let left = Duration::from_secs(4);
    let hold = |class, urgency| budget(class, urgency, left).hold;
    assert_eq!(hold(Class::R1, Urgency::U1), Duration::ZERO);
    assert_eq!(hold(Class::R1, Urgency::U3), Duration::ZERO);
    assert_eq!(hold(Class::R2, Urgency::U1), Duration::from_secs(2));
    assert_eq!(budget(Class::R2, Urgency::U1, Duration::from_secs(60)).hold, Duration::from_secs(3));
    assert_eq!(hold(Class::R2, Urgency::U2), Duration::from_secs(8));
    assert_eq!(hold(Class::R3, Urgency::U3), Duration::from_secs(30));
    assert!(Duration::ZERO < budget(Class::R1, Urgency::U1, left).answer, "an R1 is still explained");
}

/// Texts that range from noise over bent answers to answers that say what an attacker would like.
fn any_text() -> impl Strategy<Value = String> {
    let verdict = prop_oneof![Just("approve"), Just("veto"), Just("escalate"), Just("execute")];
    let code = prop_oneof![Just("SUSPECT_DOWN"), Just("CANDIDATE_UNSAFE"), Just("CANDIDATE_SAFE"), Just("X")];
    let answer = (verdict, code, 0_u8..9, proptest::option::weighted(0.3, any::<i64>()), ".{0,20}");
    let answer = answer.prop_map(|(verdict, code, e, lie, text)| {
        let honest = fixture().facts.get(usize::from(e).wrapping_sub(1)).map_or(0, |fact| fact.value);
        let v = lie.unwrap_or(honest);
        serde_json::json!({"reasons": [{"code": code, "claims": [{"e": format!("E{e:02}"), "v": v}], "text": text}],
            "verdict": verdict, "confidence_pct": 100, "risks": [], "missing": [], "alternative": "none"})
        .to_string()
    });
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![answer, bytes.prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())]
}

fn any_urgency() -> impl Strategy<Value = Urgency> {
    prop_oneof![Just(Urgency::U1), Just(Urgency::U2), Just(Urgency::U3)]
}

fn any_confirmation() -> impl Strategy<Value = Confirmation> {
    prop_oneof![Just(Confirmation::Once), Just(Confirmation::Again)]
}

fn any_ruling() -> impl Strategy<Value = Ruling> {
    prop_oneof![
        Just(Ruling::Allowed),
        Just(Ruling::NeedsApproval { class: Class::R2, people: 1, expires_in: Duration::from_secs(600) }),
        Just(Ruling::Held(vec![Objection::Paused])),
    ]
}

/// How much a ruling lets through.
fn allowance(ruling: &Ruling) -> (u8, u8) {
    match ruling {
        Ruling::Allowed => (2, 0),
        Ruling::NeedsApproval { people, .. } => (1, u8::MAX - people),
        Ruling::Held(_) => (0, 0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_bytes_change_no_r1_and_permit_no_r3(
        text in any_text(),
        urgency in any_urgency(),
        confirmation in any_confirmation(),
    ) {
        let opinion = judged(&text);
        for class in [Class::R0, Class::R1] {
            prop_assert_eq!(settle(class, urgency, &opinion, confirmation), Settled::Proceed(Why::ClassNeedsNone));
        }
        prop_assert!(matches!(settle(Class::R3, urgency, &opinion, confirmation), Settled::Hold(_)));
    }

    #[test]
    fn what_advice_allows_is_a_subset_of_what_the_guard_allows(
        text in any_text(),
        urgency in any_urgency(),
        confirmation in any_confirmation(),
        ruling in any_ruling(),
        people in 0_u8..3,
    ) {
        for class in CLASSES {
            let settled = settle(class, urgency, &judged(&text), confirmation);
            let after = narrow(ruling.clone(), settled, class, (people, Duration::from_secs(600)));
            prop_assert!(allowance(&after) <= allowance(&ruling), "{ruling:?} became {after:?}");
            if matches!(settled, Settled::Hold(_)) {
                prop_assert!(after != Ruling::Allowed);
            }
        }
    }

    #[test]
    fn only_a_grounded_answer_is_ever_heard(text in any_text()) {
        let facts = fixture().facts;
        if let Outcome::Said(said) = judged(&text).outcome {
            prop_assert!(!said.reasons.is_empty());
            for claim in said.reasons.iter().flat_map(|reason| &reason.claims) {
                prop_assert_eq!(facts[claim.e.place()].value, claim.v);
            }
        }
    }
}
