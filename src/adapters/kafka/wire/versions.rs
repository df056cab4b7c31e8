//! What a peer says that it speaks: the answer to `ApiVersions`.

use std::collections::BTreeMap;

use super::connection::Decoded;
use super::reader::{Malformed, Reader};
use super::{Api, ErrorCode, Versions};

/// The versions of one request that a peer offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiRange {
    /// Kafka's number for the request.
    pub key: i16,
    /// The versions.
    pub versions: Versions,
}

/// What a peer offers, and the features its cluster has agreed on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Features {
    /// By Kafka's number for the request.
    offered: BTreeMap<i16, (i16, i16)>,
    /// Finalised feature levels by name, such as `metadata.version` and `eligible.leader.replicas.version`.
    pub finalized: BTreeMap<String, i16>,
}

impl Features {
    /// Gives the versions of a request that the peer offers.
    #[must_use]
    pub fn offered(&self, api: Api) -> Option<Versions> {
        self.offered.get(&api.key()).map(|&(min, max)| Versions { min, max })
    }

    /// Gives the highest version that both sides speak.
    #[must_use]
    pub fn agreed(&self, api: Api) -> Option<i16> {
        let theirs = self.offered(api)?;
        let ours = api.versions();
        let highest = theirs.max.min(ours.max);
        (theirs.min.max(ours.min) <= highest).then_some(highest)
    }
}

/// Reads an `ApiVersions` answer body of version 0 or 3.
///
/// A peer that does not know our version answers in version 0 with `UNSUPPORTED_VERSION` whatever was asked, so the error
/// is read before anything else is believed.
pub(super) fn read(reader: &mut Reader, version: i16) -> Result<Decoded<Features>, Malformed> {
    let mut features = Features::default();
    if let Some(code) = ErrorCode::from_wire(reader.i16()?) {
        return Ok(Decoded { throttle_ms: 0, error: Some(code), message: None, body: features });
    }
    let mut throttle_ms = 0;
    let ranges = if 3 <= version {
        reader.array(7, |r| {
            let range = range(r)?;
            r.tags()?;
            Ok(range)
        })?
    } else {
        let count = reader.i32()?;
        let count = usize::try_from(count).map_err(|_negative| reader.malformed("an array length is negative"))?;
        reader.elements(count, 6, range)?
    };
    features.offered = ranges.into_iter().map(|r| (r.key, (r.versions.min, r.versions.max))).collect();
    if 3 <= version {
        throttle_ms = reader.i32()?;
        reader.tagged(|tag, value| {
            if tag == 2 {
                features.finalized = value.array(6, finalized)?.into_iter().collect();
            }
            Ok(())
        })?;
    }
    Ok(Decoded::of(throttle_ms, features))
}

fn range(reader: &mut Reader) -> Result<ApiRange, Malformed> {
    Ok(ApiRange { key: reader.i16()?, versions: Versions { min: reader.i16()?, max: reader.i16()? } })
}

fn finalized(reader: &mut Reader) -> Result<(String, i16), Malformed> {
    let name = reader.string()?;
    let max = reader.i16()?;
    let _min = reader.i16()?;
    reader.tags()?;
    Ok((name, max))
}
