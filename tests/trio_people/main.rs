//! The operator's side and the trio's own failures: three real Tanist processes beside a real cluster, asked, paused, killed and
//! cut off as people and machines do it.
//!
//! Needs feature `lab`. All cases share one cluster (`ground`); each has a trio and a topic of its own. What the trio does about
//! failing brokers by itself is another test's business.
#![cfg(test)]
#![cfg(feature = "lab")]

#[path = "../common/alone.rs"]
mod alone;
mod approve;
mod bad_input;
mod desk;
mod ground;
mod ill_placed;
mod minority;
mod observe;
mod pause;
mod rejoin;
mod rights;
mod ruin;
#[path = "../common/skip.rs"]
mod skip;
mod succession;
