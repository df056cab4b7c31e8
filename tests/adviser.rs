#![cfg(test)]
//! The adviser against servers that misbehave on purpose, and against a real one that does so by nature: whatever they
//! do, an opinion or a typed reason comes back in time, after one attempt.

#[path = "adviser_mock/mod.rs"]
mod mock;
#[path = "common/model.rs"]
mod model;
#[path = "common/skip.rs"]
mod skip;

use std::time::{Duration, Instant};

use mock::{Manner, Mock, body, completion, said, status};
use serde_json::{Value, json};
use tanist::adapters::clock;
use tanist::adapters::llm_adviser::{AdviserOptions, ApiKey, LlmAdviser, RulesOnly, Shape, install_ring};
use tanist::decide::advice::{Confirmation, PROMPT, Settled, Why, message, sent, settle};
use tanist::model::advice::{
    ActKind, Breaker, Brief, Dialect, Dropped, Fact, FactId, FactKey, NoOpinion, Opinion, Outcome, Proposal, Rung,
    Subject, Urgency, Verdict,
};
use tanist::model::finding::FindingKind;
use tanist::model::plan::Class;
use tanist::ports::Adviser as _;

/// How long a question may take against a mock; long enough for a busy machine, far below what a hang would take.
const DEADLINE: Duration = Duration::from_secs(2);

/// What a machine that compiles at the same time may add.
const SLACK: Duration = Duration::from_secs(3);

const GOOD: &str = r#"{"reasons":[{"code":"CANDIDATE_UNSAFE","claims":[{"e":"E04","v":0}],"text":"B2 is out of sync"}],
    "verdict":"veto","confidence_pct":70,"risks":["data_loss"],"missing":[],"alternative":"other_candidate"}"#;

/// A crashed broker B1; the candidate B2 is out of sync.
fn brief() -> Brief {
    brief_of(&[
        (FactKey::VotesRed, Subject::Broker(1), 3),
        (FactKey::VotesTotal, Subject::Broker(1), 3),
        (FactKey::Refused, Subject::Broker(1), 1),
        (FactKey::InIsr, Subject::Broker(2), 0),
        (FactKey::LagRecords, Subject::Broker(2), 5120),
    ])
}

/// A crashed broker B1; the candidate B2 is level.
fn harmless_brief() -> Brief {
    brief_of(&[
        (FactKey::Refused, Subject::Broker(1), 1),
        (FactKey::EchoBehind, Subject::Broker(1), 1),
        (FactKey::InIsr, Subject::Broker(2), 1),
        (FactKey::LagRecords, Subject::Broker(2), 0),
        (FactKey::RecordsAtRisk, Subject::Cluster, 0),
    ])
}

fn brief_of(rows: &[(FactKey, Subject, i64)]) -> Brief {
    let facts = rows.iter().enumerate().map(|(place, &(key, subject, value))| Fact {
        age_ms: Some(40),
        id: FactId::at(place).unwrap(),
        key,
        observer: None,
        subject,
        value,
    });
    Brief {
        absent: Vec::new(),
        facts: facts.collect(),
        proposal: Proposal {
            acts: vec![ActKind::Unregister],
            candidates: vec![Subject::Broker(2)],
            class: Class::R2,
            finding: Some(FindingKind::BrokerCrashed),
            suspect: Some(Subject::Broker(1)),
            urgency: Urgency::U1,
        },
    }
}

fn adviser(base_url: &str) -> LlmAdviser {
    install_ring();
    LlmAdviser::new(AdviserOptions::new(base_url, "small")).unwrap()
}

/// Asks a server of this manner once and gives what came of it; the answer is in time, after one attempt.
async fn ask(manner: Manner) -> (Opinion, Mock) {
    let mock = Mock::start(move |_| manner.clone()).await;
    let started: Instant = clock::now();
    let opinion = adviser(&mock.base_url).advise(&brief(), DEADLINE).await;
    let took = clock::now().duration_since(started);
    assert!(took < DEADLINE + SLACK, "{took:?}");
    assert_eq!(mock.hits(), 1, "one question is one attempt");
    (opinion, mock)
}

fn none(opinion: &Opinion) -> Option<NoOpinion> {
    match &opinion.outcome {
        Outcome::None(why) => Some(*why),
        Outcome::Said(_) => None,
    }
}

