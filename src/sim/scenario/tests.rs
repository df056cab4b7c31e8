//! Scenarios: what is wrong is named by line and word before anything runs, and playing what was played changes nothing.

use super::parse::parse;
use super::replay;

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
        ("world\n\ncrash n4\n", "line 3: \"n4\": expected a node of ours: n1, n2 or n3"),
        ("world\n\nrun soon\n", "line 3: \"soon\": expected a span such as 250ms, 9s, 5m or 2h"),
        ("world\n\nrun 10s\n\nuntil 5s\n", "line 5: \"5s\": expected a time from 10s on: time does not run backwards"),
        ("world\n\nreassign p9 to b1\n", "line 3: \"p9\": expected a partition of this world: p0 to p5"),
        ("world\n----\nfine\n\n----\n", "line 5: \"----\": expected a command above it"),
        ("world\n\nclient-cut b1 from tanist7\n", "line 3: \"tanist7\": expected tanist1, tanist2 or tanist3"),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), expected, "{text:?}");
    }
    assert!(error("world\n\nexplode b1\n").starts_with("line 3: \"explode\": expected a command"));
}

#[test]
fn commands_read_back_what_they_print() {
    let lines = [
        "world seed=7 brokers=4 partitions=6 replication=3 mode=approve fence=on adviser=lies writes=20",
        "run 90s",
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
fn playing_what_was_played_changes_nothing() {
    let text = "# A dead broker.\nworld seed=7 brokers=4\n\nrun 20s\n\nkill b1\n\nrun 2s\n\nexpect b1 leads nothing\n";
    let once = replay(text).expect("a scenario");
    assert_eq!(once.failures, Vec::<String>::new(), "{}", once.text);
    let twice = replay(&once.text).expect("still a scenario");
    assert_eq!(once.text, twice.text);
}
