//! Keeps the floor plan, which Cargo cannot keep within one package: who may name whom, what the pure floors never touch,
//! a `//!` header and a sane length for every file.
//!
//! It reads source text, not types: comments and literals are blanked, then paths and words are looked up. That is enough
//! to stop a slip at once; it is no proof against somebody who wants to get around it. Function length, parameters and
//! casts are Clippy's part.
#![cfg(test)]

use std::path::{Path, PathBuf};

/// The floors of `src/`, lowest first. A module sees strictly lower floors and itself.
const FLOORS: &[(&str, u8)] = &[
    ("model", 0),
    ("decide", 1),
    ("render", 1),
    ("control", 2),
    ("consensus", 2),
    ("sim", 3),
    ("ports", 3),
    ("driver", 4),
    ("adapters", 4),
    ("lab", 5),
    ("config", 6),
    ("surface", 6),
    ("app", 7),
    ("main", 8),
];
/// From this floor on, a file may wait, ask a clock, read the environment and log.
const BORDER: u8 = 4;
/// Lower floors that are closed all the same: settings and people's surfaces never reach Kafka, a disk or a peer past the
/// ports, and nothing that is shipped knows the lab.
const CLOSED: &str = "config>adapters surface>adapters config>lab surface>lab app>lab main>lab";
/// What makes a decision depend on more than its arguments; whole words.
const IMPURE: &str = "async .await tokio Instant SystemTime tracing println! eprintln! print! eprint! HashMap HashSet \
                      rand thread_rng f32 f64";
/// The same, as modules of `std`.
const IMPURE_STD: &str = "env fs net process thread";
/// Where a pure file must name one of these all the same, and why that is harmless.
const EXCUSED: &[(&str, &str, &str)] = &[
    ("model/canon/encode.rs", "f32 f64", "serde's trait asks what to do with a float; the answer is no"),
    ("model/canon/key.rs", "f32 f64", "serde's trait asks what a float is as a key; the answer is no"),
];
const SRC_LINES_MAX: usize = 400;
const TEST_LINES_MAX: usize = 600;

#[test]
fn the_house_keeps_its_floors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = violations(&root.join("src"), SRC_LINES_MAX);
    for file in rust_files(&root.join("tests")).iter().filter(|file| !file.starts_with(root.join("tests/fixtures"))) {
        let text = std::fs::read_to_string(file).unwrap();
        found.extend(shape(&text, TEST_LINES_MAX).map(|(line, what)| format!("{}:{line}: {what}", file.display())));
    }
    assert!(found.is_empty(), "{} violation(s):\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_deliberately_wrong_house_is_refused() {
    let wrong = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/floors_wrong");
    let found = violations(&wrong, 40).join("\n") + "\n";
    expect_test::expect_file!["fixtures/floors_wrong/violations.txt"].assert_eq(&found);
}

#[test]
fn the_map_names_every_module_with_its_floor() {
    let map = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let row = |line: &str| {
        let mut cells = line.strip_prefix("//! | ")?.split(" | ");
        let floor: u8 = cells.next()?.parse().ok()?;
        Some((cells.next()?.trim_matches('`').to_owned(), floor))
    };
    let mut drawn: Vec<(String, u8)> = map.lines().filter_map(row).collect();
    let mut floors: Vec<(String, u8)> = FLOORS.iter().map(|(name, floor)| ((*name).to_owned(), *floor)).collect();
    drawn.sort();
    floors.sort();
    assert_eq!(drawn, floors, "the table of src/lib.rs and FLOORS differ");
}

#[test]
fn the_invariants_read_the_same_on_the_map_and_in_the_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let map: String = read("src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .fold(String::new(), |page, line| page + line.strip_prefix(' ').unwrap_or(line) + "\n");
    let (here, there) = (invariants(&map), invariants(&read("ARCHITECTURE.md")));
    assert_eq!(here.len(), 14, "{here:#?}");
    assert_eq!(here, there);
}

