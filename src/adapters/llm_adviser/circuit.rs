//! The circuit breakers of the adviser: when it is not asked for a while.
//!
//! Deliberately without a clock: `now` is an argument. Competence and cost have breakers of their own elsewhere.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::advice::{Breaker, Verdict};
use crate::model::time::Timestamp;

/// When the adviser is not asked for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CircuitOptions {
    /// After so many failures of the server running.
    pub failures_max: u32,
    /// How long it then rests; afterwards one question tries it again.
    pub failures_rest: Duration,
    /// After so many vetoes within `vetoes_within`, if they are also more than half of what was said.
    pub vetoes_max: u32,
    /// The span that vetoes are counted over.
    pub vetoes_within: Duration,
    /// How long it then rests.
    pub vetoes_rest: Duration,
}

impl Default for CircuitOptions {
    fn default() -> Self {
        Self {
            // One lost packet and one restart are no reason; three in a row cost at most 9 s of an R2's waiting.
            failures_max: 3,
            failures_rest: Duration::from_secs(30),
            // Plans that reach the model have passed every rule: five objections in an hour say more about the model.
            vetoes_max: 5,
            vetoes_within: Duration::from_secs(3600),
            vetoes_rest: Duration::from_secs(3600),
        }
    }
}

/// How many verdicts are remembered at most: enough for any sensible `vetoes_max`, bounded for ever.
const VERDICTS_MAX: usize = 256;

/// Both breakers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circuit {
    options: CircuitOptions,
    failures: u32,
    rests_until: Option<(Timestamp, Breaker)>,
    verdicts: VecDeque<(Timestamp, Verdict)>,
}

impl Circuit {
    /// Gives a closed circuit.
    #[must_use]
    pub fn new(options: CircuitOptions) -> Self {
        Self { options, failures: 0, rests_until: None, verdicts: VecDeque::new() }
    }

    /// Gives the breaker that is open, if one is.
    #[must_use]
    pub fn open(&self, now: Timestamp) -> Option<Breaker> {
        self.rests_until.filter(|(until, _)| now < *until).map(|(_, breaker)| breaker)
    }

    /// Notes that the server failed. After a rest the next failure opens again at once.
    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        if self.options.failures_max <= self.failures {
            self.rests_until = Some((now.plus(self.options.failures_rest), Breaker::Transport));
        }
    }

    /// Notes that the server answered, and what counted of it.
    pub fn answered(&mut self, now: Timestamp, said: Option<Verdict>) {
        self.failures = 0;
        let Some(verdict) = said else { return };
        self.verdicts.push_back((now, verdict));
        while self.verdicts.len() > VERDICTS_MAX
            || self.verdicts.front().is_some_and(|(at, _)| self.options.vetoes_within < now.since(*at))
        {
            self.verdicts.pop_front();
        }
        let vetoes = self.verdicts.iter().filter(|(_, verdict)| *verdict == Verdict::Veto).count();
        let many = usize::try_from(self.options.vetoes_max).is_ok_and(|max| max <= vetoes);
        if verdict == Verdict::Veto && many && self.verdicts.len() < vetoes.saturating_mul(2) {
            self.rests_until = Some((now.plus(self.options.vetoes_rest), Breaker::TooManyVetoes));
            self.verdicts.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::default().plus(Duration::from_secs(seconds))
    }

    fn circuit() -> Circuit {
        Circuit::new(CircuitOptions::default())
    }

    #[test]
    fn three_failures_running_open_it_for_a_while_and_one_more_again() {
        let mut circuit = circuit();
        circuit.failed(at(0));
        circuit.failed(at(1));
        assert_eq!(circuit.open(at(1)), None);
        circuit.failed(at(2));
        assert_eq!(circuit.open(at(31)), Some(Breaker::Transport));
        assert_eq!(circuit.open(at(32)), None);
        circuit.failed(at(33));
        assert_eq!(circuit.open(at(34)), Some(Breaker::Transport));
    }

    #[test]
    fn an_answer_forgets_the_failures_before_it() {
        let mut circuit = circuit();
        for second in 0..20 {
            circuit.failed(at(second));
            circuit.failed(at(second));
            circuit.answered(at(second), None);
        }
        assert_eq!(circuit.open(at(20)), None);
    }

    #[test]
    fn a_model_that_mostly_vetoes_is_not_asked_for_an_hour() {
        let mut circuit = circuit();
        for second in 0..4 {
            circuit.answered(at(second), Some(Verdict::Veto));
        }
        assert_eq!(circuit.open(at(4)), None);
        circuit.answered(at(4), Some(Verdict::Veto));
        assert_eq!(circuit.open(at(5)), Some(Breaker::TooManyVetoes));
        assert_eq!(circuit.open(at(3604)), None);
    }

    #[test]
    fn vetoes_that_are_rare_or_old_open_nothing() {
        let mut often = circuit();
        let mut slow = circuit();
        for round in 0..40 {
            often.answered(at(round), Some(Verdict::Approve));
            often.answered(at(round), Some(Verdict::Veto));
            slow.answered(at(round * 1000), Some(Verdict::Veto));
        }
        assert_eq!(often.open(at(40)), None);
        assert_eq!(slow.open(at(39_000)), None);
    }
}
