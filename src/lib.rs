//! Tanist: the controller that sees the Kafka failures that Kafka does not, moves leadership in about a second, and can
//! prove why.
//!
//! This page is the map; `ARCHITECTURE.md` says why it is drawn so. `tests/floors.rs` keeps the floors, and holds this page against
//! them.
//!
//! # Floors
//!
//! A module sees strictly lower floors and itself. Below floor 4 there is no async, clock, chance, environment, logging, float or
//! hash map: `now` is an argument, and what would be logged is returned.
//!
//! | floor | module | what it is |
//! | ---: | --- | --- |
//! | 8 | `main` | arguments in, one exit status out |
//! | 7 | `app` | the wiring: settings, adapters, driver, servers; sees everything but the lab |
//! | 6 | `config` | settings, checked as a whole; reaches no adapter |
//! | 6 | `surface` | what people touch: command line and gRPC; reaches no adapter |
//! | 5 | `lab` | real clusters and faults, for tests, demo and benchmarks (feature `lab`); never shipped |
//! | 4 | `driver` | the only loop: events in, effects out through the ports |
//! | 4 | `adapters` | the outside, a folder for each neighbour: Kafka, peers, disks, the adviser |
//! | 3 | `ports` | the four doors between the controller and the world, and their errors |
//! | 3 | `sim` | a pretended outside in virtual time: the model of Kafka, scenarios, the checks of the invariants |
//! | 2 | `control` | the controller without I/O: `step(now, event) -> effects` |
//! | 2 | `consensus` | Raft without network or disk |
//! | 1 | `decide` | pure verbs: assemble, detect, score, plan, guard, settle |
//! | 1 | `render` | model to text, for people and for machines |
//! | 0 | `model` | nouns: plain data, and the glossary |
//!
//! # Invariants
//!
//! `ARCHITECTURE.md` has them too. Whatever of them a run can show the simulation checks after every event (`sim::checks`).
//!
//! 1. Equal snapshot, history and policy give an equal decision, on every node, in every year.
//! 2. Nothing is applied that is not committed first, in its term and within its `valid_for`.
//! 3. The guard runs before the act, on the whole plan, and again per step. It shares no code with the planner.
//! 4. Advice narrows: what is settled is a subset of what the guard allows. Silence and nonsense are never consent.
//! 5. Not heard is `unknown`, not `failed`. Too many failed at once means that we are cut off, and stops us.
//! 6. The pause switch fails closed, and can be thrown without a quorum.
//! 7. The elected target was in the ISR (or is a clean ELR member) at the decision and again just before sending.
//! 8. No step leaves a partition with fewer than `min.insync.replicas` in sync, nor makes one worse that already is, beyond what
//!    Kafka's own fencing of a dead broker would do.
//! 9. One disruptive plan in flight; a failed step stops it; the next round plans anew from a fresh snapshot.
//! 10. A restart or a change of leader neither loses an intent nor sends one again blindly.
//! 11. Observe-only and dry run send no mutating request, checked at the connection.
//! 12. Durations travel between machines, timestamps do not; a clock jump of a day changes no decision.
//! 13. Secrets and cluster-chosen strings never reach a prompt; secrets never reach a log, a record or a metric.
//! 14. Every executed step has intent, evidence, opinion-or-none, outcome and verification in the audit chain; gaps show.
//!
//! # Reading order
//!
//! 1. `model` (the glossary) and `model::record`: what is spoken of, and what is kept of it.
//! 2. `decide`, in the order that its header gives: from observations to a ruling, all of it pure.
//! 3. `control::event`, then `control` in the order of its header: what makes a ruling an act, once two of three hold it.
//! 4. `ports` and `driver`: how the same effects reach the world. `adapters::kafka::actuator` is the only hand.
//! 5. `consensus` and `adapters::ledger`: how the three agree, and who leads.
//! 6. A scenario in `simulations/`, then `sim::checks`: what is promised, and how each promise is tried.

pub mod adapters;
pub mod app;
pub mod config;
pub mod consensus;
pub mod control;
pub mod decide;
pub mod driver;
#[cfg(feature = "lab")]
pub mod lab;
pub mod model;
pub mod ports;
pub mod render;
pub mod sim;
pub mod surface;
