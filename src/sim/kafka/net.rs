//! Lines between askers and doors: dialling, sending, being cut, frozen and late.
//!
//! A frozen path loses nothing: what is on it arrives when it opens, as a retransmission would. A request whose asker hung up
//! is still served if it changes something.

use std::collections::VecDeque;

use super::fault::{Path, Way};
use super::happening::Happening;
use super::state::{Connection, Gate, Passage, Process, Route, Socket, Stage};
use super::talk::{Answer, Call, Door, Heard, Line, News, Request};
use super::{Kafka, timing};
use crate::model::time::Timestamp;

impl Gate {
    /// Tells whether something gets to the server.
    pub(super) fn lets_in(self) -> bool {
        match self {
            Self::Open | Self::Frozen(Way::Outbound) => true,
            Self::Cut | Self::Frozen(Way::Inbound | Way::Both) => false,
        }
    }

    /// Tells whether something gets back from it.
    pub(super) fn lets_out(self) -> bool {
        match self {
            Self::Open | Self::Frozen(Way::Inbound) => true,
            Self::Cut | Self::Frozen(Way::Outbound | Way::Both) => false,
        }
    }
}

impl Kafka {
    pub(super) fn passage(&self, line: Line) -> Passage {
        self.passages.get(&route(line)).copied().unwrap_or_default()
    }

    pub(super) fn dial(&mut self, line: Line) -> Call {
        self.hang_up(line);
        let call = self.call();
        self.open(line, call, Stage::Dialling);
        call
    }

    fn open(&mut self, line: Line, call: Call, state: Stage) -> Socket {
        let socket = self.new_socket(line.from);
        let connection = Connection {
            line,
            opened_by: call,
            state,
            sent: VecDeque::new(),
            inbox: VecDeque::new(),
            serving: None,
            held: Vec::new(),
            last_arrival: self.now,
            last_heard: self.now,
            observing: None,
        };
        self.connections.insert(socket, connection);
        self.lines.insert(line, socket);
        let arrives = self.soon_over(socket, timing::ONE_WAY).plus(self.passage(line).delay);
        self.at(arrives, Happening::Dialled(socket));
        socket
    }

    pub(super) fn send(&mut self, line: Line, request: Request) -> Call {
        let call = self.call();
        let open = self.lines.get(&line).copied();
        let socket = open.unwrap_or_else(|| self.open(line, call, Stage::DiallingToAsk));
        let earliest = self.soon_over(socket, timing::ONE_WAY).plus(self.passage(line).delay);
        let Some(connection) = self.connections.get_mut(&socket) else { return call };
        connection.sent.push_back((call, request));
        connection.last_arrival = connection.last_arrival.max(earliest);
        let (arrives, opened) = (connection.last_arrival, connection.state == Stage::Open);
        if opened {
            self.at(arrives, Happening::Arrived(socket));
        }
        call
    }

