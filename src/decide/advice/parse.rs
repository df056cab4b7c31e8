//! Reads a model's text: one JSON object in our schema, or a typed reason why it is none.
//!
//! Whatever the server promised, this is the only reading. Deliberately no repair: a text that is nearly right is
//! wrong, and no error repeats a byte of it.

use crate::model::advice::{Reason, Reply};

/// The longest text that is read at all; the constant schema's longest answer is below 2 KiB.
///
/// Units: bytes.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// How deep an answer may nest; ours needs four levels.
const DEPTH_MAX: usize = 6;

/// Servers without schema enforcement may overshoot the schema's own limits somewhat, not more.
const REASONS_MAX: usize = 8;
const CLAIMS_MAX: usize = 8;
const WORDS_MAX: usize = 26;

/// Units: bytes.
const TEXT_BYTES_MAX: usize = 400;

/// What a reasoning model ends its thinking with; what comes before is not its answer.
const THOUGHT_END: &str = "</think>";

/// Why a text is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unparsed {
    /// Longer than [`ANSWER_BYTES_MAX`].
    #[error("{bytes} bytes, at most {ANSWER_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Holds no JSON object.
    #[error("no JSON object in it")]
    NoObject,
    /// Nests too deep.
    #[error("nests deeper than {DEPTH_MAX}")]
    TooDeep,
    /// Ends before its object does.
    #[error("ends before its JSON object does")]
    Unclosed,
    /// Holds a second object: which of the two counts is not ours to guess.
    #[error("holds a second JSON object")]
    Trailing,
    /// Is in our schema, but beyond its limits.
    #[error("beyond the limits of our schema")]
    BeyondLimits,
    /// Has a list where our schema wants an object.
    #[error("a list stands where our schema wants an object")]
    ListForObject,
    /// Is an object, but not in our schema.
    #[error("not in our schema (line {line}, column {column})")]
    NotOurs {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
}

/// Reads the one answer that a text holds; words and fences around it are ignored.
///
/// Errors: [`Unparsed`] says why it holds none.
pub fn parse(text: &str) -> Result<Reply, Unparsed> {
    if ANSWER_BYTES_MAX < text.len() {
        return Err(Unparsed::TooLong { bytes: text.len() });
    }
    let answer = text.rsplit_once(THOUGHT_END).map_or(text, |(_, answer)| answer);
    let object = only_object(answer)?;
    let bad = |error: &serde_json::Error| Unparsed::NotOurs { line: error.line(), column: error.column() };
    let reply: Reply = serde_json::from_str(object).map_err(|error| bad(&error))?;
    let value: serde_json::Value = serde_json::from_str(object).map_err(|error| bad(&error))?;
    // serde reads a list as a struct, field by field; the schema does not.
    if !serde_json::to_value(&reply).is_ok_and(|again| again == value) {
        return Err(Unparsed::ListForObject);
    }
    if within_limits(&reply) { Ok(reply) } else { Err(Unparsed::BeyondLimits) }
}

fn within_limits(reply: &Reply) -> bool {
    reply.reasons.len() <= REASONS_MAX
        && reply.reasons.iter().all(reason_within_limits)
        && reply.risks.len() <= WORDS_MAX
        && reply.missing.len() <= WORDS_MAX
        && reply.confidence_pct <= 100
}

fn reason_within_limits(reason: &Reason) -> bool {
    reason.claims.len() <= CLAIMS_MAX && reason.text.len() <= TEXT_BYTES_MAX
}

/// Gives the slice from the first brace to the one that closes it.
fn only_object(text: &str) -> Result<&str, Unparsed> {
    let start = text.find('{').ok_or(Unparsed::NoObject)?;
    let object = text.get(start..).unwrap_or_default();
    let end = object_end(object)?;
    let rest = object.get(end..).unwrap_or_default();
    if rest.contains('{') {
        return Err(Unparsed::Trailing);
    }
    object.get(..end).ok_or(Unparsed::Unclosed)
}

/// Gives the length of the object that `text` starts with.
fn object_end(text: &str) -> Result<usize, Unparsed> {
    let mut depth = 0_usize;
    let mut in_string = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                if DEPTH_MAX < depth {
                    return Err(Unparsed::TooDeep);
                }
            }
            (false, b'}' | b']') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Ok(at + 1);
                }
            }
            _ => {}
        }
    }
    Err(Unparsed::Unclosed)
}
