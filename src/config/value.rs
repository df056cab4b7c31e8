//! What a setting's value can be: how each kind is read, what an error wants instead, and how it is written down again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::decide::policy::PromotionRule;
use crate::model::ids::{BrokerId, ClusterId, NodeId, Person};
use crate::model::operator::Role;
use crate::model::operator::view::Mode;

use super::error::nearest;
use super::raw::Raw;

/// A kind of value.
pub(super) trait Value: Sized + Clone + PartialEq + PartialOrd {
    /// Gives what errors and the printed file say is wanted; carries the unit.
    fn wanted() -> String;

    /// Reads the value.
    ///
    /// Errors: why not, and the nearest valid value where there is a short list of them.
    fn read(raw: &Raw) -> Result<Self, Wrong>;

    /// Gives the value as TOML; none where it is absent.
    fn literal(&self) -> Option<String>;

    /// Gives the value that the policy counts as this number; none where the policy has no numbers of this kind.
    fn of_policy(_number: u64) -> Option<Self> {
        None
    }
}

/// Why a value is wrong: it is not what is wanted.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    /// The nearest valid value, where there is a short list of them.
    pub(super) nearest: Option<String>,
}

/// A name or address with a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// The host: a name or an address, without brackets.
    pub host: String,
    /// The port, never 0.
    pub port: u16,
}

impl HostPort {
    /// Tells whether it cannot leave this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for HostPort {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (host, port) = text.trim().rsplit_once(':').ok_or(())?;
        let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        let v6 = bare.is_some() && host.parse::<std::net::Ipv6Addr>().is_ok();
        let named = bare.is_none() && !host.is_empty() && host.chars().all(legal);
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(())?;
        if v6 || named { Ok(Self { host: host.to_owned(), port }) } else { Err(()) }
    }
}

/// Gives text, from a string or from a variable.
fn text(raw: &Raw) -> Result<&str, Wrong> {
    match raw {
        Raw::Text(text) | Raw::Bare(text) => Ok(text),
        Raw::Integer(_) | Raw::Bool(_) | Raw::List(_) | Raw::Map(_) | Raw::Other(_) => Err(Wrong::default()),
    }
}

/// Gives a whole number, from a number or from a variable.
fn integer(raw: &Raw) -> Result<i128, Wrong> {
    match raw {
        Raw::Integer(number) => Ok(*number),
        Raw::Bare(text) => text.trim().parse().map_err(|_| Wrong::default()),
        Raw::Text(_) | Raw::Bool(_) | Raw::List(_) | Raw::Map(_) | Raw::Other(_) => Err(Wrong::default()),
    }
}

