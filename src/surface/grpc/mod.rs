//! The operators' service over a unix socket and, where wanted, over TCP with certificates on both sides.
//!
//! Who asks is what the kernel (socket) or the certificate says; a request cannot name its own author.

pub mod client;
mod identity;
mod server;

use std::path::PathBuf;

pub use identity::Roles;
pub use server::{Bound, Listen, ServeOptions};

/// The generated messages and stubs of `proto/tanist.proto`.
pub(crate) mod proto {
    #![expect(
        unreachable_pub,
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        reason = "generated from the commented proto file"
    )]
    tonic::include_proto!("tanist.v1");
}

/// Longest question.
///
/// Units: bytes. The longest reason is 500 characters.
const QUESTION_BYTES_MAX: usize = 16 * 1024;

/// Longest answer.
///
/// Units: bytes. A list of 200 records of up to 48 KiB each fits.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The files of one side of a TLS connection, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Its own certificate.
    pub cert: PathBuf,
    /// The key of that certificate.
    pub key: PathBuf,
    /// The authority that signed the other side's certificate.
    pub ca: PathBuf,
}

/// What is wrong with serving or asking, named by what to do next.
#[derive(Debug, thiserror::Error)]
pub enum SurfaceError {
    /// A file of the TLS set-up.
    #[error("cannot use the TLS file {}", file.display())]
    TlsFile {
        /// Which.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The TLS files do not fit together.
    #[error("the TLS files cannot be used: {why}")]
    Tls {
        /// Why.
        why: String,
    },
    /// Somebody else listens there: another node with the same settings, most likely.
    #[error("{place} is in use: another node runs with these settings, or another program listens there")]
    InUse {
        /// Where.
        place: String,
    },
    /// The place to listen at cannot be had.
    #[error("cannot listen at {place}")]
    Listen {
        /// Where.
        place: String,
        /// Why.
        source: std::io::Error,
    },
    /// The server stopped by itself.
    #[error("the server at {place} stopped")]
    Stopped {
        /// Where.
        place: String,
        /// Why.
        source: tonic::transport::Error,
    },
}

#[cfg(test)]
mod tests;