/// Gives the numbered items under the heading "Invariants", each on one line.
fn invariants(page: &str) -> Vec<String> {
    let under = page.split_once("# Invariants\n").unwrap().1;
    let lines = under.split("\n#").next().unwrap().lines();
    lines.fold(Vec::new(), |mut items, line| {
        let numbered = line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
        match items.last_mut() {
            _ if numbered => items.push(line.to_owned()),
            Some(last) if !line.is_empty() => *last = format!("{last} {}", line.trim()),
            Some(_) | None => {}
        }
        items
    })
}

/// Lists everything under `src` that breaks a rule, as `file:line: what`, in order of path and line.
fn violations(src: &Path, lines_max: usize) -> Vec<String> {
    let mut found = Vec::new();
    for file in rust_files(src) {
        let name = file.strip_prefix(src).unwrap().display().to_string();
        let module: Vec<&str> = name.trim_end_matches(".rs").split('/').filter(|part| *part != "mod").collect();
        let text = std::fs::read_to_string(&file).unwrap();
        let mut here: Vec<(usize, String)> = shape(&text, lines_max).collect();
        // `lib` is the map itself: it names every floor.
        if module != ["lib"] {
            let code = without_comments_and_literals(&text);
            here.extend(trespasses(&module, &code));
            here.extend(impurities(&name, &module, &without_inline_tests(&code)));
        }
        here.sort();
        found.extend(here.into_iter().map(|(line, what)| format!("{name}:{line}: {what}")));
    }
    found
}

/// Lists what the code of one module names or does that its floor may not.
fn trespasses(module: &[&str], code: &str) -> Vec<(usize, String)> {
    let own = module.first().copied().unwrap_or_default();
    let Some(floor) = floor_of(own) else {
        return vec![(1, format!("`{own}` stands on no floor: add it to FLOORS in tests/floors.rs, or move it"))];
    };
    let mut found = Vec::new();
    for root in ["crate::", "tanist::"] {
        found.extend(named_under(root, code).filter_map(|(at, used)| Some((at, forbidden(own, floor, &used)?))));
    }
    // Enough steps up reach the root as well; inside an inline module they may not, hence known names only.
    let steps_up = named_under(&"super::".repeat(module.len()), code).filter(|(_, used)| floor_of(used).is_some());
    found.extend(steps_up.filter_map(|(at, used)| Some((at, forbidden(own, floor, &used)?))));
    found.into_iter().map(|(at, what)| (line_of(code, at), what)).collect()
}

/// Lists what makes a file below the border depend on more than its arguments; its tests are free to.
fn impurities(name: &str, module: &[&str], code: &str) -> Vec<(usize, String)> {
    let Some(floor) = module.first().and_then(|own| floor_of(own)).filter(|floor| *floor < BORDER) else {
        return Vec::new();
    };
    if code.contains("#![cfg(test)]") {
        return Vec::new();
    }
    let excused =
        |word: &str| EXCUSED.iter().any(|(file, words, _)| *file == name && words.split(' ').any(|one| one == word));
    let named = IMPURE.split_whitespace().filter(|word| !excused(word));
    let mut found: Vec<_> = named.flat_map(|word| words(code, word).map(move |at| (at, word.to_owned()))).collect();
    let std = named_under("std::", code).filter(|(_, used)| IMPURE_STD.split(' ').any(|banned| banned == used));
    found.extend(std.map(|(at, used)| (at, format!("std::{used}"))));
    let say = |what| format!("`{what}` below floor {BORDER} (it is on {floor})");
    found.into_iter().map(|(at, what)| (line_of(code, at), say(what))).collect()
}

fn floor_of(module: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == module).map(|(_, floor)| *floor)
}

/// Gives the reason why `own` may not name `used`, if there is one.
fn forbidden(own: &str, floor: u8, used: &str) -> Option<String> {
    match floor_of(used) {
        _ if used == own => None,
        None => Some(format!("`crate::{used}` names no floor: name the module that defines it")),
        Some(_) if CLOSED.split(' ').any(|pair| pair == format!("{own}>{used}")) => {
            Some(format!("{own} never reaches {used}"))
        }
        Some(other) if other < floor => None,
        Some(other) => Some(format!("{own} ({floor}) sees lower floors only, not {used} ({other})")),
    }
}

