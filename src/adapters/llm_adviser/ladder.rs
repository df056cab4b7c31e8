//! The degradation ladder: in which form a server is asked, found by trying, best first.
//!
//! Whatever the form, the same reading and grounding end each answer. Deliberately never climbing up again by itself:
//! a server that learnt something new is probed at the next start.

use crate::model::advice::{Dialect, Rung};

/// One form of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How the answer's form is asked for.
    pub rung: Rung,
    /// What else the request carries.
    pub dialect: Dialect,
}

/// The form in use, and whether it has ever worked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    shape: Shape,
    worked: Worked,
}

/// Whether the form in use has worked; then one refusal may be about the question, not the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worked {
    NotYet,
    Yes,
}

/// What the ladder answers to a step down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Stepped {
    /// There is another form to try.
    Down,
    /// The form stays: it is the last, or it has worked before.
    Stays,
}

impl Default for Ladder {
    fn default() -> Self {
        let shape = Shape { rung: Rung::StrictSchema, dialect: Dialect::OpenAi };
        Self { shape, worked: Worked::NotYet }
    }
}

impl Ladder {
    /// Gives the form in use.
    #[must_use]
    pub fn shape(self) -> Shape {
        self.shape
    }

    /// Notes that the form worked: the answer could be read.
    pub fn works(&mut self) {
        self.worked = Worked::Yes;
    }

    /// Notes that the server refused the form: the next dialect, or the next rung.
    pub fn refused(&mut self) -> Stepped {
        if self.worked == Worked::Yes {
            self.worked = Worked::NotYet;
            return Stepped::Stays;
        }
        match after(Dialect::ALL, self.shape.dialect) {
            Some(dialect) => {
                self.shape.dialect = dialect;
                Stepped::Down
            }
            None => self.next_rung(Dialect::OpenAi),
        }
    }

    /// Notes that the server took the form and did not keep to it: the next rung, in the dialect that it took.
    pub fn ignored(&mut self) -> Stepped {
        if self.worked == Worked::Yes { Stepped::Stays } else { self.next_rung(self.shape.dialect) }
    }

    fn next_rung(&mut self, dialect: Dialect) -> Stepped {
        match after(Rung::ALL, self.shape.rung) {
            Some(rung) => {
                self.shape = Shape { rung, dialect };
                Stepped::Down
            }
            None => Stepped::Stays,
        }
    }
}

fn after<T: Copy + PartialEq>(all: &[T], now: T) -> Option<T> {
    all.iter().copied().skip_while(|one| *one != now).nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_refuses_everything_is_asked_in_every_form_once() {
        let mut ladder = Ladder::default();
        let mut shapes = vec![ladder.shape()];
        while ladder.refused() == Stepped::Down {
            shapes.push(ladder.shape());
        }
        assert_eq!(shapes.len(), Rung::ALL.len() * Dialect::ALL.len());
        assert_eq!(shapes.last(), Some(&Shape { rung: Rung::Text, dialect: Dialect::Bare }));
    }

    #[test]
    fn a_server_that_ignores_the_form_is_asked_in_the_next_one_in_its_dialect() {
        let mut ladder = Ladder::default();
        assert_eq!(ladder.refused(), Stepped::Down);
        assert_eq!(ladder.ignored(), Stepped::Down);
        assert_eq!(ladder.shape(), Shape { rung: Rung::LooseSchema, dialect: Dialect::Compatible });
    }

    #[test]
    fn a_form_that_has_worked_is_left_at_the_second_refusal_only() {
        let mut ladder = Ladder::default();
        ladder.works();
        assert_eq!(ladder.ignored(), Stepped::Stays);
        assert_eq!(ladder.refused(), Stepped::Stays);
        assert_eq!(ladder.shape(), Ladder::default().shape());
        assert_eq!(ladder.refused(), Stepped::Down);
    }
}
