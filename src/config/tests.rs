//! What settings accept, what they refuse and in which words.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::time::Duration;

use expect_test::{Expect, expect, expect_file};

use super::*;
use crate::decide::policy::Policy;
use crate::model::ids::{ClusterId, NodeId};
use crate::model::operator::view::Mode;

/// The smallest file: everything else has a default.
const SMALL: &str = r#"
[node]
id = 2
[[peers]]
id = 1
address = "127.0.0.1:7401"
[[peers]]
id = 2
address = "127.0.0.1:7411"
[[peers]]
id = 3
address = "127.0.0.1:7421"
[kafka]
"bootstrap.servers" = "localhost:9092,[::1]:9093"
"#;

const NO_VARIABLES: [(OsString, OsString); 0] = [];

#[test]
fn a_small_file_has_every_default() {
    let settings = parse("small.toml", SMALL, NO_VARIABLES).unwrap();
    let mut expected = Settings::example();
    expected.node.id = NodeId(2);
    expected.kafka.bootstrap_servers =
        vec![HostPort { host: "localhost".to_owned(), port: 9092 }, HostPort { host: "::1".to_owned(), port: 9093 }];
    assert_eq!(settings, expected);
    assert_eq!(settings.act.mode, Mode::Observe);
}

#[test]
fn the_printed_file_is_the_shipped_one_and_reads_back() {
    let printed = print(&Settings::example());
    expect_file!["../../config/tanist.toml"].assert_eq(&printed);
    assert_eq!(parse("tanist.toml", &printed, NO_VARIABLES).unwrap(), Settings::example());
}

#[test]
fn settings_that_differ_from_the_defaults_are_printed_and_read_back() {
    let settings = parse("demo.toml", include_str!("../../config/demo.toml"), NO_VARIABLES).unwrap();
    assert_eq!(parse("again.toml", &print(&settings), NO_VARIABLES).unwrap(), settings);
}

#[test]
fn the_shipped_files_are_valid_and_say_what_they_promise() {
    let observe = include_str!("../../config/observe-only.toml");
    let observe = parse("observe-only.toml", observe, NO_VARIABLES).unwrap();
    assert_eq!(observe.act.mode, Mode::Observe);
    assert!(!observe.act.fence_heartbeat && !observe.act.fence_unregister);
    let demo = parse("demo.toml", include_str!("../../config/demo.toml"), NO_VARIABLES).unwrap();
    assert_eq!(demo.act.mode, Mode::Auto);
    assert!(demo.act.fence_heartbeat);
}

