//! One table per section: the macro that makes struct, reader and printed rows of it, and the reader that keeps every
//! problem instead of stopping at the first.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::decide::policy::Policy;

use super::document::Document;
use super::error::{Place, Problem};
use super::raw::Item;
use super::value::Value;

/// A key with all that is printed of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Row {
    /// Its section.
    pub(super) section: &'static str,
    /// Its name within the section.
    pub(super) key: &'static str,
    /// What it means.
    pub(super) meaning: &'static str,
    /// What kind of value it takes, with the unit.
    pub(super) wanted: String,
    /// Whether it must be set.
    pub(super) presence: Presence,
    /// The value as TOML; none where it is absent.
    pub(super) value: Option<String>,
    /// The default, or what stands in the printed file as an example.
    pub(super) default: Option<String>,
    /// The smallest and the largest value, where there are any.
    pub(super) bounds: Option<(String, String)>,
}

/// Whether a key must be set, and what holds if it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Presence {
    /// It must be.
    Required,
    /// If not, the default holds.
    Defaulted,
    /// If not, there is none.
    Optional,
}

/// What is known of a key while it is read.
pub(super) struct Spec<T> {
    /// `section.key`.
    pub(super) key: &'static str,
    /// Whether it must be set.
    pub(super) presence: Presence,
    /// The default; for a required key what stands in for it until all problems are told.
    pub(super) default: T,
    /// The smallest and the largest value.
    pub(super) bounds: Option<(T, T)>,
}

/// Where each key was set.
pub(super) type Places = BTreeMap<String, Place>;

/// Takes values out of a document and keeps what is wrong with them.
pub(super) struct Reader {
    whole: Place,
    items: BTreeMap<String, Item>,
    places: Places,
    peers: Vec<(Place, BTreeMap<String, Item>)>,
    problems: Vec<Problem>,
}

impl Reader {
    /// Gives a reader of a whole document.
    pub(super) fn new(document: Document) -> Self {
        let Document { whole, items, peers, problems } = document;
        let places = items.iter().map(|(key, item)| (key.clone(), item.place.clone())).collect();
        Self { whole, items, places, peers, problems }
    }

    /// Gives the value of a key, or its default, and keeps what is wrong with it.
    pub(super) fn take<T: Value>(&mut self, spec: Spec<T>) -> T {
        match self.items.remove(spec.key) {
            Some(item) => self.read(spec, &item),
            None => {
                if spec.presence == Presence::Required {
                    let place = self.whole.clone();
                    self.missing(place, spec.key, &T::wanted());
                }
                spec.default
            }
        }
    }

    /// Gives what each of `[[peers]]` holds: read one after the other.
    pub(super) fn peers<T>(&mut self, one: impl Fn(&mut Self) -> T) -> Vec<T> {
        let kept = std::mem::take(&mut self.items);
        let peers = std::mem::take(&mut self.peers);
        let mut read = Vec::new();
        for (place, items) in peers {
            self.items = items;
            let whole = std::mem::replace(&mut self.whole, place);
            read.push(one(self));
            self.whole = whole;
        }
        self.items = kept;
        read
    }

    /// Gives every problem, and where each key was set.
    pub(super) fn finish(self) -> (Vec<Problem>, Places) {
        (self.problems, self.places)
    }

    fn read<T: Value>(&mut self, spec: Spec<T>, item: &Item) -> T {
        let (reason, nearest) = match T::read(&item.raw) {
            Ok(value) => match &spec.bounds {
                Some((least, most)) if value < *least || *most < value => {
                    let ends = |end: &T| end.literal().unwrap_or_default();
                    (format!("from {} to {} is wanted", ends(least), ends(most)), None)
                }
                _ => return value,
            },
            Err(wrong) => (format!("{} is wanted", T::wanted()), wrong.nearest),
        };
        let (place, value) = (item.place.clone(), Some(item.shown.clone()));
        self.problems.push(Problem { place, key: spec.key.to_owned(), value, reason, nearest });
        spec.default
    }

    fn missing(&mut self, place: Place, key: &str, wanted: &str) {
        let reason = format!("not set, and it has no default: {wanted} is wanted");
        self.problems.push(Problem { place, key: key.to_owned(), value: None, reason, nearest: None });
    }
}

/// Gives the bounds that the policy sets for one of its keys.
pub(super) fn policy_bounds<T: Value>(key: &str) -> Option<(T, T)> {
    let ranges = Policy::default().ranges();
    let (_, _, range) = ranges.into_iter().find(|(name, _, _)| *name == key)?;
    Some((T::of_policy(*range.start())?, T::of_policy(*range.end())?))
}

/// Makes one section: a struct, how it is read, and its rows.
///
/// Each key: its meaning as doc comments, `"name" field: Type, required EXAMPLE | default VALUE | optional EXAMPLE`, and
/// where it has bounds `, from LEAST => MOST` or `, within "key of the policy"`. The example of an optional key is written as TOML.
macro_rules! section {
    ($(#[doc = $about:literal])+ $name:ident in $section:literal {
        $( $(#[doc = $meaning:literal])+ $key:literal $field:ident: $kind:ty, $presence:ident $default:expr
           $(, from $least:expr => $most:expr)? $(, within $policy:literal)?; )*
    }) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $( $(#[doc = $meaning])+ pub $field: $kind, )*
        }

        impl $name {
            /// Gives the section with every default, and with examples for what must be set.
            #[must_use]
            pub fn example() -> Self {
                Self { $( $field: section!(@value $presence $default), )* }
            }

            pub(super) fn read(reader: &mut Reader) -> Self {
                Self { $( $field: reader.take(Spec {
                    key: concat!($section, ".", $key),
                    presence: section!(@presence $presence),
                    default: section!(@value $presence $default),
                    bounds: section!(@bounds $kind, $($least => $most)? $($policy)?),
                }), )* }
            }

            pub(super) fn rows(&self) -> Vec<Row> {
                vec![$( Row {
                    section: $section,
                    key: $key,
                    meaning: concat!($($meaning, "\n"),+),
                    wanted: <$kind as Value>::wanted(),
                    presence: section!(@presence $presence),
                    value: self.$field.literal(),
                    default: section!(@shown $presence $default, $kind),
                    bounds: section!(@bounds $kind, $($least => $most)? $($policy)?)
                        .and_then(|(least, most): ($kind, $kind)| Some((least.literal()?, most.literal()?))),
                }, )*]
            }
        }
    };
    (@value optional $example:expr) => { None };
    (@value $presence:ident $default:expr) => { $default };
    (@shown optional $example:expr, $kind:ty) => { Some($example.to_owned()) };
    (@shown $presence:ident $default:expr, $kind:ty) => { <$kind as Value>::literal(&$default) };
    (@presence required) => { Presence::Required };
    (@presence default) => { Presence::Defaulted };
    (@presence optional) => { Presence::Optional };
    (@bounds $kind:ty,) => { None };
    (@bounds $kind:ty, $policy:literal) => { policy_bounds::<$kind>($policy) };
    (@bounds $kind:ty, $least:expr => $most:expr) => { Some(($least, $most)) };
}
pub(super) use section;
