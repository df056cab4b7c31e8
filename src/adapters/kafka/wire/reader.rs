//! Reads Kafka's flexible encoding out of bytes that may be hostile.
//!
//! The bound that the codec crate lacks: an array may claim only as many elements as the bytes that follow could hold, so
//! no length on the wire makes us allocate more than a small multiple of what was received. Nothing here panics.

use bytes::{Buf, Bytes};
use uuid::Uuid;

/// Bytes that are not what the protocol says should stand there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what}, {left_bytes} bytes before the end")]
pub struct Malformed {
    /// What is wrong.
    pub what: &'static str,
    /// How many bytes of the frame were left when it showed.
    pub left_bytes: usize,
}

/// A cursor over one received frame.
pub(in crate::adapters::kafka) struct Reader {
    bytes: Bytes,
}

macro_rules! fixed {
    ($($name:ident -> $type:ty, $get:ident;)*) => {
        $(pub(in crate::adapters::kafka) fn $name(&mut self) -> Result<$type, Malformed> {
            self.bytes.$get().map_err(|_short| self.malformed(concat!("ends inside a ", stringify!($name))))
        })*
    };
}

impl Reader {
    pub(in crate::adapters::kafka) fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    pub(in crate::adapters::kafka) fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Gives what has not been read yet, without reading it.
    pub(in crate::adapters::kafka) fn rest(&self) -> &[u8] {
        &self.bytes
    }

