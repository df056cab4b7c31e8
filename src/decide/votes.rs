//! Votes: what each node's view of one broker counts for, and what the majority makes of it.
//!
//! Only reports that are fresh count; only a success *sent after* the first red contradicts it; a majority is of the
//! whole trio, and never fewer than two.

use std::collections::BTreeMap;
use std::time::Duration;

use super::policy::{DetectPolicy, Policy};
use crate::model::finding::{Echo, Say, Vote};
use crate::model::ids::{BrokerId, NodeId};
use crate::model::observation::{Blindness, Light, Progress, Pulse, PulseState, Sighting};
use crate::model::snapshot::{Heard, Snapshot};

/// What the nodes say of one broker.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// What each node says.
    pub(super) votes: BTreeMap<NodeId, Vote>,
    /// Red votes.
    pub(super) red: usize,
    /// Red votes of those whose fresh connects were refused.
    pub(super) refused: usize,
    /// Votes that contradict.
    pub(super) serves: usize,
    /// Votes whose light is green.
    pub(super) green: usize,
    /// Votes of nodes that tried and cannot see.
    pub(super) blind: usize,
    /// Votes of nodes that doubt themselves.
    pub(super) abstaining: usize,
    /// How many votes are needed.
    pub(super) needed: usize,
    /// How long ago the first of the red votes turned red; zero where none is.
    pub(super) red_for: Duration,
}

impl Tally {
    /// Tells whether enough are red, whatever others say.
    pub(super) fn enough_red(&self) -> bool {
        self.needed <= self.red
    }

    /// Tells whether the broker is red for a majority that nobody contradicts.
    pub(super) fn confirmed(&self) -> bool {
        self.enough_red() && self.serves == 0
    }

    /// Tells whether most of the red votes were refused; on a tie silence, the weaker evidence, is believed.
    pub(super) fn mostly_refused(&self) -> bool {
        self.red < 2 * self.refused
    }

    /// Tells whether the broker is green for a majority.
    pub(super) fn well(&self) -> bool {
        self.needed <= self.green
    }
}

/// Gives how many votes make a majority of the trio: two of three, and two always.
#[must_use]
pub(super) fn needed(snapshot: &Snapshot) -> usize {
    (snapshot.voters.len() / 2 + 1).max(2)
}

/// Gives what the nodes say of one broker.
pub(super) fn tally(broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> Tally {
    let mut red_for = Duration::ZERO;
    let mut views = BTreeMap::new();
    for node in &snapshot.voters {
        let view = view(broker, snapshot.heard.get(node), &policy.detect);
        if let View::Seen(sighting, age) = view
            && sighting.light.is_red()
        {
            red_for = red_for.max(sighting.light_for.saturating_add(age));
        }
        views.insert(*node, view);
    }
    let mut tally = Tally {
        votes: BTreeMap::new(),
        red: 0,
        refused: 0,
        serves: 0,
        green: 0,
        blind: 0,
        abstaining: 0,
        needed: needed(snapshot),
        red_for,
    };
    for (node, view) in views {
        let vote = vote(&view, red_for);
        tally.red += usize::from(vote.says == Say::Red);
        tally.refused += usize::from(vote.says == Say::Red && vote.light == Some(Light::RedRefused));
        tally.serves += usize::from(vote.says == Say::Serves);
        let counts = !matches!(vote.says, Say::Abstains | Say::NoVote | Say::NotHeard);
        tally.green += usize::from(counts && vote.light == Some(Light::Green));
        tally.blind += usize::from(matches!(vote.says, Say::Blind(why) if why != Blindness::NotTried));
        tally.abstaining += usize::from(vote.says == Say::Abstains);
        tally.votes.insert(node, vote);
    }
    tally
}

/// What is had of one node about one broker.
#[derive(Debug, Clone, Copy)]
enum View<'a> {
    NotHeard(Duration),
    Abstains(Duration),
    NoVote(Duration),
    /// The node reports, but has no sighting of the broker.
    Nothing(Duration),
    Seen(&'a Sighting, Duration),
}

fn view<'a>(broker: BrokerId, heard: Option<&'a Heard>, policy: &DetectPolicy) -> View<'a> {
    let Some(heard) = heard else { return View::NotHeard(Duration::ZERO) };
    let age = heard.age;
    if policy.report_age_max < age {
        View::NotHeard(age)
    } else if policy.abstain_from <= heard.report.lhm {
        View::Abstains(age)
    } else if heard.report.no_vote_on.contains(&broker) {
        View::NoVote(age)
    } else {
        heard.report.brokers.get(&broker).map_or(View::Nothing(age), |sighting| View::Seen(sighting, age))
    }
}