/// Gives a time in the largest unit that it is a whole number of.
fn span_text(span: Duration) -> String {
    let ms = span.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let whole = units.into_iter().find(|(unit, _)| ms != 0 && ms.is_multiple_of(*unit));
    let (unit, name) = whole.unwrap_or((1, "ms"));
    format!("{}{name}", ms / unit)
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

macro_rules! numbers {
    ($($kind:ty),*) => { $(
        impl Value for $kind {
            fn wanted() -> String {
        "a whole number".to_owned()
    }

            fn read(raw: &Raw) -> Result<Self, Wrong> {
                integer(raw)?.try_into().map_err(|_| Wrong::default())
            }

            fn literal(&self) -> Option<String> {
                Some(self.to_string())
            }

            fn of_policy(number: u64) -> Option<Self> {
                number.try_into().ok()
            }
        }
    )* };
}
numbers!(u8, u16, u32, u64);

impl Value for BrokerId {
    fn wanted() -> String {
        "a broker's id, a whole number".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, Wrong> {
        // Kafka's own "none" is -1: no broker has it.
        let id = i32::try_from(integer(raw)?).ok().filter(|id| 0 <= *id);
        id.map(Self).ok_or_else(Wrong::default)
    }

    fn literal(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

impl Value for NodeId {
    fn wanted() -> String {
        "a node's id, a whole number from 1".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, Wrong> {
        // Raft's own "none" is 0: no node has it.
        let id = u64::try_from(integer(raw)?).ok().filter(|id| 0 < *id);
        id.map(Self).ok_or_else(Wrong::default)
    }

    fn literal(&self) -> Option<String> {
        Some(self.0.to_string())
    }
}

/// Kinds that are written as a string and parse from it.
macro_rules! texts {
    ($($kind:ty = $wanted:literal, $read:expr, $write:expr;)*) => { $(
        impl Value for $kind {
            fn wanted() -> String {
        $wanted.to_owned()
    }

            fn read(raw: &Raw) -> Result<Self, Wrong> {
                let read: fn(&str) -> Option<Self> = $read;
                read(text(raw)?).ok_or_else(Wrong::default)
            }

            fn literal(&self) -> Option<String> {
                let write: fn(&Self) -> String = $write;
                Some(quoted(&write(self)))
            }
        }
    )* };
}
texts! {
    String = "a text", |text| (!text.is_empty() && !text.chars().any(char::is_control)).then(|| text.to_owned()), Clone::clone;
    ClusterId = "a Kafka cluster's id of 22 letters, digits, - and _",
        |text| cluster(text).then(|| Self(text.to_owned())), |id| id.0.clone();
    PathBuf = "a path", |text| (!text.is_empty()).then(|| text.into()), |path| path.display().to_string();
    SocketAddr = "an address with a port such as \"127.0.0.1:7401\"",
        |text| text.parse().ok(), SocketAddr::to_string;
    HostPort = "a host with a port such as \"kafka-1:9092\"", |text| text.parse().ok(), HostPort::to_string;
    Person = "a person's name", |text| person(text).then(|| Self(text.to_owned())), |name| name.0.clone();
}

fn cluster(text: &str) -> bool {
    // Kafka makes 22; other ids can be set by hand, and the wire carries any.
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(legal)
}

fn person(text: &str) -> bool {
    (1..=128).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl Value for Duration {
    fn wanted() -> String {
        "a time such as \"250ms\", \"30s\", \"5m\"".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, Wrong> {
        let span = humantime::parse_duration(text(raw)?).ok();
        // Records keep whole milliseconds: what they would drop must not decide anything.
        span.filter(|span| span.subsec_nanos() % 1_000_000 == 0).ok_or_else(Wrong::default)
    }

    fn literal(&self) -> Option<String> {
        Some(quoted(&span_text(*self)))
    }

    fn of_policy(number: u64) -> Option<Self> {
        Some(Self::from_millis(number))
    }
}

impl Value for bool {
    fn wanted() -> String {
        "true or false".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, Wrong> {
        match raw {
            Raw::Bool(value) => Ok(*value),
            Raw::Bare(text) => text.trim().parse().map_err(|_| Wrong::default()),
            Raw::Text(_) | Raw::Integer(_) | Raw::List(_) | Raw::Map(_) | Raw::Other(_) => Err(Wrong::default()),
        }
    }

    fn literal(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Kinds with a short list of names.
macro_rules! names {
    ($($kind:ty = $wanted:literal: $($name:literal => $value:expr),+;)*) => { $(
        impl Value for $kind {
            fn wanted() -> String {
        $wanted.to_owned()
    }

            fn read(raw: &Raw) -> Result<Self, Wrong> {
                let written = text(raw)?;
                match written {
                    $($name => Ok($value),)+
                    _ => {
                        let near = nearest(written, [$($name),+]).map(quoted);
                        Err(Wrong { nearest: near })
                    }
                }
            }

            fn literal(&self) -> Option<String> {
                [$(($value, $name)),+].into_iter().find(|(value, _)| value == self).map(|(_, name)| quoted(name))
            }
        }
    )* };
}
names! {
    Mode = "one of \"observe\", \"approve\", \"auto\"":
        "observe" => Self::Observe, "approve" => Self::Approve, "auto" => Self::Auto;
    Role = "one of \"reader\", \"operator\", \"approver\"":
        "reader" => Self::Reader, "operator" => Self::Operator, "approver" => Self::Approver;
    PromotionRule = "one of \"prefer\", \"neutral\", \"prefer_not\", \"never\"":
        "prefer" => Self::Prefer, "neutral" => Self::Neutral, "prefer_not" => Self::PreferNot, "never" => Self::Never;
}

impl<T: Value> Value for Option<T> {
    fn wanted() -> String {
        T::wanted()
    }

    fn read(raw: &Raw) -> Result<Self, Wrong> {
        T::read(raw).map(Some)
    }

    fn literal(&self) -> Option<String> {
        self.as_ref().and_then(T::literal)
    }
}

/// Reads each item of an array, or each part of a variable between commas.
fn items<T: Value>(raw: &Raw) -> Result<Vec<T>, Wrong> {
    match raw.structured() {
        Raw::List(items) => items.iter().map(|item| T::read(item)).collect(),
        Raw::Text(_) | Raw::Integer(_) | Raw::Bool(_) | Raw::Map(_) | Raw::Bare(_) | Raw::Other(_) => {
            Err(Wrong::default())
        }
    }
}

fn array(literals: impl Iterator<Item = Option<String>>) -> Option<String> {
    Some(format!("[{}]", literals.flatten().collect::<Vec<_>>().join(", ")))
}

impl<T: Value + Ord> Value for BTreeSet<T> {
    fn wanted() -> String {
        format!("a list, each of it {}", T::wanted())
    }

    fn read(raw: &Raw) -> Result<Self, Wrong> {
        if matches!(raw, Raw::Bare(text) if text.trim().is_empty()) {
            return Ok(Self::new());
        }
        items(raw).map(|items| items.into_iter().collect())
    }

    fn literal(&self) -> Option<String> {
        array(self.iter().map(T::literal))
    }
}

/// Kafka writes lists of servers as one string with commas.
impl Value for Vec<HostPort> {
    fn wanted() -> String {
        "hosts with ports, with commas between: \"kafka-1:9092,kafka-2:9092\"".to_owned()
    }

    fn read(raw: &Raw) -> Result<Self, Wrong> {
        let servers: Result<Self, ()> = text(raw)?.split(',').map(str::parse).collect();
        servers.map_err(|()| Wrong::default())
    }

    fn literal(&self) -> Option<String> {
        Some(quoted(&self.iter().map(HostPort::to_string).collect::<Vec<_>>().join(",")))
    }
}

/// Tables by person or by broker; keys of a TOML table are text.
macro_rules! tables {
    ($($key:ty: $many:literal, $read:expr, $write:expr;)*) => { $(
        impl<T: Value> Value for BTreeMap<$key, T> {
            fn wanted() -> String {
        format!("a table of {}, each with {}", $many, T::wanted())
    }

            fn read(raw: &Raw) -> Result<Self, Wrong> {
                let Raw::Map(map) = raw.structured() else { return Err(Wrong::default()) };
                let key: fn(&str) -> Option<$key> = $read;
                map.iter()
                    .map(|(name, value)| Ok((key(name).ok_or_else(Wrong::default)?, T::read(value)?)))
                    .collect()
            }

            fn literal(&self) -> Option<String> {
                let key: fn(&$key) -> String = $write;
                let pair = |(name, value): (&$key, &T)| Some(format!("{} = {}", key(name), value.literal()?));
                let pairs = self.iter().filter_map(pair).collect::<Vec<_>>().join(", ");
                Some(if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {pairs} }}") })
            }
        }
    )* };
}
tables! {
    Person: "persons", |name| Person::read(&Raw::Text(name.to_owned())).ok(), |person| quoted(&person.0);
    BrokerId: "brokers by id", |id| BrokerId::read(&Raw::Bare(id.to_owned())).ok(), |broker| broker.0.to_string();
}
