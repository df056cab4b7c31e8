//! The model's side: carries a batch's orders out on `sim::kafka`, in virtual time, and reads what the real side reads.
//!
//! Spans are the real side's: how long a client waits, how long the lab settles before it looks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tanist::model::ids::{BrokerEpoch, BrokerId, ControllerId, PartitionId, TopicId};
use tanist::model::time::Timestamp;
use tanist::model::topology::{Standing, Topology};
use tanist::sim::differential::active::VICTIMS;
use tanist::sim::differential::deed::{Election, Life, Size};
use tanist::sim::differential::reading::{
    CellReading, Moving, Partition, PartitionState, Pulse, Reading, Registered, Silence, View,
};
use tanist::sim::differential::script::{BROKERS, CHUNKS, NewTopic, VICTIM, replayed_after};
use tanist::sim::differential::{
    Action, Active, Batch, Blow, Class, Deed, Ground, Line as Recorded, Order, Recorder, Stage, Until,
};
use tanist::sim::kafka::Kafka;
use tanist::sim::kafka::code::Code;
use tanist::sim::kafka::plan::{KafkaPlan, Settings, Version};
use tanist::sim::kafka::talk::{
    Acks, Answer, Asker, Call, Copies, Door, ElectionKind, Heard, Layout, Line, NewTopic as MadeTopic, News,
    Order as Wanted, Rates, RecordId, ReplicaCount, Request, Throttled,
};

const ANSWER_WITHIN: Duration = Duration::from_millis(700);
const REPLICAS_WAIT: Duration = Duration::from_millis(1_500);
const TAKEN_WITHIN: Duration = Duration::from_millis(2_000);
const CALL_WITHIN: Duration = Duration::from_secs(10);
const REPLICATED: Duration = Duration::from_millis(400);
const PULSES: usize = 3;
const PULSE_EVERY: Duration = Duration::from_millis(300);
/// What a cluster does between its start and the first batch.
const WARM: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(30);
/// As many of the model's records as one chunk holds, a hundred bytes each.
const CHUNK_RECORDS: u32 = 9_000;
const FAR: i64 = 1_000_000;
const WHOLE_WITHIN: Duration = Duration::from_secs(40);

/// Gives the model's Kafka of that release.
pub(crate) fn version(kafka: &str) -> Version {
    Version::of(kafka).unwrap_or_else(|| panic!("the model knows no Kafka {kafka}"))
}

/// Plays one batch on a fresh model.
pub(crate) fn play(version: Version, batch: &Batch, seed: u64) -> Vec<Recorded> {
    let mut player = Player::new(version, batch, seed);
    let mut recorder = Recorder::begin(batch);
    for order in batch.script() {
        player.carry_out(order, &mut recorder);
    }
    recorder.finish()
}

struct Player {
    kafka: Kafka,
    replayed_after: Duration,
    now: Timestamp,
    cells: Vec<Action>,
    ids: BTreeMap<Action, PartitionId>,
    heard: Vec<Heard>,
    clients: u32,
    records: u64,
    lives: BTreeMap<BrokerId, i64>,
    lives_at_first: BTreeMap<BrokerId, i64>,
    last: BTreeMap<Action, Partition>,
    paths: BTreeMap<Action, Vec<Partition>>,
    registered: BTreeMap<BrokerId, Registered>,
    registrations: BTreeMap<BrokerId, Vec<Registered>>,
}

/// A question under way.
struct Asked<K> {
    key: K,
    line: Line,
    call: Call,
    until: Timestamp,
}

impl Player {
    fn new(version: Version, batch: &Batch, seed: u64) -> Self {
        let usual = KafkaPlan::usual(version, 3);
        let (mut plan, settings) = match batch.state.ground() {
            Ground::Tuned | Ground::TunedFreezable => (usual, Settings::tuned(version)),
            Ground::Stock => (usual, Settings::stock(version)),
            Ground::Combined => (usual.with_combined_nodes(), Settings::stock(version)),
        };
        plan.settings = settings;
        let mut player = Self {
            kafka: Kafka::new(&plan, seed),
            replayed_after: replayed_after(version),
            now: plan.start,
            cells: batch.cells.clone(),
            ids: BTreeMap::new(),
            heard: Vec::new(),
            clients: 0,
            records: 0,
            lives: BTreeMap::new(),
            lives_at_first: BTreeMap::new(),
            last: BTreeMap::new(),
            paths: BTreeMap::new(),
            registered: BTreeMap::new(),
            registrations: BTreeMap::new(),
        };
        // Chance decides where in its heartbeat interval each broker stands.
        player.pass(WARM + Duration::from_millis(seed * 137 % 2_000));
        player
    }