/// Checks header and length, which hold for tests as well.
fn shape(text: &str, lines_max: usize) -> impl Iterator<Item = (usize, String)> + use<> {
    let first = text.lines().find(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    let header =
        first.is_none_or(|line| !line.starts_with("//!")).then(|| (1, "no `//!` header says what it is for".into()));
    let count = text.lines().count();
    header.into_iter().chain((lines_max < count).then(|| (count, format!("{count} lines, at most {lines_max}"))))
}

/// Finds every first name after `root` (`crate::`, say) in `code`, also in braces, and where it stands.
fn named_under(root: &str, code: &str) -> impl Iterator<Item = (usize, String)> + use<> {
    let mut found = Vec::new();
    for at in words(code, root).filter(|at| !code[..*at].ends_with("super::")) {
        let rest = &code[at + root.len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push((at, identifier(rest)));
            continue;
        };
        let mut open = 0;
        let mut fresh = true; // at the start of a member of the outermost group
        for (offset, letter) in group.char_indices() {
            match letter {
                '{' => open += 1,
                '}' if open == 0 => break,
                '}' => open -= 1,
                ',' if open == 0 => fresh = true,
                _ if fresh && !letter.is_whitespace() => {
                    fresh = false;
                    found.push((at + root.len() + 1 + offset, identifier(&group[offset..])));
                }
                _ => {}
            }
        }
    }
    found.into_iter()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_' || *letter == '*').collect()
}

/// Gives where `word` stands by itself, not as a part of a longer name.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back().is_some_and(part) && word.starts_with(part);
        let after = code[*at + word.len()..].chars().next().is_some_and(part) && word.ends_with(part);
        !before && !after
    })
}

/// Replaces comments, strings and characters by blanks, so that prose names nothing; newlines stay for line numbers.
fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = literal_length(rest, code.chars().next_back()).unwrap_or(0);
        if length == 0 {
            code.push(letter);
            rest = &rest[letter.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(|blanked| if blanked == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    code
}

/// Blanks every item under `#[cfg(test)]`; `code` holds no comments and literals any more, so its braces match.
fn without_inline_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        let mut open = 0;
        let end = rest[at..].char_indices().find_map(|(offset, letter)| {
            open += i32::from(letter == '{') - i32::from(letter == '}');
            (open == 0 && matches!(letter, '}' | ';')).then_some(at + offset + 1)
        });
        let end = end.unwrap_or(rest.len());
        kept.push_str(&rest[..at]);
        kept.extend(rest[at..end].chars().filter(|letter| *letter == '\n'));
        rest = &rest[end..];
    }
    kept + rest
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// Gives the length of the comment or literal that `rest` begins with.
fn literal_length(rest: &str, before: Option<char>) -> Option<usize> {
    let to_end_of = |from: usize, end: &str| rest[from..].find(end).map_or(rest.len(), |at| from + at + end.len());
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return Some(to_end_of(2, "*/"));
    }
    if rest.starts_with('r') && !before.is_some_and(|letter| letter.is_alphanumeric() && letter != 'b' || letter == '_')
    {
        let hashes = rest[1..].chars().take_while(|letter| *letter == '#').count();
        if rest[1 + hashes..].starts_with('"') {
            return Some(to_end_of(2 + hashes, &format!("\"{}", "#".repeat(hashes))));
        }
    }
    if rest.starts_with('"') {
        return Some(quoted_length(rest, '"'));
    }
    // A lifetime has no closing quote two letters on; a character has, or starts with a backslash.
    let mut next = rest.strip_prefix('\'')?.chars();
    let character = next.next()? == '\\' || next.next()? == '\'';
    character.then(|| quoted_length(rest, '\''))
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Lists the Rust files below `folder`, in order of path.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let (folders, files): (Vec<_>, Vec<_>) = entries.into_iter().partition(|path| path.is_dir());
    let own = files.into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs"));
    own.chain(folders.iter().flat_map(|inner| rust_files(inner))).collect()
}
