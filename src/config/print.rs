//! Writes settings as a file of its own: every key with its meaning, unit, bounds and default.
//!
//! Contract: what is written reads back as the same settings; `config/tanist.toml` is this, byte for byte.

use super::section::{Presence, Row};
use super::sections::{PEERS_MEANING, Settings};

const HEAD: &str = "\
# Settings of one Tanist node. Every key is here, with its meaning, its unit and its default; what is not set has the
# default. Written by `tanist config print`; `tanist config check FILE` says everything that is wrong with a file.
# A variable overrides a key: TANIST__ACT__MODE=auto sets act.mode, TANIST__KAFKA__BOOTSTRAP_SERVERS sets
# kafka.\"bootstrap.servers\". Times are written as \"250ms\", \"30s\", \"5m\". Shares are whole numbers of 1/1000.
#
# A file named PAUSE in node.data_dir pauses this node at once, without a majority of the trio and without this file.
";

/// Gives the text of a settings file that holds exactly these settings.
#[must_use]
pub fn print(settings: &Settings) -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for row in settings.rows() {
        if row.section != section {
            section = row.section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        text.push('\n');
        text.push_str(&row_text(&row));
        if section == "node" && row.key == NODE_LAST_KEY {
            text.push_str(&peers(settings));
        }
    }
    text
}

/// The last key of `[node]`: the peers follow it.
const NODE_LAST_KEY: &str = "tls.ca";

fn peers(settings: &Settings) -> String {
    let mut text = String::from("\n");
    for line in PEERS_MEANING.lines() {
        text.push_str(&format!("# {line}\n"));
    }
    for peer in &settings.peers {
        text.push_str(&format!("[[peers]]\nid = {}\naddress = \"{}\"\n", peer.id.0, peer.address));
        if let Some(surface) = &peer.surface {
            text.push_str(&format!("surface = \"{surface}\"\n"));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn row_text(row: &Row) -> String {
    let mut text = String::new();
    for line in row.meaning.lines() {
        text.push_str(&format!("# {}\n", line.trim()));
    }
    let bounds = row.bounds.as_ref().map(|(least, most)| format!(", from {least} to {most}")).unwrap_or_default();
    let default = match (row.presence, &row.default) {
        (Presence::Required, _) => "Must be set; below is an example.".to_owned(),
        (Presence::Optional, _) | (Presence::Defaulted, None) => "Default: not set.".to_owned(),
        (Presence::Defaulted, Some(default)) => format!("Default: {default}."),
    };
    text.push_str(&format!("# Value: {}{bounds}. {default}\n", row.wanted));
    let key = key_text(row);
    match (&row.value, &row.default) {
        (Some(value), _) => text.push_str(&format!("{key} = {value}\n")),
        (None, Some(example)) => text.push_str(&format!("# {key} = {example}\n")),
        (None, None) => text.push_str(&format!("# {key} =\n")),
    }
    text
}

/// Gives the key as TOML: Kafka's own names are one quoted word.
fn key_text(row: &Row) -> String {
    if row.section == "kafka" && row.key.contains('.') { format!("{:?}", row.key) } else { row.key.to_owned() }
}
