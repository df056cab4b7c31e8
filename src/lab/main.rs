//! The tanist-lab binary: real clusters, really broken.

fn main() {}
