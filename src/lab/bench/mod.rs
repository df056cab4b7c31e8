//! THE BENCHMARKS on real clusters: how soon produce works again, what each act does about each fault, what a node costs, and what a
//! rolling restart is made of.
//!
//! Each keeps every run as a line of NDJSON at once (`results`), does not repeat what is there, and writes its table in
//! BENCHMARKS.md (`page`) from those lines and from nothing else. Those that measure Tanist want a release build, and say so where
//! they had none.

pub mod failover;
pub mod matrix;
pub mod node;
pub mod rolling;

mod ground;
mod page;
mod results;
