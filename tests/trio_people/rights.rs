//! What Kafka would refuse is known before the first act: nodes beside a Kafka with an authorizer, whose rules are made as the
//! case goes on.

use std::net::SocketAddr;

use bytes::{Buf as _, BytesMut};
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::{ApiKey, CreateAclsRequest, CreateAclsResponse, RequestHeader};
use kafka_protocol::protocol::{Decodable as _, Encodable as _, StrBytes};
use tanist::adapters::kafka::wire::{Connection, Endpoint, Endpoints, Operation, Options, Rights, WireError};
use tanist::lab::trio::Trio;
use tanist::lab::{Access, Cluster, ClusterOptions, Listener, Roles};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::desk::{Desk, options};
use crate::ground::{PATIENCE, on_ground, until};

/// Kafka's numbers for what can be done to the cluster.
const CREATE: i8 = 5;
const ALTER: i8 = 7;
const DESCRIBE: i8 = 8;
/// And for kinds of rules.
const DENY: i8 = 2;
const ALLOW: i8 = 3;

/// All that Tanist asks about.
const ALL: [Operation; 3] = [Operation::Alter, Operation::Describe, Operation::ClusterAction];

/// Makes rules about the cluster for everybody, as `kafka-acls.sh --cluster` does.
async fn rule(cluster: &Cluster, permission: i8, operations: &[i8]) {
    const VERSION: i16 = 3;
    let rules = operations.iter().map(|operation| {
        AclCreation::default()
            .with_resource_type(4)
            .with_resource_name(StrBytes::from_static_str("kafka-cluster"))
            .with_resource_pattern_type(3)
            .with_principal(StrBytes::from_static_str("User:ANONYMOUS"))
            .with_host(StrBytes::from_static_str("*"))
            .with_operation(*operation)
            .with_permission_type(permission)
    });
    let header = RequestHeader::default()
        .with_request_api_key(ApiKey::CreateAcls as i16)
        .with_request_api_version(VERSION)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let mut request = BytesMut::new();
    header.encode(&mut request, 2).unwrap();
    CreateAclsRequest::default().with_creations(rules.collect()).encode(&mut request, VERSION).unwrap();
    // A broker that may not speak as one cannot hand it on: it goes to the controller itself.
    let mut stream = TcpStream::connect(cluster.controllers(Listener::Tanist(1))[0]).await.unwrap();
    stream.write_i32(i32::try_from(request.len()).unwrap()).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let mut answer = vec![0; usize::try_from(stream.read_i32().await.unwrap()).unwrap()];
    stream.read_exact(&mut answer).await.unwrap();
    // The header of an answer: the correlation id, and no tags.
    let mut answer = bytes::Bytes::from(answer);
    answer.advance(5);
    let answer = CreateAclsResponse::decode(&mut answer, VERSION).unwrap();
    assert!(answer.results.iter().all(|result| result.error_code == 0), "{answer:?}");
}

/// Gives what node 1 may do, by the word of this node of Kafka; none where it does not even say that.
async fn allowed(addresses: &[SocketAddr], of: Endpoints) -> Option<Vec<Operation>> {
    let peer = Endpoint::new(addresses[0].ip().to_string(), addresses[0].port());
    let connection = Connection::open(&peer, &Options::new(Rights::ReadOnly)).await.unwrap();
    match connection.allowed(of, PATIENCE).await {
        Ok(answer) => Some(ALL.into_iter().filter(|operation| answer.body.may(*operation)).collect()),
        Err(WireError::Denied { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Starts node 1 and waits until its status tells of rights; gives what it tells.
async fn told(desk: &Desk, part: &str) -> String {
    desk.trio.kill(1).unwrap();
    desk.trio.begin(1).unwrap();
    until(part, PATIENCE, async || {
        let told = desk.status(1).await?["troubles"].to_string();
        told.contains(part).then_some(told)
    })
    .await
}

#[test]
fn what_kafka_would_refuse_is_named_in_status_before_the_first_act() {
    on_ground(async |_ground| {
        let guarded =
            ClusterOptions { brokers: 1, roles: Roles::Combined, access: Access::ByRule, ..ClusterOptions::default() };
        let cluster = Cluster::start(guarded).await.unwrap();
        let (brokers, controllers) = (cluster.bootstrap(Listener::Tanist(1)), cluster.controllers(Listener::Tanist(1)));
        let folder = tempfile::tempdir().unwrap();
        let trio = Trio::prepare(&cluster, folder.path(), options("auto")).unwrap();
        let desk = Desk::begin(trio, folder).await;
        assert_eq!(allowed(&brokers, Endpoints::Brokers).await, Some(ALL.to_vec()));
        assert_eq!(allowed(&controllers, Endpoints::Controllers).await, Some(ALL.to_vec()));

        rule(&cluster, ALLOW, &[ALTER, DESCRIBE, CREATE]).await;
        let elects = Some(vec![Operation::Alter, Operation::Describe]);
        until("the rules to count", PATIENCE, async || {
            (allowed(&controllers, Endpoints::Controllers).await == elects).then_some(())
        })
        .await;
        let trouble = told(&desk, "CLUSTER_ACTION").await;
        println!("without CLUSTER_ACTION: {trouble}");
        assert!(trouble.contains("act.fence.heartbeat") && !trouble.contains("elections"), "{trouble}");

        rule(&cluster, DENY, &[ALTER]).await;
        until("the rules to count", PATIENCE, async || {
            allowed(&controllers, Endpoints::Controllers).await.is_none().then_some(())
        })
        .await;
        assert_eq!(allowed(&brokers, Endpoints::Brokers).await, Some(vec![Operation::Describe]));
        let trouble = told(&desk, "elections").await;
        println!("without ALTER: {trouble}");
        assert!(trouble.contains("ALTER") && trouble.contains("act.mode"), "{trouble}");
    });
}
