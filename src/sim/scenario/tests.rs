//! Scenarios: what is wrong is named by line and word before anything runs, and playing what was played changes nothing.

use std::time::Duration;

use super::parse::parse;
use super::{commands_of, replay, text_of};
use crate::sim::random::{Episode, RandomPlan};
use crate::sim::sabotage::Sabotage;

fn error(text: &str) -> String {
    parse(text).map(|_| "read".to_owned()).unwrap_or_else(|error| error.to_string())
}

#[test]
fn an_error_names_line_word_and_what_was_expected() {
    let cases = [
        ("", "line 1: \"\": expected `world seed=...`: a scenario begins with its world"),
        ("run 1s\n", "line 1: \"run\": expected `world seed=...` first"),
        ("world seed=x\n", "line 1: \"seed=x\": expected a number"),
        (
            "world brokers=4 replication=5\n",
            "line 1: \"replication=5\": expected at most as many replicas as brokers (4)",
        ),
        ("world\n\nkill b9\n", "line 3: \"b9\": expected a broker of this world: b1 to b3"),
        ("world\n\nkill k7\n", "line 3: \"k7\": expected k101, k102 or k103"),
        ("world combined=on\n\nkill k101\n", "line 3: \"k101\": expected k1, k2 or k3"),
        (
            "world combined=on brokers=2 replication=2\n",
            "line 1: \"combined=on\": expected three brokers or more: they are the controllers as well",
        ),
        ("world\n\ncrash n4\n", "line 3: \"n4\": expected a node of ours: n1, n2 or n3"),
        ("world\n\nrun soon\n", "line 3: \"soon\": expected a span such as 250ms, 9s, 5m or 2h"),
        ("world\n\nrun 10s\n\nuntil 5s\n", "line 5: \"5s\": expected a time from 10s on: time does not run backwards"),
        ("world\n\nreassign p9 to b1\n", "line 3: \"p9\": expected a partition of this world: p0 to p5"),
        ("world\n----\nfine\n\n----\n", "line 5: \"----\": expected a command above it"),
        ("world\n\nclient-cut b1 from tanist7\n", "line 3: \"tanist7\": expected tanist1, tanist2 or tanist3"),
        ("world seed=1 seed=2\n", "line 1: \"seed=2\": expected each key once: seed stands before"),
        (
            "world elr=on version=3.9\n",
            "line 1: \"elr=on\": expected nothing, or elr=off: eligible leader replicas came with 4.0",
        ),
        ("world\n\nkill b1,b2,b1\n", "line 3: \"b1\": expected each target once"),
        (
            "world\n\nclient-freeze b1 inbound outbound\n",
            "line 3: \"outbound\": expected each of listener, direction and span once",
        ),
        (
            "world\n\nclient-delay b1 20ms 30ms\n",
            "line 3: \"30ms\": expected each of listener, direction and span once",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text:?}");
    }
    let violation = error("world\n\nexpect violation Z9\n");
    assert!(violation.starts_with("line 3: \"Z9\": expected the number of an invariant: 1, 2, 3,"), "{violation}");
    assert!(error("world\n\nexplode b1\n").starts_with("line 3: \"explode\": expected a command"));
}

#[test]
fn the_word_named_is_the_first_that_fits_no_form() {
    for (command, word) in [
        ("clock n1 jumps soon", "soon"),
        ("clock n1 leaps 3ms", "leaps"),
        ("clock n1 rate", ""),
        ("disk n1 good again", "again"),
        ("disk n1 melts", "melts"),
        ("slow n1 5ms 6ms", "6ms"),
        ("expect b1 leads something", "something"),
        ("expect p0 led by", ""),
        ("expect all sleep", "sleep"),
        ("expect q0 blocked", "q0"),
        ("must converge in 10m", "in"),
        ("approve by alice via", ""),
        ("approve of alice", "of"),
        ("undo c-4 by alice on n2", "on"),
        ("reassign p0 onto b1", "onto"),
        ("elect some", "some"),
        ("delete-topic now", "now"),
    ] {
        let said = answer(command);
        assert!(said.starts_with(&format!("line 3: {word:?}: expected ")), "{command}: {said}");
    }
}

/// Gives what is wrong with these commands, which stand in every second line below a world's.
fn answer(commands: &str) -> String {
    answer_in("world", commands)
}

fn answer_in(world: &str, commands: &str) -> String {
    error(&format!("{world}\n\n{}\n", commands.split("; ").collect::<Vec<_>>().join("\n\n")))
}

