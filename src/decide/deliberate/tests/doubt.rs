//! What is said where nodes doubt themselves: a reason that names what they see, although none of them may vote.

use crate::decide::deliberate::deliberate;
use crate::decide::fixture::{PLAIN, parse};
use crate::model::ids::{BrokerId, Rack};
use crate::model::record::Inaction;
use crate::model::ruling::Objection;

/// When most brokers are gone every node doubts itself and none may vote; why nothing is done is then not that votes are missing.
#[test]
fn nodes_that_doubt_themselves_still_name_too_many_red_brokers() {
    let inaction = |extra: &str| {
        let refused = |broker: &str| {
            (1..=3).map(|n| format!("n{n} sees {broker} refused 9s sent 9s\nn{n} lhm 8\n")).collect::<String>()
        };
        let (snapshot, policy) = parse(&format!(
            "{PLAIN}case b1 c-4 broker_crashed open\n{}{}",
            refused("b1"),
            extra.replace("b2 is gone", &refused("b2"))
        ));
        deliberate(&snapshot, &policy)
            .into_iter()
            .find(|one| one.finding.broker == BrokerId(1))
            .and_then(|one| one.inaction)
    };
    let held = |why| Some(Inaction::Held(vec![why]));
    assert_eq!(inaction(""), held(Objection::NoMajority { votes: 0, needed: 2 }));
    let racks = ["a", "b"].map(|rack| Rack(rack.to_owned())).into();
    assert_eq!(inaction("b2 is gone"), held(Objection::BlastRadius { red: 2, limit: 1, racks }));
    assert_eq!(inaction("b2 is gone\nmaintenance b2\n"), held(Objection::NoMajority { votes: 0, needed: 2 }));
}
