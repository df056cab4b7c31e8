//! No model at all: the rules decide alone, and the record says so.

use std::time::Duration;

use crate::decide::advice::unasked;
use crate::model::advice::{Brief, NoOpinion, Opinion};

/// The adviser of a trio without a model: always `none(off)`, at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct RulesOnly;

impl RulesOnly {
    /// Gives `none(off)`.
    pub async fn advise(&self, brief: &Brief, _deadline: Duration) -> Opinion {
        unasked(brief, NoOpinion::Off)
    }
}
