//! Nodes with links, and patience with a limit.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tanist::adapters::peers::{Introduction, LinkEvent, LinkOptions, LinkSecurity, PeerFrame, PeerLinks, Refusal};
use tanist::model::ids::{ClusterId, NodeId};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than any of these tests needs, even beside others.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A node that has links and nothing else.
pub(crate) struct Node {
    pub(crate) links: PeerLinks,
    events: mpsc::Receiver<LinkEvent>,
}

impl Node {
    pub(crate) async fn start(options: LinkOptions) -> Self {
        let (sender, events) = mpsc::channel(64);
        let links = PeerLinks::start(options, sender).await.expect("the address is free");
        Self { links, events }
    }

    /// Ends the node; its address is free afterwards.
    pub(crate) async fn stop(self) {
        self.links.stop().await;
    }

    /// Waits for an event; others pass by.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&LinkEvent) -> bool) -> LinkEvent {
        let waiting = async {
            loop {
                let event = self.events.recv().await.expect("links tell while they live");
                if wanted(&event) {
                    return event;
                }
            }
        };
        timeout(PATIENCE, waiting).await.expect("it happens in time")
    }

    /// Waits for the next frame.
    pub(crate) async fn frame(&mut self) -> (NodeId, PeerFrame) {
        let event = self.until(|event| matches!(event, LinkEvent::Frame { .. })).await;
        let LinkEvent::Frame { from, frame } = event else { panic!("{event:?} was not waited for") };
        (from, frame)
    }

    /// Waits until this node is refused by another.
    pub(crate) async fn refused(&mut self, by: NodeId) -> Refusal {
        let event = self.until(|event| matches!(event, LinkEvent::Refused { node, .. } if *node == Some(by))).await;
        let LinkEvent::Refused { refusal, .. } = event else { panic!("{event:?} was not waited for") };
        refusal
    }

    /// Nothing that anybody said has come in so far.
    pub(crate) async fn nothing_heard(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            let heard = matches!(event, LinkEvent::Frame { .. } | LinkEvent::Up(_) | LinkEvent::Introduced { .. });
            assert!(!heard, "{event:?}");
        }
    }
}

/// Gives an address on which nobody listens at the moment.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("loopback has ports")
}

pub(crate) fn options(
    node: NodeId,
    listen: SocketAddr,
    peers: &[(NodeId, SocketAddr)],
    security: LinkSecurity,
) -> LinkOptions {
    let introduction = Introduction {
        cluster: ClusterId("the-cluster".into()),
        node,
        store_id: [u8::try_from(node.0).expect("a small id"); 16],
        config_fingerprint: [9; 32],
    };
    let peers = peers.iter().map(|(node, address)| (*node, address.to_string())).collect();
    LinkOptions { introduction, listen, peers, security, known_stores: [].into() }
}
