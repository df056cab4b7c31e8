//! Questions that `tanist why` understands: parsed here once, for the command line and for every other surface.
//!
//! Deliberately no language: filler words are skipped, what is left must be a partition, a broker, a case or a time.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::ids::{BrokerId, CaseId};

/// Longest question that is read.
///
/// Units: bytes. The longest topic name is 249.
const QUESTION_BYTES_MAX: usize = 512;

/// Words that carry nothing here, so that whole sentences may be typed.
const FILLER: &str = "why did does do was is were has have been the a an of for on over by at take took taken lead leads \
                      led leader leading get got chosen become became become nothing happen happened act acted moved \
                      move partition topic case about from to in";

/// What is asked; at least one part is present.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    /// Whether it asks why something was *not* chosen.
    pub not: Negated,
    /// About this broker.
    pub broker: Option<BrokerId>,
    /// About this partition.
    pub partition: Option<NamedPartition>,
    /// About this case.
    pub case: Option<CaseId>,
    /// About this time, UTC.
    pub moment: Option<Moment>,
}

/// Whether a question contains "not".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Negated {
    /// It does not.
    #[default]
    No,
    /// It does.
    Yes,
}

/// A partition as people name it: `orders-7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamedPartition {
    /// The topic's name.
    pub topic: String,
    /// The number.
    pub number: i32,
}

/// A time as people name it, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// A date and a time.
    On(DateTime),
    /// A time of the day: the last one that the records reach.
    Daily(Time),
}

/// Says why a text is no question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Nothing to look up is in it.
    #[error(
        "{0:?} names nothing to look up: ask about a partition (orders-7), a broker (b2), a case (c-17) or a time (03:12)"
    )]
    Nothing(String),
    /// A word that is none of them.
    #[error(
        "{0:?} is neither a partition (orders-7), a broker (b2), a case (c-17) nor a time (03:12, 2026-11-22T03:12)"
    )]
    Word(String),
    /// The same kind of thing twice.
    #[error("{0:?} is one too many: ask about one partition, one broker, one case and one time at most")]
    Twice(String),
    /// Too long.
    #[error("a question has at most {QUESTION_BYTES_MAX} bytes")]
    TooLong,
}

impl FromStr for Question {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        if QUESTION_BYTES_MAX < text.len() {
            return Err(QuestionError::TooLong);
        }
        let mut question = Self::default();
        let mut date: Option<Date> = None;
        let mut words = text.split_whitespace().map(|word| word.trim_matches(['?', ',', '"', '\'']));
        while let Some(word) = words.next() {
            let small = word.to_lowercase();
            match small.as_str() {
                "" => {}
                "not" => question.not = Negated::Yes,
                "broker" => {
                    let id = words.next().unwrap_or_default();
                    set(&mut question.broker, id.to_lowercase().parse().ok(), id)?;
                }
                // The word in front settles what `c-17` is, where a topic is called `c`.
                "partition" => {
                    let name = words.next().unwrap_or_default();
                    set(&mut question.partition, name.parse().ok(), name)?;
                }
                filler if FILLER.split_whitespace().any(|word| word == filler) => {}
                _ => question.read(word, &mut date)?,
            }
        }
        question.place(date)?;
        let asks = question.broker.is_some()
            || question.partition.is_some()
            || question.case.is_some()
            || question.moment.is_some();
        if asks { Ok(question) } else { Err(QuestionError::Nothing(text.to_owned())) }
    }
}

impl Question {
    /// Reads one word that is no filler.
    fn read(&mut self, word: &str, date: &mut Option<Date>) -> Result<(), QuestionError> {
        let small = word.to_lowercase();
        if let Some(digits) = small.strip_prefix('b')
            && let Ok(id) = digits.parse()
        {
            return set(&mut self.broker, Some(BrokerId(id)), word);
        }
        if let Some(digits) = small.strip_prefix("c-")
            && let Ok(id) = digits.parse()
        {
            return set(&mut self.case, Some(CaseId(id)), word);
        }
        let bare = word.trim_end_matches(['Z', 'z']);
        if let Some(moment) = time(bare).map(Moment::Daily).or_else(|| date_time(bare).map(Moment::On)) {
            return set(&mut self.moment, Some(moment), word);
        }
        if let Ok(found) = bare.parse::<Date>() {
            return set(date, Some(found), word);
        }
        set(&mut self.partition, word.parse().ok(), word)
    }

