//! Tries the scripts that `make test` trusts: each must be able to say no, and what was skipped must be told.
//!
//! It installs nothing: set-up is tried where everything is there, and where there is nothing and no right to install.
#![cfg(test)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

#[expect(dead_code, reason = "the locks are tried in a folder of their own, so that nobody waits for the machine here")]
#[path = "common/alone.rs"]
mod alone;
#[path = "common/model.rs"]
mod model;
#[path = "common/skip.rs"]
mod skip;

/// Long enough for a busy machine; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_binary_that_links_more_than_libc_is_refused() {
    // Bash draws its lines with ncurses, which Debian links dynamically.
    let linked = Command::new("ldd").arg("/bin/bash").output().unwrap();
    if !text(&linked.stdout).contains("libtinfo") {
        skip::skip("links.sh refuses a foreign library", "bash links none here");
        return;
    }
    let refused = script("links.sh", &["/bin/bash"]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("libtinfo"), "{}", text(&refused.stderr));
}

#[test]
fn what_was_skipped_is_counted_and_named() {
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), "disk stall: no root\nmodel: no wheel\ndisk stall: no root\n").unwrap();
    let told = text(&script("skipped.sh", &[list.path().to_str().unwrap()]).stdout);
    assert_eq!(told, "\nskipped on this machine: 2\n  - disk stall: no root\n  - model: no wheel\n");
    std::fs::write(list.path(), "").unwrap();
    assert_eq!(
        text(&script("skipped.sh", &[list.path().to_str().unwrap()]).stdout),
        "\nskipped on this machine: nothing\n"
    );
}

#[test]
fn an_unreachable_advisory_database_is_counted_and_changes_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("skipped.txt");
    // Stands in for cargo-deny: says what it was asked, knows no database, and finds what $FOUND says.
    let stand_in = "#!/bin/sh\necho \"asked: $*\"\ncase \"$*\" in *fetch*) exit 1;; *) exit \"$FOUND\";; esac\n";
    let versions = include_str!("setup/versions.sh");
    let version = versions.lines().find_map(|line| line.strip_prefix("cargo_deny_version=")).unwrap();
    let tool = folder.path().join(format!("tanist/tools/cargo-deny-{version}/bin/cargo-deny"));
    std::fs::create_dir_all(tool.parent().unwrap()).unwrap();
    std::fs::write(&tool, stand_in).unwrap();
    std::fs::set_permissions(&tool, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let deny = |found: &str| {
        let mut command = command("deny.sh", &[list.to_str().unwrap()]);
        command
            .env("XDG_CACHE_HOME", folder.path())
            .env("CARGO_HOME", folder.path())
            .env("FOUND", found)
            .output()
            .unwrap()
    };
    let clean = deny("0");
    assert!(clean.status.success(), "{}", text(&clean.stderr));
    assert!(text(&clean.stdout).contains("NOT CHECKED"));
    assert_eq!(std::fs::read_to_string(&list).unwrap().lines().count(), 1);
    assert!(!deny("1").status.success(), "a forbidden licence passed");
}

#[test]
fn without_root_set_up_names_what_is_missing_and_the_command() {
    let bare = tempfile::tempdir().unwrap();
    for tool in ["bash", "dirname", "id", "sed", "grep", "python3"] {
        if let Some(found) =
            ["/bin", "/usr/bin"].map(|folder| PathBuf::from(folder).join(tool)).into_iter().find(|path| path.exists())
        {
            std::os::unix::fs::symlink(found, bare.path().join(tool)).unwrap();
        }
    }
    // No apt-get on this path is the same as no right to call it.
    let refused =
        command("setup.sh", &["demo"]).env("PATH", bare.path()).env("XDG_CACHE_HOME", bare.path()).output().unwrap();
    let said = text(&refused.stdout);
    assert_eq!(refused.status.code(), Some(1), "{said}{}", text(&refused.stderr));
    assert!(said.contains("missing (Debian package names): gcc g++ make "), "{said}");
    assert!(said.contains("apt-get install -y --no-install-recommends gcc g++ make "), "{said}");
}

/// Tells when another thread has what it waits for.
fn waiting<T: Send + 'static>(wait: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(wait()));
    told
}

/// Long enough to notice somebody who does not wait.
const A_MOMENT: Duration = Duration::from_millis(150);

#[test]
fn whoever_wants_the_machine_alone_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_owned();
    let first = alone::alone_in(&place);
    let second = waiting(move || alone::alone_in(&place));
    assert!(second.recv_timeout(A_MOMENT).is_err(), "two had the machine at once");
    drop(first);
    let _second = second.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn the_model_server_answers_under_a_schema_and_ends_with_its_starter() {
    let mut model = match model::Model::start() {
        Ok(model) => model,
        Err(why) => return skip::skip("the real model server", &why),
    };
    let answer = post(&model, include_str!("fixtures/model_request.json"));
    let content = answer.pointer("/choices/0/message/content").and_then(|content| content.as_str()).unwrap();
    let opinion: serde_json::Value = serde_json::from_str(content).unwrap();
    assert_eq!(opinion.as_object().unwrap().keys().collect::<Vec<_>>(), ["reason", "verdict"]);
    let verdict = opinion.get("verdict").and_then(|verdict| verdict.as_str()).unwrap();
    assert!(["concur", "doubt", "object"].contains(&verdict), "{verdict}");

    drop(model.process.stdin.take());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || tell.send(model.process.wait().unwrap()));
    assert!(told.recv_timeout(PATIENCE).unwrap().success());
}

/// Asks the model over one plain connection; the client under test has tests of its own.
fn post(model: &model::Model, body: &str) -> serde_json::Value {
    let body = body.replace("MODEL", &model.name);
    let address = model.base_url.trim_start_matches("http://").trim_end_matches("/v1");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = "POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length:";
    write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.lines().next().unwrap().contains(" 200 "), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn script(name: &str, arguments: &[&str]) -> Output {
    command(name, arguments).output().unwrap()
}

fn command(name: &str, arguments: &[&str]) -> Command {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/setup").join(name);
    let mut command = Command::new("/bin/bash");
    command.arg(path).args(arguments).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