#[test]
fn a_target_that_cannot_suffer_a_fault_is_refused() {
    let cases = [
        ("kill t1", "\"t1\": expected a broker or a controller, such as b1 or k101: kill strikes nothing else"),
        ("stop k101,t2", "\"t2\": expected a broker or a controller, such as b1 or k101: stop strikes nothing else"),
        ("disk-freeze k101", "\"k101\": expected a broker, such as b1: disk-freeze strikes nothing else"),
        ("client-cut t1", "\"t1\": expected a broker, such as b1: client-cut strikes nothing else"),
        (
            "controller-cut b1,k101",
            "\"k101\": expected a broker or a Tanist node, such as b1 or t1: controller-cut strikes nothing else",
        ),
        ("heal client-delay k103 20ms", "\"k103\": expected a broker, such as b1: client-delay strikes nothing else"),
        ("link n2 n2 cut", "\"n2\": expected another node: no link leads from n2 to itself"),
    ];
    for (commands, expected) in cases {
        assert_eq!(answer(commands), format!("line 3: {expected}"), "{commands}");
    }
    for commands in ["kill b1,k101", "stop k102", "controller-freeze b1,t1 inbound", "disk-fail b2"] {
        assert_eq!(answer(commands), "read", "{commands}");
    }
}

#[test]
fn nothing_begins_twice_and_nothing_ends_that_never_began() {
    let cases = [
        ("heal kill b1", "line 3: \"b1\": expected a fault that is under way there: there is none"),
        (
            "kill b1; heal kill b1; heal kill b1",
            "line 7: \"b1\": expected a fault that is under way there: there is none",
        ),
        ("kill b1; heal kill b1,b2", "line 5: \"b2\": expected a fault that is under way there: there is none"),
        ("terminate b1; heal kill b1", "line 5: \"b1\": expected a fault that is under way there: terminate b1"),
        (
            "client-delay b1 20ms; heal client-delay b1 30ms",
            "line 5: \"b1\": expected a fault that is under way there: client-delay b1 20ms",
        ),
        ("kill b1; kill b1", "line 5: \"b1\": expected `heal kill b1` first: it is under way since line 3"),
        ("kill b1,b2; kill b3,b2", "line 5: \"b2\": expected `heal kill b2` first: it is under way since line 3"),
        (
            "terminate b1; heal terminate b1; terminate b1; terminate b1",
            "line 9: \"b1\": expected `heal terminate b1` first: it is under way since line 7",
        ),
        ("kill b1; stop b1", "line 5: \"b1\": expected `heal kill b1` first: it is dead since line 3"),
        ("disk-fail b1; terminate b1", "line 5: \"b1\": expected `heal disk-fail b1` first: it is dead since line 3"),
        (
            "client-freeze b1; client-freeze b1 from tanist1",
            "line 5: \"b1\": expected `heal client-freeze b1` first: it strikes the same since line 3, and both would end at once",
        ),
        (
            "controller-cut t1; controller-freeze t1",
            "line 5: \"t1\": expected `heal controller-cut t1` first: it strikes the same since line 3, and both would end at once",
        ),
        (
            "delete-topic; delete-topic",
            "line 5: \"delete-topic\": expected nothing of the topic: it is deleted since line 3",
        ),
        (
            "delete-topic; reassign p0 to b1",
            "line 5: \"reassign\": expected nothing of the topic: it is deleted since line 3",
        ),
        ("crash n1; crash n1", "line 5: \"n1\": expected `restart n1` first: it is dead since line 3"),
        ("crash n1; hold n1", "line 5: \"n1\": expected `restart n1` first: it is dead since line 3"),
        ("restart n1", "line 3: \"n1\": expected `crash n1` first: it runs"),
        ("crash n1; restart n1; restart n1", "line 7: \"n1\": expected `crash n1` first: it runs"),
        ("disk n1 stalls; restart n1", "line 5: \"n1\": expected `crash n1` first: it runs"),
        ("hold n1; hold n1", "line 5: \"n1\": expected `go-on n1` first: it is held since line 3"),
        ("go-on n1", "line 3: \"n1\": expected `hold n1` first: it is not held"),
        ("hold n1; crash n1; go-on n1", "line 7: \"n1\": expected `hold n1` first: it is not held"),
    ];
    for (commands, expected) in cases {
        assert_eq!(answer(commands), expected, "{commands}");
    }
}

#[test]
fn two_names_of_one_process_are_one_target() {
    let combined = |commands: &str| answer_in("world combined=on", commands);
    let nothing = "expected a fault that is under way there: there is none";
    let first = |fault: &str| format!("expected `heal {fault}` first: it is under way since line 3");
    for (commands, line, word, expected) in [
        ("kill b1; kill k1", 5, "k1", first("kill b1") + ", and k1 is the same process"),
        ("kill k1; kill b1", 5, "b1", first("kill b1")),
        ("stop k2; stop b1,b2", 5, "b2", first("stop b2")),
        ("kill b1,k1", 3, "k1", first("kill b1") + ", and k1 is the same process"),
        ("terminate b3; heal kill k3", 5, "k3", "expected a fault that is under way there: terminate b3".to_owned()),
        ("kill b1; heal kill k1; heal kill b1", 7, "b1", nothing.to_owned()),
        ("heal stop k1", 3, "k1", nothing.to_owned()),
    ] {
        assert_eq!(combined(commands), format!("line {line}: \"{word}\": {expected}"), "{commands}");
    }
    let dead = "line 5: \"k1\": expected `heal kill b1` first: it is dead since line 3";
    assert_eq!(combined("kill b1; stop k1"), dead);
    for commands in ["kill b1; heal kill k1; kill k1; heal kill b1", "kill b1; kill k2", "kill b1; stop k2"] {
        assert_eq!(combined(commands), "read", "{commands}");
    }
    assert_eq!(answer("kill b1; kill k101"), "read");
}