#[test]
fn every_problem_is_told_at_once_with_place_key_value_reason_and_nearest() {
    let text = SMALL.replace("id = 2\n[[peers]]", "idd = 2\nlisten = \"here\"\n[[peers]]")
        + "client.idd = \"x\"\n\n[act]\nmode = \"atuo\"\nfence.heartbeet = true\nfence.unregister = 1\n\n[adviser]\nkey = 1.5\n\
           \n[detct]\nping_interval = \"1h\"\n[surface]\nroles = { alice = \"aprover\" }\n";
    refused(
        &text,
        NO_VARIABLES,
        expect![[r#"
            10 problems with the settings
              t.toml:3: node.idd = 2: there is no such key; nearest: node.id
              t.toml:4: node.listen = "here": an address with a port such as "127.0.0.1:7401" is wanted
              t.toml:16: kafka.client.idd = "x": there is no such key; nearest: kafka.client.id
              t.toml:19: act.mode = "atuo": one of "observe", "approve", "auto" is wanted; nearest: "auto"
              t.toml:20: act.fence.heartbeet = true: there is no such key; nearest: act.fence.heartbeat
              t.toml:21: act.fence.unregister = 1: true or false is wanted
              t.toml:24: adviser.key = 1.5: there is no such key; nearest: adviser.key_file
              t.toml:27: detct.ping_interval = "1h": there is no such key; nearest: detect.ping_interval
              t.toml:29: surface.roles = { alice = "aprover" }: a table of persons, each with one of "reader", "operator", "approver" is wanted; nearest: "approver"
              t.toml: node.id: not set, and it has no default: a node's id, a whole number from 1 is wanted
        "#]],
    );
}

#[test]
fn rules_between_keys_are_told_together() {
    let text = SMALL.replace("id = 2\n[[peers]]", "id = 4\ntls.cert = \"a\"\nlisten = \"10.0.0.1:7401\"\n[[peers]]")
        + "[act]\nfence.heartbeat = true\n[adviser]\nurl = \"http://models.example/v1\"\n[surface]\nlisten = \"0.0.0.0:7402\"\n";
    refused(
        &text,
        NO_VARIABLES,
        expect![[r#"
            7 problems with the settings
              t.toml:3: node.id = 4: no entry of [[peers]] has this id: list this node as well
              t.toml:18: act.fence.heartbeat = true: fencing by heartbeat is sent to the controllers: set kafka."bootstrap.controllers"
              t.toml:20: adviser.url = http://models.example/v1: plain http is allowed to this machine only: use https
              t.toml:22: surface.listen = 0.0.0.0:7402: plain text is allowed on loopback addresses only: set surface.tls.cert, .key and .ca
              t.toml: node.tls.key: not set, and the other tls files of [node] are: set all three or none
              t.toml: node.tls.ca: not set, and the other tls files of [node] are: set all three or none
              t.toml: adviser.model: not set, and adviser.url is: name the model to ask for
        "#]],
    );
    let two = SMALL.replace("[[peers]]\nid = 3\naddress = \"127.0.0.1:7421\"\n", "");
    refused(
        &two,
        NO_VARIABLES,
        expect![[r#"
        1 problem with the settings
          t.toml: peers: 2 of [[peers]] are listed: a trio has exactly 3, this node included
    "#]],
    );
    let twins = SMALL.replace("id = 3\naddress = \"127.0.0.1:7421\"", "id = 1\naddress = \"127.0.0.1:7401\"");
    refused(
        &twins,
        NO_VARIABLES,
        expect![[r#"
        2 problems with the settings
          t.toml: peers.id = 1, 2, 1: each of the three needs an id of its own
          t.toml: peers.address = 127.0.0.1:7401, 127.0.0.1:7411, 127.0.0.1:7401: each of the three needs an address of its own
    "#]],
    );
    let outside = SMALL.replace("127.0.0.1:7421", "tanist-3.example:7401");
    refused(
        &outside,
        NO_VARIABLES,
        expect![[r#"
        1 problem with the settings
          t.toml: peers.address = tanist-3.example:7401: plain text is allowed between loopback addresses only: set node.tls.cert, .key and .ca
    "#]],
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_line() {
    refused(
        "[node]\nid = \n",
        NO_VARIABLES,
        expect![[r#"
            1 problem with the settings
              t.toml:2: this is no TOML: string values must be quoted, expected literal string
        "#]],
    );
}

#[test]
fn a_key_set_in_both_spellings_is_told() {
    let text = SMALL.to_owned() + "bootstrap.servers = \"localhost:9094\"\n";
    refused(
        &text,
        NO_VARIABLES,
        expect![[r#"
        1 problem with the settings
          t.toml:14: kafka.bootstrap.servers = "localhost:9092,[::1]:9093": set twice: first in t.toml:15
    "#]],
    );
}

#[test]
fn peers_need_their_keys_and_no_others() {
    let text = SMALL.replace("id = 3\naddress", "id = 0\nadress");
    refused(
        &text,
        NO_VARIABLES,
        expect![[r#"
            3 problems with the settings
              t.toml:10: peers.address: not set, and it has no default: a host with a port such as "kafka-1:9092" is wanted
              t.toml:11: peers.id = 0: a node's id, a whole number from 1 is wanted
              t.toml:12: peers.adress = "127.0.0.1:7421": there is no such key; nearest: peers.address
        "#]],
    );
}

#[test]
fn variables_override_the_file() {
    let variables = variables(&[
        ("TANIST__ACT__MODE", "auto"),
        ("TANIST__ACT__FENCE__UNREGISTER", "true"),
        ("TANIST__NODE__ID", "3"),
        ("TANIST__NODE__SHARES_HOST_WITH", "1, 2"),
        ("TANIST__NODE__CLUSTER", "4L6g3nShT-eMCtK--X86sw"),
        ("TANIST__KAFKA__BOOTSTRAP_SERVERS", "kafka-1:9092"),
        ("TANIST__SURFACE__ROLES", "{ bob = \"operator\" }"),
        ("PATH", "/bin"),
    ]);
    let settings = parse("small.toml", SMALL, variables).unwrap();
    assert_eq!(settings.act.mode, Mode::Auto);
    assert!(settings.act.fence_unregister);
    assert_eq!(settings.node.id, NodeId(3));
    assert_eq!(settings.node.shares_host_with.len(), 2);
    assert_eq!(settings.node.cluster, Some(ClusterId("4L6g3nShT-eMCtK--X86sw".to_owned())));
    assert_eq!(settings.kafka.bootstrap_servers[0].to_string(), "kafka-1:9092");
    assert_eq!(settings.surface.roles.len(), 1);
}

#[test]
fn a_wrong_variable_is_told_by_its_name() {
    let variables = variables(&[("TANIST__ACT__MOOD", "auto"), ("TANIST__DETECT__PING_INTERVAL", "often\u{1b}[1m")]);
    refused(
        SMALL,
        variables,
        expect![[r#"
            2 problems with the settings
              environment TANIST__ACT__MOOD: TANIST__ACT__MOOD = auto: no setting has this variable ([[peers]] are set in the file only); nearest: TANIST__ACT__MODE
              environment TANIST__DETECT__PING_INTERVAL: detect.ping_interval = often\u{1b}[1m: a time such as "250ms", "30s", "5m" is wanted
        "#]],
    );
}

#[test]
fn every_key_has_a_variable_of_its_own() {
    let rows = Settings::example().rows();
    let mut document = document::Document::empty("t.toml");
    for row in &rows {
        let name = document::variable_name(&format!("{}.{}", row.section, row.key));
        document.override_by([(OsString::from(name), OsString::from("1"))]);
    }
    assert_eq!(document.problems, []);
    assert_eq!(document.items.len(), rows.len());
}

#[test]
fn the_defaults_are_the_policys() {
    assert_eq!(Settings::example().policy(), Policy::default());
}

#[test]
fn every_setting_of_the_policy_can_be_set_and_each_by_one_key() {
    let default = Policy::default().settings();
    let mut reached = BTreeSet::new();
    let deciding = |row: &section::Row| matches!(row.section, "act" | "detect" | "score" | "guard");
    for row in Settings::example().rows().into_iter().filter(deciding) {
        let other = other_value(&row);
        let name = document::variable_name(&format!("{}.{}", row.section, row.key));
        let also = [("TANIST__KAFKA__BOOTSTRAP_CONTROLLERS", "localhost:9093"), (&name, &other)];
        let settings = parse("t.toml", SMALL, variables(&also)).unwrap();
        let changed = settings.policy().settings();
        let of_row: Vec<String> = changed
            .iter()
            .filter(|(key, value)| default.get(*key) != Some(*value))
            .map(|(key, _)| key.clone())
            .collect();
        assert_eq!(of_row.len(), 1, "{name} = {other} changes {of_row:?}");
        reached.extend(of_row);
    }
    assert!(reached.remove("score.promotion.3"), "an empty table leaves no trace in the defaults");
    assert_eq!(reached, default.into_keys().collect());
}

/// Gives a valid value that differs from the default, and contradicts no other default.
fn other_value(row: &section::Row) -> String {
    let default = row.default.clone().unwrap();
    match default.as_str() {
        "true" => "false".to_owned(),
        "false" => "true".to_owned(),
        "[]" if row.key == "maintenance" => "[4]".to_owned(),
        "[]" => "[\"Unregister\"]".to_owned(),
        "{}" => "{ 3 = \"never\" }".to_owned(),
        "\"observe\"" => "auto".to_owned(),
        span if span.starts_with('"') => {
            let span = humantime::parse_duration(span.trim_matches('"')).unwrap();
            humantime::format_duration(span + Duration::from_millis(1)).to_string()
        }
        number => (number.parse::<u64>().unwrap() + 1).to_string(),
    }
}

#[test]
fn every_number_that_decides_has_bounds_and_both_ends_hold() {
    for row in Settings::example().rows() {
        let Some((least, most)) = row.bounds else {
            let decides = matches!(row.section, "detect" | "guard") && row.key != "maintenance";
            assert!(!decides, "{}.{} has no bounds", row.section, row.key);
            continue;
        };
        let name = document::variable_name(&format!("{}.{}", row.section, row.key));
        for (end, outside) in [(&least, below(&least)), (&most, above(&most))] {
            let bare = end.trim_matches('"');
            let said = problems(&[(&name, bare)]);
            assert!(!said.contains("is wanted"), "{said}");
            let Some(outside) = outside else { continue };
            let said = problems(&[(&name, &outside)]);
            assert!(said.contains(&format!("from {least} to {most} is wanted")), "{said}");
        }
    }
}

#[test]
fn settings_that_contradict_each_other_are_told_with_their_lines() {
    let text = SMALL.to_owned() + "[act]\nauto_r2 = [\"Elect\"]\n";
    refused(
        &text,
        NO_VARIABLES,
        expect![[r#"
        1 problem with the settings
          t.toml:16: act.auto_r2 = Elect: no act of class R2 has this name; there is "Unregister"
    "#]],
    );
    let text = SMALL.to_owned() + "[detect]\ntau_behind = \"2s\"\nstall_from = \"1500us\"\n";
    refused(
        &text,
        NO_VARIABLES,
        expect![[r#"
        1 problem with the settings
          t.toml:17: detect.stall_from = "1500us": a time such as "250ms", "30s", "5m" is wanted
    "#]],
    );
    let text = SMALL.to_owned() + "[detect]\ntau_behind = \"2s\"\n";
    refused(
        &text,
        NO_VARIABLES,
        expect![[r#"
        1 problem with the settings
          t.toml:16: detect.tau_behind: contradicts detect.tau_min: more evidence cannot take longer
    "#]],
    );
}

fn problems(pairs: &[(&str, &str)]) -> String {
    parse("t.toml", SMALL, variables(pairs)).map_or_else(|error| error.to_string(), |_| String::new())
}

fn below(end: &str) -> Option<String> {
    match humantime::parse_duration(end.trim_matches('"')) {
        Ok(span) => Some(humantime::format_duration(span.checked_sub(Duration::from_millis(1))?).to_string()),
        Err(_) => end.parse::<u64>().unwrap().checked_sub(1).map(|less| less.to_string()),
    }
}

fn above(end: &str) -> Option<String> {
    match humantime::parse_duration(end.trim_matches('"')) {
        Ok(span) => Some(humantime::format_duration(span + Duration::from_millis(1)).to_string()),
        Err(_) => Some((end.parse::<u64>().unwrap() + 1).to_string()),
    }
}

#[test]
fn machines_read_what_people_read() {
    let error = parse("t.toml", "[act]\nmood = 1\n", NO_VARIABLES).unwrap_err();
    let said: serde_json::Value = serde_json::from_str(&machine::checked(&error.problems())).unwrap();
    assert_eq!(
        (&said["version"], &said["kind"], &said["config_check"]["good"]),
        (&1.into(), &"config_check".into(), &false.into())
    );
    let first = &said["config_check"]["problems"][0];
    assert_eq!((&first["place"], &first["key"]), (&"t.toml:2".into(), &"act.mood".into()));
    assert_eq!((&first["value"], &first["nearest"]), (&"1".into(), &"act.mode".into()));
    assert!(machine::checked(&[]).contains("\"good\":true"));
    let printed: serde_json::Value = serde_json::from_str(&machine::printed(&Settings::example())).unwrap();
    assert_eq!(printed["config"]["keys"].as_array().unwrap().len(), Settings::example().rows().len());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = load(Path::new("no/such/file.toml"), NO_VARIABLES).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the settings file no/such/file.toml");
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(*name), OsString::from(*value))).collect()
}

/// Compares what is said of a text that is refused.
fn refused(text: &str, variables: impl IntoIterator<Item = (OsString, OsString)>, expected: Expect) {
    let error = parse("t.toml", text, variables).unwrap_err().to_string();
    expected.assert_eq(&(error + "\n"));
}
