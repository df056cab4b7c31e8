//! THE CONTROLLER without I/O: `step(now, event) -> effects`, cases, execution cursor, cool-downs.
//!
//! Reading order: [`event`] (what it hears and wants), [`state`] (what the records amount to), `controller` (the door),
//! `lead` (what only the leader holds), `round` (one round of decisions), `held` (non-decisions that
//! go on), `recovery` (the way back), `advising`, `cursor` (a plan in flight), `verify` (read back and reconciled), `asks` and
//! `views` (operators), `looks` (what a decision waits for), `unseen` (what it cannot look at), [`pace`] (how often a node looks, and how
//! long it waits), [`turn`] (whom a hand asks first).

mod advising;
mod asks;
pub mod budget;
mod considered;
mod controller;
mod cursor;
pub mod event;
mod hand_over;
mod held;
mod lead;
mod looks;
pub mod pace;
mod recovery;
mod rest;
mod round;
pub mod state;
#[cfg(test)]
mod tests;
pub mod turn;
mod unseen;
mod verify;
mod views;

pub use controller::{Advice, Controller, ControllerOptions, Now};
pub use lead::Backlog;
