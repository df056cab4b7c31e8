//! What is really so in the pretended cluster, for checks and printing: no asker can know it.

use super::Kafka;

/// A look at everything.
#[derive(Debug, Clone, Copy)]
pub struct Truth<'a> {
    pub(super) kafka: &'a Kafka,
}