    pub(in crate::adapters::kafka) fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, left_bytes: self.bytes.len() }
    }

    fixed! {
        u8 -> u8, try_get_u8;
        i8 -> i8, try_get_i8;
        i16 -> i16, try_get_i16;
        u16 -> u16, try_get_u16;
        i32 -> i32, try_get_i32;
        u32 -> u32, try_get_u32;
        i64 -> i64, try_get_i64;
        u128 -> u128, try_get_u128;
    }

    pub(in crate::adapters::kafka) fn bool(&mut self) -> Result<bool, Malformed> {
        Ok(self.u8()? != 0)
    }

    pub(in crate::adapters::kafka) fn uuid(&mut self) -> Result<Uuid, Malformed> {
        Ok(Uuid::from_u128(self.u128()?))
    }

    /// Reads an unsigned varint of at most 32 bits.
    pub(in crate::adapters::kafka) fn uvarint(&mut self) -> Result<u32, Malformed> {
        let wide = self.uvarlong_up_to(5)?;
        u32::try_from(wide).map_err(|_wide| self.malformed("a varint is wider than 32 bits"))
    }

    /// Reads a zigzag varint of at most 32 bits.
    pub(in crate::adapters::kafka) fn varint(&mut self) -> Result<i32, Malformed> {
        let raw = self.uvarint()?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    /// Reads a zigzag varint of at most 64 bits.
    pub(in crate::adapters::kafka) fn varlong(&mut self) -> Result<i64, Malformed> {
        let raw = self.uvarlong_up_to(10)?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    fn uvarlong_up_to(&mut self, bytes_max: u32) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for position in 0..bytes_max {
            let byte = u64::from(self.u8()?);
            let bits = byte & 0x7f;
            let shifted = bits << (7 * position);
            if shifted >> (7 * position) != bits {
                return Err(self.malformed("a varint is wider than 64 bits"));
            }
            value |= shifted;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.malformed("a varint does not end"))
    }

    /// Takes exactly `length` bytes, without copying them.
    pub(in crate::adapters::kafka) fn take(&mut self, length: usize) -> Result<Bytes, Malformed> {
        if self.bytes.len() < length {
            return Err(self.malformed("a length points beyond the end"));
        }
        Ok(self.bytes.split_to(length))
    }

    /// Reads a compact length: `None` for null.
    fn compact_length(&mut self) -> Result<Option<usize>, Malformed> {
        let raw = self.uvarint()?;
        match raw.checked_sub(1) {
            None => Ok(None),
            Some(length) => {
                usize::try_from(length).map(Some).map_err(|_wide| self.malformed("a length does not fit this machine"))
            }
        }
    }

    pub(in crate::adapters::kafka) fn nullable_bytes(&mut self) -> Result<Option<Bytes>, Malformed> {
        match self.compact_length()? {
            None => Ok(None),
            Some(length) => self.take(length).map(Some),
        }
    }

    pub(in crate::adapters::kafka) fn nullable_string(&mut self) -> Result<Option<String>, Malformed> {
        let Some(raw) = self.nullable_bytes()? else { return Ok(None) };
        match std::str::from_utf8(&raw) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_invalid) => Err(self.malformed("a string is not UTF-8")),
        }
    }

    pub(in crate::adapters::kafka) fn string(&mut self) -> Result<String, Malformed> {
        self.nullable_string()?.ok_or_else(|| self.malformed("a string that may not be null is null"))
    }

    /// Reads an array whose elements take at least `element_bytes_min` bytes each.
    pub(in crate::adapters::kafka) fn array<T>(
        &mut self,
        element_bytes_min: usize,
        element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        self.nullable_array(element_bytes_min, element)?
            .ok_or_else(|| self.malformed("an array that may not be null is null"))
    }

    pub(in crate::adapters::kafka) fn nullable_array<T>(
        &mut self,
        element_bytes_min: usize,
        element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<Vec<T>>, Malformed> {
        match self.compact_length()? {
            None => Ok(None),
            Some(count) => self.elements(count, element_bytes_min, element).map(Some),
        }
    }

    /// Reads `count` elements, after checking that the bytes left could hold them.
    pub(in crate::adapters::kafka) fn elements<T>(
        &mut self,
        count: usize,
        element_bytes_min: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        if self.bytes.len() / element_bytes_min.max(1) < count {
            return Err(self.malformed("an array claims more elements than the frame could hold"));
        }
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// Reads an array of node ids.
    pub(in crate::adapters::kafka) fn node_ids(&mut self) -> Result<Vec<i32>, Malformed> {
        self.array(4, Self::i32)
    }

    /// Reads an array of node ids that may be null; null is empty.
    pub(in crate::adapters::kafka) fn nullable_node_ids(&mut self) -> Result<Vec<i32>, Malformed> {
        Ok(self.nullable_array(4, Self::i32)?.unwrap_or_default())
    }

    /// Reads a node id that is -1 for nobody.
    pub(in crate::adapters::kafka) fn node_id_or_none(&mut self) -> Result<Option<i32>, Malformed> {
        Ok(Some(self.i32()?).filter(|id| 0 <= *id))
    }

    /// Reads an offset or time that is -1 for unknown.
    pub(in crate::adapters::kafka) fn i64_or_none(&mut self) -> Result<Option<i64>, Malformed> {
        Ok(Some(self.i64()?).filter(|value| 0 <= *value))
    }

    /// Skips the tagged fields of a structure.
    pub(in crate::adapters::kafka) fn tags(&mut self) -> Result<(), Malformed> {
        self.tagged(|_tag, _value| Ok(()))
    }

    /// Reads the tagged fields of a structure, each as a reader of its own.
    pub(in crate::adapters::kafka) fn tagged(
        &mut self,
        mut field: impl FnMut(u32, &mut Self) -> Result<(), Malformed>,
    ) -> Result<(), Malformed> {
        let count = self.uvarint()?;
        for _ in 0..count {
            let tag = self.uvarint()?;
            let length = self.uvarint()?;
            let length =
                usize::try_from(length).map_err(|_wide| self.malformed("a length does not fit this machine"))?;
            let mut value = Self::new(self.take(length)?);
            field(tag, &mut value)?;
        }
        Ok(())
    }

    /// Checks that nothing follows.
    pub(in crate::adapters::kafka) fn end(&self) -> Result<(), Malformed> {
        if self.bytes.is_empty() { Ok(()) } else { Err(self.malformed("bytes follow the end of the answer")) }
    }
}
