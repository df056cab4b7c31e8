//! A pretended adviser: answers, hangs, vetoes or lies. What it says goes through production's parsing and grounding.

use std::time::Duration;

use crate::decide::advice::{ground, judge, unasked};
use crate::model::advice::{
    Alternative, Brief, Claim, NoOpinion, Opinion, Outcome, Reason, ReasonCode, Reply, Verdict,
};

use super::chance::Chance;

/// How an adviser behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Adviser {
    /// None is configured.
    #[default]
    Off,
    /// Says yes.
    Approves,
    /// Says no.
    Vetoes,
    /// Asks for a person.
    Escalates,
    /// Never answers.
    Hangs,
    /// Answers arbitrary bytes.
    Lies,
    /// One of these, each time.
    Moody,
}

/// How long an answer takes, and how long nobody waits any more.
const ANSWERS_IN: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(6));
const DEADLINE: Duration = Duration::from_secs(30);

impl Adviser {
    /// Gives its name as scenarios know it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Approves => "approves",
            Self::Vetoes => "vetoes",
            Self::Escalates => "escalates",
            Self::Hangs => "hangs",
            Self::Lies => "lies",
            Self::Moody => "moody",
        }
    }

    /// Finds the one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Off, Self::Approves, Self::Vetoes, Self::Escalates, Self::Hangs, Self::Lies, Self::Moody];
        all.into_iter().find(|one| one.name() == name)
    }

    /// Gives its opinion, and after how long it comes.
    pub(in crate::sim) fn opinion(self, brief: &Brief, chance: &mut Chance) -> (Duration, Opinion) {
        let mood = match self {
            Self::Moody => {
                let moods = [Self::Approves, Self::Vetoes, Self::Escalates, Self::Hangs, Self::Lies];
                chance.one_of(&moods).copied().unwrap_or(Self::Hangs)
            }
            steady => steady,
        };
        let takes = chance.span(ANSWERS_IN);
        match mood {
            Self::Approves => (takes, said(brief, Verdict::Approve)),
            Self::Vetoes => (takes, said(brief, Verdict::Veto)),
            Self::Escalates => (takes, said(brief, Verdict::Escalate)),
            Self::Lies => (takes, lied(brief, chance)),
            Self::Off => (Duration::ZERO, unasked(brief, NoOpinion::Off)),
            Self::Hangs | Self::Moody => (DEADLINE, unasked(brief, NoOpinion::Deadline)),
        }
    }
}

/// A well-formed answer with the first reason that the brief can carry.
fn said(brief: &Brief, verdict: Verdict) -> Opinion {
    let reply = |code, claims| Reply {
        reasons: vec![Reason { code, claims, text: String::new() }],
        verdict,
        confidence_pct: 80,
        risks: Vec::new(),
        missing: Vec::new(),
        alternative: Alternative::None,
    };
    let claims = brief.facts.iter().map(|fact| Claim { e: fact.id, v: fact.value });
    let all = claims.flat_map(|claim| ReasonCode::ALL.iter().map(move |code| (*code, vec![claim])));
    let grounded = all
        .map(|(code, claims)| reply(code, claims))
        .map(|reply| (ground(&reply, brief), reply))
        .find(|(outcome, _)| matches!(outcome, Outcome::Said(_)));
    match grounded {
        Some((outcome, reply)) => Opinion { parsed: Some(reply), outcome, ..unasked(brief, NoOpinion::Ungrounded) },
        None => unasked(brief, NoOpinion::Ungrounded),
    }
}

fn lied(brief: &Brief, chance: &mut Chance) -> Opinion {
    let letters = ['{', '}', '"', 'a', ':', '[', ']', '9', ',', '\\', '\u{202e}', '\n'];
    let length = chance.below(400);
    let text: String = (0..length).filter_map(|_| chance.one_of(&letters).copied()).collect();
    let (parsed, outcome) = judge(brief, &text);
    Opinion { parsed, outcome, ..unasked(brief, NoOpinion::Malformed) }
}
