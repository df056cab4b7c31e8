//! Canonical JSON: one value has exactly one sequence of bytes, so that a hash of the bytes is a hash of the value.
//!
//! The rule, complete enough to write a second implementation from:
//!
//! 1. The text is UTF-8 without a byte order mark, with nothing before, after or between its tokens: no space, no newline.
//! 2. A value is `null`, `true`, `false`, an integer, a string, an array `[a,b]` or an object `{"k":v,"l":w}`.
//! 3. An integer is written in decimal, `-` first when negative, without `+`, leading zero, fraction or exponent, and lies
//!    between -2^63 and 2^64-1. There are no other numbers; zero is `0`, never `-0`.
//! 4. A string stands in double quotes. Exactly these characters are escaped: `"` as `\"`, backslash as `\\`, U+0008 as
//!    `\b`, U+0009 as `\t`, U+000A as `\n`, U+000C as `\f`, U+000D as `\r`, and every other character below U+0020 as
//!    `\u00` and two lower-case hex digits. Everything else, `/`, U+007F and all non-ASCII included, stands for itself as
//!    UTF-8. Strings are sequences of Unicode scalar values, so a lone surrogate cannot occur. Nothing is normalised.
//! 5. The keys of an object are strings, each occurs once, and they ascend by code point, which is the order of their
//!    UTF-8 bytes. Integer keys (ids) are written in decimal as strings and sort as strings: `"10"` before `"9"`.
//! 6. Arrays and objects nest at most [`DEPTH_MAX`] deep.
//!
//! In Python `json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)` writes the same bytes for any
//! value that the rule admits. It differs from RFC 8785 in the order of keys beyond U+FFFF and in having no fractions.
//!
//! It deliberately does not know any type of ours, and does not bound the length of what it writes: chunks do that.

mod encode;
mod key;
mod text;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

/// How deep arrays and objects may nest; our records need about ten, and a reader's stack must survive any of them.
pub const DEPTH_MAX: usize = 32;

/// Why a value has no canonical bytes, or why bytes are not the canonical ones.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CanonError {
    /// The value holds something that the rule has no form for; the type must change.
    #[error("{0} has no canonical form")]
    Unrepresentable(&'static str),
    /// One object holds the same key twice.
    #[error("the key {0:?} occurs twice in one object")]
    DuplicateKey(String),
    /// The value nests deeper than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// A type refused to be serialised, in its own words.
    #[error("not serialisable: {0}")]
    Refused(String),
    /// The bytes are not JSON, or not of the wanted type.
    #[error("not readable: {0}")]
    Unreadable(String),
    /// The bytes are readable but are not what the rule writes; the first difference is at this offset.
    #[error("not canonical from byte {at} on")]
    NotCanonical {
        /// Offset of the first byte that the canonical form writes differently.
        at: usize,
    },
}

/// Gives the canonical bytes of a value.
///
/// Errors: a float, an integer beyond 64 bits, raw bytes, a key that is no string or integer, a key that occurs twice, and
/// nesting beyond [`DEPTH_MAX`] are refused.
pub fn to_canonical_bytes<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CanonError> {
    let mut out = Vec::new();
    value.serialize(encode::Encoder::top(&mut out))?;
    Ok(out)
}

/// Reads a value from its canonical bytes and refuses every other spelling of the same value.
///
/// Errors: [`CanonError::NotCanonical`] also when the bytes hold something that the type does not keep, such as an unknown
/// key: what would be read is then not what was hashed.
pub fn from_canonical_bytes<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CanonError> {
    refuse_depth(bytes)?;
    let value: T = serde_json::from_slice(bytes).map_err(|error| CanonError::Unreadable(error.to_string()))?;
    let fresh = to_canonical_bytes(&value)?;
    if fresh == bytes {
        return Ok(value);
    }
    let same = fresh.iter().zip(bytes).take_while(|(ours, theirs)| ours == theirs).count();
    Err(CanonError::NotCanonical { at: same })
}

/// Says whether bytes are the canonical form of some value, whatever its type.
///
/// Errors: as [`from_canonical_bytes`].
pub fn require_canonical(bytes: &[u8]) -> Result<(), CanonError> {
    from_canonical_bytes::<serde_json::Value>(bytes).map(|_| ())
}