    pub(super) fn begin_observing(&mut self, line: Line) -> Call {
        let call = self.call();
        let open = self.lines.get(&line).copied();
        let socket = open.unwrap_or_else(|| self.open(line, call, Stage::DiallingToAsk));
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.observing = Some((call, 0));
        }
        self.observers.insert(socket);
        self.plan_publishing();
        call
    }

    pub(super) fn hang_up(&mut self, line: Line) {
        let Some(socket) = self.lines.remove(&line) else { return };
        self.observers.remove(&socket);
        let Some(connection) = self.connections.get_mut(&socket) else { return };
        connection.sent.retain(|(_, request)| request.changes_something());
        connection.inbox.retain(|(_, request)| request.changes_something());
        let busy = connection.serving.as_ref().is_some_and(|(_, request)| request.changes_something());
        let left = busy || !connection.sent.is_empty() || !connection.inbox.is_empty();
        match connection.state {
            Stage::Open if left => connection.state = Stage::Deaf,
            Stage::Open | Stage::Dialling | Stage::DiallingToAsk | Stage::Deaf | Stage::Broken => {
                self.connections.remove(&socket);
            }
        }
    }

    pub(super) fn dialled(&mut self, socket: Socket) {
        let Some(connection) = self.connections.get(&socket) else { return };
        if !matches!(connection.state, Stage::Dialling | Stage::DiallingToAsk) {
            return;
        }
        let (line, asked) = (connection.line, connection.state == Stage::Dialling);
        let passage = self.passage(line);
        match passage.gate {
            // Nothing comes back: the dialling goes on until the path opens.
            Gate::Frozen(_) => return,
            Gate::Cut => return self.break_off(socket, timing::ONE_WAY),
            Gate::Open if !self.accepts(line.to) => return self.break_off(socket, timing::ONE_WAY),
            Gate::Open => {}
        }
        let Some(connection) = self.connections.get_mut(&socket) else { return };
        connection.state = Stage::Open;
        let (call, waiting) = (connection.opened_by, connection.sent.len());
        let arrives = connection.last_arrival.max(self.now);
        if asked {
            self.tell(socket, call, News::Opened);
        }
        if passage.capped.is_some() {
            return self.break_off(socket, timing::ONE_WAY);
        }
        for _ in 0..waiting {
            self.at(arrives, Happening::Arrived(socket));
        }
        if self.observers.contains(&socket) {
            self.plan_publishing();
        }
    }

    pub(super) fn arrived(&mut self, socket: Socket) {
        let Some(line) = self.connections.get(&socket).map(|connection| connection.line) else { return };
        if !self.passage(line).gate.lets_in() {
            return;
        }
        let Some(connection) = self.connections.get_mut(&socket) else { return };
        if connection.state == Stage::Broken {
            return;
        }
        if let Some(request) = connection.sent.pop_front() {
            connection.inbox.push_back(request);
            self.serve(socket);
        }
    }

    /// Begins the next request of a connection, if the server is free to.
    pub(super) fn serve(&mut self, socket: Socket) {
        let Some(connection) = self.connections.get(&socket) else { return };
        if connection.serving.is_some() || self.process(connection.line.to) != Process::Running {
            return;
        }
        let Some(connection) = self.connections.get_mut(&socket) else { return };
        let Some((call, request)) = connection.inbox.pop_front() else { return };
        connection.serving = Some((call, request.clone()));
        self.begin(socket, request);
    }

    /// The server's work is done: the answer goes out, or is held up, and the next request begins.
    pub(super) fn worked(&mut self, socket: Socket, answer: Box<Answer>) {
        let Some(line) = self.connections.get(&socket).map(|connection| connection.line) else { return };
        if self.process(line.to) == Process::Stopped {
            self.postpone(line.to, Happening::Worked(socket, answer));
            return;
        }
        let lets_out = self.passage(line).gate.lets_out();
        let Some(connection) = self.connections.get_mut(&socket) else { return };
        let Some((call, _)) = connection.serving.take() else { return };
        match connection.state {
            Stage::Open if lets_out => self.deliver(socket, call, *answer),
            Stage::Open => connection.held.push((call, *answer)),
            Stage::Deaf if connection.sent.is_empty() && connection.inbox.is_empty() => {
                self.connections.remove(&socket);
                return;
            }
            Stage::Deaf | Stage::Dialling | Stage::DiallingToAsk | Stage::Broken => {}
        }
        self.serve(socket);
    }

    fn deliver(&mut self, socket: Socket, call: Call, answer: Answer) {
        let Some(line) = self.connections.get(&socket).map(|connection| connection.line) else { return };
        let throttled_for = self.passage(line).throttle;
        self.tell(socket, call, News::Answered { answer: Box::new(answer), throttled_for });
    }

    /// Lets the asker of a connection hear something, after what it heard before.
    pub(super) fn tell(&mut self, socket: Socket, call: Call, news: News) {
        let Some(line) = self.connections.get(&socket).map(|connection| connection.line) else { return };
        let earliest = self.soon_over(socket, timing::ONE_WAY).plus(self.passage(line).delay);
        if let Some(connection) = self.connections.get_mut(&socket) {
            connection.last_heard = connection.last_heard.max(earliest);
            let at = connection.last_heard;
            self.heard.push(Heard { at, line, call, news });
        }
    }

    /// The server's end of a connection goes away: the asker hears of it, unless the path keeps it from it.
    pub(super) fn break_off(&mut self, socket: Socket, range: timing::Range) {
        let Some(connection) = self.connections.get(&socket) else { return };
        let (line, call, state) = (connection.line, connection.opened_by, connection.state);
        let news = match state {
            Stage::Dialling | Stage::DiallingToAsk => News::Refused,
            Stage::Open | Stage::Broken => News::Closed,
            Stage::Deaf => {
                self.connections.remove(&socket);
                return;
            }
        };
        let gate = self.passage(line).gate;
        if matches!(gate, Gate::Frozen(_)) && !gate.lets_out() {
            if let Some(connection) = self.connections.get_mut(&socket) {
                connection.state = Stage::Broken;
                connection.serving = None;
            }
            return;
        }
        let at = self.soon_over(socket, range).max(connection_end(self.connections.get(&socket), self.now));
        self.connections.remove(&socket);
        self.observers.remove(&socket);
        if self.lines.get(&line) == Some(&socket) {
            self.lines.remove(&line);
        }
        self.heard.push(Heard { at, line, call, news });
    }

    /// Changes a passage, and lets go or breaks off what is on it.
    pub(super) fn set_passage(&mut self, at: Route, change: impl FnOnce(&mut Passage)) {
        let passage = self.passages.entry(at).or_default();
        let before = passage.gate;
        change(passage);
        let gate = passage.gate;
        if gate == before {
            return;
        }
        let sockets: Vec<Socket> = self
            .connections
            .iter()
            .filter(|(_, connection)| route(connection.line) == at)
            .map(|(socket, _)| *socket)
            .collect();
        for socket in sockets {
            match gate {
                Gate::Cut => self.break_off(socket, timing::ONE_WAY),
                Gate::Open | Gate::Frozen(_) => self.release(socket, gate),
            }
        }
        self.plan_publishing();
    }

    /// Lets go what a frozen path held up, as far as it does no more.
    fn release(&mut self, socket: Socket, gate: Gate) {
        let Some(connection) = self.connections.get_mut(&socket) else { return };
        match connection.state {
            Stage::Broken if gate.lets_out() => return self.break_off(socket, timing::ONE_WAY),
            Stage::Dialling | Stage::DiallingToAsk => {
                let arrives = self.soon_over(socket, timing::ONE_WAY);
                return self.at(arrives, Happening::Dialled(socket));
            }
            Stage::Open | Stage::Deaf | Stage::Broken => {}
        }
        let waiting = if gate.lets_in() { connection.sent.len() } else { 0 };
        let held = if gate.lets_out() { std::mem::take(&mut connection.held) } else { Vec::new() };
        for (call, answer) in held {
            self.deliver(socket, call, answer);
        }
        for _ in 0..waiting {
            let arrives = self.soon_over(socket, timing::ONE_WAY);
            self.at(arrives, Happening::Arrived(socket));
        }
    }

    /// Breaks off every connection to a door.
    pub(super) fn slam(&mut self, door: Door) {
        for socket in self.sockets_of(door) {
            // What dials is refused when it arrives.
            if self
                .connections
                .get(&socket)
                .is_some_and(|connection| matches!(connection.state, Stage::Open | Stage::Deaf))
            {
                self.break_off(socket, timing::FIN);
            }
        }
    }

    pub(super) fn sockets_of(&self, door: Door) -> Vec<Socket> {
        let of_door = self.connections.iter().filter(|(_, connection)| connection.line.to == door);
        of_door.map(|(socket, _)| *socket).collect()
    }
}

