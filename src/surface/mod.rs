//! WHAT PEOPLE TOUCH: the command line, and the servers that it and other programs talk to.
//!
//! Deliberately without knowledge of Kafka, disks and peers: a question goes in through one function, an answer comes out.

pub mod cli;
pub mod demo;
pub mod exit;
pub mod grpc;
pub mod simulate;
pub mod talk;
pub mod terminal;
