//! The opinion: what the model said, what grounding kept of it, and how it came to be asked.
//!
//! Deliberately without the prompt's text and the server's raw bytes: the first follows from the brief and the prompt's
//! number, the second are known by their hash.

use serde::{Deserialize, Serialize};

use super::brief::{Brief, FactId, FactKey};
use crate::model::ids::Digest;

/// What the adviser said of a brief, or why it said nothing that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// What was asked; with [`PromptId`] it gives back, byte for byte, what was sent.
    pub brief: Brief,
    /// SHA-256 of the brief's canonical JSON.
    pub evidence: Digest,
    /// The prompt and schema it was asked with.
    pub prompt: PromptId,
    /// The model's name as the operator configured it; none where nobody was asked.
    pub model: Option<String>,
    /// How the request was put; none where nothing was sent.
    pub rung: Option<Rung>,
    /// What the request carried beyond the least; none where nothing was sent.
    pub dialect: Option<Dialect>,
    /// SHA-256 of the text that the model answered; none where none arrived.
    pub raw: Option<Digest>,
    /// What the model said, after our own schema validation and before grounding.
    pub parsed: Option<Reply>,
    /// What counts.
    pub outcome: Outcome,
    /// Units: milliseconds from being asked to this opinion.
    pub latency_ms: u32,
    /// What the server said it cost.
    pub tokens: Option<Tokens>,
}

/// What counts of an opinion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// At least one reason is grounded.
    Said(Grounded),
    /// Nothing counts, and why.
    None(NoOpinion),
}

/// Which prompt and schema a model was asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptId {
    /// SHA-256 over prompt and schema.
    pub sha256: Digest,
    /// Its number; the texts of every number stay in the source.
    pub version: u16,
}

/// What the server said a call cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Units: tokens generated.
    pub completion: u32,
    /// Units: tokens read.
    pub prompt: u32,
}

/// The model's answer, in our own schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Why, each with its evidence.
    pub reasons: Vec<Reason>,
    /// What it answers.
    pub verdict: Verdict,
    /// How sure it says it is; recorded, never used. Units: percent, 0 to 100.
    pub confidence_pct: u8,
    /// What it fears.
    pub risks: Vec<Risk>,
    /// What it would have liked to know.
    pub missing: Vec<FactKey>,
    /// What it would do instead.
    pub alternative: Alternative,
}

/// One reason with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Which reason.
    pub code: ReasonCode,
    /// The facts it cites.
    pub claims: Vec<Claim>,
    /// The model's own words; empty where they were dropped.
    pub text: String,
}

/// One cited fact: its id and the value that the model says it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The fact.
    pub e: FactId,
    /// Its value, as the model read it.
    pub v: i64,
}

/// What grounding kept of a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounded {
    /// What the model answers; at least one kept reason leans its way.
    pub verdict: Verdict,
    /// Recorded, never used. Units: percent, 0 to 100.
    pub confidence_pct: u8,
    /// The reasons that are grounded.
    pub reasons: Vec<Reason>,
    /// What it fears.
    pub risks: Vec<Risk>,
    /// What it would have liked to know.
    pub missing: Vec<FactKey>,
    /// What it would do instead.
    pub alternative: Alternative,
    /// What was taken away, in the order of the reply.
    pub dropped: Vec<Dropped>,
}

/// Something that grounding took away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// A whole reason.
    Reason {
        /// Its place in the reply, from 0.
        place: u16,
        /// Why.
        why: Ungrounded,
    },
    /// Only the words of a reason that stays.
    Text {
        /// Its place in the reply, from 0.
        place: u16,
        /// Why.
        why: TextFate,
    },
}

closed_words! {
    /// What the model answers.
    Verdict {
        /// The plan fits the facts.
        Approve = "approve",
        /// The plan must not be carried out.
        Veto = "veto",
        /// A person should look.
        Escalate = "escalate",
    }
}

closed_words! {
    /// Which reason; each has its own rule of what must be cited (`decide::advice::ground`).
    ReasonCode {
        /// The suspect does not serve.
        SuspectDown = "SUSPECT_DOWN",
        /// The candidate is in sync, level and unfenced.
        CandidateSafe = "CANDIDATE_SAFE",
        /// The candidate is out of sync, behind or fenced.
        CandidateUnsafe = "CANDIDATE_UNSAFE",
        /// The candidate carries much already.
        CandidateLoaded = "CANDIDATE_LOADED",
        /// The candidate shares the suspect's rack.
        SharedRack = "SHARED_RACK",
        /// The suspect serves, at least somebody.
        SuspectAlive = "SUSPECT_ALIVE",
        /// The nodes do not agree.
        VotesSplit = "VOTES_SPLIT",
        /// Records may be lost.
        DataAtRisk = "DATA_AT_RISK",
        /// Partitions that serve now would stop.
        Collateral = "COLLATERAL",
        /// Too much of the cluster is red at once.
        BlastRadius = "BLAST_RADIUS",
        /// Somebody else is moving partitions.
        ForeignWork = "FOREIGN_WORK",
        /// The facts are old.
        EvidenceStale = "EVIDENCE_STALE",
        /// Facts are missing that matter.
        EvidenceMissing = "EVIDENCE_MISSING",
    }
}

