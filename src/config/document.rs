//! A settings file as a flat list of keys with their lines, and the variables laid over it.
//!
//! Deliberately ignorant of types: which keys exist is asked of the sections, what they mean is theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Place, Problem, nearest};
use super::raw::{Item, Raw, shown};
use super::sections::{self, PEER_KEYS};

/// What every variable of ours starts with.
const VARIABLE_PREFIX: &str = "TANIST__";

/// The keys of a file and of the variables over it.
#[derive(Debug)]
pub(super) struct Document {
    /// The file as a whole.
    pub(super) whole: Place,
    /// By whole key: `act.mode`, `kafka.bootstrap.servers`.
    pub(super) items: BTreeMap<String, Item>,
    /// The `[[peers]]`, each with the place where it starts.
    pub(super) peers: Vec<(Place, BTreeMap<String, Item>)>,
    /// What is wrong so far.
    pub(super) problems: Vec<Problem>,
}

/// A file being read.
struct File<'a> {
    name: &'a str,
    text: &'a str,
    known: BTreeSet<String>,
    into: Document,
}

impl Document {
    /// Reads the text of a file; what is wrong with its keys is kept as problems.
    ///
    /// Errors: where the text is no TOML; what could be read of it would only raise problems that it does not have.
    pub(super) fn read(name: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut file = File { name, text, known: sections::known_keys(), into: Self::empty(name) };
        for error in errors {
            let place = file.place(error.span().map_or(0, |span| span.start));
            let reason = format!("this is no TOML: {}", error.message());
            file.into.problems.push(Problem { place, key: String::new(), value: None, reason, nearest: None });
        }
        if !file.into.problems.is_empty() {
            return Err(file.into.problems);
        }
        for (key, value) in table.get_ref() {
            if key.get_ref() == "peers"
                && let DeValue::Array(peers) = value.get_ref()
            {
                peers.iter().for_each(|peer| file.peer(peer));
            } else {
                file.walk(key.get_ref(), value);
            }
        }
        Ok(file.into)
    }

    /// Gives a document without a key.
    pub(super) fn empty(name: &str) -> Self {
        let whole = Place::File(name.to_owned());
        Self { whole, items: BTreeMap::new(), peers: Vec::new(), problems: Vec::new() }
    }

    /// Lays the variables `TANIST__SECTION__KEY` over the file.
    pub(super) fn override_by(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let names: BTreeMap<String, String> =
            sections::known_keys().into_iter().map(|key| (variable_name(&key), key)).collect();
        let ours = |name: OsString| name.into_string().ok().filter(|name| name.starts_with(VARIABLE_PREFIX));
        let found: BTreeMap<String, OsString> =
            variables.into_iter().filter_map(|(name, value)| Some((ours(name)?, value))).collect();
        for (name, value) in found {
            let place = Place::Variable(name.clone());
            let value = value.to_string_lossy().into_owned();
            let Some(key) = names.get(&name) else {
                self.problems.push(Problem {
                    place,
                    key: shown(&name),
                    value: Some(shown(&value)),
                    reason: "no setting has this variable ([[peers]] are set in the file only)".to_owned(),
                    nearest: nearest(&name, names.keys().map(String::as_str)).map(str::to_owned),
                });
                continue;
            };
            self.items.insert(key.clone(), Item { place, shown: shown(&value), raw: Raw::Bare(value) });
        }
    }
}

/// Gives the variable that sets a key: `kafka.bootstrap.servers` by `TANIST__KAFKA__BOOTSTRAP_SERVERS`.
pub(super) fn variable_name(key: &str) -> String {
    let (section, rest) = key.split_once('.').unwrap_or((key, ""));
    let plain = |text: &str| text.replace(['-', '.'], "_").to_uppercase();
    // Kafka's own names are one word with dots in it; ours are a path.
    let rest = if section == "kafka" { plain(rest) } else { plain(&rest.replace('.', "__")) };
    format!("{VARIABLE_PREFIX}{}__{rest}", plain(section))
}

impl File<'_> {
    fn place(&self, at: usize) -> Place {
        let line = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        Place::Line { file: self.name.to_owned(), line }
    }

    fn item(&self, value: &Spanned<DeValue<'_>>) -> Item {
        Item {
            place: self.place(value.span().start),
            shown: shown(self.text.get(value.span()).unwrap_or_default()),
            raw: Raw::of(value.get_ref()),
        }
    }

    /// Takes a value, or what is below it, into the list.
    fn walk(&mut self, key: &str, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(inner) = value.get_ref() else { return self.leaf(key, value) };
        if self.known.contains(key) {
            return self.leaf(key, value);
        }
        let section = sections::SECTIONS.contains(&key) || self.known.iter().any(|known| below(known, key));
        if inner.is_empty() && !section {
            return self.leaf(key, value);
        }
        for (name, value) in inner {
            let whole = format!("{key}.{}", name.get_ref());
            self.walk(&whole, value);
        }
    }

    fn leaf(&mut self, key: &str, value: &Spanned<DeValue<'_>>) {
        let item = self.item(value);
        if !self.known.contains(key) {
            let nearest = nearest(key, self.known.iter().map(String::as_str)).map(str::to_owned);
            self.into.problems.push(unknown(item, key, nearest));
        } else if let Some(first) = self.into.items.get(key) {
            let reason = format!("set twice: first in {}", first.place);
            let Item { place, shown, .. } = item;
            let problem = Problem { place, key: key.to_owned(), value: Some(shown), reason, nearest: None };
            self.into.problems.push(problem);
        } else {
            self.into.items.insert(key.to_owned(), item);
        }
    }

    fn peer(&mut self, peer: &Spanned<DeValue<'_>>) {
        let place = self.place(peer.span().start);
        let mut items = BTreeMap::new();
        let DeValue::Table(table) = peer.get_ref() else {
            let reason = "each of [[peers]] is a table with id and address".to_owned();
            let value = Some(self.item(peer).shown);
            self.into.problems.push(Problem { place, key: "peers".to_owned(), value, reason, nearest: None });
            return;
        };
        for (name, value) in table {
            let item = self.item(value);
            let name = name.get_ref();
            if PEER_KEYS.contains(&name.as_ref()) {
                items.insert(format!("peers.{name}"), item);
            } else {
                let nearest = nearest(name, PEER_KEYS.iter().copied()).map(|near| format!("peers.{near}"));
                self.into.problems.push(unknown(item, &format!("peers.{name}"), nearest));
            }
        }
        self.into.peers.push((place, items));
    }
}

fn unknown(item: Item, key: &str, nearest: Option<String>) -> Problem {
    let reason = "there is no such key".to_owned();
    Problem { place: item.place, key: shown(key), value: Some(item.shown), reason, nearest }
}

fn below(known: &str, key: &str) -> bool {
    known.strip_prefix(key).is_some_and(|rest| rest.starts_with('.'))
}
