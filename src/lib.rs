//! Tanist: the controller that sees the Kafka failures that Kafka does not, moves leadership in about a second, and can
//! prove why.

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
