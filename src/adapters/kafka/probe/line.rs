//! P0 and P1: one persistent connection to one broker, pinged, and what becomes of it.
//!
//! Each broker has a task of its own and this connection carries nothing else, so that a slow answer elsewhere is never
//! mistaken for silence. It reports; it does not judge.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until};

use super::shared::{Broker, Shared, blindness, no_route};
use crate::adapters::clock;
use crate::adapters::kafka::wire::{Answer, Connection, Features, Obstacle, WireError};
use crate::control::pace::{CAPPED_AFTER, QUICK_CONNECTS_MAX};
use crate::model::observation::{Blindness, Fact, LineChange, PingOutcome, ProbeKind};

/// Watches one broker until the probe ends.
pub(super) async fn watch(shared: Arc<Shared>, broker: Arc<Broker>) {
    let line = Line { shared, broker };
    let mut connection = line.connect().await;
    loop {
        connection = match line.keep(connection).await {
            Some(fresh) => fresh,
            None => line.connect().await,
        };
    }
}

struct Line {
    shared: Arc<Shared>,
    broker: Arc<Broker>,
}

/// How a ping left the connection.
enum After {
    Kept,
    /// The other end is gone, or does not answer: connect anew.
    GivenUp,
    /// A second connection was answered while the first one stayed silent.
    Replaced(Connection),
}

impl Line {
    /// Connects, again and again, until a connection stands and was answered once.
    async fn connect(&self) -> Connection {
        let rhythm = self.shared.options.rhythm;
        let (mut attempts, mut refused, mut capped) = (0_u32, 0_u32, 0_u32);
        loop {
            let began = clock::now();
            let error = match self.open().await {
                Ok(connection) => {
                    self.opened(&connection).await;
                    return connection;
                }
                Err(error) => error,
            };
            attempts = attempts.saturating_add(1);
            capped = if matches!(error, WireError::ConnectionCapped { .. }) { capped.saturating_add(1) } else { 0 };
            let refusal = matches!(error, WireError::Unreachable { why: Obstacle::Refused, .. });
            refused = refused.saturating_add(u32::from(refusal));
            if capped == 0 || CAPPED_AFTER <= capped {
                self.failed(&error, began).await;
            }
            if refusal && refused == 2 {
                // Red from now on: only a shape that was asked for after this tells a stop from a crash.
                self.shared.shape_now.notify_one();
            }
            let quick = refused < 2 && attempts < QUICK_CONNECTS_MAX;
            let next = began + if quick { rhythm.reconnect } else { rhythm.ping };
            tokio::select! {
                () = sleep_until(next.into()) => {}
                () = self.broker.nudge.notified() => {}
            }
        }
    }

    async fn open(&self) -> Result<Connection, WireError> {
        self.broker.count();
        Connection::open(&self.broker.endpoint, &self.shared.wire()).await
    }

    /// Pings over one connection until it ends; gives the connection that replaces it, if one does already.
    async fn keep(&self, connection: Connection) -> Option<Connection> {
        let mut closed = pin!(connection.closed());
        let mut next = connection.greeting().asked_at + self.shared.options.rhythm.ping;
        loop {
            tokio::select! {
                biased;
                _end = &mut closed => {
                    self.closed().await;
                    return None;
                }
                () = self.broker.nudge.notified() => {}
                () = sleep_until(next.into()) => {}
            }
            let asked = clock::now();
            match self.ping(&connection).await {
                After::Kept => {}
                After::GivenUp => return None,
                After::Replaced(fresh) => return Some(fresh),
            }
            // A late answer is followed by the next ping at once.
            next = asked + self.shared.options.rhythm.ping;
        }
    }