/// Nothing is heard of a connection before what was heard already.
fn connection_end(connection: Option<&Connection>, now: Timestamp) -> Timestamp {
    connection.map_or(now, |connection| connection.last_heard)
}

/// Gives the passage that a line goes through.
pub(super) fn route(line: Line) -> Route {
    match line.to {
        Door::Broker(id) => Route::Client(id, Path::of(line.from)),
        Door::Controller(_) => Route::Controllers(Path::of(line.from)),
    }
}

impl Request {
    /// Tells whether the rights on a topic decide about it, not those on the cluster.
    pub(super) fn is_about_records(&self) -> bool {
        matches!(self, Self::Produce { .. } | Self::Fetch(_) | Self::WhoLeads(_) | Self::ListOffsets(_))
    }

    /// Tells whether Kafka is changed by it, so that it matters even if nobody hears the answer.
    pub(super) fn changes_something(&self) -> bool {
        match self {
            Self::Reassign { .. }
            | Self::Elect { .. }
            | Self::Fence { .. }
            | Self::Unregister(_)
            | Self::CreateTopic(_)
            | Self::DeleteTopic(_)
            | Self::SetMinIsr { .. }
            | Self::SetRates { .. }
            | Self::SetThrottled { .. }
            | Self::Produce { .. } => true,
            Self::ApiVersions
            | Self::Metadata
            | Self::DescribeCluster
            | Self::DescribeQuorum
            | Self::ListOffsets(_)
            | Self::DescribeLogDirs
            | Self::ListReassignments
            | Self::Fetch(_)
            | Self::WhoLeads(_) => false,
        }
    }
}
