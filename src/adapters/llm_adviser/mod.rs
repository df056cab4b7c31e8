//! The adviser: any OpenAI-compatible server, asked inside a deadline, believed only as far as grounding allows.
//!
//! One question at a time, one attempt each, our deadline outermost; whatever happens ends in an [`Opinion`], never in
//! an error or a panic. Deliberately no streaming, no retries and no conversation: a brief in, an opinion out.

mod circuit;
mod ladder;
mod leaf;
mod options;
mod rules_only;
mod wire;

pub use circuit::{Circuit, CircuitOptions};
pub use ladder::{Ladder, Shape, Stepped};
pub use options::{AdviserError, AdviserOptions, ApiKey};
pub use rules_only::{ModelOrRules, RulesOnly};

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_openai::Client;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::leaf::{Leaf, http_client, reason};
use self::options::Access;
use self::wire::{Completion, Ended, Heard, Ordered, Question, request};
use super::clock;
use crate::decide::advice::{PROMPT, SCHEMA, digest, judge, message, unasked};
use crate::model::advice::{
    Brief, Fact, FactId, FactKey, NoOpinion, Opinion, Outcome, Proposal, Subject, Tokens, Urgency,
};
use crate::model::ids::Digest;
use crate::model::plan::Class;
use crate::model::time::Timestamp;
use crate::ports::Adviser;

/// Installs ring as the process's TLS provider, unless one stands already; `main` calls it first, tests too.
pub fn install_ring() {
    let ring = tokio_rustls::rustls::crypto::ring::default_provider();
    // An error says that a provider stands already, which is all that is wanted.
    let _stands_already = ring.install_default();
}

/// An OpenAI-compatible server as adviser.
pub struct LlmAdviser {
    client: Client<Access>,
    options: AdviserOptions,
    schema: Ordered,
    started: Instant,
    /// One question at a time: a second one would only slow both down, and only the leader asks.
    turn: Semaphore,
    memory: Mutex<Memory>,
}

/// What the adviser remembers between questions.
#[derive(Debug)]
struct Memory {
    ladder: Ladder,
    circuit: Circuit,
    last: Option<(Timestamp, Opinion)>,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// The form in use from here on.
    pub shape: Shape,
    /// Why it is not known to work; none where it answered in our schema.
    pub doubt: Option<NoOpinion>,
    /// The forms that did not work before it, and why.
    pub passed_over: Vec<(Shape, NoOpinion)>,
}

impl std::fmt::Debug for LlmAdviser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LlmAdviser").field("options", &self.options).finish_non_exhaustive()
    }
}

impl LlmAdviser {
    /// Gives an adviser over a server; nothing is sent yet.
    ///
    /// Errors: [`AdviserError`] names the option to correct, or what the machine lacks.
    pub fn new(options: AdviserOptions) -> Result<Self, AdviserError> {
        let access = Access::new(&options)?;
        let http = http_client(&options, access.transport)?;
        let leaf = Leaf::new(http.clone(), options.answer_bytes_max);
        let memory = Memory { ladder: Ladder::default(), circuit: Circuit::new(options.circuit), last: None };
        Ok(Self {
            client: Client::build(http, access).with_http_service(leaf),
            options,
            // The schema is a constant whose test reads it; a server that got `{}` would be caught by our own reading.
            schema: serde_json::from_str(SCHEMA).unwrap_or(Ordered::Fields(Vec::new())),
            started: clock::now(),
            turn: Semaphore::new(1),
            memory: Mutex::new(memory),
        })
    }

    /// Finds the form in which the server answers in our schema, within `deadline`; call it at start-up, and again while the
    /// server is not there.
    ///
    /// Each attempt takes a turn of its own: a question that comes in between waits for one attempt at most.
    pub async fn probe(&self, deadline: Duration) -> Probed {
        let started = self.now();
        let brief = probe_brief();
        let mut passed_over = Vec::new();
        loop {
            let left = deadline.saturating_sub(self.now().since(started));
            let Ok(Ok(turn)) = timeout(left, self.turn.acquire()).await else {
                return Probed { shape: self.memory().ladder.shape(), doubt: Some(NoOpinion::Busy), passed_over };
            };
            let shape = self.memory().ladder.shape();
            let answered = self.ask(&brief, shape, deadline.saturating_sub(self.now().since(started))).await;
            drop(turn);
            let opinion = self.judged(&brief, shape, answered);
            let why = match opinion.outcome {
                Outcome::Said(_) | Outcome::None(NoOpinion::Ungrounded) => {
                    self.memory().ladder.works();
                    return Probed { shape, doubt: None, passed_over };
                }
                Outcome::None(why) => why,
            };
            if self.step_down(why) == Stepped::Stays {
                return Probed { shape, doubt: Some(why), passed_over };
            }
            passed_over.push((shape, why));
        }
    }

    /// Asks once.
    async fn ask(&self, brief: &Brief, shape: Shape, within: Duration) -> Result<Heard, NoOpinion> {
        let user = message(brief);
        let question = Question {
            model: &self.options.model,
            system: PROMPT,
            user: &user,
            schema: &self.schema,
            tokens_max: self.options.answer_tokens_max,
        };
        let chat = self.client.chat();
        let call = chat.create_byot::<_, Completion>(request(&question, shape));
        match timeout(within, call).await {
            Err(_passed) => Err(NoOpinion::Deadline),
            Ok(Err(error)) => Err(reason(error)),
            Ok(Ok(completion)) => completion.heard(),
        }
    }

