//! Plays one batch on a real cluster: orders in, lines out, and the cluster whole again.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::time;

use super::ask;
use super::look::{self, Names};
use super::reign;
use super::truth::{Place, Truth};
use crate::adapters::clock;
use crate::adapters::kafka::wire::{Acks, Connection, NewTopic as WireTopic, TopicFilter, TopicPartition, WireError};
use crate::lab::LabError;
use crate::lab::admin::{self, chain};
use crate::lab::cluster::Cluster;
use crate::lab::fault::Fault;
use crate::lab::names::Listener;
use crate::model::ids::{BrokerId, ControllerId};
use crate::model::topology::Standing;
use crate::sim::differential::active::VICTIMS;
use crate::sim::differential::reading::{CellReading, Moving, Reading};
use crate::sim::differential::script::{CHUNK_BYTES, CHUNKS, NewTopic, Until, replayed_after};
use crate::sim::differential::{Action, Batch, Blow, Class, Deed, Line, Order, Recorder, Stage};
use crate::sim::kafka::plan::Version;

pub(super) const CALL_WITHIN: Duration = Duration::from_secs(10);
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(30);
const WRITTEN_WITHIN: Duration = Duration::from_secs(3);
const MADE_WITHIN: Duration = Duration::from_secs(20);

/// A cluster under play.
#[derive(Debug)]
pub(super) struct Player {
    cluster: Cluster,
    controller: Connection,
    truth: Truth,
    /// How many batches it has played: topics are never named twice.
    played: u32,
    replayed_after: Duration,
}

/// One batch on its way.
struct Play<'a> {
    player: &'a mut Player,
    batch: &'a Batch,
    names: Names,
    recorder: Recorder,
    /// Each broker's life when the batch began.
    lives: BTreeMap<BrokerId, i64>,
}

impl Player {
    /// Takes a cluster over.
    ///
    /// Errors: [`LabError::Late`] without an active controller, [`LabError::Kafka`] if it does not tell its log.
    pub(super) async fn of(cluster: Cluster, version: Version) -> Result<Self, LabError> {
        let (_, controller) = reign::active(&cluster, None, reign::FOUND_WITHIN).await?;
        let mut truth = Truth::default();
        truth.catch_up(&controller).await?;
        Ok(Self { cluster, controller, truth, played: 0, replayed_after: replayed_after(version) })
    }

    /// Plays a batch and leaves the cluster whole.
    ///
    /// Errors: [`LabError`] if the trouble could not be made, or the cluster did not become whole again: it is then of no more use.
    pub(super) async fn play(&mut self, batch: &Batch) -> Result<Vec<Line>, LabError> {
        self.played += 1;
        let name = |cell: Action| (cell, format!("d{}-{}-{}", self.played, batch.state, cell));
        let names: Names = batch.cells.iter().copied().map(name).collect();
        // The last batch may have changed who it is.
        self.turn_to_active(None, reign::FOUND_WITHIN).await?;
        self.truth.catch_up(&self.controller).await?;
        let recorder = Recorder::begin(batch);
        let lives = self.lives();
        let mut play = Play { player: self, batch, names, recorder, lives };
        for order in batch.script() {
            play.carry_out(order).await?;
        }
        let Play { names, recorder, .. } = play;
        self.tidy(&names).await?;
        Ok(recorder.finish())
    }

    fn lives(&self) -> BTreeMap<BrokerId, i64> {
        let brokers = self.cluster.brokers();
        brokers.into_iter().filter_map(|broker| Some((broker, self.truth.life(broker)?))).collect()
    }

    /// Asks whoever is active now from here on; the log that it goes on with is the same.
    async fn turn_to_active(&mut self, not: Option<ControllerId>, within: Duration) -> Result<(), LabError> {
        let (_, controller) = reign::active(&self.cluster, not, within).await?;
        self.controller = controller;
        Ok(())
    }

    async fn tidy(&mut self, names: &Names) -> Result<(), LabError> {
        let left: Vec<String> = names.values().filter(|name| self.truth.place(name).is_some()).cloned().collect();
        if !left.is_empty() {
            let failed = |error: WireError| LabError::Kafka { act: "delete topics".to_owned(), answer: chain(&error) };
            self.controller.delete_topics(&left, CALL_WITHIN).await.map_err(failed)?;
        }
        self.cluster.await_every_broker(MADE_WITHIN).await
    }
}

