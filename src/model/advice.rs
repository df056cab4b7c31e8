//! Advice: what the adviser is asked and what it said, after schema and grounding checks.

use serde::{Deserialize, Serialize};

/// What the adviser said of a brief, or why it said nothing that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {}
