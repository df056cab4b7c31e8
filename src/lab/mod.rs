//! THE LAB: real Kafka clusters and real faults for tests, demo and benchmarks (feature `lab`).
//!
//! A [`Cluster`](cluster::Cluster) is a set of Kafka processes on this machine, every link of theirs through a proxy that can be
//! cut, frozen, delayed or limited; a [`Fault`](fault::Fault) is a value that says what to break, and [`client`] measures what that
//! does to those who produce and consume. Nothing here is part of the release binary, and nothing here detects or decides: the lab
//! breaks and measures, Tanist heals.
//!
//! Reading order: `names`, `options`, `fault` (values) - `jars`, `settings`, `process`, `reserve` (one Kafka) - `pump`, `link`,
//! `links` (the proxies) - `cluster`, `inflict`, `disk` (all together) - `client`, `admin` - `cli`, `control`, `bench`, `demo`,
//! `differential`.

pub mod act;
pub mod admin;
pub mod bench;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod control;
pub mod demo;
pub mod differential;
pub mod error;
pub mod fault;
pub mod jars;
pub mod link;
pub mod names;
pub mod options;
pub mod trio;

mod disk;
mod folder;
mod format;
mod inflict;
mod links;
mod process;
mod pump;
mod records;
mod reserve;
mod settings;
mod settled;
mod tally;

pub use admin::{Hands, TopicPlan};
pub use cluster::Cluster;
pub use error::LabError;
pub use fault::{Fault, FaultKind, Scheduled};
pub use names::{BrokerId, ControllerId, Listener, Target, Vantage};
pub use options::{Access, ClusterOptions, Disk, Roles, Timing};
