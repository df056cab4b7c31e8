//! A link without any Kafka: a fake server behind it, plain sockets before it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tanist::adapters::clock;
use tanist::lab::link::{Gate, Link, Way};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::alone::alone;

/// Longer than anything here takes, shorter than a person's patience.
const SOON: Duration = Duration::from_secs(5);
/// How long "nothing comes" is watched.
const SILENCE: Duration = Duration::from_millis(300);

/// A server, a link to it, and one connection through the link, both ends in hand.
struct Pair {
    listener: TcpListener,
    link: Link,
    client: TcpStream,
    server: TcpStream,
}

async fn pair() -> Pair {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = Link::open(&Handle::current(), listener.local_addr().unwrap()).unwrap();
    let client = connect_soon(link.address()).await;
    // The link itself knocks to learn whether anybody listens; the connection that answers is the client's.
    let server = answer(&listener, client).await;
    Pair { listener, link, client: server.0, server: server.1 }
}

async fn answer(listener: &TcpListener, mut client: TcpStream) -> (TcpStream, TcpStream) {
    client.write_all(b"?").await.unwrap();
    loop {
        let (mut server, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
        let mut byte = [0];
        if server.read(&mut byte).await.unwrap_or(0) == 1 {
            return (client, server);
        }
    }
}

async fn connect_soon(address: SocketAddr) -> TcpStream {
    let patience = clock::now() + SOON;
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => return stream,
            Err(error) => assert!(clock::now() < patience, "{address}: {error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn until_refused(address: SocketAddr) {
    let patience = clock::now() + SOON;
    loop {
        let connected = timeout(SOON, TcpStream::connect(address)).await.expect("refused, not silent");
        match connected {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
            Ok(_) | Err(_) => assert!(clock::now() < patience, "{address} still answers"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn receives(stream: &mut TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    timeout(SOON, stream.read_exact(&mut bytes)).await.expect("bytes come soon").unwrap();
    assert_eq!(bytes, expected);
}

async fn hears_nothing(stream: &mut TcpStream) {
    let heard = timeout(SILENCE, stream.read(&mut [0; 16])).await;
    assert!(heard.is_err(), "heard {heard:?}");
}

async fn is_reset(stream: &mut TcpStream) {
    let end = timeout(SOON, stream.read(&mut [0; 16])).await.expect("an end comes soon");
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_pass_both_ways_and_a_goodbye_is_passed_on_as_one() {
    let Pair { mut client, mut server, link: _link, listener: _listener } = pair().await;
    client.write_all(b"there").await.unwrap();
    receives(&mut server, b"there").await;
    server.write_all(b"back").await.unwrap();
    receives(&mut client, b"back").await;
    server.shutdown().await.unwrap();
    assert_eq!(timeout(SOON, client.read(&mut [0; 1])).await.unwrap().unwrap(), 0, "FIN arrives as FIN");
    client.write_all(b"still").await.unwrap();
    receives(&mut server, b"still").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_passes_within_five_milliseconds() {
    // No cluster runs meanwhile: the figure is the link's, not the machine's.
    let _turn = alone();
    let mut closes = Vec::new();
    let mut resets = Vec::new();
    for round in 0..40 {
        let Pair { mut client, server, link: _link, listener: _listener } = pair().await;
        let times = if round % 2 == 0 {
            &mut closes
        } else {
            server.set_zero_linger().unwrap();
            &mut resets
        };
        let began = clock::now();
        drop(server);
        let end = timeout(SOON, client.read(&mut [0; 1])).await.expect("the end comes soon");
        times.push(began.elapsed());
        assert_eq!(end.is_err(), round % 2 == 1, "FIN as FIN, RST as RST: {end:?}");
    }
    for (what, mut times) in [("FIN", closes), ("RST", resets)] {
        times.sort();
        let median = times[times.len() / 2];
        println!("{what} through a link: median {median:?}, worst {:?}", times.last().unwrap());
        assert!(median < Duration::from_millis(5), "{what} took {median:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_resets_what_exists_and_refuses_what_comes_until_it_is_healed() {
    let Pair { listener, link, mut client, mut server } = pair().await;
    link.set(|mode| mode.gate = Gate::Cut);
    is_reset(&mut client).await;
    is_reset(&mut server).await;
    until_refused(link.address()).await;
    link.set(|mode| mode.gate = Gate::Open);
    let client = connect_soon(link.address()).await;
    let (mut client, mut server) = answer(&listener, client).await;
    server.write_all(b"again").await.unwrap();
    receives(&mut client, b"again").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_link_is_silent_and_lets_connects_hang_and_then_delivers_what_it_held() {
    let Pair { link, mut client, mut server, listener: _listener } = pair().await;
    link.set(|mode| mode.gate = Gate::Frozen(Way::Both));
    client.write_all(b"held").await.unwrap();
    hears_nothing(&mut server).await;
    server.write_all(b"too").await.unwrap();
    hears_nothing(&mut client).await;
    let fresh = timeout(SILENCE, TcpStream::connect(link.address())).await;
    assert!(fresh.is_err(), "a new connect must hang, not {fresh:?}");
    link.set(|mode| mode.gate = Gate::Open);
    receives(&mut server, b"held").await;
    receives(&mut client, b"too").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_one_way_freeze_stops_one_way_only() {
    let Pair { link, mut client, mut server, listener: _listener } = pair().await;
    link.set(|mode| mode.gate = Gate::Frozen(Way::Outbound));
    client.write_all(b"heard").await.unwrap();
    receives(&mut server, b"heard").await;
    server.write_all(b"lost").await.unwrap();
    hears_nothing(&mut client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_link_hides_the_death_of_its_server() {
    let Pair { link, mut client, server, listener } = pair().await;
    link.set(|mode| mode.gate = Gate::Frozen(Way::Both));
    server.set_zero_linger().unwrap();
    drop(server);
    drop(listener);
    hears_nothing(&mut client).await;
    link.set(|mode| mode.gate = Gate::Open);
    is_reset(&mut client).await;
    until_refused(link.address()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_refuses_while_its_server_refuses_and_serves_again_on_the_same_port() {
    let Pair { listener, link, mut client, server } = pair().await;
    let address = listener.local_addr().unwrap();
    drop(listener);
    drop(server);
    assert_eq!(timeout(SOON, client.read(&mut [0; 1])).await.unwrap().unwrap_or(0), 0);
    until_refused(link.address()).await;
    let listener = TcpListener::bind(address).await.unwrap();
    let client = connect_soon(link.address()).await;
    let (_client, _server) = answer(&listener, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delay_is_added_each_way_and_a_limit_makes_bytes_trickle() {
    let Pair { link, mut client, mut server, listener: _listener } = pair().await;
    let delay = Duration::from_millis(60);
    link.set(|mode| mode.delay = delay);
    let began = clock::now();
    client.write_all(b"ping").await.unwrap();
    receives(&mut server, b"ping").await;
    server.write_all(b"pong").await.unwrap();
    receives(&mut client, b"pong").await;
    assert!(2 * delay <= began.elapsed(), "{:?}", began.elapsed());
    link.set(|mode| {
        mode.delay = Duration::ZERO;
        mode.limit_bytes_per_s = std::num::NonZeroU64::new(100_000);
    });
    let began = clock::now();
    let sending = tokio::spawn(async move {
        client.write_all(&[7; 60_000]).await.unwrap();
        client
    });
    receives(&mut server, &[7; 60_000]).await;
    // The last chunk need not be waited for: 60 kB less one chunk of 16 KiB at 100 kB/s.
    assert!(Duration::from_millis(400) <= began.elapsed(), "{:?}", began.elapsed());
    drop(sending.await.unwrap());
}
