//! THE CONTROLLER without I/O: `step(now, event) -> effects`, cases, execution cursor, cool-downs.
