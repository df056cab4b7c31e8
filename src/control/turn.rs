//! Whose turn it is to be asked: for a change whoever has just answered a look or did the last one, and last whoever left one
//! unanswered; for a look whoever answers, each time from another place on.
//!
//! Deliberately one rule for production's hand and probe and the simulated ones: what it decides is whether a change gets through
//! where a stopped process still takes connections, and whether anybody tells what is so.

use super::pace::VIEWS;

/// What is remembered of those that may be asked.
#[derive(Debug, Clone)]
pub struct Turn<T> {
    /// Who last did what was asked: the active controller, or a broker that passes requests on to it.
    serves: Option<T>,
    /// Who has left a request unanswered, or taken no connection, since last heard.
    mute: Vec<T>,
}

impl<T> Default for Turn<T> {
    fn default() -> Self {
        Self { serves: None, mute: Vec::new() }
    }
}

impl<T: Clone + PartialEq> Turn<T> {
    /// Gives those that may be asked now in the order in which to try them: of those that do not leave requests unanswered whoever
    /// has just answered a look, and of these whoever did the last change.
    #[must_use]
    pub fn order(&self, mut peers: Vec<T>, heard: &[T]) -> Vec<T> {
        peers.sort_by_key(|peer| (self.mute.contains(peer), !heard.contains(peer), self.serves.as_ref() != Some(peer)));
        peers
    }

    /// Takes in that one did what was asked.
    pub fn answered(&mut self, peer: &T) {
        self.serves = Some(peer.clone());
        self.heard(peer);
    }

    /// Takes in that one answered, whatever it said.
    pub fn heard(&mut self, peer: &T) {
        self.mute.retain(|mute| mute != peer);
    }

    /// Takes in that one left a request unanswered, or took no connection: the next one is asked of another.
    pub fn left_unanswered(&mut self, peer: &T) {
        self.serves.take_if(|serves| serves == peer);
        if !self.mute.contains(peer) {
            self.mute.push(peer.clone());
        }
    }
}

/// Gives whom to ask about others: those that answer first, in the order given from a place on.
#[must_use]
pub fn whom_to_ask<T>(mut peers: Vec<T>, place: usize, answers: impl Fn(&T) -> bool) -> Vec<T> {
    let places = peers.len().max(1);
    peers.rotate_left(place.checked_rem(places).unwrap_or(0));
    peers.sort_by_key(|peer| !answers(peer));
    peers
}

/// Gives the place from which a question goes on that so many times was put to [`VIEWS`] of them and not answered.
#[must_use]
pub fn place_of(turn: usize) -> usize {
    turn.saturating_mul(VIEWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_served_last_is_asked_first_and_who_did_not_answer_last() {
        let order = |serves, mute: &[i32]| Turn { serves, mute: mute.to_vec() }.order(vec![1, 2, 3], &[]);
        assert_eq!(order(None, &[]), [1, 2, 3]);
        assert_eq!(order(Some(2), &[]), [2, 1, 3]);
        assert_eq!(order(None, &[1]), [2, 3, 1]);
        assert_eq!(order(None, &[1, 2]), [3, 1, 2]);
        assert_eq!(order(Some(3), &[1]), [3, 2, 1]);
        assert_eq!(order(Some(4), &[5]), [1, 2, 3], "whoever may not be asked now is not");
    }

    #[test]
    fn who_has_just_answered_a_look_is_asked_before_who_served_last() {
        let turn = Turn { serves: Some(1), mute: vec![2] };
        assert_eq!(
            turn.order(vec![1, 2, 3, 4], &[2, 3, 4]),
            [3, 4, 1, 2],
            "a look that is answered is no change that is"
        );
        assert_eq!(turn.order(vec![1, 2, 3, 4], &[1, 4]), [1, 4, 3, 2]);
    }

    #[test]
    fn whoever_answers_again_is_no_longer_last() {
        let mut turn = Turn::default();
        turn.answered(&2);
        turn.left_unanswered(&2);
        turn.left_unanswered(&1);
        assert_eq!(turn.order(vec![1, 2, 3], &[]), [3, 1, 2]);
        turn.heard(&1);
        assert_eq!(turn.order(vec![1, 2, 3], &[]), [1, 3, 2]);
        turn.answered(&2);
        assert_eq!(turn.order(vec![1, 2, 3], &[]), [2, 1, 3]);
    }

    #[test]
    fn a_question_that_was_not_answered_goes_on_to_the_next_ones_that_answer() {
        let asked = |turn, mute: &[i32]| {
            let mut order = whom_to_ask(vec![1, 2, 3, 4, 5], place_of(turn), |peer| !mute.contains(peer));
            order.truncate(VIEWS);
            order
        };
        assert_eq!([0, 1, 2].map(|turn| asked(turn, &[])), [[1, 2], [3, 4], [5, 1]]);
        assert_eq!([0, 1, 2].map(|turn| asked(turn, &[4])), [[1, 2], [3, 5], [5, 1]]);
        assert_eq!(asked(1, &[1, 2, 3, 4, 5]), [3, 4], "whoever is left is asked all the same");
        assert!(whom_to_ask(Vec::<i32>::new(), place_of(1), |_| true).is_empty());
    }
}
