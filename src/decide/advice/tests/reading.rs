//! Which texts are answers.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::super::{ANSWER_BYTES_MAX, parse};

const GOOD: &str = r#"{"reasons":[{"code":"SUSPECT_DOWN","claims":[{"e":"E03","v":1}],"text":"refused"}],
"verdict":"approve","confidence_pct":80,"risks":["flapping"],"missing":["lag_ms"],"alternative":"none"}"#;

/// The only place in this file that knows the API under test.
fn check(text: &str, expected: Expect) {
    let line = match parse(text) {
        Ok(reply) => format!("{} for {} reason(s)", reply.verdict, reply.reasons.len()),
        Err(why) => why.to_string(),
    };
    expected.assert_eq(&line);
}

#[test]
fn an_answer_in_our_schema_is_read_whatever_stands_around_it() {
    check(GOOD, expect!["approve for 1 reason(s)"]);
    check(&format!("Sure!\n```json\n{GOOD}\n```\n"), expect!["approve for 1 reason(s)"]);
    check(&format!("<think>maybe {{\"verdict\": 1}}</think>{GOOD}"), expect!["approve for 1 reason(s)"]);
    check(&GOOD.replace("refused", "a } in \\\" words {"), expect!["approve for 1 reason(s)"]);
}

#[test]
fn what_is_not_in_our_schema_is_refused() {
    check("", expect!["no JSON object in it"]);
    check("I approve.", expect!["no JSON object in it"]);
    check(&GOOD[..GOOD.len() - 1], expect!["ends before its JSON object does"]);
    check(&format!("{GOOD}{GOOD}"), expect!["holds a second JSON object"]);
    check(&GOOD.replace("approve", "execute"), expect!["not in our schema (line 2, column 19)"]);
    check(&GOOD.replace("80", "101"), expect!["beyond the limits of our schema"]);
    check(&GOOD.replace("80", "80.5"), expect!["not in our schema (line 2, column 41)"]);
    check(&GOOD.replace("80", "-1"), expect!["not in our schema (line 2, column 39)"]);
    check(&GOOD.replace("E03", "E65"), expect!["not in our schema (line 1, column 55)"]);
    check(&GOOD.replace("SUSPECT_DOWN", "BECAUSE"), expect!["not in our schema (line 1, column 29)"]);
    check(
        &GOOD.replace("\"alternative\"", "\"run\":\"rm\",\"alternative\""),
        expect!["not in our schema (line 2, column 87)"],
    );
    check(&GOOD.replace(",\"alternative\":\"none\"", ""), expect!["not in our schema (line 2, column 82)"]);
    check(
        &GOOD.replace("\"verdict\"", "\"verdict\":\"veto\",\"verdict\""),
        expect![["not in our schema (line 2, column 26)"]],
    );
    check(
        &GOOD.replace(r#"{"e":"E03","v":1}"#, r#"["E03",1]"#),
        expect!["a list stands where our schema wants an object"],
    );
    check(&GOOD.replace("refused", &"x".repeat(401)), expect!["beyond the limits of our schema"]);
}

#[test]
fn size_and_depth_are_bounded_before_anything_is_read() {
    check(&" ".repeat(ANSWER_BYTES_MAX + 1), expect!["16385 bytes, at most 16384"]);
    check(&format!("{{\"a\":{}", "[".repeat(10_000)), expect!["nests deeper than 6"]);
}

proptest! {
    #[test]
    fn no_text_at_all_makes_the_reader_panic(text in ".*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_bent_answer_makes_the_reader_panic(at in 0..GOOD.len(), with in any::<char>()) {
        let mut bent = GOOD.to_owned();
        bent.replace_range(at..=at, &with.to_string());
        let _ = parse(&bent);
    }
}
