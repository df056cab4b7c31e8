//! Settings and what is wrong with them as versioned JSON, for machines.

use serde_json::{Value, json};

use super::error::Problem;
use super::sections::Settings;

/// The version of the JSON.
const VERSION: u32 = 1;

/// Gives what a check found, as one line; no problem means that the file is good.
#[must_use]
pub fn checked(problems: &[Problem]) -> String {
    line("config_check", json!({ "good": problems.is_empty(), "problems": problems }))
}

/// Gives every key with its meaning, unit, default and value, as one line.
#[must_use]
pub fn printed(settings: &Settings) -> String {
    let peer = |peer: &super::sections::Peer| {
        json!({
            "id": peer.id,
            "address": peer.address.to_string(),
            "surface": peer.surface.as_ref().map(ToString::to_string),
        })
    };
    let peers: Vec<Value> = settings.peers.iter().map(peer).collect();
    line("config", json!({ "keys": settings.rows(), "peers": peers }))
}

fn line(kind: &str, content: Value) -> String {
    let mut line = json!({ "version": VERSION, "kind": kind });
    if let Value::Object(fields) = &mut line {
        fields.insert(kind.to_owned(), content);
    }
    format!("{line}\n")
}
