//! The settings that the demo runs with: those of config/demo.toml, so that what a person reads there is what runs.

use std::time::Duration;

use toml::{Table, Value};

use crate::lab::LabError;

/// The file as it lies in the repository.
const FILE: &str = include_str!("../../../config/demo.toml");
/// The sections that say how to behave; addresses and folders are the trio's own.
const SECTIONS: [&str; 3] = ["act", "detect", "guard"];

/// Gives the settings of the demo, line by line and by section.
///
/// Errors: [`LabError::Usage`] if the file is no TOML.
pub(super) fn lines() -> Result<Vec<(&'static str, String)>, LabError> {
    let file = parsed()?;
    let mut lines = Vec::new();
    for section in SECTIONS {
        if let Some(Value::Table(table)) = file.get(section) {
            flatten(section, "", table, &mut lines);
        }
    }
    Ok(lines)
}

/// Gives the time of one key, such as `cluster_cool_down` of `guard`.
///
/// Errors: [`LabError::Usage`] if the file has no such time.
pub(super) fn time(section: &str, key: &str) -> Result<Duration, LabError> {
    let file = parsed()?;
    let text = file.get(section).and_then(|table| table.get(key)).and_then(Value::as_str);
    text.and_then(|text| humantime::parse_duration(text).ok())
        .ok_or_else(|| LabError::Usage(format!("config/demo.toml: [{section}] {key} is no time")))
}

fn parsed() -> Result<Table, LabError> {
    FILE.parse().map_err(|error| LabError::Usage(format!("config/demo.toml: {error}")))
}

fn flatten(section: &'static str, prefix: &str, table: &Table, lines: &mut Vec<(&'static str, String)>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => flatten(section, &format!("{prefix}{key}."), inner, lines),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => lines.push((section, format!("{prefix}{key} = {value}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_runs_with_what_its_file_says() {
        let lines = lines().unwrap();
        assert!(lines.contains(&("act", "mode = \"auto\"".to_owned())), "{lines:?}");
        assert!(lines.contains(&("act", "fence.heartbeat = true".to_owned())), "{lines:?}");
        assert!(Duration::ZERO < time("guard", "cluster_cool_down").unwrap());
        assert!(time("guard", "mode").is_err());
    }
}