    /// Pings once; beside a silent connection a second one is tried.
    async fn ping(&self, connection: &Connection) -> After {
        let rhythm = self.shared.options.rhythm;
        let asked = clock::now();
        self.broker.count();
        let mut ping = pin!(connection.ping(rhythm.ping_within));
        let mut second = pin!(async {
            sleep(rhythm.yellow).await;
            (clock::now(), self.open().await)
        });
        let mut tried = false;
        loop {
            tokio::select! {
                biased;
                answer = &mut ping => return self.pinged(answer, asked).await,
                (began, fresh) = &mut second, if !tried => match fresh {
                    Ok(fresh) => {
                        self.opened(&fresh).await;
                        return After::Replaced(fresh);
                    }
                    Err(error) => {
                        tried = true;
                        self.failed(&error, began).await;
                    }
                },
            }
        }
    }

    async fn pinged(&self, answer: Result<Answer<()>, WireError>, asked: Instant) -> After {
        match answer {
            Ok(answer) => {
                match answer.throttled_for {
                    None => self.answered(answer.asked_at, answer.round_trip).await,
                    // Told as answered as well it would be green for a moment, each time.
                    Some(held_back) => {
                        self.broker.answers.store(true, Ordering::Relaxed);
                        self.blind(ProbeKind::Ping, Blindness::Throttled).await;
                        // The broker reads nothing more from this connection until then.
                        sleep(held_back.min(self.shared.options.rhythm.ping_within)).await;
                    }
                }
                After::Kept
            }
            Err(WireError::Closed { .. }) => {
                self.closed().await;
                After::GivenUp
            }
            Err(error) => {
                self.failed(&error, asked).await;
                After::GivenUp
            }
        }
    }

    async fn opened(&self, connection: &Connection) {
        let greeting: &Answer<Features> = connection.greeting();
        self.change(LineChange::Opened).await;
        self.answered(greeting.asked_at, greeting.round_trip).await;
    }

    async fn answered(&self, sent_at: Instant, rtt: Duration) {
        self.broker.answers.store(true, Ordering::Relaxed);
        self.tell_ping(sent_at, PingOutcome::Answered { rtt }).await;
    }

    async fn closed(&self) {
        self.broker.answers.store(false, Ordering::Relaxed);
        self.change(LineChange::Closed).await;
        self.shared.shape_now.notify_one();
    }

    /// Tells what a failed connect or ping says about the broker.
    async fn failed(&self, error: &WireError, began: Instant) {
        self.broker.answers.store(false, Ordering::Relaxed);
        match error {
            WireError::Unreachable { why, .. } if no_route(*why) => {
                self.blind(ProbeKind::Line, Blindness::NoRoute).await
            }
            WireError::Unreachable { why: Obstacle::Refused, .. } => {
                self.change(LineChange::Refused).await;
            }
            WireError::Unreachable { .. } => self.change(LineChange::NoAnswer).await,
            WireError::Unanswered { within, .. } => {
                self.tell_ping(began, PingOutcome::TimedOut { after: *within }).await;
            }
            WireError::ConnectionCapped { .. }
            | WireError::Closed { .. }
            | WireError::Unsupported { .. }
            | WireError::Malformed { .. }
            | WireError::Denied { .. }
            | WireError::Refused { .. }
            | WireError::ReadOnly { .. }
            | WireError::Unsendable { .. } => self.blind(ProbeKind::Line, blindness(error)).await,
        }
    }

    async fn tell_ping(&self, sent_at: Instant, outcome: PingOutcome) {
        let path = self.shared.options.path.clone();
        let sent_at = clock::timestamp_of(sent_at);
        self.shared.tell(Fact::Ping { broker: self.broker.id, path, sent_at, outcome }).await;
    }

    async fn change(&self, change: LineChange) {
        let path = self.shared.options.path.clone();
        self.shared.tell(Fact::Line { broker: self.broker.id, path, change }).await;
    }

    async fn blind(&self, probe: ProbeKind, why: Blindness) {
        self.shared.tell(Fact::Blind { broker: Some(self.broker.id), probe, why }).await;
    }
}
