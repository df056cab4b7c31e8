//! Frames: what travels on a connection, bounded before it is decoded.

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use tokio_util::codec::LengthDelimitedCodec;

use crate::consensus::wire::{self, HistoryChunk, HistoryRequest, PeerMessage};

/// A hello is a few hundred bytes; whoever has not shown a certificate and said hello may not make us hold more.
pub(super) const HELLO_BYTES_MAX: usize = 4 << 10;

/// A snapshot of 16 MiB, the largest that consensus makes, with room around it.
pub(super) const FRAME_BYTES_MAX: usize = 17 << 20;

/// One thing that a node says to another once they have met.
#[derive(Debug, Clone, PartialEq)]
pub enum PeerFrame {
    /// A Raft message, unchecked.
    Raft(Box<PeerMessage>),
    /// Something beside the log; opaque here.
    Words(Bytes),
    /// Asks for audit records.
    HistoryRequest(HistoryRequest),
    /// Audit records, as asked for.
    HistoryChunk(HistoryChunk),
}

/// A frame of any kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Frame {
    Hello(wire::Hello),
    Refusal(wire::Refusal),
    Keepalive,
    Peer(PeerFrame),
}

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes are no message of ours.
    #[error("bytes that are no frame")]
    Malformed(#[from] prost::DecodeError),
    /// A frame without content, or with one that this version does not know.
    #[error("a frame of no known kind")]
    UnknownKind,
}

/// Gives the codec of a connection: a length of four bytes, big-endian, then the frame.
pub(super) fn codec(bytes_max: usize) -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().length_field_length(4).max_frame_length(bytes_max).new_codec()
}

/// Gives a frame's bytes.
pub(super) fn encode(frame: Frame) -> Bytes {
    use wire::frame::Body;
    let body = match frame {
        Frame::Hello(hello) => Body::Hello(hello),
        Frame::Refusal(refusal) => Body::Refusal(refusal),
        Frame::Keepalive => Body::Keepalive(wire::Keepalive {}),
        Frame::Peer(PeerFrame::Raft(message)) => Body::Raft(*message),
        Frame::Peer(PeerFrame::Words(words)) => Body::Words(words),
        Frame::Peer(PeerFrame::HistoryRequest(request)) => Body::HistoryRequest(request),
        Frame::Peer(PeerFrame::HistoryChunk(chunk)) => Body::HistoryChunk(chunk),
    };
    wire::Frame { body: Some(body) }.encode_to_vec().into()
}

/// Gives the frame that bytes are.
///
/// Errors: [`FrameError`]; the connection is of no more use then.
pub(super) fn decode(bytes: BytesMut) -> Result<Frame, FrameError> {
    use wire::frame::Body;
    let frame = wire::Frame::decode(bytes.freeze())?;
    Ok(match frame.body.ok_or(FrameError::UnknownKind)? {
        Body::Hello(hello) => Frame::Hello(hello),
        Body::Refusal(refusal) => Frame::Refusal(refusal),
        Body::Keepalive(wire::Keepalive {}) => Frame::Keepalive,
        Body::Raft(message) => Frame::Peer(PeerFrame::Raft(Box::new(message))),
        Body::Words(words) => Frame::Peer(PeerFrame::Words(words)),
        Body::HistoryRequest(request) => Frame::Peer(PeerFrame::HistoryRequest(request)),
        Body::HistoryChunk(chunk) => Frame::Peer(PeerFrame::HistoryChunk(chunk)),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio_util::codec::Decoder as _;

    use super::*;
    use crate::consensus::wire::{LogEntry, Snapshot};

    fn raft_frame() -> Frame {
        let entry = LogEntry { kind: 1, term: 3, index: 9, data: Bytes::from_static(b"record") };
        let snapshot = Snapshot { index: 4, term: 2, members: None, state: Bytes::from_static(b"state") };
        let message = PeerMessage {
            kind: 1,
            to: 2,
            from: 1,
            term: 3,
            index: 8,
            entries: vec![entry; 3],
            snapshot: Some(snapshot),
            ..PeerMessage::default()
        };
        Frame::Peer(PeerFrame::Raft(Box::new(message)))
    }

    #[test]
    fn frames_read_back_what_was_written() {
        let chunk = HistoryChunk { request_id: 1, records: vec![Bytes::from_static(b"r")], ..HistoryChunk::default() };
        for frame in [
            Frame::Keepalive,
            Frame::Hello(wire::Hello { node_id: 3, ..wire::Hello::default() }),
            Frame::Refusal(wire::Refusal { reason: 2, detail: "no".into() }),
            Frame::Peer(PeerFrame::Words(Bytes::from_static(b"{}"))),
            Frame::Peer(PeerFrame::HistoryRequest(HistoryRequest { request_id: 7, ..HistoryRequest::default() })),
            Frame::Peer(PeerFrame::HistoryChunk(chunk)),
            raft_frame(),
        ] {
            assert_eq!(decode(BytesMut::from(&encode(frame.clone())[..])), Ok(frame));
        }
    }

    #[test]
    fn an_empty_frame_is_of_no_known_kind() {
        assert_eq!(decode(BytesMut::new()), Err(FrameError::UnknownKind));
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_held() {
        let mut codec = codec(HELLO_BYTES_MAX);
        let mut claims = BytesMut::from(&[0xff, 0xff, 0xff, 0xff, 1, 2, 3][..]);
        assert!(codec.decode(&mut claims).is_err());
        assert!(claims.capacity() < 1024);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn any_bytes_are_a_frame_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _either = decode(BytesMut::from(&bytes[..]));
        }

        #[test]
        fn a_frame_with_a_changed_byte_is_a_frame_or_an_error(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = BytesMut::from(&encode(raft_frame())[..]);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _either = decode(bytes);
        }

        #[test]
        fn a_stream_of_any_bytes_is_cut_into_frames_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let mut codec = codec(HELLO_BYTES_MAX);
            let mut stream = BytesMut::from(&bytes[..]);
            while let Ok(Some(frame)) = codec.decode(&mut stream) {
                prop_assert!(frame.len() <= HELLO_BYTES_MAX);
                let _either = decode(frame);
            }
        }
    }
}
