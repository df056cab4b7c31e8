//! THE SIMULATED WORLD: the trio and a model of Kafka on a virtual clock.

pub mod differential;
