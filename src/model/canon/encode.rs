//! The writer behind `canon`: a serde serialiser that appends the canonical bytes of each value to one buffer.
//!
//! It deliberately does not build on another JSON writer: those turn NaN into `null` and keep the last of two equal keys.
//! An object's fields are written as they come, and put in order once, when it closes, only if they came in another.
//! Depth is bounded, so the cost is too.

use super::key::KeyEncoder;
use super::text::{Plain, write_displayed, write_string};
use super::{CanonError, DEPTH_MAX};
use serde::ser::{self, Serialize};
use std::fmt::{self, Display, Write as _};
use std::ops::Range;

impl ser::Error for CanonError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Refused(message.to_string())
    }
}

impl From<fmt::Error> for CanonError {
    fn from(error: fmt::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

type Answer = Result<(), CanonError>;

pub(super) const FLOAT: CanonError = CanonError::Unrepresentable("a float");
pub(super) const RAW_BYTES: CanonError = CanonError::Unrepresentable("a sequence of raw bytes");
pub(super) const WIDE_INTEGER: CanonError = CanonError::Unrepresentable("an integer beyond 64 bits");

/// Writes one value that stands `depth` levels deep.
pub(super) struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
}

impl<'o> Encoder<'o> {
    /// Gives the writer of a whole text.
    pub(super) fn top(out: &'o mut Vec<u8>) -> Self {
        Self { out, depth: 0 }
    }

    /// Gives the writer of what stands inside one more array or object.
    fn inside(self) -> Result<Self, CanonError> {
        if DEPTH_MAX <= self.depth {
            return Err(CanonError::TooDeep);
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// Opens the object around the content of a variant, which is its only field.
    fn inside_variant(self, variant: &str) -> Result<Self, CanonError> {
        let inner = self.inside()?;
        inner.out.push(b'{');
        write_string(inner.out, variant);
        inner.out.push(b':');
        Ok(inner)
    }

    fn text(self, value: impl Display) -> Answer {
        Ok(write!(Plain(self.out), "{value}")?)
    }
}

/// What closes a compound value: the variant around it, if there is one, is an object too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    Variant,
}

impl Around {
    fn close(self, out: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::Variant => out.push(b'}'),
        }
    }
}

/// Writes an array.
pub(super) struct Items<'o> {
    within: Encoder<'o>,
    around: Around,
    begins: usize,
}

impl<'o> Items<'o> {
    fn open(around: Around, encoder: Encoder<'o>) -> Result<Self, CanonError> {
        let within = encoder.inside()?;
        within.out.push(b'[');
        let begins = within.out.len();
        Ok(Self { within, around, begins })
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Answer {
        if self.begins < self.within.out.len() {
            self.within.out.push(b',');
        }
        value.serialize(Encoder { out: &mut *self.within.out, depth: self.within.depth })
    }

    fn close(self) -> Answer {
        self.within.out.push(b']');
        self.around.close(self.within.out);
        Ok(())
    }
}

/// Writes an object.
pub(super) struct Fields<'o> {
    within: Encoder<'o>,
    around: Around,
    begins: usize,
    /// The keys, one after the other.
    keys: String,
    fields: Vec<Field>,
}

/// One field: where its key stands among the keys, and where all of it stands in the buffer.
#[derive(Debug, Clone)]
struct Field {
    key: Range<usize>,
    bytes: Range<usize>,
}

impl<'o> Fields<'o> {
    fn open(around: Around, encoder: Encoder<'o>) -> Result<Self, CanonError> {
        let within = encoder.inside()?;
        within.out.push(b'{');
        let begins = within.out.len();
        Ok(Self { within, around, begins, keys: String::new(), fields: Vec::new() })
    }

    /// Begins a field whose key is what was added to the keys since the last one.
    fn begin(&mut self) {
        let key = self.fields.last().map_or(0, |last| last.key.end)..self.keys.len();
        if self.begins < self.within.out.len() {
            self.within.out.push(b',');
        }
        let at = self.within.out.len();
        write_string(self.within.out, text_at(&self.keys, &key));
        self.within.out.push(b':');
        self.fields.push(Field { key, bytes: at..at });
    }

    fn finish<T: Serialize + ?Sized>(&mut self, value: &T) -> Answer {
        value.serialize(Encoder { out: &mut *self.within.out, depth: self.within.depth })?;
        match self.fields.last_mut() {
            Some(field) if field.bytes.is_empty() => field.bytes.end = self.within.out.len(),
            Some(_) | None => return Err(CanonError::Refused("a value came before its key".to_owned())),
        }
        Ok(())
    }

    fn push<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Answer {
        self.keys.push_str(key);
        self.begin();
        self.finish(value)
    }

    fn close(mut self) -> Answer {
        self.put_in_order()?;
        self.within.out.push(b'}');
        self.around.close(self.within.out);
        Ok(())
    }

