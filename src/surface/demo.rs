//! The arguments of `tanist demo`.

use clap::Args;

use super::simulate::Simulation;

/// What is to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct DemoArguments {
    /// On a simulated cluster: needs no Java and no Kafka. The demo on a real one is `make demo` in the source tree.
    #[arg(long, required = true)]
    simulated: bool,
    /// Where chance comes from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many times faster than real time passes.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    speed: u32,
}

/// What the arguments mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Show {
    /// Where chance comes from.
    pub seed: u64,
    /// How many times faster than real time passes.
    pub speed: u32,
}

impl DemoArguments {
    /// Gives what the arguments mean.
    #[must_use]
    pub fn meant(self) -> Simulation {
        Simulation::Demo(Show { seed: self.seed, speed: self.speed })
    }
}
