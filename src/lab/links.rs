//! Every port and every proxy of a cluster, and which of them a fault touches.
//!
//! A node's own ports are known to nobody but its proxies, with one exception: controllers talk to each other directly, and the
//! lab's own hands use their ports, so that no fault stops the lab itself.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::runtime::Handle;

use crate::lab::LabError;
use crate::lab::link::{Link, Mode};
use crate::lab::names::{BrokerId, ControllerId, Listener, TANIST_NODES};
use crate::lab::reserve::Reservation;
use crate::lab::settings::Role;

/// Who calls a controller through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Caller {
    Broker(BrokerId),
    Tanist(u8),
}

/// One proxied way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Route {
    /// To a broker's listener of that name.
    Client(BrokerId, Listener),
    /// To a broker's replication listener, from the other brokers.
    Replication(BrokerId),
    /// To a controller.
    Controller(ControllerId, Caller),
}

impl Route {
    /// Tells whether the way leads to the process with that node id.
    pub(crate) fn leads_to(self, node: i32) -> bool {
        match self {
            Self::Client(broker, _) | Self::Replication(broker) => broker.0 == node,
            Self::Controller(controller, _) => controller.0 == node,
        }
    }
}

/// The ports and proxies of a cluster.
#[derive(Debug)]
pub(crate) struct Links {
    links: BTreeMap<Route, Link>,
    /// The own ports behind the proxies of brokers, and those of controllers.
    own: BTreeMap<Own, Reservation>,
}

/// A port that a node itself listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Own {
    /// A broker's port for clients of that listener.
    Client(BrokerId, Listener),
    /// A broker's port for other brokers.
    Replication(BrokerId),
    /// A controller's port for brokers and other controllers.
    Quorum(ControllerId),
    /// A controller's port for one Tanist node.
    Tanist(ControllerId, u8),
}

impl Links {
    /// Reserves every port of `nodes` and opens every proxy.
    pub(crate) fn open(runtime: &Handle, nodes: &BTreeMap<i32, Role>) -> Result<Self, LabError> {
        let mut all = Self { links: BTreeMap::new(), own: BTreeMap::new() };
        let brokers: Vec<BrokerId> =
            nodes.iter().filter(|(_, role)| role.is_broker()).map(|(id, _)| BrokerId(*id)).collect();
        for (id, role) in nodes {
            if role.is_broker() {
                all.open_broker(runtime, BrokerId(*id))?;
            }
            if role.is_controller() {
                all.open_controller(runtime, ControllerId(*id), &brokers)?;
            }
        }
        Ok(all)
    }

    fn open_broker(&mut self, runtime: &Handle, broker: BrokerId) -> Result<(), LabError> {
        for listener in Listener::all() {
            self.open_pair(runtime, Own::Client(broker, listener), Route::Client(broker, listener))?;
        }
        self.open_pair(runtime, Own::Replication(broker), Route::Replication(broker))
    }

    fn open_controller(
        &mut self,
        runtime: &Handle,
        controller: ControllerId,
        brokers: &[BrokerId],
    ) -> Result<(), LabError> {
        for node in 1..=TANIST_NODES {
            self.open_pair(
                runtime,
                Own::Tanist(controller, node),
                Route::Controller(controller, Caller::Tanist(node)),
            )?;
        }
        let seen: Vec<Ipv4Addr> = brokers.iter().copied().map(address_seen_by).collect();
        let (quorum, proxies) = Reservation::on_all(&seen)?;
        for (broker, held) in brokers.iter().zip(proxies) {
            // A combined node reaches its own controller without leaving the process's own ports.
            if broker.0 != controller.0 {
                let link = Link::on(runtime, held, quorum.address());
                self.links.insert(Route::Controller(controller, Caller::Broker(*broker)), link);
            }
        }
        self.own.insert(Own::Quorum(controller), quorum);
        Ok(())
    }

    fn open_pair(&mut self, runtime: &Handle, own: Own, route: Route) -> Result<(), LabError> {
        let held = Reservation::any()?;
        self.links.insert(route, Link::open(runtime, held.address())?);
        self.own.insert(own, held);
        Ok(())
    }

    /// Gives the address of a node's own port.
    pub(crate) fn own(&self, own: Own) -> Result<SocketAddr, LabError> {
        self.own
            .get(&own)
            .map(Reservation::address)
            .ok_or_else(|| LabError::Usage(format!("this cluster has no port {own:?}")))
    }

    /// Gives the address that callers use on that way.
    pub(crate) fn advertised(&self, route: Route) -> Result<SocketAddr, LabError> {
        self.links
            .get(&route)
            .map(Link::address)
            .ok_or_else(|| LabError::Usage(format!("this cluster has no way {route:?}")))
    }

    /// Gives how many requests have come that way.
    pub(crate) fn asked(&self, route: Route) -> Option<u64> {
        self.links.get(&route).map(Link::asked)
    }

    /// Changes every proxy that `touched` names; tells how many those were.
    pub(crate) fn set(&self, touched: impl Fn(Route) -> bool, change: impl Fn(&mut Mode)) -> usize {
        let hit = self.links.iter().filter(|(route, _)| touched(**route));
        hit.map(|(_, link)| link.set(&change)).count()
    }

    /// Makes every proxy to that node ask now whether it still listens.
    pub(crate) fn doubt(&self, node: i32) {
        self.links.iter().filter(|(route, _)| route.leads_to(node)).for_each(|(_, link)| link.doubt());
    }
}

/// Gives the loopback address under which a broker finds its proxies to the controllers.
pub(crate) fn address_seen_by(broker: BrokerId) -> Ipv4Addr {
    // A cluster has at most 12 brokers; `ClusterOptions::check` refuses more.
    Ipv4Addr::new(127, 0, 1, u8::try_from(broker.0).unwrap_or(u8::MAX))
}
