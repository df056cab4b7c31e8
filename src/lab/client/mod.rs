//! CLIENTS of the lab: what a fault does to those who produce and consume.
//!
//! [`Probe`] is the yardstick of every figure: the first success issued after the fault, partition by partition, without any client's
//! own caching. [`Steady`] is what real clients feel, through librdkafka. [`final_read`] proves that nothing acknowledged was lost.

mod felt;
mod map;
mod probe;
mod read;
mod steady;

pub use felt::Felt;
pub use probe::{Probe, Recovery};
pub use read::{FinalRead, Place, final_read};
pub use steady::{Steady, SteadyOptions, SteadyReport};
