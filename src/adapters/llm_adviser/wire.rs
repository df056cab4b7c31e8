//! Requests and answers of Chat Completions: ours is exact, theirs is read as leniently as it can be.
//!
//! async-openai's own types are closed: a `finish_reason` "eos" or an integer error code fails the whole answer.
//! Nothing of a server's answer but the model's text and the token counts is used.

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ladder::Shape;
use crate::model::advice::{Dialect, NoOpinion, Rung, Tokens};

/// What the schema is called on the wire.
const FORM_NAME: &str = "opinion";

/// What is asked, whatever the form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// The model.
    pub(super) model: &'a str,
    /// The system message.
    pub(super) system: &'a str,
    /// The user message.
    pub(super) user: &'a str,
    /// The answer's form.
    pub(super) schema: &'a Ordered,
    /// What the server is told to stop at.
    pub(super) tokens_max: u32,
}

/// A request's body.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    model: &'a str,
    messages: [Message<'a>; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tool<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<u8>,
}

#[derive(Debug, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonSchema { json_schema: Form<'a> },
    JsonObject,
}

#[derive(Debug, Serialize)]
struct Form<'a> {
    name: &'static str,
    schema: &'a Ordered,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a Ordered>,
}

/// Gives the body for a question in a form.
pub(super) fn request<'a>(question: &Question<'a>, shape: Shape) -> Request<'a> {
    let form = |strict| Form { name: FORM_NAME, schema: question.schema, strict };
    let tool = |description, parameters| Tool {
        r#type: "function",
        function: Function { name: FORM_NAME, description, parameters },
    };
    let forced = shape.rung == Rung::ForcedTool;
    Request {
        model: question.model,
        messages: [
            Message { role: "system", content: question.system },
            Message { role: "user", content: question.user },
        ],
        response_format: match shape.rung {
            Rung::StrictSchema => Some(Format::JsonSchema { json_schema: form(Some(true)) }),
            Rung::LooseSchema => Some(Format::JsonSchema { json_schema: form(None) }),
            Rung::JsonObject => Some(Format::JsonObject),
            Rung::ForcedTool | Rung::Text => None,
        },
        tools: forced.then(|| [tool(Some("Gives the opinion."), Some(question.schema))]),
        tool_choice: forced.then(|| tool(None, None)),
        store: (shape.dialect == Dialect::OpenAi).then_some(false),
        max_completion_tokens: (shape.dialect == Dialect::OpenAi).then_some(question.tokens_max),
        max_tokens: (shape.dialect == Dialect::Compatible).then_some(question.tokens_max),
        temperature: (shape.dialect == Dialect::Compatible).then_some(0),
    }
}

/// A completion as we read it: whatever is missing or odd is none, not an error.
#[derive(Debug, Deserialize)]
pub(super) struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Value,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    message: Value,
    #[serde(default)]
    finish_reason: Value,
}

/// What a completion holds for us.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// The model's text.
    pub(super) text: String,
    /// What it cost, where the server says so.
    pub(super) tokens: Option<Tokens>,
    /// Why the server says the text ended, as far as we care.
    pub(super) ended: Ended,
}

/// Why a text ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// At the limit of tokens.
    AtLimit,
    /// For any other reason, or none given.
    ByItself,
}

impl Completion {
    /// Gives what the completion holds for us.
    ///
    /// Errors: [`NoOpinion::Declined`] or [`NoOpinion::Empty`].
    pub(super) fn heard(&self) -> Result<Heard, NoOpinion> {
        let choice = self.choices.first().ok_or(NoOpinion::Empty)?;
        let text = text(&choice.message);
        if text.trim().is_empty() {
            let declined = choice.message.get("refusal").and_then(Value::as_str).is_some_and(|said| !said.is_empty());
            return Err(if declined { NoOpinion::Declined } else { NoOpinion::Empty });
        }
        let ended = if choice.finish_reason == "length" { Ended::AtLimit } else { Ended::ByItself };
        Ok(Heard { text, tokens: tokens(&self.usage), ended })
    }
}

/// Gives the text of a message: its content (a string, or parts), else the arguments of its first tool call.
fn text(message: &Value) -> String {
    let content = match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    };
    if !content.trim().is_empty() {
        return content;
    }
    match message.pointer("/tool_calls/0/function/arguments") {
        Some(Value::String(text)) => text.clone(),
        Some(arguments @ Value::Object(_)) => arguments.to_string(),
        _ => content,
    }
}

fn tokens(usage: &Value) -> Option<Tokens> {
    let count = |name| usage.get(name).and_then(Value::as_u64).and_then(|count| u32::try_from(count).ok());
    Some(Tokens { completion: count("completion_tokens")?, prompt: count("prompt_tokens")? })
}