    fn carry_out(&mut self, order: Order, recorder: &mut Recorder) {
        match order {
            Order::Activate(active) => self.activate(active),
            Order::Topics(topics) => self.make(&topics, recorder),
            Order::Write => self.write(Acks::Leader, 0),
            Order::Fill => (0..CHUNKS).for_each(|_| self.write(Acks::All, CHUNK_RECORDS - 1)),
            Order::Inflict(blow) => {
                self.kafka.inflict(self.now, &blow.fault()).unwrap();
                self.watch();
            }
            Order::Heal(blow) => {
                self.kafka.heal(self.now, &blow.fault()).unwrap();
                self.watch();
            }
            Order::Prepare(cells, deed) => {
                let cells = if cells.is_empty() { vec![None] } else { cells.into_iter().map(Some).collect() };
                for cell in cells {
                    let answer = self.send(cell, &deed);
                    assert_eq!(answer, "ok", "prepare {deed:?}");
                }
            }
            Order::Act(cells, deed) => {
                let answer = self.send(cells.first().copied(), &deed);
                for cell in cells {
                    recorder.answered(cell, answer.clone());
                }
            }
            Order::Await(until, within) => {
                let class = self.wait(&until, within);
                if until != Until::Over {
                    recorder.awaited(class);
                }
            }
            Order::Note(stage, asked) => self.note(stage, &asked, recorder),
        }
    }

    /// Lets time pass, looking at the truth after every event.
    fn pass_to(&mut self, end: Timestamp) {
        while let Some(due) = self.kafka.next_due().filter(|due| *due <= end) {
            self.kafka.advance(due);
            self.now = self.now.max(due);
            self.watch();
        }
        self.kafka.advance(end);
        self.now = self.now.max(end);
        self.watch();
    }

    fn pass(&mut self, span: Duration) {
        self.pass_to(self.now.plus(span));
    }

    fn watch(&mut self) {
        let truth = self.kafka.truth();
        let told = truth.registrations();
        for id in BROKERS {
            let now = match told.get(&id) {
                Some(one) => Registered { standing: one.standing, epoch: Some(one.epoch.0) },
                None => Registered { standing: Standing::Unregistered, epoch: None },
            };
            if let Some(epoch) = now.epoch {
                self.lives.insert(id, epoch);
            }
            if self.registered.insert(id, now) != Some(now) {
                self.registrations.entry(id).or_default().push(now);
            }
        }
        for (cell, id) in &self.ids {
            let now = match truth.partition(*id) {
                Some(one) => Partition::Is(PartitionState {
                    leader: one.leader,
                    leader_epoch: one.leader_epoch.0,
                    partition_epoch: i32::try_from(one.partition_epoch).unwrap(),
                    replicas: one.replicas,
                    isr: one.isr.into_iter().collect(),
                    elr: one.elr.into_iter().collect(),
                }),
                None => Partition::Gone,
            };
            if self.last.get(cell) != Some(&now) {
                self.last.insert(*cell, now.clone());
                self.paths.entry(*cell).or_default().push(now);
            }
        }
    }

    /// The victim's is the active one from the start: for another to be, its process dies and starts again.
    fn activate(&mut self, active: Active) {
        if active == Active::Anothers {
            let kill = Blow::Kill(VICTIM).fault();
            self.lives_at_first = self.lives.clone();
            self.kafka.inflict(self.now, &kill).unwrap();
            self.must(&Until::Elected);
            self.kafka.heal(self.now, &kill).unwrap();
            self.must(&Until::Reborn(VICTIM));
            self.must(&Until::Whole);
        }
        assert!(active.fits(self.controller()), "{active:?}");
    }

