//! CLIENTS of the lab: what a fault does to those who produce and consume.
//!
//! [`Probe`] is the yardstick of every figure: the first success issued after the fault, partition by partition, without any client's
//! own caching. [`Steady`] is what real clients feel, through librdkafka. [`final_read`] proves that nothing acknowledged was lost.

mod map;
mod probe;
mod read;
mod steady;

pub use probe::{Probe, Recovery};
pub use read::{FinalRead, final_read};
pub use steady::{Felt, Steady, SteadyOptions, SteadyReport};
