//! A policy as one flat map: dotted keys, each value as JSON text. Deliberately knows no setting by name.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Gives every leaf of a value by its dotted path. Lists are leaves; empty maps leave no trace and read back as default.
pub(super) fn flatten<T: Serialize>(value: &T) -> BTreeMap<String, String> {
    let mut flat = BTreeMap::new();
    match serde_json::to_value(value) {
        Ok(tree) => descend(String::new(), &tree, &mut flat),
        // Plain structs with text keys always have a JSON form; if that changes, no policy must equal this one.
        Err(error) => {
            flat.insert("unserialisable".to_owned(), error.to_string());
        }
    }
    flat
}

fn descend(path: String, value: &Value, flat: &mut BTreeMap<String, String>) {
    if let Value::Object(fields) = value {
        for (name, field) in fields {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            descend(path, field, flat);
        }
    } else {
        flat.insert(path, value.to_string());
    }
}

/// Reads a value back from its leaves. Errors: what could not be read, in words.
pub(super) fn unflatten<T: DeserializeOwned>(flat: &BTreeMap<String, String>) -> Result<T, String> {
    let mut root = Map::new();
    for (path, text) in flat {
        let leaf: Value = serde_json::from_str(text).map_err(|error| format!("{path}: {error}"))?;
        insert(&mut root, path, leaf)?;
    }
    serde_json::from_value(Value::Object(root)).map_err(|error| error.to_string())
}

fn insert(fields: &mut Map<String, Value>, path: &str, leaf: Value) -> Result<(), String> {
    let Some((head, rest)) = path.split_once('.') else {
        fields.insert(path.to_owned(), leaf);
        return Ok(());
    };
    match fields.entry(head).or_insert_with(|| Value::Object(Map::new())) {
        Value::Object(inner) => insert(inner, rest, leaf),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(format!("{path}: {head} is a value, not a section"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::{Policy, PolicyError, PromotionRule};
    use crate::model::ids::BrokerId;

    #[test]
    fn a_policy_reads_back_from_its_settings() {
        let mut policy = Policy::default();
        policy.score.promotion.insert(BrokerId(3), PromotionRule::Never);
        policy.act.auto_r2.insert("Unregister".to_owned());
        let settings = policy.settings();
        assert_eq!(settings.get("detect.tau_min_ms").map(String::as_str), Some("1000"));
        assert_eq!(settings.get("score.promotion.3").map(String::as_str), Some("\"never\""));
        assert_eq!(Policy::from_settings(&settings), Ok(policy));
    }

    #[test]
    fn an_unknown_setting_is_no_policy() {
        let mut settings = Policy::default().settings();
        settings.insert("detect.tau_minn_ms".to_owned(), "1".to_owned());
        assert!(matches!(Policy::from_settings(&settings), Err(PolicyError::Unreadable { .. })));
        settings.insert("mode.x".to_owned(), "1".to_owned());
        assert!(matches!(Policy::from_settings(&settings), Err(PolicyError::Unreadable { .. })));
    }

    #[test]
    fn any_change_of_a_setting_changes_the_digest() {
        let policy = Policy::default();
        let mut other = policy.clone();
        other.guard.blast_radius_permille += 1;
        assert_ne!(policy.digest(), other.digest());
        assert_eq!(policy.digest(), policy.clone().digest());
    }

    #[test]
    fn the_defaults_are_within_their_ranges_and_every_number_has_a_range() {
        let policy = Policy::default();
        assert_eq!(policy.check(), Ok(()));
        for (key, value) in policy.settings() {
            let Ok(number) = value.parse::<u64>() else { continue };
            // Far outside any range: whatever has none would slip through.
            let absurd = if number == 4_000_000_000 { 0 } else { 4_000_000_000_u64 };
            let mut settings = policy.settings();
            settings.insert(
                key.clone(),
                if key.ends_with("_ms") { "99999999999999".to_owned() } else { absurd.to_string() },
            );
            let Ok(changed) = Policy::from_settings(&settings) else { continue };
            let outside = matches!(changed.check(), Err(PolicyError::OutOfRange { key: named, .. }) if named == key);
            assert!(
                outside
                    || ["score.lag_records_max", "score.lag_bytes_max", "guard.at_risk_records_max"]
                        .contains(&key.as_str()),
                "{key} accepts anything"
            );
        }
    }

    #[test]
    fn settings_that_contradict_each_other_are_named() {
        let mut policy = Policy::default();
        policy.detect.tau_behind = policy.detect.tau_min * 2;
        let error = policy.check().expect_err("contradiction");
        assert!(error.to_string().contains("detect.tau_behind_ms contradicts detect.tau_min_ms"), "{error}");
        let mut policy = Policy::default();
        policy.act.auto_r2.insert("Elect".to_owned());
        assert!(matches!(policy.check(), Err(PolicyError::NotR2 { .. })));
    }
}
