//! NOUNS: plain data that every other floor shares; no behaviour beyond construction and display.

pub mod canon;
pub mod chain;
