//! P0 and P1 of one broker, as production does it: one line that is pinged, two quick connects after a close, a second line
//! beside a silent first one.

use std::time::Duration;

use crate::control::pace::{CAPPED_AFTER, QUICK_CONNECTS_MAX};
use crate::model::ids::BrokerId;
use crate::model::observation::{Blindness, Fact, LineChange, PingOutcome, ProbeKind};
use crate::model::time::Timestamp;
use crate::sim::desk::Desk;
use crate::sim::kafka::talk::{Call, Door, Line, News, Request};
use crate::sim::stimulus::{ProbeTimer, Stimulus};

use super::Means;

/// The lanes of a broker's two lines; the second is tried beside the first.
const LANES: [u8; 2] = [0, 1];

/// What the line to one broker is doing.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) broker: BrokerId,
    /// Whether its last ping was answered: whom to ask about others first.
    pub(super) answers: bool,
    phase: Phase,
    /// Which of the two lanes is the first line.
    lane: u8,
    /// Rises with each phase: a timer of an earlier one finds nothing to do.
    turn: u32,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Opening { tries: Tries, began: Timestamp, stage: Stage },
    Resting { tries: Tries },
    Idle,
    Pinging { call: Call, asked: Timestamp, second: Second },
    HeldBack,
}

/// How far a line has been opened: it counts once it was answered.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Connecting(Call),
    Greeting(Call, Timestamp),
}

#[derive(Debug, Clone, Copy)]
enum Second {
    NotYet,
    Opening { began: Timestamp, stage: Stage },
    Tried,
}

#[derive(Debug, Clone, Copy, Default)]
struct Tries {
    attempts: u32,
    refused: u32,
    capped: u32,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    Refused,
    Capped,
    NoAnswer,
}

impl Watched {
    pub(super) fn new(broker: BrokerId) -> Self {
        Self { broker, answers: true, phase: Phase::Idle, lane: 0, turn: 0 }
    }

    fn lane_of(&self, desk: &Desk<'_>, second: Which) -> Line {
        let place = match second {
            Which::First => self.lane,
            Which::Second => 1_u8.saturating_sub(self.lane),
        };
        desk.line(Door::Broker(self.broker), LANES.get(usize::from(place)).copied().unwrap_or(0))
    }

    fn enter(&mut self, desk: &mut Desk<'_>, phase: Phase, due: Duration) {
        self.phase = phase;
        self.turn = self.turn.wrapping_add(1);
        desk.later(due, Stimulus::Look(ProbeTimer::Line(self.broker, self.turn)));
    }

    /// Opens the first line; what was open is given up.
    pub(super) fn begin(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>) {
        self.open(desk, means, Tries::default());
    }

    fn open(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>, tries: Tries) {
        means.count(desk.now());
        let line = self.lane_of(desk, Which::First);
        let call = desk.connect(line);
        let began = desk.now();
        let within = means.rhythm.ping_within;
        self.enter(desk, Phase::Opening { tries, began, stage: Stage::Connecting(call) }, within);
    }

    /// A ping out of turn was asked for.
    pub(super) fn nudge(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>) {
        match self.phase {
            Phase::Idle => self.ping(desk, means),
            Phase::Resting { tries } => self.open(desk, means, tries),
            Phase::Opening { .. } | Phase::Pinging { .. } | Phase::HeldBack => {}
        }
    }

