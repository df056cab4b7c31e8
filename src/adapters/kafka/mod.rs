//! Kafka as a neighbour: the wire, the probe that looks, the actuator that touches.

pub mod actuator;
pub mod probe;
pub mod wire;
