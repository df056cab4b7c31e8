//! Links between nodes over real sockets: who may connect, who is told why not, and what happens when connections die; and
//! nodes that live on them, without Kafka.
#![cfg(test)]

mod authority;
mod leave;
mod nodes;
mod rejoin;
mod trio;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tanist::adapters::peers::hello::Reason;
use tanist::adapters::peers::{LinkError, LinkEvent, LinkSecurity, PeerFrame, PeerLinks, Sent};
use tanist::consensus::wire::PeerMessage;
use tanist::model::ids::{ClusterId, NodeId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use authority::Authority;
use trio::{Node, free_address, options};

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);

fn words(text: &'static str) -> PeerFrame {
    PeerFrame::Words(Bytes::from_static(text.as_bytes()))
}

/// Starts two nodes that know each other.
async fn pair(security: impl Fn(NodeId) -> LinkSecurity) -> (Node, Node) {
    let (at_a, at_b) = (free_address(), free_address());
    let a = Node::start(options(A, at_a, &[(B, at_b)], security(A))).await;
    let b = Node::start(options(B, at_b, &[(A, at_a)], security(B))).await;
    (a, b)
}

#[tokio::test]
async fn nodes_meet_and_speak_in_both_directions() {
    let (mut a, mut b) = pair(|_| LinkSecurity::LoopbackPlaintext).await;
    a.until(|event| *event == LinkEvent::Up(B)).await;
    b.until(|event| *event == LinkEvent::Up(A)).await;
    let message = PeerMessage { term: 7, from: 1, to: 2, ..PeerMessage::default() };
    assert_eq!(a.links.send(B, PeerFrame::Raft(Box::new(message.clone()))), Sent::Queued);
    assert_eq!(b.links.send(A, words("hello")), Sent::Queued);
    assert_eq!(b.frame().await, (A, PeerFrame::Raft(Box::new(message))));
    assert_eq!(a.frame().await, (B, words("hello")));
    assert!(a.links.status()[&B].up);
    assert_eq!(a.links.status()[&B].sent_frames, 1);
}

#[tokio::test]
async fn nodes_meet_over_mutual_tls() {
    let authority = Authority::new();
    let (mut a, mut b) = pair(|node| authority.security(node)).await;
    a.until(|event| *event == LinkEvent::Up(B)).await;
    a.links.send(B, words("protected"));
    assert_eq!(b.frame().await, (A, words("protected")));
}

#[tokio::test]
async fn a_snapshot_of_the_largest_size_passes() {
    let (mut a, mut b) = pair(|_| LinkSecurity::LoopbackPlaintext).await;
    a.until(|event| *event == LinkEvent::Up(B)).await;
    let large = PeerFrame::Words(Bytes::from(vec![3; 16 << 20]));
    assert_eq!(a.links.send(B, large.clone()), Sent::Queued);
    assert_eq!(b.frame().await, (A, large));
    assert_eq!(a.links.send(B, PeerFrame::Words(Bytes::from(vec![3; 18 << 20]))), Sent::TooLarge);
    a.links.send(B, words("and goes on"));
    assert_eq!(b.frame().await, (A, words("and goes on")));
}

#[tokio::test]
async fn without_a_link_frames_are_dropped_and_counted() {
    let a = Node::start(options(A, free_address(), &[(B, free_address())], LinkSecurity::LoopbackPlaintext)).await;
    assert_eq!(a.links.send(B, words("nobody hears")), Sent::NoLink);
    assert_eq!(a.links.send(NodeId(9), words("nobody is there")), Sent::NoLink);
    assert_eq!(a.links.status()[&B].dropped_frames, 1);
}

#[tokio::test]
async fn a_node_that_returns_is_met_again() {
    let (at_a, at_b) = (free_address(), free_address());
    let open = LinkSecurity::LoopbackPlaintext;
    let mut a = Node::start(options(A, at_a, &[(B, at_b)], open.clone())).await;
    let b = Node::start(options(B, at_b, &[(A, at_a)], open.clone())).await;
    a.until(|event| *event == LinkEvent::Up(B)).await;
    b.stop().await;
    a.until(|event| matches!(event, LinkEvent::Down { node: B, .. })).await;
    let mut b = Node::start(options(B, at_b, &[(A, at_a)], open)).await;
    a.until(|event| *event == LinkEvent::Up(B)).await;
    a.links.send(B, words("again"));
    assert_eq!(b.frame().await, (A, words("again")));
}

#[tokio::test]
async fn the_first_meeting_names_the_store_and_another_store_is_refused() {
    let (at_a, at_b) = (free_address(), free_address());
    let open = LinkSecurity::LoopbackPlaintext;
    let mut a = Node::start(options(A, at_a, &[(B, at_b)], open.clone())).await;
    let b = Node::start(options(B, at_b, &[(A, at_a)], open.clone())).await;
    a.until(|event| *event == LinkEvent::Introduced { node: B, store_id: [2; 16] }).await;
    b.stop().await;
    let mut wiped = options(B, at_b, &[(A, at_a)], open);
    wiped.introduction.store_id = [77; 16];
    let mut b = Node::start(wiped).await;
    let told = b.refused(A).await;
    assert_eq!(told.reason, Reason::StoreChanged);
    assert!(told.to_string().contains("tanist node rejoin"), "{told}");
}