    /// A timer of this turn is over.
    pub(super) fn due(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>, turn: u32) {
        if turn != self.turn {
            return;
        }
        match self.phase {
            Phase::Opening { tries, began, .. } => {
                let line = self.lane_of(desk, Which::First);
                desk.close(line);
                self.not_opened(desk, means, (tries, began), Failure::NoAnswer);
            }
            Phase::Resting { tries } => self.open(desk, means, tries),
            Phase::Idle | Phase::HeldBack => self.ping(desk, means),
            Phase::Pinging { call, asked, second: Second::NotYet }
                if desk.now().since(asked) < means.rhythm.ping_within =>
            {
                means.count(desk.now());
                let line = self.lane_of(desk, Which::Second);
                let stage = Stage::Connecting(desk.connect(line));
                let began = desk.now();
                let left = means.rhythm.ping_within.saturating_sub(began.since(asked));
                self.enter(desk, Phase::Pinging { call, asked, second: Second::Opening { began, stage } }, left);
            }
            Phase::Pinging { asked, .. } => {
                for which in [Which::First, Which::Second] {
                    let line = self.lane_of(desk, which);
                    desk.close(line);
                }
                self.answers = false;
                self.tell_ping(desk, means, asked, PingOutcome::TimedOut { after: means.rhythm.ping_within });
                self.begin(desk, means);
            }
        }
    }

    fn ping(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>) {
        means.count(desk.now());
        let line = self.lane_of(desk, Which::First);
        let call = desk.ask(line, Request::ApiVersions);
        let asked = desk.now();
        let yellow = means.rhythm.yellow;
        self.enter(desk, Phase::Pinging { call, asked, second: Second::NotYet }, yellow);
    }

    /// Something was heard on one of the two lines.
    pub(super) fn heard(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>, heard: (Line, Call, &News)) {
        let (line, call, news) = heard;
        let first = line.lane == self.lane_of(desk, Which::First).lane;
        match self.phase {
            Phase::Opening { tries, began, stage } if first => match progress(desk, line, call, news, stage) {
                Progress::Nothing => {}
                Progress::On(stage) => self.phase = Phase::Opening { tries, began, stage },
                Progress::Open(asked) => self.opened(desk, means, asked),
                Progress::Failed(why) => self.not_opened(desk, means, (tries, began), why),
            },
            Phase::Idle | Phase::HeldBack if first => {
                if matches!(news, News::Closed) {
                    self.closed(desk, means);
                }
            }
            Phase::Pinging { call: waited, asked, second } if first => match news {
                News::Answered { throttled_for, .. } if call == waited => {
                    if let Second::Opening { .. } = second {
                        let line = self.lane_of(desk, Which::Second);
                        desk.close(line);
                    }
                    self.pong(desk, means, asked, *throttled_for);
                }
                News::Closed | News::Refused => {
                    let line = self.lane_of(desk, Which::Second);
                    desk.close(line);
                    self.closed(desk, means);
                }
                News::Answered { .. } | News::Opened | News::Metadata(_) => {}
            },
            Phase::Pinging { call: waited, asked, second: Second::Opening { began, stage } } => {
                match progress(desk, line, call, news, stage) {
                    Progress::Nothing => {}
                    Progress::On(stage) => {
                        self.phase = Phase::Pinging { call: waited, asked, second: Second::Opening { began, stage } };
                    }
                    Progress::Open(greeted) => {
                        let old = self.lane_of(desk, Which::First);
                        desk.close(old);
                        self.lane = 1_u8.saturating_sub(self.lane);
                        self.opened(desk, means, greeted);
                    }
                    Progress::Failed(why) => {
                        self.phase = Phase::Pinging { call: waited, asked, second: Second::Tried };
                        self.failed(desk, means, why);
                    }
                }
            }
            Phase::Opening { .. } | Phase::Resting { .. } | Phase::Idle | Phase::HeldBack | Phase::Pinging { .. } => {}
        }
    }

    fn opened(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>, greeted: Timestamp) {
        self.change(desk, means, LineChange::Opened);
        self.answered(desk, means, greeted);
        let next = means.rhythm.ping.saturating_sub(desk.now().since(greeted));
        self.enter(desk, Phase::Idle, next);
    }

    fn pong(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>, asked: Timestamp, throttled: Option<Duration>) {
        if let Some(held_back) = throttled {
            self.answers = true;
            self.blind(desk, ProbeKind::Ping, Blindness::Throttled);
            // The broker reads nothing more from this connection until then.
            let rest = held_back.min(means.rhythm.ping_within);
            return self.enter(desk, Phase::HeldBack, rest);
        }
        self.answered(desk, means, asked);
        // A late answer is followed by the next ping at once.
        let next = means.rhythm.ping.saturating_sub(desk.now().since(asked));
        self.enter(desk, Phase::Idle, next);
    }

