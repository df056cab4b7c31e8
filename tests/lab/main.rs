//! The lab tested on itself: links that break as they say, and real clusters that fail as Kafka does.
//!
//! Needs feature `lab`, Java and (once) Maven. Tests with a cluster of their own take turns: two cores hold one at a time.
#![cfg(test)]
#![cfg(feature = "lab")]

#[path = "../common/alone.rs"]
mod alone;
mod clusters;
mod disks;
mod links;
mod paths;
mod people;
#[path = "../common/skip.rs"]
mod skip;