    fn must(&mut self, until: &Until) {
        assert_ne!(self.wait(until, WHOLE_WITHIN), Class::Never, "{until:?}");
    }

    fn make(&mut self, topics: &[NewTopic], recorder: &mut Recorder) {
        for topic in topics {
            let made = self.create(topic.cell, &topic.replicas, topic.min_isr);
            assert_eq!(made, "ok", "{:?}", topic.cell);
        }
        self.pass(Duration::from_millis(500));
        self.lives_at_first = self.lives.clone();
        recorder.start_from(&self.truth());
    }

    fn create(&mut self, cell: Action, replicas: &[BrokerId], min_isr: u16) -> String {
        let layout = Layout::Given(vec![replicas.to_vec()]);
        let topic = MadeTopic { name: cell.to_string(), layout, min_isr: Some(min_isr) };
        match self.ask_controller(Request::CreateTopic(topic)) {
            Ok(Answer::Created(topic)) => {
                self.ids.insert(cell, PartitionId { topic, number: 0 });
                self.watch();
                "ok".to_owned()
            }
            other => word(other),
        }
    }

    fn write(&mut self, acks: Acks, bulk: u32) {
        let led: Vec<(Action, BrokerId)> =
            self.cells.iter().filter_map(|cell| Some((*cell, self.state(*cell)?.leader?))).collect();
        let asked: Vec<_> = led
            .into_iter()
            .map(|(cell, leader)| {
                (cell, Door::Broker(leader), self.produce(cell, acks, bulk, CALL_WITHIN), CALL_WITHIN)
            })
            .collect();
        for (cell, answer) in self.gather(asked) {
            assert!(matches!(answer, Ok(Answer::Produced { .. })), "write to {cell}: {answer:?}");
        }
    }

    fn produce(&mut self, cell: Action, acks: Acks, bulk: u32, within: Duration) -> Request {
        self.records += 1;
        Request::Produce { partition: self.id(cell), acks, record: RecordId(self.records), bulk, within }
    }

    fn id(&self, cell: Action) -> PartitionId {
        self.ids.get(&cell).copied().unwrap_or(PartitionId { topic: TopicId([0xee; 16]), number: 0 })
    }

    fn state(&self, cell: Action) -> Option<&PartitionState> {
        match self.last.get(&cell)? {
            Partition::Is(state) => Some(state),
            Partition::Gone => None,
        }
    }

    fn controller(&self) -> ControllerId {
        self.kafka.truth().active_controller().unwrap()
    }

    fn ask_controller(&mut self, request: Request) -> Result<Answer, Silence> {
        let door = Door::Controller(self.controller());
        self.gather(vec![((), door, request, CALL_WITHIN)]).pop().unwrap().1
    }

    /// Asks each question over a fresh line of its own, all at once, and waits for every answer or deadline.
    fn gather<K: Clone>(&mut self, questions: Vec<(K, Door, Request, Duration)>) -> Vec<(K, Result<Answer, Silence>)> {
        let mut open: Vec<Asked<K>> = Vec::new();
        for (key, to, request, within) in questions {
            self.clients += 1;
            let line = Line::new(Asker::Client(self.clients), to);
            let call = self.kafka.ask(self.now, line, request);
            open.push(Asked { key, line, call, until: self.now.plus(within) });
        }
        let mut answers = Vec::new();
        while !open.is_empty() {
            self.heard.extend(self.kafka.take_heard());
            let arrival = |asked: &Asked<K>| {
                let ours = |heard: &&Heard| heard.line == asked.line && tells(heard, asked.call);
                self.heard.iter().filter(ours).map(|heard| heard.at).min().filter(|at| *at <= asked.until)
            };
            let next = open.iter().enumerate().map(|(place, asked)| (arrival(asked), asked.until, place));
            let (arrived, until, place) =
                next.min_by_key(|(arrived, until, place)| (arrived.unwrap_or(*until), *place)).unwrap();
            let at = arrived.unwrap_or(until);
            // What is due before may bring an earlier answer.
            if let Some(due) = self.kafka.next_due().filter(|due| *due < at) {
                self.pass_to(due);
                continue;
            }
            self.pass_to(at);
            let asked = open.remove(place);
            let answer = if arrived.is_some() { self.answer_of(&asked) } else { Err(Silence::Silent) };
            self.kafka.close(self.now, asked.line);
            self.heard.retain(|heard| heard.line != asked.line);
            answers.push((asked.key, answer));
        }
        answers
    }