fn vote(view: &View<'_>, red_for: Duration) -> Vote {
    let silent = |says, age| Vote { says, age, light: None, light_for: Duration::ZERO };
    match *view {
        View::NotHeard(age) => silent(Say::NotHeard, age),
        View::Abstains(age) => silent(Say::Abstains, age),
        View::NoVote(age) => silent(Say::NoVote, age),
        View::Nothing(age) => silent(Say::Blind(Blindness::NotTried), age),
        View::Seen(sighting, age) => {
            let says = says(sighting, age, red_for);
            Vote { says, age, light: Some(sighting.light), light_for: sighting.light_for }
        }
    }
}

fn says(sighting: &Sighting, age: Duration, red_for: Duration) -> Say {
    let sent_after_red = sighting.success_sent_ago.is_some_and(|ago| ago.saturating_add(age) < red_for);
    match sighting.light {
        Light::RedRefused | Light::RedSilent => Say::Red,
        Light::Unknown(why) => Say::Blind(why),
        Light::Green | Light::Yellow | Light::Recovering if sent_after_red => Say::Serves,
        Light::Green | Light::Yellow | Light::Recovering => Say::Unsure,
    }
}

/// Gives every sighting of a broker that counts, the taker's own first.
pub(super) fn sightings<'a>(
    broker: BrokerId,
    snapshot: &'a Snapshot,
    policy: &'a Policy,
) -> impl Iterator<Item = &'a Sighting> {
    let own = snapshot.voters.iter().filter(|node| **node == snapshot.taken_by);
    let others = snapshot.voters.iter().filter(|node| **node != snapshot.taken_by);
    own.chain(others).filter_map(move |node| match view(broker, snapshot.heard.get(node), &policy.detect) {
        View::Seen(sighting, _) => Some(sighting),
        View::NotHeard(_) | View::Abstains(_) | View::NoVote(_) | View::Nothing(_) => None,
    })
}

/// Gives what the metadata log's pulse says of a broker: while any node sees it red, only those that do are asked (they
/// count from their first red); the one that heard most beats is believed, on a tie the taker.
pub(super) fn echo(broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> Echo {
    let seen: Vec<&Sighting> = sightings(broker, snapshot, policy).collect();
    let red: Vec<&Sighting> = seen.iter().copied().filter(|sighting| sighting.light.is_red()).collect();
    let asked = if red.is_empty() { seen } else { red };
    let known = |pulse: &Pulse| pulse.state != PulseState::Unknown;
    let mut best = Pulse::default();
    for pulse in asked.iter().map(|sighting| sighting.pulse) {
        if (known(&best), best.beats_since_red) < (known(&pulse), pulse.beats_since_red) {
            best = pulse;
        }
    }
    Echo {
        state: best.state,
        beats_since_red: best.beats_since_red,
        behind_since_red: asked.iter().any(|sighting| sighting.pulse.behind_since_red),
        // Beats from before the red say nothing of what the broker has been since.
        level_beats: best.level_beats.min(best.beats_since_red),
    }
}

/// Tells whether a broker is level at a beat since enough nodes see it red: what one alone has seen red for long was well until then.
/// While nobody does, the beats count of whoever is believed.
pub(super) fn is_level_since(echo: &Echo, broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> bool {
    let red = sightings(broker, snapshot, policy).filter(|sighting| sighting.light.is_red());
    let heard = red.map(|sighting| sighting.pulse).filter(|pulse| pulse.state != PulseState::Unknown);
    let mut beats: Vec<u32> = heard.map(|pulse| pulse.beats_since_red).collect();
    beats.sort_unstable_by(|one, other| other.cmp(one));
    let last_needed = needed(snapshot).saturating_sub(1);
    let since = beats.get(last_needed).or(beats.last()).copied().unwrap_or(echo.beats_since_red);
    echo.state == PulseState::Level && 0 < since
}

/// Gives whether clients seem to be served: any node's growth counts, and a standstill only where nobody sees growth.
pub(super) fn progress(broker: BrokerId, snapshot: &Snapshot, policy: &Policy) -> Progress {
    sightings(broker, snapshot, policy).map(|sighting| sighting.progress).max().unwrap_or_default()
}

/// Gives how many brokers are red for enough nodes, contradicted or not, those in maintenance left out: their absence is
/// wanted.
pub(super) fn red_brokers(snapshot: &Snapshot, policy: &Policy) -> u32 {
    let red = snapshot
        .topology
        .brokers
        .keys()
        .filter(|broker| !snapshot.standing.maintenance.contains(broker))
        .filter(|broker| tally(**broker, snapshot, policy).enough_red());
    u32::try_from(red.count()).unwrap_or(u32::MAX)
}
