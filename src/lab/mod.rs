//! THE LAB: real Kafka clusters and real faults for tests, demo and benchmarks (feature `lab`).
