//! Advice: what the model is asked, how its answer is read, what of it counts, and what follows.
//!
//! The engine decides, the model checks: everything here narrows what the guard allows, nothing widens it.
//! Deliberately no asking: the adviser port does that. [`message`] and [`PROMPT`] are all that is ever sent, and both
//! follow from the record, so that what was sent can be shown years later.

mod brief;
mod ground;
mod parse;
mod settle;

pub use crate::model::advice::{Hold, Settled, Why};
pub use brief::{Asked, Names, brief, urgency};
pub use ground::ground;
pub use parse::{ANSWER_BYTES_MAX, Unparsed, parse};
pub use settle::{Budget, CONFIRM_AGAIN_AFTER, Confirmation, budget, narrow, settle};

use sha2::{Digest as _, Sha256};

use crate::model::advice::{Brief, NoOpinion, Opinion, Outcome, PromptId, Reply};
use crate::model::canon::to_canonical_bytes;
use crate::model::ids::Digest;

/// The number of the prompt and schema in force; a changed text gets a new number and the old one stays readable.
pub const PROMPT_VERSION: u16 = 1;

/// The system message: the same bytes for every brief.
pub const PROMPT: &str = include_str!("prompt_v1.txt");

/// The answer's form as a JSON schema that fits OpenAI's strict mode: the same bytes for every brief.
pub const SCHEMA: &str = include_str!("schema_v1.json");

/// Gives the name of the prompt and schema in force.
#[must_use]
pub fn prompt_id() -> PromptId {
    let mut hash = Sha256::new();
    hash.update(PROMPT.as_bytes());
    // Neither text holds a NUL, so that the pair is read in one way only.
    hash.update([0]);
    hash.update(SCHEMA.as_bytes());
    PromptId { sha256: Digest(hash.finalize().into()), version: PROMPT_VERSION }
}

/// Gives the user message for a brief: its canonical JSON.
#[must_use]
pub fn message(brief: &Brief) -> String {
    let bytes = to_canonical_bytes(brief).unwrap_or_default();
    // Integers, closed words and tokens: writing them cannot fail. An empty message would be answered with nonsense,
    // which grounding takes away.
    String::from_utf8(bytes).unwrap_or_default()
}

/// Gives what was sent for an opinion: system and user message; none if its prompt is of another version.
#[must_use]
pub fn sent(opinion: &Opinion) -> Option<(&'static str, String)> {
    (opinion.prompt == prompt_id()).then(|| (PROMPT, message(&opinion.brief)))
}

/// Gives SHA-256 of a text.
#[must_use]
pub fn digest(text: &str) -> Digest {
    Digest(Sha256::digest(text.as_bytes()).into())
}

/// Gives what counts of a model's text, and what it said before grounding.
#[must_use]
pub fn judge(brief: &Brief, text: &str) -> (Option<Reply>, Outcome) {
    match parse(text) {
        Ok(reply) => {
            let outcome = ground(&reply, brief);
            (Some(reply), outcome)
        }
        Err(Unparsed::Unclosed) => (None, Outcome::None(NoOpinion::Truncated)),
        Err(Unparsed::TooLong { .. }) => (None, Outcome::None(NoOpinion::TooLarge)),
        Err(
            Unparsed::NoObject
            | Unparsed::TooDeep
            | Unparsed::Trailing
            | Unparsed::BeyondLimits
            | Unparsed::ListForObject
            | Unparsed::NotOurs { .. },
        ) => (None, Outcome::None(NoOpinion::Malformed)),
    }
}

/// Gives the opinion that stands where nobody was asked.
#[must_use]
pub fn unasked(brief: &Brief, why: NoOpinion) -> Opinion {
    Opinion {
        brief: brief.clone(),
        evidence: digest(&message(brief)),
        prompt: prompt_id(),
        model: None,
        rung: None,
        dialect: None,
        raw: None,
        parsed: None,
        outcome: Outcome::None(why),
        latency_ms: 0,
        tokens: None,
    }
}

#[cfg(test)]
mod tests;
