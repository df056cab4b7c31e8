//! What the model is known to do otherwise than Kafka: a debt, read from `gaps.txt`, each line with its reason.
//!
//! Not to be taken for `allowance`: there reality leaves something open, here the model is wrong.

use std::fmt;
use std::path::Path;

use tanist::sim::differential::compare::Difference;

/// One line: `release state/action stage field broker: reason`; a star stands for anything.
pub(crate) struct Gap {
    words: Vec<String>,
    reason: String,
}

impl Gap {
    /// Tells whether the difference is one of these.
    pub(crate) fn covers(&self, kafka: &str, difference: &Difference) -> bool {
        let cell = format!("{}/{}", difference.state, difference.action);
        let broker = difference.broker.clone().unwrap_or_else(|| "-".to_owned());
        let told = [kafka.to_owned(), cell, difference.stage.to_string(), difference.field.name().to_owned(), broker];
        self.words.iter().zip(&told).all(|(word, told)| {
            word.split(',').any(|one| {
                one == "*"
                    || one == told
                    || one.strip_suffix("/*").is_some_and(|state| told.split('/').next() == Some(state))
            })
        })
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.words.join(" "), self.reason)
    }
}

/// Reads every gap.
pub(crate) fn read() -> Vec<Gap> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential/gaps.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let gap = |line: &str| {
        let (words, reason) = line.split_once(": ").unwrap_or_else(|| panic!("a gap without a reason: {line}"));
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        assert_eq!(words.len(), 5, "release state/action stage field broker: {line}");
        Gap { words, reason: reason.to_owned() }
    };
    text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).map(gap).collect()
}