impl Play<'_> {
    async fn carry_out(&mut self, order: Order) -> Result<(), LabError> {
        match order {
            Order::Activate(active) => {
                self.player.controller = reign::activate(&self.player.cluster, active).await?;
                self.player.truth.catch_up(&self.player.controller).await?;
                self.lives = self.player.lives();
                Ok(())
            }
            Order::Topics(topics) => self.make(&topics).await,
            Order::Write => self.write(&Bytes::from_static(b"before"), Acks::Leader).await,
            Order::Fill => {
                let chunk = Bytes::from(vec![b'x'; CHUNK_BYTES]);
                for _ in 0..CHUNKS {
                    self.write(&chunk, Acks::All).await?;
                }
                Ok(())
            }
            Order::Inflict(blow) => self.player.cluster.inflict(&fault(blow)?).map(|_| ()),
            Order::Heal(blow) => self.player.cluster.heal(&fault(blow)?),
            Order::Prepare(cells, deed) => self.prepare(&cells, &deed).await,
            Order::Act(cells, deed) => {
                self.act(&cells, &deed).await;
                Ok(())
            }
            Order::Await(until, within) => {
                let class = self.wait(&until, within).await?;
                if until != Until::Over {
                    self.recorder.awaited(class);
                }
                Ok(())
            }
            Order::Note(stage, asked) => self.note(stage, &asked).await,
        }
    }

    async fn make(&mut self, topics: &[NewTopic]) -> Result<(), LabError> {
        let numbers = |ids: &[BrokerId]| ids.iter().map(|id| id.0).collect::<Vec<i32>>();
        let made: Vec<WireTopic> = topics
            .iter()
            .filter_map(|topic| {
                let settings = vec![("min.insync.replicas".to_owned(), topic.min_isr.to_string())];
                Some(WireTopic {
                    name: self.names.get(&topic.cell)?.clone(),
                    replicas: vec![numbers(&topic.replicas)],
                    settings,
                })
            })
            .collect();
        let failed = |answer: String| LabError::Kafka { act: "create topics".to_owned(), answer };
        let answer = self.player.controller.create_topics(&made, CALL_WITHIN).await;
        let outcomes = answer.map_err(|error| failed(chain(&error)))?.body;
        if let Some(refused) = outcomes.iter().find(|outcome| outcome.error.is_some()) {
            return Err(failed(format!("{refused:?}")));
        }
        let wanted: Vec<String> = made.into_iter().map(|topic| topic.name).collect();
        let deadline = clock::now() + MADE_WITHIN;
        while !self.everybody_sees(&wanted).await {
            if deadline <= clock::now() {
                return Err(failed("not in sync everywhere in time".to_owned()));
            }
            time::sleep(LOOK_EVERY).await;
        }
        let reading = self.truth().await?;
        self.recorder.start_from(&reading);
        Ok(())
    }

    async fn everybody_sees(&self, names: &[String]) -> bool {
        let cluster = &self.player.cluster;
        let asking = cluster.bootstrap(Listener::Clients).into_iter().map(|address| async move {
            let connection = admin::open(address).await.ok()?;
            let answer = connection.topology(TopicFilter::Named(names), CALL_WITHIN).await.ok()?;
            let whole = answer.body.topics.iter().all(|topic| {
                topic.error.is_none() && !topic.partitions.is_empty() && topic.partitions.iter().all(admin::is_whole)
            });
            whole.then_some(())
        });
        futures::future::join_all(asking).await.iter().all(Option::is_some)
    }

    /// Appends one record to every cell's partition, each at its leader.
    async fn write(&mut self, value: &Bytes, acks: Acks) -> Result<(), LabError> {
        self.player.truth.catch_up(&self.player.controller).await?;
        let mut led: BTreeMap<BrokerId, Vec<String>> = BTreeMap::new();
        for name in self.names.values() {
            if let Some(leader) = self.player.truth.place(name).and_then(|place| place.state.leader) {
                led.entry(leader).or_default().push(name.clone());
            }
        }
        for (leader, names) in led {
            self.write_to(leader, names, value, acks).await?;
        }
        Ok(())
    }

    /// A broker tells that it leads a moment before it does: those that it refuses are sent again for a while.
    async fn write_to(
        &self,
        leader: BrokerId,
        mut names: Vec<String>,
        value: &Bytes,
        acks: Acks,
    ) -> Result<(), LabError> {
        let failed = |answer: String| LabError::Kafka { act: format!("write to {leader}"), answer };
        let address = self.player.cluster.broker_address(leader, Listener::Clients);
        let address = address.ok_or_else(|| failed("no address".to_owned()))?;
        let connection = admin::open(address).await.map_err(|error| failed(chain(&error)))?;
        let deadline = clock::now() + WRITTEN_WITHIN;
        loop {
            let record = |name: String| (TopicPartition::new(name, 0), value.clone());
            let records: Vec<(TopicPartition, Bytes)> = names.into_iter().map(record).collect();
            let answer = connection.produce(&records, acks, CALL_WITHIN).await;
            let appended = answer.map_err(|error| failed(chain(&error)))?.body;
            let refused: Vec<_> = appended.into_iter().filter(|one| one.offset.is_err()).collect();
            if refused.is_empty() {
                return Ok(());
            }
            if deadline <= clock::now() {
                return Err(failed(format!("{refused:?}")));
            }
            names = refused.into_iter().map(|one| one.partition.topic).collect();
            time::sleep(LOOK_EVERY).await;
        }
    }

    async fn prepare(&mut self, cells: &[Action], deed: &Deed) -> Result<(), LabError> {
        let cells: Vec<Option<Action>> =
            if cells.is_empty() { vec![None] } else { cells.iter().copied().map(Some).collect() };
        for cell in cells {
            let answer = self.send(cell, deed).await;
            if answer != "ok" {
                return Err(LabError::Kafka { act: format!("prepare {:?}: {deed:?}", self.batch.state), answer });
            }
        }
        Ok(())
    }

    async fn act(&mut self, cells: &[Action], deed: &Deed) {
        let answer = self.send(cells.first().copied(), deed).await;
        for cell in cells {
            self.recorder.answered(*cell, answer.clone());
        }
    }

    async fn send(&self, cell: Option<Action>, deed: &Deed) -> String {
        let name = cell.and_then(|cell| self.names.get(&cell)).cloned().unwrap_or_default();
        let Player { truth, controller, .. } = &*self.player;
        ask::send(controller, truth, name, deed).await
    }

    async fn wait(&mut self, until: &Until, within: Duration) -> Result<Class, LabError> {
        let began = clock::now();
        if *until == Until::Over {
            time::sleep(within).await;
            return Ok(Class::of(within));
        }
        if *until == Until::Elected {
            // Whom the log was read from is dead or silent: it is not asked.
            self.player.turn_to_active(Some(VICTIMS), within).await?;
            return Ok(Class::of(began.elapsed()));
        }
        loop {
            self.player.truth.catch_up(&self.player.controller).await?;
            let took = began.elapsed();
            if self.holds(until) {
                return Ok(Class::of(took));
            }
            if within <= took {
                return Ok(Class::Never);
            }
            time::sleep(LOOK_EVERY).await;
        }
    }

    fn holds(&self, until: &Until) -> bool {
        let truth = &self.player.truth;
        let standing = |broker: &BrokerId| truth.registered().get(broker).map(|registered| registered.standing);
        let mut places = self.names.values().filter_map(|name| truth.place(name));
        match until {
            Until::Fenced(broker) => matches!(standing(broker), Some(Standing::Fenced | Standing::Unregistered)),
            Until::Active(broker) => standing(broker) == Some(Standing::Active),
            Until::Reborn(broker) => truth.life(*broker) != self.lives.get(broker).copied(),
            Until::Isr(wanted) => places.all(|place| place.state.isr.iter().eq(wanted)),
            Until::Leaderless => places.all(|place| place.state.leader.is_none()),
            Until::Whole => {
                let all = self.player.cluster.brokers();
                all.iter().all(|id| standing(id) == Some(Standing::Active)) && places.all(Place::is_whole)
            }
            // Waited for in another way: whom the log is read from may be dead.
            Until::Elected => false,
            Until::Over => true,
        }
    }

    async fn note(&mut self, stage: Stage, asked: &[BrokerId]) -> Result<(), LabError> {
        time::sleep(self.player.replayed_after).await;
        let mut reading = self.truth().await?;
        if stage != Stage::Before {
            self.moves(&mut reading).await;
            let Player { cluster, controller, .. } = &*self.player;
            look::look(cluster, controller, &self.names, asked, &mut reading).await;
        }
        self.recorder.note(stage, &reading);
        Ok(())
    }

    /// Reads the log on and gives what has changed.
    async fn truth(&mut self) -> Result<Reading, LabError> {
        let Player { truth, controller, .. } = &mut *self.player;
        truth.catch_up(controller).await?;
        let mut reading = Reading { registrations: truth.take_registrations(), ..Reading::default() };
        for (cell, name) in &self.names {
            let path = truth.take_path(name);
            reading.cells.insert(*cell, CellReading { path, ..CellReading::default() });
        }
        Ok(reading)
    }

    async fn moves(&self, reading: &mut Reading) {
        let Ok(answer) = self.player.controller.reassignments(CALL_WITHIN).await else { return };
        let ids = |ids: &[i32]| ids.iter().copied().map(BrokerId).collect();
        for one in answer.body {
            let cell = self.names.iter().find(|(_, name)| **name == one.partition.topic).map(|(cell, _)| *cell);
            if let Some(cell) = cell.and_then(|cell| reading.cells.get_mut(&cell)) {
                cell.moving = Some(Moving { adding: ids(&one.adding), removing: ids(&one.removing) });
            }
        }
    }
}

/// Gives a blow as the lab carries it out: both worlds write a fault the same way.
fn fault(blow: Blow) -> Result<Fault, LabError> {
    blow.fault().to_string().parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lab_reads_every_blow_as_the_pretended_kafka_writes_it() {
        let blows: [fn(BrokerId) -> Blow; 8] = [
            Blow::Kill,
            Blow::Terminate,
            Blow::Stop,
            Blow::ClientCut,
            Blow::ClientFreeze,
            Blow::ReplicationFreeze,
            Blow::DiskFreeze,
            Blow::ControllerFreeze,
        ];
        for blow in blows.map(|blow| blow(BrokerId(2))) {
            assert_eq!(fault(blow).unwrap().to_string(), blow.fault().to_string(), "{blow:?}");
        }
    }
}
