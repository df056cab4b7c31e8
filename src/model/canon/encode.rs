//! The writer behind `canon`: a serde serialiser whose answer for each value is the canonical bytes of that value.
//!
//! It deliberately does not build on another JSON writer: those turn NaN into `null` and keep the last of two equal keys.
//! Nested values are written bottom-up and copied once per level; depth is bounded, so the cost is too.

use super::{CanonError, DEPTH_MAX};
use serde::ser::{self, Serialize};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;

impl ser::Error for CanonError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Refused(message.to_string())
    }
}

type Answer = Result<Vec<u8>, CanonError>;

const FLOAT: CanonError = CanonError::Unrepresentable("a float");
const RAW_BYTES: CanonError = CanonError::Unrepresentable("a sequence of raw bytes");
const BAD_KEY: CanonError = CanonError::Unrepresentable("a key that is no string or integer");
const WIDE_INTEGER: CanonError = CanonError::Unrepresentable("an integer beyond 64 bits");

/// Writes one value that stands `depth` levels deep.
#[derive(Clone, Copy)]
pub(super) struct Encoder {
    depth: usize,
}

impl Encoder {
    /// Gives the writer of a whole text.
    pub(super) fn top() -> Self {
        Self { depth: 0 }
    }

    /// Gives the writer of what stands inside one more array or object.
    fn inside(self) -> Result<Self, CanonError> {
        if DEPTH_MAX <= self.depth {
            return Err(CanonError::TooDeep);
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

/// Collects an array, and the name of the variant around it where there is one.
pub(super) struct Items {
    within: Encoder,
    variant: Option<&'static str>,
    out: Vec<u8>,
}

/// Collects an object, and the name of the variant around it where there is one.
pub(super) struct Fields {
    within: Encoder,
    variant: Option<&'static str>,
    pending_key: Option<String>,
    fields: BTreeMap<String, Vec<u8>>,
}

impl Items {
    fn open(within: Encoder, variant: Option<&'static str>) -> Result<Self, CanonError> {
        Ok(Self { within: within.inside()?, variant, out: vec![b'['] })
    }

    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonError> {
        if 1 < self.out.len() {
            self.out.push(b',');
        }
        self.out.extend_from_slice(&value.serialize(self.within)?);
        Ok(())
    }

    fn close(mut self) -> Answer {
        self.out.push(b']');
        Ok(in_variant(self.variant, self.out))
    }
}

impl Fields {
    fn open(within: Encoder, variant: Option<&'static str>) -> Result<Self, CanonError> {
        Ok(Self { within: within.inside()?, variant, pending_key: None, fields: BTreeMap::new() })
    }

    fn push<T: Serialize + ?Sized>(&mut self, key: String, value: &T) -> Result<(), CanonError> {
        let bytes = value.serialize(self.within)?;
        match self.fields.entry(key) {
            Entry::Occupied(first) => Err(CanonError::DuplicateKey(first.key().clone())),
            Entry::Vacant(free) => {
                free.insert(bytes);
                Ok(())
            }
        }
    }

    fn close(self) -> Answer {
        let mut out = vec![b'{'];
        // A map of strings iterates by their bytes, which is the documented order.
        for (key, value) in &self.fields {
            if 1 < out.len() {
                out.push(b',');
            }
            write_string(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value);
        }
        out.push(b'}');
        Ok(in_variant(self.variant, out))
    }
}

fn in_variant(variant: Option<&'static str>, inner: Vec<u8>) -> Vec<u8> {
    let Some(name) = variant else { return inner };
    let mut out = vec![b'{'];
    write_string(&mut out, name);
    out.push(b':');
    out.extend_from_slice(&inner);
    out.push(b'}');
    out
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x00..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            // Bytes of a longer UTF-8 sequence are all above 0x7f and stand for themselves.
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn string(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_string(&mut out, text);
    out
}

macro_rules! integers {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method(self, value: $kind) -> Result<Self::Ok, CanonError> { Ok(value.to_string().into()) })*
    };
}

impl ser::Serializer for Encoder {
    type Ok = Vec<u8>;
    type Error = CanonError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

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
        Ok(value.to_string().into_bytes())
    }
    fn serialize_char(self, value: char) -> Answer {
        Ok(string(value.encode_utf8(&mut [0; 4])))
    }
    fn serialize_str(self, value: &str) -> Answer {
        Ok(string(value))
    }
    fn serialize_none(self) -> Answer {
        Ok(b"null".to_vec())
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Answer {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Answer {
        Ok(b"null".to_vec())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Answer {
        Ok(b"null".to_vec())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Answer {
        Ok(string(variant))
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
        Ok(in_variant(Some(variant), value.serialize(self.inside()?)?))
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Items, CanonError> {
        Items::open(self, None)
    }
    fn serialize_tuple(self, _: usize) -> Result<Items, CanonError> {
        Items::open(self, None)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, CanonError> {
        Items::open(self, None)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items, CanonError> {
        Items::open(self.inside()?, Some(variant))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Fields, CanonError> {
        Fields::open(self, None)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Fields, CanonError> {
        Fields::open(self, None)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Fields, CanonError> {
        Fields::open(self.inside()?, Some(variant))
    }
}

macro_rules! sequences {
    ($($shape:ident.$method:ident),*) => {
        $(impl ser::$shape for Items {
            type Ok = Vec<u8>;
            type Error = CanonError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonError> {
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
        $(impl ser::$shape for Fields {
            type Ok = Vec<u8>;
            type Error = CanonError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), CanonError> {
                self.push(key.to_owned(), value)
            }
            fn end(self) -> Answer {
                self.close()
            }
        })*
    };
}
structs!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Fields {
    type Ok = Vec<u8>;
    type Error = CanonError;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CanonError> {
        self.pending_key = Some(key.serialize(KeyEncoder)?);
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CanonError> {
        let key =
            self.pending_key.take().ok_or_else(|| CanonError::Refused("a value came before its key".to_owned()))?;
        self.push(key, value)
    }
    fn end(self) -> Answer {
        self.close()
    }
}

/// Writes the key of an object: a string, or an integer in decimal; a newtype or a bare variant counts as what it holds.
struct KeyEncoder;

type NoKey = ser::Impossible<String, CanonError>;

impl ser::Serializer for KeyEncoder {
    type Ok = String;
    type Error = CanonError;
    type SerializeSeq = NoKey;
    type SerializeTuple = NoKey;
    type SerializeTupleStruct = NoKey;
    type SerializeTupleVariant = NoKey;
    type SerializeMap = NoKey;
    type SerializeStruct = NoKey;
    type SerializeStructVariant = NoKey;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64
    );

    fn serialize_str(self, value: &str) -> Result<String, CanonError> {
        Ok(value.to_owned())
    }
    fn serialize_char(self, value: char) -> Result<String, CanonError> {
        Ok(value.to_string())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<String, CanonError> {
        Ok(variant.to_owned())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<String, CanonError> {
        value.serialize(self)
    }
    fn serialize_bool(self, _: bool) -> Result<String, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_f32(self, _: f32) -> Result<String, CanonError> {
        Err(FLOAT)
    }
    fn serialize_f64(self, _: f64) -> Result<String, CanonError> {
        Err(FLOAT)
    }
    fn serialize_bytes(self, _: &[u8]) -> Result<String, CanonError> {
        Err(RAW_BYTES)
    }
    fn serialize_none(self) -> Result<String, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<String, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_unit(self) -> Result<String, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<String, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<String, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<NoKey, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_tuple(self, _: usize) -> Result<NoKey, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<NoKey, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<NoKey, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<NoKey, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<NoKey, CanonError> {
        Err(BAD_KEY)
    }
    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<NoKey, CanonError> {
        Err(BAD_KEY)
    }
}
