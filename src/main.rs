//! The tanist binary: arguments in, an exit status out.

use std::process::ExitCode;

fn main() -> ExitCode {
    tanist::app::main().into()
}