    /// Gives the opinion that an answer amounts to.
    fn judged(&self, brief: &Brief, shape: Shape, answered: Result<Heard, NoOpinion>) -> Opinion {
        let (raw, parsed, outcome, tokens): (Option<Digest>, _, _, Option<Tokens>) = match answered {
            Err(why) => (None, None, Outcome::None(why), None),
            Ok(heard) => {
                let (parsed, outcome) = judge(brief, &heard.text);
                let cut = heard.ended == Ended::AtLimit && outcome == Outcome::None(NoOpinion::Malformed);
                let outcome = if cut { Outcome::None(NoOpinion::Truncated) } else { outcome };
                (Some(digest(&heard.text)), parsed, outcome, heard.tokens)
            }
        };
        let model = Some(self.options.model.clone());
        let (rung, dialect) = (Some(shape.rung), Some(shape.dialect));
        Opinion { model, rung, dialect, raw, parsed, outcome, tokens, ..unasked(brief, NoOpinion::Off) }
    }

    /// Notes what an opinion says about server, form and model.
    fn remember(&self, opinion: &Opinion) {
        let now = self.now();
        let said = match &opinion.outcome {
            Outcome::Said(said) => Some(said.verdict),
            Outcome::None(why) => {
                tracing::warn!(
                    reason = why.name(),
                    ?why,
                    latency_ms = opinion.latency_ms,
                    "the adviser gave no opinion"
                );
                if is_servers(*why) {
                    self.memory().circuit.failed(now);
                    // Whichever form it is now, the next question takes it; this one has had its attempt.
                    let _next = self.step_down(*why);
                    return;
                }
                None
            }
        };
        let mut memory = self.memory();
        memory.circuit.answered(now, said);
        if opinion.parsed.is_some() {
            memory.ladder.works();
        }
        if said.is_some() {
            memory.last = Some((now, opinion.clone()));
        }
    }

    /// Takes the next form where the reason is about the form.
    fn step_down(&self, why: NoOpinion) -> Stepped {
        // Bad request, unsupported media type, unprocessable, not implemented: the form was refused.
        let refused =
            matches!(why, NoOpinion::Refused { status: 400 | 415 | 422 } | NoOpinion::ServerFailed { status: 501 });
        let ignored = matches!(why, NoOpinion::Malformed | NoOpinion::Empty);
        let mut memory = self.memory();
        if refused {
            memory.ladder.refused()
        } else if ignored {
            memory.ladder.ignored()
        } else {
            Stepped::Stays
        }
    }

    /// Gives the last opinion if it was about the same evidence and is young enough.
    fn remembered(&self, brief: &Brief, now: Timestamp) -> Option<Opinion> {
        let memory = self.memory();
        let (at, opinion) = memory.last.as_ref()?;
        (opinion.brief.same_evidence(brief) && now.since(*at) < self.options.reuse_for).then(|| opinion.clone())
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // What it holds is whole between any two statements: a panic elsewhere cannot have torn it.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        Timestamp::default().plus(clock::now().saturating_duration_since(self.started))
    }
}

impl Adviser for LlmAdviser {
    async fn advise(&self, brief: &Brief, deadline: Duration) -> Opinion {
        let asked = self.now();
        if let Some(opinion) = self.remembered(brief, asked) {
            return opinion;
        }
        if let Some(breaker) = self.memory().circuit.open(asked) {
            return unasked(brief, NoOpinion::BreakerOpen(breaker));
        }
        let Ok(Ok(_turn)) = timeout(deadline, self.turn.acquire()).await else {
            return Opinion { latency_ms: millis(self.now().since(asked)), ..unasked(brief, NoOpinion::Busy) };
        };
        let left = deadline.saturating_sub(self.now().since(asked));
        let shape = self.memory().ladder.shape();
        let answered = self.ask(brief, shape, left).await;
        let mut opinion = self.judged(brief, shape, answered);
        opinion.latency_ms = millis(self.now().since(asked));
        self.remember(&opinion);
        opinion
    }
}

/// Tells whether a reason is about the server rather than the model.
fn is_servers(why: NoOpinion) -> bool {
    match why {
        NoOpinion::Deadline
        | NoOpinion::Unreachable
        | NoOpinion::Redirected { .. }
        | NoOpinion::Refused { .. }
        | NoOpinion::RateLimited
        | NoOpinion::ServerFailed { .. }
        | NoOpinion::TooLarge
        | NoOpinion::BadEnvelope => true,
        NoOpinion::Off
        | NoOpinion::BreakerOpen(_)
        | NoOpinion::Busy
        | NoOpinion::NotAwaited
        | NoOpinion::Empty
        | NoOpinion::Declined
        | NoOpinion::Truncated
        | NoOpinion::Malformed
        | NoOpinion::Ungrounded => false,
    }
}

/// The question that a probe asks: small, and nothing in it is about the cluster.
fn probe_brief() -> Brief {
    let suspect = Subject::Broker(1);
    let rows = [(FactKey::VotesRed, 3), (FactKey::VotesTotal, 3), (FactKey::Refused, 1)];
    let facts = rows.iter().enumerate().filter_map(|(place, &(key, value))| {
        Some(Fact { age_ms: Some(100), id: FactId::at(place)?, key, observer: None, subject: suspect, value })
    });
    Brief {
        absent: Vec::new(),
        facts: facts.collect(),
        proposal: Proposal {
            acts: Vec::new(),
            candidates: Vec::new(),
            class: Class::R0,
            finding: None,
            suspect: Some(suspect),
            urgency: Urgency::U3,
        },
    }
}

fn millis(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}
