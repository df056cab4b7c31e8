//! The service as a whole: over a socket, over TCP with and without certificates, and what it refuses.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::client::{Address, AskError, Client};
use super::*;
use crate::model::ids::{Person, RecordIndex, RequestId};
use crate::model::operator::{Answer, Ask, OperatorRequest, Refusal, Role};

/// A running service that answers `Done`, with what it was asked.
struct Desk {
    folder: tempfile::TempDir,
    address: Option<String>,
    asked: Arc<Mutex<Vec<OperatorRequest>>>,
    stop: tokio::sync::oneshot::Sender<()>,
    served: tokio::task::JoinHandle<Result<(), SurfaceError>>,
}

impl Desk {
    async fn open(listen: Option<Listen>, roles: &[(&str, Role)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let roles = roles.iter().map(|(name, role)| (Person((*name).to_owned()), *role)).collect::<BTreeMap<_, _>>();
        let socket = folder.path().join("s");
        let bound = Bound::bind(ServeOptions { socket, listen, roles: Roles::new(roles) }).await.unwrap();
        let address = bound.address().map(|address| format!("localhost:{}", address.port()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = asked.clone();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let answer = move |request| {
            heard.lock().unwrap().push(request);
            async { Answer::Done { record: Some(RecordIndex(7)), plan: None } }
        };
        let served = tokio::spawn(bound.serve(answer, async move { stopped.await.unwrap() }));
        Self { folder, address, asked, stop, served }
    }

    fn socket(&self) -> Address {
        Address::Unix(self.folder.path().join("s"))
    }

    fn tcp(&self) -> Address {
        Address::Tcp(self.address.clone().unwrap())
    }

    fn last(&self) -> OperatorRequest {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

fn loopback(tls: Option<TlsFiles>) -> Option<Listen> {
    Some(Listen { address: ([127, 0, 0, 1], 0).into(), tls })
}

fn pause() -> Ask {
    Ask::Pause { reason: "a test".parse().unwrap() }
}

/// An authority, and certificates signed by it in a folder.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { issuer: rcgen::Issuer::new(params, key), folder }
    }

    /// Signs a certificate for `name` that is valid at localhost.
    fn files(&self, name: &str) -> TlsFiles {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = rcgen::KeyPair::generate().unwrap();
        let at = |kind: &str| self.folder.path().join(format!("{name}.{kind}"));
        std::fs::write(at("cert"), params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        std::fs::write(at("key"), key.serialize_pem()).unwrap();
        TlsFiles { cert: at("cert"), key: at("key"), ca: self.folder.path().join("ca") }
    }
}

fn with_tls() {
    // Another test may have been first; either way ring is installed.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test]
async fn the_user_of_a_socket_is_the_person_and_may_do_all_on_their_own_node() {
    let desk = Desk::open(None, &[]).await;
    let mut client = Client::connect(&desk.socket(), None).await.unwrap();
    let answer = client.ask(RequestId(41), &pause()).await.unwrap();
    assert_eq!(answer, Answer::Done { record: Some(RecordIndex(7)), plan: None });
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).unwrap().unwrap().name;
    assert_eq!(desk.last(), OperatorRequest { id: RequestId(41), by: Person(user), ask: pause() });
    desk.stop.send(()).unwrap();
    drop(client);
    desk.served.await.unwrap().unwrap();
    assert!(!desk.folder.path().join("s").exists(), "the socket stays behind");
}

#[tokio::test]
async fn a_certificate_names_the_person_and_the_settings_their_role() {
    with_tls();
    let people = Authority::new();
    let desk = Desk::open(loopback(Some(people.files("node"))), &[("olga", Role::Operator)]).await;
    let mut olga = Client::connect(&desk.tcp(), Some(&people.files("olga"))).await.unwrap();
    assert!(matches!(olga.ask(RequestId(1), &pause()).await.unwrap(), Answer::Done { .. }));
    assert_eq!(desk.last().by, Person("olga".to_owned()));
    let mut eve = Client::connect(&desk.tcp(), Some(&people.files("eve"))).await.unwrap();
    let refused = Answer::Refused(Refusal::Role { by: Person("eve".to_owned()), needs: Role::Operator });
    assert_eq!(eve.ask(RequestId(2), &pause()).await.unwrap(), refused);
    assert!(matches!(eve.ask(RequestId(3), &Ask::Status).await.unwrap(), Answer::Done { .. }));
}

#[tokio::test]
async fn a_certificate_of_another_authority_and_no_certificate_are_refused() {
    with_tls();
    let people = Authority::new();
    let strangers = Authority::new();
    let desk = Desk::open(loopback(Some(people.files("node"))), &[]).await;
    let forged = TlsFiles { ca: people.files("node").ca, ..strangers.files("olga") };
    for tls in [Some(&forged), None] {
        let refused = match Client::connect(&desk.tcp(), tls).await {
            Ok(mut client) => client.ask(RequestId(1), &Ask::Status).await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(refused.is_err(), "answered");
    }
    assert_eq!(desk.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn plain_tcp_may_read_and_nothing_else() {
    let desk = Desk::open(loopback(None), &[]).await;
    let mut client = Client::connect(&desk.tcp(), None).await.unwrap();
    assert!(matches!(client.ask(RequestId(1), &Ask::Status).await.unwrap(), Answer::Done { .. }));
    assert!(matches!(client.ask(RequestId(2), &pause()).await.unwrap(), Answer::Refused(Refusal::Role { .. })));
    assert_eq!(desk.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_place_in_use_is_told_and_a_leftover_socket_is_replaced() {
    let desk = Desk::open(loopback(None), &[]).await;
    let bind = |socket: &Path, listen| {
        Bound::bind(ServeOptions { socket: socket.to_owned(), listen, roles: Roles::default() })
    };
    let error = bind(&desk.folder.path().join("s"), None).await.unwrap_err();
    assert!(matches!(error, SurfaceError::InUse { .. }), "{error}");
    let taken = desk.address.as_ref().unwrap().replace("localhost", "127.0.0.1").parse().unwrap();
    let other = desk.folder.path().join("other");
    let error = bind(&other, Some(Listen { address: taken, tls: None })).await.unwrap_err();
    assert!(matches!(error, SurfaceError::InUse { .. }), "{error}");
    // The failed attempt left its socket behind, with nobody at it: as a killed node does.
    assert!(other.exists());
    bind(&other, None).await.unwrap();
}

#[tokio::test]
async fn what_is_no_question_is_refused_and_a_later_version_is_told() {
    let desk = Desk::open(None, &[]).await;
    let endpoint = format!("unix://{}", desk.folder.path().join("s").display());
    let channel = tonic::transport::Endpoint::from_shared(endpoint).unwrap().connect().await.unwrap();
    let mut raw = proto::operator_client::OperatorClient::new(channel);
    let question = |version, ask_json: &str| proto::Question { version, request_id: 1, ask_json: ask_json.to_owned() };
    for nonsense in ["", "{}", "\"unknown\"", "{\"pause\":{\"reason\":\"a\\u001bb\"}}"] {
        let status = raw.ask(question(1, nonsense)).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::InvalidArgument, "{nonsense}");
    }
    let long = format!("{{\"why\":{{\"question\":\"{}\"}}}}", "b1 ".repeat(QUESTION_BYTES_MAX));
    assert_eq!(raw.ask(question(1, &long)).await.unwrap_err().code(), tonic::Code::OutOfRange);
    let reply = raw.ask(question(2, "\"status\"")).await.unwrap().into_inner();
    assert_eq!(reply.answer_json, "{\"refused\":{\"version\":{\"speaks\":1}}}");
    assert_eq!(desk.asked.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let folder = tempfile::tempdir().unwrap();
    let error = Client::connect(&Address::Unix(folder.path().join("none")), None).await.unwrap_err();
    assert!(matches!(error, AskError::Unreachable { .. }), "{error}");
}

#[test]
fn addresses_read_back_what_they_print() {
    for text in ["unix:/run/tanist.sock", "node-1.example:7402", "[::1]:7402"] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
    for text in ["", "unix:", "node-1", "node-1:0", ":7402", "a b:1", "http://a:1"] {
        assert!(text.parse::<Address>().is_err(), "{text}");
    }
}