    fn answer_of<K>(&self, asked: &Asked<K>) -> Result<Answer, Silence> {
        let ours = |heard: &&Heard| heard.line == asked.line && tells(heard, asked.call);
        match &self.heard.iter().filter(ours).min_by_key(|heard| heard.at).unwrap().news {
            News::Answered { answer, .. } => Ok((**answer).clone()),
            News::Refused | News::Closed | News::Opened | News::Metadata(_) => Err(Silence::Refused),
        }
    }

    fn send(&mut self, cell: Option<Action>, deed: &Deed) -> String {
        let partition = self.id(cell.unwrap_or(Action::None));
        let request = match deed {
            Deed::Elect(election) => {
                let kind = match election {
                    Election::Preferred => ElectionKind::Preferred,
                    Election::Unclean => ElectionKind::Unclean,
                };
                Request::Elect { kind, partitions: Some(vec![partition]) }
            }
            Deed::Reassign { replicas, size } => {
                let count = match size {
                    Size::Kept => ReplicaCount::Kept,
                    Size::Free => ReplicaCount::Free,
                };
                Request::Reassign { orders: vec![Wanted { partition, replicas: replicas.clone() }], count }
            }
            Deed::CreateTopic(replicas) => return self.create(cell.unwrap(), replicas, 2),
            Deed::DeleteTopic => Request::DeleteTopic(partition.topic),
            Deed::Fence(broker, life) => {
                let present = self.lives.get(broker).copied().unwrap();
                let epoch = match life {
                    Life::Present => present,
                    Life::Older => present - 1,
                    Life::Newer => present + FAR,
                };
                Request::Fence { broker: *broker, epoch: BrokerEpoch(epoch) }
            }
            Deed::Unregister(broker) => Request::Unregister(*broker),
            Deed::CountCopies => {
                let throttled = Throttled { leader: Copies::All, follower: Copies::All };
                Request::SetThrottled { topic: partition.topic, throttled }
            }
            Deed::Rate(broker, per_s) => {
                Request::SetRates { broker: *broker, rates: Rates { leader: *per_s, follower: None } }
            }
        };
        let by_name = matches!(deed, Deed::DeleteTopic);
        let answer = word(self.ask_controller(request));
        // The real side deletes by name, where an unknown one is an unknown topic.
        if by_name && answer == Code::UnknownTopicId.name() {
            return Code::UnknownTopicOrPartition.name().to_owned();
        }
        answer
    }

    fn wait(&mut self, until: &Until, within: Duration) -> Class {
        let (began, end) = (self.now, self.now.plus(within));
        if *until == Until::Over {
            self.pass(within);
            return Class::of(within);
        }
        while !self.holds(until) {
            if end <= self.now {
                return Class::Never;
            }
            self.pass(LOOK_EVERY);
        }
        Class::of(self.now.since(began))
    }

    fn holds(&self, until: &Until) -> bool {
        let standing = |broker: &BrokerId| self.registered.get(broker).map(|one| one.standing);
        let mut states = self.cells.iter().filter_map(|cell| self.state(*cell).map(|state| (*cell, state)));
        match until {
            Until::Fenced(broker) => matches!(standing(broker), Some(Standing::Fenced | Standing::Unregistered)),
            Until::Active(broker) => standing(broker) == Some(Standing::Active),
            Until::Reborn(broker) => self.lives.get(broker) != self.lives_at_first.get(broker),
            Until::Isr(wanted) => states.all(|(_, state)| state.isr.iter().eq(wanted)),
            Until::Leaderless => states.all(|(_, state)| state.leader.is_none()),
            Until::Whole => {
                let whole = |(cell, state): (Action, &PartitionState)| {
                    state.leader.is_some() && state.isr.len() == state.replicas.len() && self.moving(cell).is_none()
                };
                BROKERS.iter().all(|id| standing(id) == Some(Standing::Active)) && states.all(whole)
            }
            Until::Elected => self.kafka.truth().active_controller().is_some_and(|id| id != VICTIMS),
            Until::Over => true,
        }
    }