/// JSON whose fields keep their order: a model that is held to a schema writes its fields in the schema's order, and
/// reasons should come before the verdict.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ordered {
    /// Anything without parts.
    Leaf(Value),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Fields(Vec<(String, Self)>),
}

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Leaf(value) => value.serialize(serializer),
            Self::List(items) => items.serialize(serializer),
            Self::Fields(fields) => serializer.collect_map(fields.iter().map(|(name, field)| (name, field))),
        }
    }
}

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrderedVisitor)
    }
}

struct OrderedVisitor;

impl<'de> Visitor<'de> for OrderedVisitor {
    type Value = Ordered;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON without null and fractions")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Ordered, E> {
        Ok(Ordered::Leaf(Value::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Ordered, E> {
        Ok(Ordered::Leaf(Value::from(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Ordered, E> {
        Ok(Ordered::Leaf(Value::from(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Ordered, E> {
        Ok(Ordered::Leaf(Value::from(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Ordered, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Ordered::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Ordered, A::Error> {
        let mut object = Vec::new();
        while let Some(field) = fields.next_entry()? {
            object.push(field);
        }
        Ok(Ordered::Fields(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::advice::SCHEMA;

    fn body(rung: Rung, dialect: Dialect) -> Value {
        let schema = serde_json::from_str(SCHEMA).unwrap();
        let question = Question { model: "small", system: "s", user: "u", schema: &schema, tokens_max: 7 };
        serde_json::to_value(request(&question, Shape { rung, dialect })).unwrap()
    }

    fn heard(text: &str) -> Result<Heard, NoOpinion> {
        serde_json::from_str::<Completion>(text).unwrap().heard()
    }

    #[test]
    fn the_schema_goes_out_in_the_order_it_is_written_in() {
        let schema: Ordered = serde_json::from_str(SCHEMA).unwrap();
        let dense: String = SCHEMA.chars().filter(|letter| !letter.is_whitespace()).collect();
        let sent: String = serde_json::to_string(&schema).unwrap().chars().filter(|c| !c.is_whitespace()).collect();
        assert_eq!(sent, dense);
    }

    #[test]
    fn each_rung_asks_in_its_own_way_with_the_same_words() {
        let strict = body(Rung::StrictSchema, Dialect::OpenAi);
        assert_eq!(strict["response_format"]["type"], "json_schema");
        assert_eq!(strict["response_format"]["json_schema"]["strict"], true);
        assert_eq!(strict["store"], false);
        assert_eq!(strict["max_completion_tokens"], 7);
        let loose = body(Rung::LooseSchema, Dialect::Compatible);
        assert_eq!(loose["response_format"]["json_schema"].get("strict"), None);
        assert_eq!((loose.get("store"), &loose["max_tokens"], &loose["temperature"]), (None, &7.into(), &0.into()));
        let tool = body(Rung::ForcedTool, Dialect::Bare);
        assert_eq!(tool["tools"][0]["function"]["parameters"]["type"], "object");
        assert_eq!(tool["tool_choice"], serde_json::json!({"type": "function", "function": {"name": "opinion"}}));
        assert_eq!(body(Rung::JsonObject, Dialect::Bare)["response_format"]["type"], "json_object");
        let text = body(Rung::Text, Dialect::Bare);
        let fields: Vec<_> = text.as_object().unwrap().keys().cloned().collect();
        assert_eq!(fields, ["messages", "model"]);
        assert_eq!(text["messages"], strict["messages"]);
    }

    #[test]
    fn odd_answers_of_compatible_servers_are_still_read() {
        let eos = r#"{"choices":[{"finish_reason":"eos","message":{"content":"x"}}],"usage":null}"#;
        assert_eq!(heard(eos), Ok(Heard { text: "x".into(), tokens: None, ended: Ended::ByItself }));
        let parts = r#"{"id":7,"choices":[{"message":{"content":[{"type":"text","text":"a"},{"text":"b"}]}}]}"#;
        assert_eq!(heard(parts).unwrap().text, "ab");
        let tool = r#"{"choices":[{"message":{"content":null,"tool_calls":[{"function":{"arguments":"{}"}}]}}]}"#;
        assert_eq!(heard(tool).unwrap().text, "{}");
        let cut = r#"{"choices":[{"finish_reason":"length","message":{"content":"x"}}],
            "usage":{"prompt_tokens":5,"completion_tokens":6}}"#;
        let tokens = Some(Tokens { completion: 6, prompt: 5 });
        assert_eq!(heard(cut), Ok(Heard { text: "x".into(), tokens, ended: Ended::AtLimit }));
    }

    #[test]
    fn an_answer_without_words_is_empty_or_declined() {
        assert_eq!(heard(r#"{"choices":[]}"#), Err(NoOpinion::Empty));
        assert_eq!(heard(r#"{"choices":[{}]}"#), Err(NoOpinion::Empty));
        assert_eq!(heard(r#"{"choices":[{"message":{"content":" "}}]}"#), Err(NoOpinion::Empty));
        let refusal = r#"{"choices":[{"message":{"content":null,"refusal":"I cannot."}}]}"#;
        assert_eq!(heard(refusal), Err(NoOpinion::Declined));
    }
}