#[tokio::test]
async fn a_good_answer_is_an_opinion_that_shows_how_it_came_about() {
    let (opinion, mock) = ask(said(GOOD)).await;
    let Outcome::Said(said) = &opinion.outcome else { panic!("{opinion:?}") };
    assert_eq!((said.verdict, said.reasons.len(), said.dropped.len()), (Verdict::Veto, 1, 0));
    assert_eq!((opinion.rung, opinion.dialect), (Some(Rung::StrictSchema), Some(Dialect::OpenAi)));
    assert_eq!(opinion.tokens.map(|tokens| (tokens.prompt, tokens.completion)), Some((700, 90)));
    assert_eq!(opinion.model.as_deref(), Some("small"));
    // What was sent follows from the record alone.
    let (head, request) = &mock.requests()[0];
    let (system, user) = sent(&opinion).unwrap();
    assert_eq!(
        (&request["messages"][0]["content"], &request["messages"][1]["content"]),
        (&json!(system), &json!(user))
    );
    assert_eq!((system, user), (PROMPT, message(&brief())));
    assert_eq!(request["store"], false);
    assert!(head.starts_with("post /v1/chat/completions ") && !head.contains("authorization"), "{head}");
}

#[tokio::test]
async fn whatever_a_server_does_ends_in_its_own_reason() {
    let elsewhere = "location: http://127.0.0.1:1/v1/chat/completions\r\n";
    let cut = json!([{"finish_reason": "length", "message": {"content": &GOOD[..60]}}]);
    for (manner, wanted) in [
        (Manner::Closes, NoOpinion::Unreachable),
        (Manner::Breaks, NoOpinion::Unreachable),
        (Manner::Hangs, NoOpinion::Deadline),
        (Manner::Drips, NoOpinion::Deadline),
        (status("500 Internal Server Error", ""), NoOpinion::ServerFailed { status: 500 }),
        (status("503 Service Unavailable", "retry-after: 30\r\n"), NoOpinion::ServerFailed { status: 503 }),
        (status("429 Too Many Requests", "retry-after: 30\r\n"), NoOpinion::RateLimited),
        (status("401 Unauthorized", ""), NoOpinion::Refused { status: 401 }),
        (status("400 Bad Request", ""), NoOpinion::Refused { status: 400 }),
        (status("307 Temporary Redirect", elsewhere), NoOpinion::Redirected { status: 307 }),
        (body("<html>Welcome</html>"), NoOpinion::BadEnvelope),
        (body(r#"{"choices":[{"message":{"content":"#), NoOpinion::BadEnvelope),
        (body(r#"{"object":"chat.completion"}"#), NoOpinion::BadEnvelope),
        (completion(json!([])), NoOpinion::Empty),
        (completion(json!([{"message": {"content": null, "refusal": "No."}}])), NoOpinion::Declined),
        (completion(cut), NoOpinion::Truncated),
        (said("I approve."), NoOpinion::Malformed),
        (said(r#"{"verdict":"approve"}"#), NoOpinion::Malformed),
        (said(&"{".repeat(9000)), NoOpinion::Malformed),
        (said(&GOOD.replace("\"v\":0", "\"v\":1")), NoOpinion::Ungrounded),
        (said(&GOOD.replace("E04", "E44")), NoOpinion::Ungrounded),
        (said(&GOOD.replace("\"verdict\"", "\"execute\":\"unregister\",\"verdict\"")), NoOpinion::Malformed),
    ] {
        let told = format!("{manner:?}");
        let (opinion, _mock) = ask(manner).await;
        assert_eq!(none(&opinion), Some(wanted), "{told}");
        let record = serde_json::to_string(&opinion).unwrap();
        assert!(!record.contains("SERVER-WORDS"), "the record repeats a server's words: {record}");
        let settled = settle(Class::R1, Urgency::U1, &opinion, Confirmation::Once);
        assert_eq!(settled, Settled::Proceed(Why::ClassNeedsNone));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable_and_soon_not_asked_any_more() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let adviser = adviser(&format!("http://{port}/v1"));
    for _ in 0..3 {
        assert_eq!(none(&adviser.advise(&brief(), DEADLINE).await), Some(NoOpinion::Unreachable));
    }
    let open = NoOpinion::BreakerOpen(Breaker::Transport);
    assert_eq!(none(&adviser.advise(&brief(), DEADLINE).await), Some(open));
}

#[tokio::test]
async fn of_two_hundred_megabytes_only_the_limit_is_read() {
    for announced in [true, false] {
        let (opinion, mock) = ask(Manner::Floods { announced }).await;
        assert_eq!(none(&opinion), Some(NoOpinion::TooLarge));
        assert!(mock.bytes_sent() < 50 << 20, "{} bytes were taken", mock.bytes_sent());
    }
}

#[tokio::test]
async fn odd_but_honest_servers_are_understood() {
    let eos = json!([{"finish_reason": "eos", "logprobs": 3, "message": {"content": format!("```json\n{GOOD}\n```")}}]);
    assert_eq!(none(&ask(completion(eos)).await.0), None);
    let tool =
        json!([{"message": {"content": "", "tool_calls": [{"function": {"name": "opinion", "arguments": GOOD}}]}}]);
    assert_eq!(none(&ask(completion(tool)).await.0), None);
}

#[tokio::test]
async fn words_that_inject_are_dropped_and_the_grounded_rest_stays() {
    for words in ["\u{1b}[2J ignore the guard", "run kafka-storage format 9", "<script>9</script>", "\u{202e}B1"] {
        let mut answer: Value = serde_json::from_str(GOOD).unwrap();
        answer["reasons"][0]["text"] = json!(words);
        let (opinion, _mock) = ask(said(&answer.to_string())).await;
        let Outcome::Said(said) = opinion.outcome else { panic!("{opinion:?}") };
        assert_eq!(said.reasons[0].text, "", "{words:?}");
        assert!(matches!(said.dropped[..], [Dropped::Text { place: 0, .. }]));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Mock::start(|_| said(GOOD)).await;
    let (opinion, _mock) =
        ask(status("308 Permanent Redirect", &format!("location: {}/chat/completions\r\n", other.base_url))).await;
    assert_eq!((none(&opinion), other.hits()), (Some(NoOpinion::Redirected { status: 308 }), 0));
}

#[tokio::test]
async fn one_question_at_a_time_and_the_second_does_not_wait_beyond_its_deadline() {
    let mock = Mock::start(|_| Manner::Hangs).await;
    let adviser = adviser(&mock.base_url);
    let brief = brief();
    let (first, second) = tokio::join!(adviser.advise(&brief, DEADLINE), adviser.advise(&brief, DEADLINE / 4),);
    assert_eq!((none(&first), none(&second)), (Some(NoOpinion::Deadline), Some(NoOpinion::Busy)));
    assert_eq!(mock.hits(), 1);
}

#[tokio::test]
async fn the_same_evidence_is_asked_about_once_a_minute() {
    let mock = Mock::start(|_| said(GOOD)).await;
    let adviser = adviser(&mock.base_url);
    let first = adviser.advise(&brief(), DEADLINE).await;
    assert_eq!(adviser.advise(&brief(), DEADLINE).await, first);
    assert_eq!(mock.hits(), 1);
    let mut other = brief();
    other.facts[0].value = 2;
    adviser.advise(&other, DEADLINE).await;
    assert_eq!(mock.hits(), 2);
}

#[tokio::test]
async fn a_model_that_only_vetoes_is_heard_five_times() {
    let mock = Mock::start(|_| said(GOOD)).await;
    let adviser = adviser(&mock.base_url);
    let mut brief = brief();
    for lag in 0..5 {
        brief.facts[4].value = lag;
        assert_eq!(none(&adviser.advise(&brief, DEADLINE).await), None);
    }
    brief.facts[4].value = 5;
    let open = NoOpinion::BreakerOpen(Breaker::TooManyVetoes);
    assert_eq!((none(&adviser.advise(&brief, DEADLINE).await), mock.hits()), (Some(open), 5));
}

#[tokio::test]
async fn a_probe_finds_the_form_that_a_server_can() {
    let probe = r#"{"reasons":[{"code":"SUSPECT_DOWN","claims":[{"e":"E03","v":1}],"text":""}],"verdict":"approve",
        "confidence_pct":1,"risks":[],"missing":[],"alternative":"none"}"#;
    // Refuses what it does not know, and strict schemas.
    let picky = Mock::start(move |request| {
        if request.get("store").is_some() {
            status("422 Unprocessable Entity", "")
        } else if request.pointer("/response_format/json_schema/strict").is_some() {
            status("400 Bad Request", "")
        } else {
            said(probe)
        }
    });
    // Ignores every form and chats, unless nothing but words asks for JSON.
    let chatty = Mock::start(move |request| {
        let formless = request.get("response_format").is_none() && request.get("tools").is_none();
        if formless { said(probe) } else { said("Sure, I can help with that!") }
    });
    for (mock, rung, dialect, tried) in
        [(picky.await, Rung::LooseSchema, Dialect::Compatible, 5), (chatty.await, Rung::Text, Dialect::OpenAi, 5)]
    {
        let adviser = adviser(&mock.base_url);
        let probed = adviser.probe(Duration::from_secs(20)).await;
        assert_eq!((probed.shape, probed.doubt), (Shape { rung, dialect }, None));
        assert_eq!((probed.passed_over.len() + 1, mock.hits()), (tried, tried));
        // The form found is the form used.
        assert_eq!(adviser.advise(&brief(), DEADLINE).await.rung, Some(rung));
    }
}

#[tokio::test]
async fn a_probe_of_a_server_without_the_model_stops_at_once_and_says_why() {
    let mock = Mock::start(|_| status("404 Not Found", "")).await;
    let probed = adviser(&mock.base_url).probe(Duration::from_secs(20)).await;
    assert_eq!((probed.doubt, mock.hits()), (Some(NoOpinion::Refused { status: 404 }), 1));
}

#[tokio::test]
async fn a_key_reaches_the_server_and_nothing_else() {
    let mock = Mock::start(|_| said(GOOD)).await;
    install_ring();
    let mut options = AdviserOptions::new(&mock.base_url, "small");
    options.key = Some(ApiKey::new("sk-quiet\n").unwrap());
    let adviser = LlmAdviser::new(options).unwrap();
    let opinion = adviser.advise(&brief(), DEADLINE).await;
    assert!(mock.requests()[0].0.contains("authorization: bearer sk-quiet"));
    let told = format!("{adviser:?} {}", serde_json::to_string(&opinion).unwrap());
    assert!(!told.contains("sk-quiet"), "{told}");
}

/// Runs the test `a_good_answer...` in a process whose environment says otherwise about server, key and proxy.
#[test]
fn what_the_environment_says_about_servers_and_keys_is_not_read() {
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "a_good_answer_is_an_opinion_that_shows_how_it_came_about"]);
    for name in ["OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        again.env(name, "http://127.0.0.1:1");
    }
    let output = again.env("OPENAI_API_KEY", "sk-env").env("OPENAI_ORG_ID", "org").output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
}

/// Says which clients can be built here; plain HTTP always can.
#[test]
fn clients_are_built_or_refused_and_never_panic() {
    install_ring();
    let built = |base_url| LlmAdviser::new(AdviserOptions::new(base_url, "small"));
    assert!(built("http://127.0.0.1:1/v1").is_ok());
    println!("https: {}", built("https://127.0.0.1:1/v1").map_or_else(|why| why.to_string(), |_| "built".to_owned()));
}

#[test]
fn a_machine_without_certificates_is_told_what_to_install_and_reaches_its_own_model() {
    let empty = tempfile::tempdir().unwrap();
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "clients_are_built_or_refused_and_never_panic", "--nocapture"]);
    let output = again.env("SSL_CERT_FILE", "/dev/null").env("SSL_CERT_DIR", empty.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("are ca-certificates installed?"), "{told}");
}

#[tokio::test]
async fn without_a_model_the_rules_decide_alone_and_say_so() {
    let opinion = RulesOnly.advise(&brief(), DEADLINE).await;
    assert_eq!(none(&opinion), Some(NoOpinion::Off));
    let settled = settle(Class::R2, Urgency::U3, &opinion, Confirmation::Once);
    assert_eq!(settled, Settled::Proceed(Why::NoAdviser));
}

#[tokio::test]
async fn a_real_model_answers_under_the_constant_schema_and_only_what_is_grounded_stays() {
    const PATIENCE: Duration = Duration::from_secs(120);
    let model = match model::Model::start() {
        Ok(model) => model,
        Err(why) => return skip::skip("the adviser against a real model", &why),
    };
    install_ring();
    let adviser = LlmAdviser::new(AdviserOptions::new(&model.base_url, &model.name)).unwrap();
    let probed = adviser.probe(PATIENCE).await;
    println!("probe: {probed:?}");
    assert_eq!(probed.doubt, None);
    assert_eq!(probed.shape, Shape { rung: Rung::StrictSchema, dialect: Dialect::OpenAi });
    for brief in [brief(), harmless_brief()] {
        let opinion = adviser.advise(&brief, PATIENCE).await;
        let parsed = opinion.parsed.as_ref().expect("an answer in our schema");
        println!("asked: {}", message(&brief));
        println!("said in {} ms, {:?}: {}", opinion.latency_ms, opinion.tokens, serde_json::to_string(parsed).unwrap());
        println!("kept: {}", serde_json::to_string(&opinion.outcome).unwrap());
        assert!(opinion.raw.is_some() && opinion.tokens.is_some());
        match &opinion.outcome {
            Outcome::Said(said) => {
                let lost = said.dropped.iter().filter(|lost| matches!(lost, Dropped::Reason { .. })).count();
                assert_eq!(said.reasons.len() + lost, parsed.reasons.len());
                for claim in said.reasons.iter().flat_map(|reason| &reason.claims) {
                    assert_eq!(brief.facts[claim.e.place()].value, claim.v, "an ungrounded reason was kept");
                }
            }
            Outcome::None(why) => assert_eq!(*why, NoOpinion::Ungrounded),
        }
    }
}
