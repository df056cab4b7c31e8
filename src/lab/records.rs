//! The trio's records as the lab asks for them: by the command line, as a person would.

use std::time::Duration;

use serde_json::Value;
use tokio::time;

use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::trio::{Said, Trio};
use crate::model::operator::Entry;

/// The most records that one list holds.
const LAST: &str = "200";
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Reads the records of an answer to `audit list -o json`.
///
/// Errors: [`LabError::Command`] with what was answered instead.
pub(crate) fn entries(said: &Said) -> Result<Vec<Entry>, LabError> {
    let answer = said.json()?;
    let records = answer.get("records").cloned().unwrap_or(Value::Null);
    serde_json::from_value(records).map_err(|error| LabError::Command {
        command: "tanist audit list -o json".to_owned(),
        output: format!("{error}: {}{}", said.out, said.err),
    })
}

/// Gives the index of the newest record in a node's history.
///
/// Errors: as [`entries`].
pub(crate) async fn last(trio: &Trio, node: u8) -> Result<u64, LabError> {
    let newest = entries(&trio.run(node, &["audit", "list", "--last", "1", "-o", "json"]).await?)?;
    Ok(newest.last().map_or(0, |entry| entry.index.0))
}

/// Gives what a node has recorded after record `index`.
///
/// Errors: as [`entries`].
pub(crate) async fn since(trio: &Trio, node: u8, index: u64) -> Result<Vec<Entry>, LabError> {
    let next = index.saturating_add(1).to_string();
    let said = trio.run(node, &["audit", "list", "--last", LAST, "--since", &next, "-o", "json"]).await?;
    let mut entries = entries(&said)?;
    entries.retain(|entry| index < entry.index.0);
    Ok(entries)
}

/// Waits until what a node has recorded after record `index` shows what is looked for; none where it does not within that time.
///
/// Errors: as [`entries`].
pub(crate) async fn awaited<T>(
    trio: &Trio,
    (node, index): (u8, u64),
    within: Duration,
    find: impl Fn(&[Entry]) -> Option<T>,
) -> Result<Option<T>, LabError> {
    let deadline = clock::now() + within;
    loop {
        if let Some(found) = find(&since(trio, node, index).await?) {
            return Ok(Some(found));
        }
        if deadline <= clock::now() {
            return Ok(None);
        }
        time::sleep(LOOK_EVERY).await;
    }
}
