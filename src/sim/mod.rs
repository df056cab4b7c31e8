//! A pretended outside: everything that Tanist meets, on a virtual clock and under one seed.
//!
//! Deliberately nothing of Tanist itself is imitated here: the controller and the consensus that run in this world are the
//! production ones.

pub mod chance;
pub mod differential;
pub mod kafka;