    fn moving(&self, cell: Action) -> Option<Moving> {
        let truth = self.kafka.truth().partition(self.id(cell))?;
        let moving =
            Moving { adding: truth.adding.into_iter().collect(), removing: truth.removing.into_iter().collect() };
        (moving != Moving::default()).then_some(moving)
    }

    fn truth(&mut self) -> Reading {
        let mut registrations = std::mem::take(&mut self.registrations);
        for (id, registered) in &self.registered {
            registrations.entry(*id).or_insert_with(|| vec![*registered]);
        }
        let mut reading = Reading { registrations, ..Reading::default() };
        for cell in &self.cells {
            let path = self.paths.remove(cell).unwrap_or_default();
            reading.cells.insert(*cell, CellReading { path, ..CellReading::default() });
        }
        reading
    }

    fn note(&mut self, stage: Stage, asked: &[BrokerId], recorder: &mut Recorder) {
        self.pass(self.replayed_after);
        let mut reading = self.truth();
        if stage != Stage::Before {
            for cell in self.cells.clone() {
                reading.cells.entry(cell).or_default().moving = self.moving(cell);
            }
            self.look(asked, &mut reading);
        }
        recorder.note(stage, &reading);
    }

    fn look(&mut self, asked: &[BrokerId], reading: &mut Reading) {
        let mut questions = Vec::new();
        for broker in BROKERS {
            questions.push((What::View(broker), Door::Broker(broker), Request::Metadata, ANSWER_WITHIN));
        }
        for cell in self.cells.clone() {
            for broker in asked {
                for acks in [Acks::Leader, Acks::All] {
                    let produce = self.produce(cell, acks, 0, REPLICAS_WAIT);
                    let what = What::Taken(cell, *broker, acks);
                    questions.push((what, Door::Broker(*broker), produce, TAKEN_WITHIN));
                }
            }
        }
        for (what, answer) in as_one_request(self.gather(questions)) {
            match what {
                What::View(broker) => self.view(broker, answer, reading),
                What::Taken(cell, broker, acks) => {
                    let taken = taken(answer);
                    let cell = reading.cells.entry(cell).or_default();
                    match acks {
                        Acks::Leader => cell.one.insert(broker, taken),
                        Acks::All => cell.all.insert(broker, taken),
                    };
                }
            }
        }
        reading.pulses = self.pulses();
        self.pass(REPLICATED);
        let wanted: Vec<PartitionId> = self.cells.iter().map(|cell| self.id(*cell)).collect();
        let ends =
            BROKERS.map(|broker| (broker, Door::Broker(broker), Request::ListOffsets(wanted.clone()), ANSWER_WITHIN));
        for (broker, answer) in self.gather(ends.to_vec()) {
            for cell in self.cells.clone() {
                let end = end(&answer, self.id(cell));
                reading.cells.entry(cell).or_default().ends.insert(broker, end);
            }
        }
    }

    fn view(&self, broker: BrokerId, answer: Result<Answer, Silence>, reading: &mut Reading) {
        let shape = match answer {
            Ok(Answer::Metadata(shape)) => Ok(shape),
            Ok(Answer::Refused(code)) => Err(Silence::Error(code.name().to_owned())),
            Ok(other) => panic!("metadata: {other:?}"),
            Err(silence) => Err(silence),
        };
        let listed = shape.as_ref().map(|shape| listed(shape)).map_err(Clone::clone);
        reading.lists.insert(broker, listed);
        for cell in &self.cells {
            let view = shape.as_ref().map_err(Clone::clone).and_then(|shape| view(shape, self.id(*cell)));
            reading.cells.entry(*cell).or_default().views.insert(broker, view);
        }
    }