closed_words! {
    /// What the model fears.
    Risk {
        /// Records may be lost.
        DataLoss = "data_loss",
        /// Fewer in sync than wanted.
        UnderMinIsr = "under_min_isr",
        /// The target may be overloaded.
        Overload = "overload",
        /// Leadership may go back and forth.
        Flapping = "flapping",
        /// The diagnosis may be wrong.
        WrongSuspect = "wrong_suspect",
    }
}

closed_words! {
    /// What the model would do instead.
    Alternative {
        /// Nothing else.
        None = "none",
        /// Wait and look again.
        Wait = "wait",
        /// Move to another candidate.
        OtherCandidate = "other_candidate",
        /// Move leadership only.
        ElectOnly = "elect_only",
        /// Fence the suspect.
        Fence = "fence",
        /// Ask a person.
        AskPerson = "ask_person",
    }
}

closed_words! {
    /// How the answer's form is asked for; probed at start-up, best first.
    Rung {
        /// `response_format` json_schema, strict.
        StrictSchema = "strict_schema",
        /// `response_format` json_schema, not strict.
        LooseSchema = "loose_schema",
        /// A tool that the model is forced to call.
        ForcedTool = "forced_tool",
        /// `response_format` json_object.
        JsonObject = "json_object",
        /// Words in the prompt alone.
        Text = "text",
    }
}

closed_words! {
    /// What a request carries beyond model, messages and the rung; probed with it, fullest first.
    Dialect {
        /// `store: false` and `max_completion_tokens`.
        OpenAi = "open_ai",
        /// `temperature: 0` and `max_tokens`: servers that refuse what they do not know.
        Compatible = "compatible",
        /// Nothing.
        Bare = "bare",
    }
}

closed_words! {
    /// Why a reason was deleted.
    Ungrounded {
        /// It cites nothing.
        NoClaim = "no_claim",
        /// It cites a fact that does not exist.
        NoSuchFact = "no_such_fact",
        /// It cites a fact with another value than the fact has.
        WrongValue = "wrong_value",
        /// Nothing that it cites could carry this code.
        NotCarried = "not_carried",
    }
}

closed_words! {
    /// Why the words of a reason were dropped.
    TextFate {
        /// A number in it is not among the cited values.
        UncitedNumber = "uncited_number",
        /// It holds something else than printable ASCII.
        NotPlain = "not_plain",
    }
}

closed_words! {
    /// Which breaker is open.
    Breaker {
        /// The server failed several times running.
        Transport = "transport",
        /// The model vetoes more than a useful adviser would.
        TooManyVetoes = "too_many_vetoes",
    }
}

/// Why there is no opinion. Never consent, and never an error: a value that `settle` has a row for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoOpinion {
    /// No adviser is configured: rules only.
    Off,
    /// A breaker is open; nobody was asked.
    BreakerOpen(Breaker),
    /// Another question was being asked until the deadline.
    Busy,
    /// The deadline passed.
    Deadline,
    /// A person decided before an answer was in, or before the present leader of the trio had asked.
    NotAwaited,
    /// No connection, or it broke.
    Unreachable,
    /// The server sent us elsewhere; we do not follow.
    Redirected {
        /// The HTTP status.
        status: u16,
    },
    /// The server refused: key, model or form.
    Refused {
        /// The HTTP status.
        status: u16,
    },
    /// The server has had too many requests; its `Retry-After` is not waited for.
    RateLimited,
    /// The server failed.
    ServerFailed {
        /// The HTTP status.
        status: u16,
    },
    /// The answer was larger than the limit.
    TooLarge,
    /// The HTTP answer was no chat completion.
    BadEnvelope,
    /// The completion held no text.
    Empty,
    /// The model would not answer.
    Declined,
    /// The text ended before the answer did.
    Truncated,
    /// The text was not an answer in our schema.
    Malformed,
    /// No reason was left that carries the verdict.
    Ungrounded,
}

impl NoOpinion {
    /// Gives the reason's name, as records, metrics and tables use it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::BreakerOpen(_) => "breaker_open",
            Self::Busy => "busy",
            Self::Deadline => "deadline",
            Self::NotAwaited => "not_awaited",
            Self::Unreachable => "unreachable",
            Self::Redirected { .. } => "redirected",
            Self::Refused { .. } => "refused",
            Self::RateLimited => "rate_limited",
            Self::ServerFailed { .. } => "server_failed",
            Self::TooLarge => "too_large",
            Self::BadEnvelope => "bad_envelope",
            Self::Empty => "empty",
            Self::Declined => "declined",
            Self::Truncated => "truncated",
            Self::Malformed => "malformed",
            Self::Ungrounded => "ungrounded",
        }
    }
}
