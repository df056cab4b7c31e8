//! No model at all, and the choice between one and none that the wiring makes once.

use std::time::Duration;

use super::LlmAdviser;
use crate::decide::advice::unasked;
use crate::model::advice::{Brief, NoOpinion, Opinion};
use crate::ports::Adviser;

/// The adviser of a trio without a model: always `none(off)`, at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct RulesOnly;

impl Adviser for RulesOnly {
    async fn advise(&self, brief: &Brief, _deadline: Duration) -> Opinion {
        unasked(brief, NoOpinion::Off)
    }
}

/// Whichever adviser the settings name; the driver is built for one type.
#[derive(Debug)]
pub enum ModelOrRules {
    /// `[adviser]` names a server.
    Model(Box<LlmAdviser>),
    /// It does not.
    Rules(RulesOnly),
}

impl Adviser for ModelOrRules {
    async fn advise(&self, brief: &Brief, deadline: Duration) -> Opinion {
        match self {
            Self::Model(model) => model.advise(brief, deadline).await,
            Self::Rules(rules) => rules.advise(brief, deadline).await,
        }
    }
}