#[test]
fn what_may_overlap_or_be_said_again_is_read() {
    for commands in [
        "kill b1; heal kill b1; kill b1; heal kill b1",
        "kill b1,k101; heal kill k101; heal kill b1",
        "terminate b1; kill b1; heal kill b1; heal terminate b1",
        // A shutdown that was held up may have ended after its broker was to start.
        "terminate b1; heal terminate b1; heal terminate b1",
        "client-freeze b1 from clients; client-cut b1 from tanist1; client-delay b1 20ms; heal client-cut b1 from tanist1",
        "disk-freeze b1; kill b1; heal disk-freeze b1; heal kill b1",
        "stop b1; terminate b1; kill b1",
        "cut n1; cut n1; join n1; link n1 n2 cut; link n1 n2 cut; pause-file n1; no-pause-file n1; no-pause-file n1",
        "hold n1; crash n1; restart n1; hold n1; go-on n1",
        // Whether a process has ended of its disk by then only the run can tell.
        "disk n1 full; run 1s; restart n1; disk n1 good; restart n1",
        "disk n1 fails; run 1s; crash n1; disk n1 good; restart n1",
    ] {
        assert_eq!(answer(commands), "read", "{commands}");
    }
    // A sabotage may end any process.
    assert_eq!(error("world sabotage=disk-lies\n\nrestart n1\n"), "read");
}

#[test]
fn a_world_ends_after_a_thousand_days_in_all() {
    let most = |at: usize, word: &str| {
        format!("line {at}: \"{word}\": expected at most 1000 days (24000h) in the whole scenario")
    };
    for (commands, at, word) in [
        ("run 99999999999h", 3, "99999999999h"),
        ("until 24001h", 3, "24001h"),
        ("run 23999h; run 1h; run 1ms", 7, "1ms"),
        ("until 24000h; must converge within 1s", 5, "1s"),
        ("must converge within 24000h; run 1s", 5, "1s"),
    ] {
        assert_eq!(answer(commands), most(at, word), "{commands}");
    }
    assert_eq!(answer("run 12000h; until 23000h; must converge within 1000h"), "read");
}

#[test]
fn what_only_the_run_can_tell_names_its_line_and_command() {
    let played = replay("world\n\ndisk n1 full\n\n# Too early.\nrestart n1\n").expect("a scenario");
    assert_eq!(played.failures, ["line 6: \"restart n1\": n1 runs already"]);
    assert!(played.text.ends_with("restart n1\n----\nno: n1 runs already\n"), "{}", played.text);
}

#[test]
fn random_worlds_and_what_is_left_of_them_are_scenarios() {
    for seed in 1..=100 {
        let span = Duration::from_secs(3600);
        let plan = RandomPlan { seed, span, brokers: 5, partitions: 12, sabotage: Sabotage::None };
        let all = plan.episodes();
        let every = |nth: usize| all.iter().step_by(nth).cloned().collect::<Vec<Episode>>();
        for left in [1, 2, 3].map(every) {
            let commands = plan.commands(&left);
            let read = commands_of(&text_of("a random world", &commands));
            assert_eq!(read.map(|read| read.len()), Ok(commands.len()), "seed {seed}");
        }
    }
}

#[test]
fn commands_read_back_what_they_print() {
    let lines = [
        "world seed=7 brokers=4 partitions=6 replication=3 mode=approve fence=on adviser=lies writes=20",
        "run 90s",
        "client-freeze b2 from tanist1 inbound",
        "heal client-freeze b2 from tanist1 inbound",
        "disk n1 slow 200ms",
        "clock n3 jumps -86400000ms",
        "link n1 n2 cut loss=10 twice=5 late=30ms",
        "approve by alice via n2",
        "reassign p3 to b2,b1",
        "expect p0 led by b2",
        "must converge within 10m",
    ];
    let script = parse(&lines.join("\n\n")).expect("all of them are commands");
    let printed: Vec<String> = script.blocks.iter().map(|block| block.command.to_string()).collect();
    assert_eq!(printed, lines);
}

#[test]
fn a_world_reads_back_what_it_prints() {
    let line = "world seed=7 brokers=4 partitions=6 replication=3 unregister=on combined=on elr=off maintenance=b2 leader=b1 \
                operator=40s";
    let script = parse(line).expect("a world");
    let printed: Vec<String> = script.blocks.iter().map(|block| block.command.to_string()).collect();
    assert_eq!(printed, [line]);
}

#[test]
fn playing_what_was_played_changes_nothing() {
    let text = "# A dead broker.\nworld seed=7 brokers=4\n\nrun 20s\n\nkill b1\n\nrun 2s\n\nexpect b1 leads nothing\n";
    let once = replay(text).expect("a scenario");
    assert_eq!(once.failures, Vec::<String>::new(), "{}", once.text);
    let twice = replay(&once.text).expect("still a scenario");
    assert_eq!(once.text, twice.text);
}
