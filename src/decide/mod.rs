//! PURE VERBS of the flow: assemble, detect, score, plan, guard, settle. No clock, chance, I/O or logging.

pub mod advice;
