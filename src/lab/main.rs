//! The tanist-lab binary: real clusters, really broken.

use std::process::ExitCode;

fn main() -> ExitCode {
    tanist::lab::cli::run()
}
