//! Answers as versioned JSON for machines: one line, `{"kind":...,"version":1,...}`.

use serde_json::{Map, Value};

use crate::model::operator::{Answer, OPERATOR_VERSION};

/// Gives an answer as one line of JSON: its version, its kind, and its content under the kind's name.
///
/// Errors: those of the serializer.
pub fn answer(answer: &Answer) -> Result<String, serde_json::Error> {
    let mut line = Map::new();
    line.insert("version".to_owned(), OPERATOR_VERSION.into());
    let value = serde_json::to_value(answer)?;
    if let Value::Object(tagged) = value {
        // One tagged variant: its name and what it holds.
        for (kind, content) in tagged {
            line.insert("kind".to_owned(), Value::String(kind.clone()));
            line.insert(kind, content);
        }
    } else {
        line.insert("kind".to_owned(), value);
    }
    Ok(serde_json::to_string(&line)? + "\n")
}

/// Gives something that is no answer of a node as one line of JSON: an error, or what a command here has done.
#[must_use]
pub fn line(kind: &str, content: Value) -> String {
    let mut line = Map::new();
    line.insert("version".to_owned(), OPERATOR_VERSION.into());
    line.insert("kind".to_owned(), kind.into());
    line.insert(kind.to_owned(), content);
    format!("{}\n", Value::Object(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::{NodeId, RecordIndex, Term};

    #[test]
    fn every_answer_carries_version_and_kind() {
        let done = Answer::Done { record: Some(RecordIndex(7)), plan: None };
        let line = answer(&done).unwrap();
        assert_eq!(line, "{\"done\":{\"plan\":null,\"record\":7},\"kind\":\"done\",\"version\":1}\n");
        assert_eq!(answer(&Answer::Unanswered).unwrap(), "{\"kind\":\"unanswered\",\"version\":1}\n");
        let lost = Answer::NoQuorum { term: Term(3), heard: vec![NodeId(1)] };
        assert!(answer(&lost).unwrap().contains("\"kind\":\"no_quorum\""));
    }
}
