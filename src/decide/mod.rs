//! PURE VERBS of the flow: assemble, detect, score, plan, guard, settle. No clock, chance, I/O or logging.
//!
//! Reading order: [`policy`] (every number), [`watch`] (one node: observations to lights), [`assemble`] (reports to a
//! snapshot), [`detect`] (snapshot to findings), [`score`] and [`plan`] (finding to plan), [`guard`] (plan to ruling; shares
//! no code with `plan`), [`branch`] (what the echo says), [`fit`] (the last look before a write), [`deliberate`] (all of it, and again from a record).

pub mod advice;
pub mod assemble;
pub mod branch;
pub mod deliberate;
pub mod detect;
pub mod fit;
#[cfg(test)]
pub(crate) mod fixture;
pub mod guard;
pub mod heir;
pub mod plan;
pub mod policy;
pub mod readings;
pub mod score;
mod settings;
mod votes;
pub mod watch;