#[tokio::test]
async fn strangers_are_refused_with_the_reason() {
    let at_a = free_address();
    let open = LinkSecurity::LoopbackPlaintext;
    let _a = Node::start(options(A, at_a, &[(B, free_address())], open.clone())).await;
    let like_b = || options(B, free_address(), &[(A, at_a)], open.clone());
    let mut other_cluster = like_b();
    other_cluster.introduction.cluster = ClusterId("another".into());
    let mut other_config = like_b();
    other_config.introduction.config_fingerprint = [0; 32];
    let unknown = options(NodeId(5), free_address(), &[(A, at_a)], open.clone());
    for (stranger, reason) in
        [(other_cluster, Reason::KafkaCluster), (other_config, Reason::ConfigDiffers), (unknown, Reason::UnknownNode)]
    {
        assert_eq!(Node::start(stranger).await.refused(A).await.reason, reason);
    }
    // Whoever dials another node than it means is refused too.
    let crossed = options(B, free_address(), &[(NodeId(3), at_a)], open);
    assert_eq!(Node::start(crossed).await.refused(NodeId(3)).await.reason, Reason::WrongNode);
}

#[tokio::test]
async fn a_certificate_of_another_node_is_refused() {
    let authority = Authority::new();
    let (at_a, at_b) = (free_address(), free_address());
    let mut a = Node::start(options(A, at_a, &[(B, at_b)], authority.security(A))).await;
    // Node 3's certificate, signed by the same authority, in the hands of one who says to be node 2.
    let mut b = Node::start(options(B, at_b, &[(A, at_a)], authority.security(NodeId(3)))).await;
    assert_eq!(b.refused(A).await.reason, Reason::Certificate);
    // And dialled, it does not pass as node 2 either.
    let down = a.until(|event| matches!(event, LinkEvent::Down { node: B, .. })).await;
    assert!(format!("{down:?}").contains("certificate"), "{down:?}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_and_none_at_all_are_refused() {
    let ours = Authority::new();
    let theirs = Authority::new();
    let at_a = free_address();
    let mut a = Node::start(options(A, at_a, &[(B, free_address())], ours.security(A))).await;
    for security in [theirs.security(B), LinkSecurity::LoopbackPlaintext] {
        let mut stranger = Node::start(options(B, free_address(), &[(A, at_a)], security)).await;
        stranger.until(|event| matches!(event, LinkEvent::Down { node: A, .. })).await;
        assert_eq!(stranger.links.send(A, words("let me in")), Sent::NoLink);
    }
    a.nothing_heard().await;
}

#[tokio::test]
async fn plaintext_stays_on_the_machine() {
    let anywhere: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let (events, _heard) = mpsc::channel(1);
    let refused = PeerLinks::start(options(A, anywhere, &[], LinkSecurity::LoopbackPlaintext), events).await;
    let error = refused.err().expect("others could connect");
    assert!(matches!(error, LinkError::PlaintextBeyondLoopback { .. }), "{error}");
    assert!(error.to_string().contains("node.tls"), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_said() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (events, _heard) = mpsc::channel(1);
    let at = taken.local_addr().unwrap();
    let refused = PeerLinks::start(options(A, at, &[], LinkSecurity::LoopbackPlaintext), events).await;
    assert!(refused.err().expect("taken").to_string().contains("stop what uses it"));
}

#[tokio::test]
async fn files_that_are_no_certificates_are_named() {
    let authority = Authority::new();
    let LinkSecurity::Tls(files) = authority.security(A) else { panic!("it protects") };
    let (key, missing) = (files.key.clone(), files.key.with_extension("missing"));
    for (files, part) in [
        (tanist::adapters::peers::TlsFiles { certificate: key, ..files.clone() }, "holds no certificate"),
        (tanist::adapters::peers::TlsFiles { ca: missing, ..files.clone() }, "cannot read"),
        (tanist::adapters::peers::TlsFiles { key: files.ca.clone(), ..files }, "holds no private key"),
    ] {
        let (events, _heard) = mpsc::channel(1);
        let refused = PeerLinks::start(options(A, free_address(), &[], LinkSecurity::Tls(files)), events).await;
        let told = refused.err().expect("unusable").to_string();
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test]
async fn nonsense_on_the_port_disturbs_nobody() {
    let (mut a, mut b) = pair(|_| LinkSecurity::LoopbackPlaintext).await;
    a.until(|event| *event == LinkEvent::Up(B)).await;
    for nonsense in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[0, 0, 0, 2, 0x08, 0x01], &[]] {
        let mut stranger = TcpStream::connect(b.links.address()).await.unwrap();
        stranger.write_all(nonsense).await.unwrap();
        stranger.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(5), stranger.read_to_end(&mut answer)).await;
        assert!(closed.is_ok(), "the connection is ended");
    }
    a.links.send(B, words("undisturbed"));
    assert_eq!(b.frame().await, (A, words("undisturbed")));
}

#[tokio::test]
async fn a_peer_that_stops_answering_is_given_up() {
    let at_b = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at_a = free_address();
    let address = at_b.local_addr().unwrap();
    let mut a = Node::start(options(A, at_a, &[(B, address)], LinkSecurity::LoopbackPlaintext)).await;
    // It accepts, and then says nothing at all.
    let (_silent, _) = at_b.accept().await.unwrap();
    let down = a.until(|event| matches!(event, LinkEvent::Down { node: B, .. })).await;
    assert!(format!("{down:?}").contains("timed out"), "{down:?}");
}

#[tokio::test]
async fn a_peer_that_is_no_longer_one_is_left() {
    let (mut a, mut b) = pair(|_| LinkSecurity::LoopbackPlaintext).await;
    a.until(|event| *event == LinkEvent::Up(B)).await;
    b.until(|event| *event == LinkEvent::Up(A)).await;
    a.links.set_peers(&[].into());
    assert_eq!(a.links.send(B, words("gone")), Sent::NoLink);
    assert_eq!(b.refused(A).await.reason, Reason::UnknownNode);
}
