//! The writer of an object's keys: strings, and integers in decimal; nothing else has a form.

use super::CanonError;
use super::encode::{FLOAT, RAW_BYTES};
use serde::ser::{self, Serialize};
use std::fmt::{Display, Write as _};

macro_rules! integers {
    ($($method:ident: $kind:ty),*) => {
        $(fn $method(self, value: $kind) -> Answer { Ok(write!(self.0, "{value}")?) })*
    };
}

/// Writes the key of an object: a string, or an integer in decimal; a newtype or a bare variant counts as what it holds.
pub(super) struct KeyEncoder<'k>(pub(super) &'k mut String);

type NoKey = ser::Impossible<(), CanonError>;

type Answer = Result<(), CanonError>;

const BAD_KEY: CanonError = CanonError::Unrepresentable("a key that is no string or integer");

impl ser::Serializer for KeyEncoder<'_> {
    type Ok = ();
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

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Answer {
        Ok(write!(self.0, "{value}")?)
    }
    fn serialize_str(self, value: &str) -> Answer {
        self.0.push_str(value);
        Ok(())
    }
    fn serialize_char(self, value: char) -> Answer {
        self.0.push(value);
        Ok(())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Answer {
        self.0.push_str(variant);
        Ok(())
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Answer {
        value.serialize(self)
    }
    fn serialize_bool(self, _: bool) -> Answer {
        Err(BAD_KEY)
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
    fn serialize_none(self) -> Answer {
        Err(BAD_KEY)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Answer {
        Err(BAD_KEY)
    }
    fn serialize_unit(self) -> Answer {
        Err(BAD_KEY)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Answer {
        Err(BAD_KEY)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Answer {
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