    /// Joins a date that stood apart with its time; a date alone means its first minute.
    fn place(&mut self, date: Option<Date>) -> Result<(), QuestionError> {
        let Some(date) = date else { return Ok(()) };
        self.moment = match self.moment {
            Some(Moment::On(_)) => return Err(QuestionError::Twice(date.to_string())),
            Some(Moment::Daily(time)) => Some(Moment::On(date.to_datetime(time))),
            None => Some(Moment::On(date.to_datetime(Time::midnight()))),
        };
        Ok(())
    }
}

/// Puts what was read in its place, once.
fn set<T>(place: &mut Option<T>, read: Option<T>, word: &str) -> Result<(), QuestionError> {
    let read = read.ok_or_else(|| QuestionError::Word(word.to_owned()))?;
    match place.replace(read) {
        None => Ok(()),
        Some(_) => Err(QuestionError::Twice(word.to_owned())),
    }
}

/// Reads `03:12` or `03:12:07`; a bare number is no time.
fn time(word: &str) -> Option<Time> {
    (word.contains(':') && !word.contains(['-', 'T', 't'])).then(|| word.parse().ok()).flatten()
}

/// Reads `2026-11-22T03:12` or with seconds; a bare date is no date and time.
fn date_time(word: &str) -> Option<DateTime> {
    word.contains(':').then(|| word.parse().ok()).flatten()
}

impl FromStr for NamedPartition {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        let bad = || QuestionError::Word(text.to_owned());
        let (topic, number) = text.rsplit_once('-').ok_or_else(bad)?;
        let legal = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-');
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        // Kafka's own rule for topic names.
        if topic.is_empty() || 249 < topic.len() || !topic.chars().all(legal) || !digits {
            return Err(bad());
        }
        Ok(Self { topic: topic.to_owned(), number: number.parse().map_err(|_| bad())? })
    }
}

impl fmt::Display for NamedPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.number)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(at) => write!(f, "{at}"),
            Self::Daily(at) => write!(f, "{at}"),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("why")?;
        if self.not == Negated::Yes {
            f.write_str(" not")?;
        }
        if let Some(broker) = self.broker {
            write!(f, " {broker}")?;
        }
        if let Some(partition) = &self.partition {
            write!(f, " partition {partition}")?;
        }
        if let Some(case) = self.case {
            write!(f, " {case}")?;
        }
        if let Some(moment) = self.moment {
            write!(f, " {moment}")?;
        }
        Ok(())
    }
}

impl Serialize for Question {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Question {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_sentences_and_bare_names_are_understood_alike() {
        check("orders-7", "why partition orders-7");
        check("why did broker 2 take orders-7?", "why b2 partition orders-7");
        check("not b3", "why not b3");
        check("why not Broker 3 orders.eu-west-12", "why not b3 partition orders.eu-west-12");
        check("why did nothing happen at 03:12", "why 03:12:00");
        check("2026-11-22T03:12", "why 2026-11-22T03:12:00");
        check("2026-11-22T03:12:09Z", "why 2026-11-22T03:12:09");
        check("2026-11-22 03:12", "why 2026-11-22T03:12:00");
        check("C-17", "why c-17");
        check("partition c-17", "why partition c-17");
        check("b2-0", "why partition b2-0");
    }

    #[test]
    fn what_is_no_question_says_what_one_is() {
        refused("", "\"\" names nothing to look up");
        refused("why not", "\"why not\" names nothing to look up");
        refused("orders", "\"orders\" is neither a partition");
        refused("b1 b2", "\"b2\" is one too many");
        refused("25:99", "\"25:99\" is neither");
        refused("or\u{1b}ders-7", "\"or\\u{1b}ders-7\" is neither");
        refused("orders-99999999999", "\"orders-99999999999\" is neither");
        refused(&"x".repeat(513), "a question has at most 512 bytes");
    }

    /// Reads `text`, and reads its display again.
    fn check(text: &str, shown: &str) {
        let question: Question = text.parse().unwrap();
        assert_eq!(question.to_string(), shown);
        assert_eq!(shown.parse(), Ok(question));
    }

    fn refused(text: &str, start: &str) {
        let error = text.parse::<Question>().unwrap_err().to_string();
        assert!(error.starts_with(start), "{error}");
    }
}
