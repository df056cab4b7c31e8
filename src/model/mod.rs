//! NOUNS: plain data that every other floor shares; no behaviour beyond construction and display.
//!
//! One sentence per word; each means the same in code, logs, tests, proto, page and docs:
//!
//! - **observation**: one fact that one node measured: what, about whom, how old.
//! - **report**: what one node says of all brokers at one moment, in ages.
//! - **snapshot**: the fused picture of the cluster, with its own `taken_at` and a list of what is missing from it.
//! - **finding**: something wrong, or `Unknown`, with its evidence and who voted.
//! - **candidate**: a replica that could lead, with every part of its score, or the `Unfit` reason that forbids it.
//! - **plan**: steps with preconditions, an undo, a class (R0-R3), a digest and a parent; it leaves no choice open.
//! - **objection**: one typed reason why the guard holds a plan.
//! - **opinion**: what the model said, after schema and grounding checks.
//! - **ruling**: allowed, held (objections) or needs approval (by how many, until when).
//! - **intent**: the committed word that a plan is about to be carried out; its outcome closes it.
//! - **receipt**: what a step did, and how it was verified.
//! - **record**: anything the ledger holds; versioned, canonical, hash-chained.
//! - **case**: the life of one finding or request: all records that share its id.

pub mod advice;
pub mod canon;
pub mod chain;
pub mod finding;
pub mod ids;
pub mod observation;
pub mod operator;
pub mod plan;
pub mod record;
pub mod ruling;
pub mod snapshot;
pub mod time;
pub mod told;
pub mod topology;
pub mod trio;