    /// Strings compare by their bytes, which is the documented order.
    fn put_in_order(&mut self) -> Answer {
        let key = |field: &Field| text_at(&self.keys, &field.key);
        if self.fields.is_sorted_by(|one, next| key(one) < key(next)) {
            return Ok(());
        }
        let mut sorted = self.fields.clone();
        sorted.sort_by(|one, next| key(one).cmp(key(next)));
        let twice = sorted.iter().zip(sorted.iter().skip(1)).find(|(one, next)| key(one) == key(next));
        if let Some((one, _)) = twice {
            return Err(CanonError::DuplicateKey(key(one).to_owned()));
        }
        let mut ordered = Vec::with_capacity(self.within.out.len() - self.begins);
        for field in &sorted {
            if !ordered.is_empty() {
                ordered.push(b',');
            }
            ordered.extend_from_slice(self.within.out.get(field.bytes.clone()).unwrap_or_default());
        }
        self.within.out.truncate(self.begins);
        self.within.out.append(&mut ordered);
        Ok(())
    }
}

fn text_at<'t>(texts: &'t str, at: &Range<usize>) -> &'t str {
    texts.get(at.clone()).unwrap_or_default()
}

macro_rules! integers {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method(self, value: $kind) -> Answer { self.text(value) })*
    };
}

impl<'o> ser::Serializer for Encoder<'o> {
    type Ok = ();
    type Error = CanonError;
    type SerializeSeq = Items<'o>;
    type SerializeTuple = Items<'o>;
    type SerializeTupleStruct = Items<'o>;
    type SerializeTupleVariant = Items<'o>;
    type SerializeMap = Fields<'o>;
    type SerializeStruct = Fields<'o>;
    type SerializeStructVariant = Fields<'o>;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_i128(self, _: i128) -> Answer {
        Err(WIDE_INTEGER)
    }
    fn serialize_u128(self, _: u128) -> Answer {
        Err(WIDE_INTEGER)
    }
    fn serialize_f32(self, _: f32) -> Answer {
        Err(FLOAT)
    }
    fn serialize_f64(self, _: f64) -> Answer {
        Err(FLOAT)
    }
    fn serialize_bytes(self, _: &[u8]) -> Answer {
        Err(RAW_BYTES)
    }
    fn serialize_bool(self, value: bool) -> Answer {
        self.text(value)
    }
    fn serialize_char(self, value: char) -> Answer {
        write_string(self.out, value.encode_utf8(&mut [0; 4]));
        Ok(())
    }
    fn serialize_str(self, value: &str) -> Answer {
        write_string(self.out, value);
        Ok(())
    }
    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Answer {
        Ok(write_displayed(self.out, value)?)
    }
    fn serialize_none(self) -> Answer {
        self.text("null")
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Answer {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Answer {
        self.text("null")
    }
    fn serialize_unit_struct(self, _: &'static str) -> Answer {
        self.text("null")
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Answer {
        write_string(self.out, variant);
        Ok(())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Answer {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Answer {
        let inner = self.inside_variant(variant)?;
        value.serialize(Encoder { out: &mut *inner.out, depth: inner.depth })?;
        Around::Variant.close(inner.out);
        Ok(())
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'o>, CanonError> {
        Items::open(Around::Nothing, self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Items<'o>, CanonError> {
        Items::open(Around::Nothing, self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'o>, CanonError> {
        Items::open(Around::Nothing, self)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'o>, CanonError> {
        Items::open(Around::Variant, self.inside_variant(variant)?)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Fields<'o>, CanonError> {
        Fields::open(Around::Nothing, self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields<'o>, CanonError> {
        Fields::open(Around::Nothing, self)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields<'o>, CanonError> {
        Fields::open(Around::Variant, self.inside_variant(variant)?)
    }
}

macro_rules! sequences {
    ($($shape:ident.$method:ident),*) => {
        $(impl ser::$shape for Items<'_> {
            type Ok = ();
            type Error = CanonError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Answer {
                self.push(value)
            }
            fn end(self) -> Answer {
                self.close()
            }
        })*
    };
}
sequences!(
    SerializeSeq.serialize_element,
    SerializeTuple.serialize_element,
    SerializeTupleStruct.serialize_field,
    SerializeTupleVariant.serialize_field
);

macro_rules! structs {
    ($($shape:ident),*) => {
        $(impl ser::$shape for Fields<'_> {
            type Ok = ();
            type Error = CanonError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Answer {
                self.push(key, value)
            }
            fn end(self) -> Answer {
                self.close()
            }
        })*
    };
}
structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Fields<'_> {
    type Ok = ();
    type Error = CanonError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Answer {
        key.serialize(KeyEncoder(&mut self.keys))?;
        self.begin();
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Answer {
        self.finish(value)
    }
    fn end(self) -> Answer {
        self.close()
    }
}
