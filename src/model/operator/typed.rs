//! What people type, checked by its type: the start of a digest, a reason.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::ids::{Digest, IdError};

/// Longest reason that a person may give.
///
/// Units: characters. A paragraph; it is kept for ever in every record store.
pub const REASON_CHARS_MAX: usize = 500;

/// The start of a plan's digest, as people type it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DigestPrefix(String);

/// Why a person asks for something: kept in the record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason(String);

impl DigestPrefix {
    /// Tells whether `digest` starts so.
    #[must_use]
    pub fn matches(&self, digest: &Digest) -> bool {
        digest.to_string().starts_with(&self.0)
    }
}

impl Reason {
    /// Gives the text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl FromStr for DigestPrefix {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if hex && (6..=64).contains(&text.len()) {
            return Ok(Self(text.to_owned()));
        }
        Err(IdError {
            text: text.to_owned(),
            wanted: "a plan's digest: its first 6 to 64 hex digits, in small letters",
        })
    }
}

impl FromStr for Reason {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let text = text.trim();
        let bad = |wanted| Err(IdError { text: text.chars().take(40).collect(), wanted });
        if text.is_empty() {
            return bad("a reason: say why, in a few words");
        }
        if REASON_CHARS_MAX < text.chars().count() {
            return bad("a reason of at most 500 characters");
        }
        if text.chars().any(char::is_control) {
            return bad("a reason without control characters");
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! text_both_ways {
    ($($name:ident),*) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )* };
}
text_both_ways!(DigestPrefix, Reason);