/// Refuses nesting before a recursive parser sees it.
fn refuse_depth(bytes: &[u8]) -> Result<(), CanonError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match (in_string, *byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (true | false, _) => {}
        }
        if DEPTH_MAX < depth {
            return Err(CanonError::TooDeep);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    struct BrokerId(i32);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Act {
        Wait,
        Elect { to: BrokerId },
        Fence(BrokerId),
        Pair(i32, i32),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        zone: Option<String>,
        acts: Vec<Act>,
        by_broker: BTreeMap<BrokerId, u64>,
    }

    fn check<T: Serialize>(value: &T, expected: &str) {
        let bytes = to_canonical_bytes(value).expect("canonical");
        assert_eq!(String::from_utf8(bytes).expect("utf-8"), expected);
    }

    #[test]
    fn keys_are_sorted_and_nothing_is_insignificant() {
        check(&json!({"b": [1, {"y": null, "x": true}], "a": -3}), r#"{"a":-3,"b":[1,{"x":true,"y":null}]}"#);
    }

    #[test]
    fn our_kinds_of_types_round_trip() {
        let sample = Sample {
            zone: None,
            acts: vec![Act::Wait, Act::Elect { to: BrokerId(3) }, Act::Fence(BrokerId(2)), Act::Pair(1, -1)],
            by_broker: BTreeMap::from([(BrokerId(9), 1), (BrokerId(10), u64::MAX)]),
        };
        let text = r#"{"acts":["Wait",{"Elect":{"to":3}},{"Fence":2},{"Pair":[1,-1]}],"#.to_owned()
            + r#""by_broker":{"10":18446744073709551615,"9":1},"zone":null}"#;
        check(&sample, &text);
        assert_eq!(from_canonical_bytes::<Sample>(text.as_bytes()), Ok(sample));
    }

    #[test]
    fn escapes_are_the_documented_ones_only() {
        check(
            &"\"\\/\u{8}\t\n\u{c}\r\u{1}\u{1f}\u{7f}é\u{1F600}",
            "\"\\\"\\\\/\\b\\t\\n\\f\\r\\u0001\\u001f\u{7f}é\u{1F600}\"",
        );
    }

    #[test]
    fn keys_beyond_the_basic_plane_sort_by_code_point() {
        // UTF-16 order, which RFC 8785 takes, would put the emoji first.
        check(&BTreeMap::from([("\u{1F600}", 1), ("\u{FF61}", 2)]), "{\"\u{FF61}\":2,\"\u{1F600}\":1}");
    }

    #[test]
    fn what_has_no_canonical_form_is_refused() {
        assert_eq!(to_canonical_bytes(&1.5_f64), Err(CanonError::Unrepresentable("a float")));
        assert_eq!(to_canonical_bytes(&f32::NAN), Err(CanonError::Unrepresentable("a float")));
        assert_eq!(to_canonical_bytes(&json!({"a": [0.5]})), Err(CanonError::Unrepresentable("a float")));
        assert_eq!(to_canonical_bytes(&u128::MAX), Err(CanonError::Unrepresentable("an integer beyond 64 bits")));
        assert_eq!(
            to_canonical_bytes(&BTreeMap::from([((1, 2), 3)])),
            Err(CanonError::Unrepresentable("a key that is no string or integer"))
        );
    }

    #[test]
    fn a_key_that_occurs_twice_is_refused() {
        #[derive(Serialize)]
        struct Twice {
            a: u8,
            #[serde(flatten)]
            rest: BTreeMap<String, u8>,
        }
        let twice = Twice { a: 1, rest: BTreeMap::from([("a".to_owned(), 2)]) };
        assert_eq!(to_canonical_bytes(&twice), Err(CanonError::DuplicateKey("a".to_owned())));
        assert!(require_canonical(br#"{"a":1,"a":2}"#).is_err());
    }

    #[test]
    fn depth_is_bounded_both_ways() {
        let nest = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(require_canonical(nest(DEPTH_MAX).as_bytes()), Ok(()));
        assert_eq!(require_canonical(nest(DEPTH_MAX + 1).as_bytes()), Err(CanonError::TooDeep));
        assert_eq!(require_canonical("[".repeat(1_000_000).as_bytes()), Err(CanonError::TooDeep));
        let deep = (0..=DEPTH_MAX).fold(Value::Null, |inner, _| json!([inner]));
        assert_eq!(to_canonical_bytes(&deep), Err(CanonError::TooDeep));
        // Brackets inside a string are text.
        assert_eq!(require_canonical(format!("\"\\\"{}\"", "[".repeat(99)).as_bytes()), Ok(()));
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for (text, at) in
            [(r#"{"b":1,"a":2}"#, 2), ("[1, 2]", 3), (r#""\u00e9""#, 1), ("-0", 0), (r#""\/""#, 1), (" 1", 0)]
        {
            let refused = require_canonical(text.as_bytes());
            let float_or_other = matches!(refused, Err(CanonError::Unrepresentable("a float")));
            assert!(float_or_other || refused == Err(CanonError::NotCanonical { at }), "{text}: {refused:?}");
        }
        for text in ["1.0", "1e3", "18446744073709551616", "", "{", "nul", "1 2", "\"\u{0}\"", r#""\ud800""#] {
            assert!(require_canonical(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn a_key_unknown_to_the_type_is_refused() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Known {
            a: u8,
        }
        assert_eq!(from_canonical_bytes::<Known>(br#"{"a":1}"#), Ok(Known { a: 1 }));
        assert_eq!(from_canonical_bytes::<Known>(br#"{"a":1,"b":2}"#), Err(CanonError::NotCanonical { at: 6 }));
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn equal_values_have_equal_bytes_and_come_back(value in any_value()) {
            let bytes = to_canonical_bytes(&value).expect("canonical");
            prop_assert_eq!(from_canonical_bytes::<Value>(&bytes), Ok(value.clone()));
            // Another JSON writer, another order of insertion: the same bytes.
            let pretty = serde_json::to_string_pretty(&value).expect("json");
            let again: Value = serde_json::from_str(&pretty).expect("json");
            prop_assert_eq!(to_canonical_bytes(&again), Ok(bytes));
        }

        #[test]
        fn one_changed_byte_never_passes_as_the_same_value(value in any_value(), at in any::<prop::sample::Index>(), with in 1_u8..) {
            let bytes = to_canonical_bytes(&value).expect("canonical");
            let mut changed = bytes.clone();
            let at = at.index(changed.len());
            changed[at] ^= with;
            if let Ok(other) = from_canonical_bytes::<Value>(&changed) {
                prop_assert_ne!(other, value);
            }
        }

        #[test]
        fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            if require_canonical(&bytes).is_ok() {
                let value: Value = serde_json::from_slice(&bytes).expect("json");
                prop_assert_eq!(to_canonical_bytes(&value), Ok(bytes));
            }
        }
    }
}