    fn pulses(&mut self) -> BTreeMap<BrokerId, Pulse> {
        let mut best: BTreeMap<BrokerId, Pulse> = BROKERS.iter().map(|id| (*id, Pulse::Absent)).collect();
        for sample in 0..PULSES {
            if 0 < sample {
                self.pass(PULSE_EVERY);
            }
            let Ok(Answer::Quorum(quorum)) = self.ask_controller(Request::DescribeQuorum) else { continue };
            // A combined node is a voter and a broker; the active one stands where the log ends.
            let voters = quorum.voters.into_iter().map(|(id, position)| (BrokerId(id.0), position.log_end));
            let observers = quorum.brokers.into_iter().map(|(id, position)| (id, position.log_end));
            for (id, at) in observers.chain(voters).chain([(BrokerId(quorum.leader.0), quorum.log_end)]) {
                if let Some(pulse) = best.get_mut(&id) {
                    let level = at == quorum.log_end || *pulse == Pulse::Level;
                    *pulse = if level { Pulse::Level } else { Pulse::Behind };
                }
            }
        }
        best
    }
}

/// The real side sends each broker one request for all cells: a partition that never answers keeps the others' answers back.
fn as_one_request(answers: Vec<(What, Result<Answer, Silence>)>) -> Vec<(What, Result<Answer, Silence>)> {
    let held_back: BTreeSet<(BrokerId, Acks)> = answers
        .iter()
        .filter(|(_, answer)| *answer == Err(Silence::Silent))
        .filter_map(|(what, _)| match what {
            What::View(_) => None,
            What::Taken(_, broker, acks) => Some((*broker, *acks)),
        })
        .collect();
    let held = |what: &What| matches!(what, What::Taken(_, broker, acks) if held_back.contains(&(*broker, *acks)));
    answers
        .into_iter()
        .map(|(what, answer)| if held(&what) { (what, Err(Silence::Silent)) } else { (what, answer) })
        .collect()
}

#[derive(Clone)]
enum What {
    View(BrokerId),
    Taken(Action, BrokerId, Acks),
}

/// A close names the call that opened the line; every line here carries one call.
fn tells(heard: &Heard, call: Call) -> bool {
    match heard.news {
        News::Opened | News::Metadata(_) => false,
        News::Refused | News::Answered { .. } | News::Closed => heard.call == call,
    }
}

fn listed(shape: &Topology) -> BTreeSet<BrokerId> {
    let shown = |standing: Standing| matches!(standing, Standing::Active | Standing::ShuttingDown);
    shape.brokers.iter().filter(|(_, one)| shown(one.standing)).map(|(id, _)| *id).collect()
}

fn view(shape: &Topology, id: PartitionId) -> Result<View, Silence> {
    let unknown = || Silence::Error(Code::UnknownTopicOrPartition.name().to_owned());
    let partition = shape.partitions.get(&id).ok_or_else(unknown)?;
    let listed = listed(shape);
    Ok(View {
        leader: partition.leader,
        leader_epoch: partition.leader.map(|_| partition.leader_epoch.0),
        isr: partition.isr.clone(),
        offline: partition.replicas.iter().copied().filter(|id| !listed.contains(id)).collect(),
    })
}

fn taken(answer: Result<Answer, Silence>) -> Result<(), Silence> {
    let answer = answer?;
    if let Answer::Refused(code) = answer {
        return Err(Silence::Error(code.name().to_owned()));
    }
    assert!(matches!(answer, Answer::Produced { .. }), "produce: {answer:?}");
    Ok(())
}

fn end(answer: &Result<Answer, Silence>, id: PartitionId) -> Result<i64, Silence> {
    match answer {
        Ok(Answer::LogEnds(ends)) => match ends.iter().find(|(of, _)| *of == id).map(|(_, end)| end) {
            Some(Ok(end)) => Ok(i64::try_from(end.offset.0).unwrap()),
            Some(Err(code)) => Err(Silence::Error(code.name().to_owned())),
            None => Err(Silence::Silent),
        },
        Ok(Answer::Refused(code)) => Err(Silence::Error(code.name().to_owned())),
        Ok(other) => panic!("log ends: {other:?}"),
        Err(silence) => Err(silence.clone()),
    }
}

fn word(answer: Result<Answer, Silence>) -> String {
    match answer {
        Ok(Answer::Refused(code)) => code.name().to_owned(),
        Ok(Answer::Outcomes(outcomes)) => {
            outcomes.into_values().next().flatten().map_or("ok", |code| code.name()).to_owned()
        }
        Ok(_) => "ok".to_owned(),
        Err(_) => "no answer".to_owned(),
    }
}
