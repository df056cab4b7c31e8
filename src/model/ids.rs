//! Identifiers: newtypes, so that a broker is never mistaken for a node nor an epoch for an offset.
//!
//! Deliberately no parsing of anything that Kafka sends: sentinels such as `-1` die at the wire.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Says why a text is no identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct IdError {
    /// The text that was given.
    pub text: String,
    /// What was wanted, with its form.
    pub wanted: &'static str,
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let digits = text.strip_prefix($prefix).unwrap_or(text);
                digits.parse().map($name).map_err(|_| IdError {
                    text: text.to_owned(),
                    wanted: concat!("a ", stringify!($name), " such as ", $prefix, "1"),
                })
            }
        }
    };
}

number_id!(
    /// One of the three Tanist nodes.
    NodeId(u64),
    "n"
);
number_id!(
    /// A Kafka broker.
    BrokerId(i32),
    "b"
);
number_id!(
    /// A Kafka controller (KRaft voter).
    ControllerId(i32),
    "k"
);
number_id!(
    /// A life of a broker: the metadata offset of its registration, new at each process start.
    BrokerEpoch(i64),
    ""
);
number_id!(
    /// The epoch of a partition's leader; rises by one at each election.
    LeaderEpoch(i32),
    "e"
);
number_id!(
    /// The epoch of the KRaft quorum's leader.
    ControllerEpoch(i32),
    ""
);
number_id!(
    /// A position in a log.
    Offset(u64),
    ""
);
number_id!(
    /// A Raft term of the trio.
    Term(u64),
    ""
);
number_id!(
    /// A Raft log index of the trio (has gaps as an index of records: chunks, no-ops).
    RaftIndex(u64),
    ""
);
number_id!(
    /// The place of a record in the audit chain; the first is 1.
    RecordIndex(u64),
    ""
);
number_id!(
    /// A case: the life of one finding or request, named by the index of the record that opened it.
    CaseId(u64),
    "c-"
);
number_id!(
    /// A request of an operator, unique on the node that took it; lets a repeated one be recognised.
    RequestId(u64),
    "r"
);

/// A Kafka cluster's id, as the brokers name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClusterId(pub String);

/// A failure domain as the operator named it in `broker.rack`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rack(pub String);

/// A listener of a broker as one node's client path names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Listener(pub String);

/// A person as the surface knows them: a unix-socket user or the name in a client certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Person(pub String);

macro_rules! text_display {
    ($($name:ident),*) => { $(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )* };
}
text_display!(ClusterId, Rack, Listener, Person);

/// A topic's UUID: survives renames of nothing and re-creation of everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub [u8; 16]);

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without a String: a digest writes tens of thousands of these.
        let mut digits = [0; 32];
        hex::encode_to_slice(self.0, &mut digits).map_err(|_| fmt::Error)?;
        f.write_str(std::str::from_utf8(&digits).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TopicId({self})")
    }
}

impl FromStr for TopicId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| IdError { text: text.to_owned(), wanted: "a topic id of 32 hex digits" })?;
        Ok(Self(bytes))
    }
}

/// A partition: its topic's UUID and its number. Names stand beside it, never in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId {
    /// The topic.
    pub topic: TopicId,
    /// The number within the topic.
    pub number: i32,
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.topic, self.number)
    }
}

impl FromStr for PartitionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || IdError { text: text.to_owned(), wanted: "a partition id such as <topic id>:7" };
        let (topic, number) = text.split_once(':').ok_or_else(bad)?;
        Ok(Self { topic: topic.parse()?, number: number.parse().map_err(|_| bad())? })
    }
}

/// A SHA-256 digest of canonical bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Gives the first 12 hex digits, the form that people see and type.
    #[must_use]
    pub fn short(&self) -> String {
        let mut text = hex::encode(self.0);
        text.truncate(12);
        text
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.short())
    }
}

impl FromStr for Digest {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| IdError { text: text.to_owned(), wanted: "a digest of 64 hex digits" })?;
        Ok(Self(bytes))
    }
}

macro_rules! serde_as_text {
    ($($name:ident),*) => { $(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )* };
}
serde_as_text!(TopicId, PartitionId, Digest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_what_they_print() {
        let partition = PartitionId { topic: TopicId([7; 16]), number: 12 };
        assert_eq!(partition.to_string().parse(), Ok(partition));
        assert_eq!("c-17".parse(), Ok(CaseId(17)));
        assert_eq!("b3".parse(), Ok(BrokerId(3)));
        assert_eq!("3".parse(), Ok(BrokerId(3)));
        assert_eq!(Digest([9; 32]).to_string().parse(), Ok(Digest([9; 32])));
    }

    #[test]
    fn a_text_that_is_no_id_says_what_was_wanted() {
        let error = "x:1".parse::<PartitionId>().expect_err("no topic id");
        assert_eq!(error.to_string(), "\"x\" is not a topic id of 32 hex digits");
        let error = "broker".parse::<BrokerId>().expect_err("no number");
        assert_eq!(error.to_string(), "\"broker\" is not a BrokerId such as b1");
    }
}