    fn answered(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>, sent_at: Timestamp) {
        self.answers = true;
        let rtt = desk.now().since(sent_at);
        self.tell_ping(desk, means, sent_at, PingOutcome::Answered { rtt });
    }

    fn closed(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>) {
        self.answers = false;
        self.change(desk, means, LineChange::Closed);
        means.shape_now = true;
        self.begin(desk, means);
    }

    fn not_opened(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>, tried: (Tries, Timestamp), why: Failure) {
        let (mut tries, began) = tried;
        tries.attempts = tries.attempts.saturating_add(1);
        tries.capped = if why == Failure::Capped { tries.capped.saturating_add(1) } else { 0 };
        tries.refused = tries.refused.saturating_add(u32::from(why == Failure::Refused));
        if tries.capped == 0 || CAPPED_AFTER <= tries.capped {
            self.failed(desk, means, why);
        }
        // Red from now on: only a shape that was asked for after this tells a stop from a crash.
        means.shape_now |= why == Failure::Refused && tries.refused == 2;
        let quick = tries.refused < 2 && tries.attempts < QUICK_CONNECTS_MAX;
        let pause = if quick { means.rhythm.reconnect } else { means.rhythm.ping };
        let rest = pause.saturating_sub(desk.now().since(began));
        self.enter(desk, Phase::Resting { tries }, rest);
    }

    fn failed(&mut self, desk: &mut Desk<'_>, means: &mut Means<'_>, why: Failure) {
        self.answers = false;
        match why {
            Failure::Refused => self.change(desk, means, LineChange::Refused),
            Failure::NoAnswer => self.change(desk, means, LineChange::NoAnswer),
            Failure::Capped => self.blind(desk, ProbeKind::Line, Blindness::Capped),
        }
    }

    fn tell_ping(&self, desk: &mut Desk<'_>, means: &Means<'_>, sent_at: Timestamp, outcome: PingOutcome) {
        let (broker, path) = (self.broker, means.path.clone());
        desk.tell(Fact::Ping { broker, path, sent_at, outcome });
    }

    fn change(&self, desk: &mut Desk<'_>, means: &Means<'_>, change: LineChange) {
        let (broker, path) = (self.broker, means.path.clone());
        desk.tell(Fact::Line { broker, path, change });
    }

    fn blind(&self, desk: &mut Desk<'_>, probe: ProbeKind, why: Blindness) {
        desk.tell(Fact::Blind { broker: Some(self.broker), probe, why });
    }
}

#[derive(Debug, Clone, Copy)]
enum Which {
    First,
    Second,
}

enum Progress {
    Nothing,
    On(Stage),
    /// It was greeted: asked at this time.
    Open(Timestamp),
    Failed(Failure),
}

/// Carries the opening of a line on: connected, then greeted with `ApiVersions`.
fn progress(desk: &mut Desk<'_>, line: Line, call: Call, news: &News, stage: Stage) -> Progress {
    match (stage, news) {
        (Stage::Connecting(waited), News::Opened) if waited == call => {
            let asked = desk.now();
            Progress::On(Stage::Greeting(desk.ask(line, Request::ApiVersions), asked))
        }
        (Stage::Connecting(waited), News::Refused) if waited == call => Progress::Failed(Failure::Refused),
        (Stage::Greeting(waited, asked), News::Answered { .. }) if waited == call => Progress::Open(asked),
        // Accepted, and closed before the first answer.
        (_, News::Closed) => Progress::Failed(Failure::Capped),
        (Stage::Greeting(..), News::Refused) => Progress::Failed(Failure::Refused),
        (
            Stage::Connecting(_) | Stage::Greeting(..),
            News::Opened | News::Refused | News::Answered { .. } | News::Metadata(_),
        ) => Progress::Nothing,
    }
}
