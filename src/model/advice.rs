//! Advice: what the model is asked (the brief) and what came of it (the opinion, or why there is none).
//!
//! Deliberately no free text on the way in: every field of a [`Brief`] is an integer or a member of a closed enum, so
//! that nothing a user of the cluster named can reach a prompt. On the way out there is one free text, the reason's,
//! and only what grounding kept of it counts.

/// Makes an enum that is a closed set of words, the same in prompt, schema, records and tables.
macro_rules! closed_words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name {
            $($(#[$word_doc])* #[serde(rename = $text)] $word,)+
        }

        impl $name {
            /// Every member, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$word),+];

            /// Gives the word, as prompt, schema, records and tables spell it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)+
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

mod brief;
mod opinion;
mod settled;

pub use brief::{
    Absent, ActKind, Brief, FACTS_MAX, Fact, FactId, FactKey, NotAToken, Observer, Proposal, Subject, Urgency,
};
pub use opinion::{
    Alternative, Breaker, Claim, Dialect, Dropped, Grounded, NoOpinion, Opinion, Outcome, PromptId, Reason, ReasonCode,
    Reply, Risk, Rung, TextFate, Tokens, Ungrounded, Verdict,
};
pub use settled::{Hold, Settled, Why};
