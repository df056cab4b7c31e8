//! A pretended outside: everything that Tanist meets, on a virtual clock and under one seed.
//!
//! Deliberately nothing of Tanist itself is imitated here: the controller and the consensus that run in this world are the
//! production ones. What stands between them and the world (probe, hand, driver) keeps production's pace and order.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "checks, sabotage and timelines pick a few variants out of many; a new one must not have to be named in each"
)]

pub mod adviser;
mod agenda;
pub mod chance;
pub mod checks;
pub mod clock;
pub mod demo;
mod desk;
pub mod differential;
pub mod disk;
mod hand;
pub mod kafka;
pub mod meter;
pub mod net;
mod node;
mod probe;
pub mod random;
mod readers;
pub mod sabotage;
pub mod scan;
pub mod scenario;
mod stimulus;
#[cfg(test)]
mod tests;
pub mod trace;
pub mod watch;
pub mod world;
