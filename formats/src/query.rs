//! Status query: what a station asks of another in the body of an envelope of class control
//! (architecture 5): send me again every statement of yours about these envelopes of mine.
//!
//! It serves a receipt that was lost and one that came before its log was stamped: the answer is
//! receipts like any others, proven in a time-stamped checkpoint once one covers them. Who may ask
//! is the station that the envelope's header names as its sender's; `relay` judges that. A query
//! states nothing and is answered by no statement. Fails with [`QueryError`].

use crate::cbor::{self, Reader, Writer};
use crate::id::{Digest, EnvelopeId};
use crate::limits;

/// The version that this code writes and reads.
const VERSION: u64 = 1;
/// The number of this message among the control messages.
const STATUS_QUERY: u64 = 2;

/// Why bytes are not a status query. The fault is the station's that sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Not deterministic CBOR of the right shape.
    #[error(transparent)]
    Cbor(#[from] cbor::Error),
    /// Nothing is asked about, or one envelope twice, or an id that is none.
    #[error("envelopes of the query are missing, repeated or malformed")]
    Envelopes,
    /// Another control message.
    #[error("control message {number} of version {version} is no status query")]
    Unknown {
        /// Version of the message.
        version: u64,
        /// Its number.
        number: u64,
    },
}

/// One envelope that is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct About {
    /// Its id.
    pub envelope: EnvelopeId,
    /// Digest of its header: ids are chosen by senders.
    pub header_digest: Digest,
}

/// A status query as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusQuery {
    /// 1 to 256 envelopes, none twice.
    pub about: Vec<About>,
}

impl StatusQuery {
    /// Whether a control message is one, without reading all of it.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        let mut r = Reader::new(bytes);
        head(&mut r).is_ok()
    }

    /// `[1, 2, [[envelope id, header digest], …]]`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(3)
            .uint(VERSION)
            .uint(STATUS_QUERY)
            .array(self.about.len());
        for one in &self.about {
            w.array(2)
                .bytes(one.envelope.as_bytes())
                .bytes(one.header_digest.as_bytes());
        }
        w.finish()
    }

    /// Reads the CBOR form.
    pub fn decode(bytes: &[u8]) -> Result<Self, QueryError> {
        let mut r = Reader::new(bytes);
        head(&mut r)?;
        let count = r.array(limits::QUERY_ENVELOPES_MAX, "envelopes")?;
        let mut about = Vec::with_capacity(count);
        for _ in 0..count {
            r.array_exact(2, "envelope of a query")?;
            let id: [u8; 16] = r.fixed("envelope id")?;
            let digest: [u8; 32] = r.fixed("header digest")?;
            let one = About {
                envelope: EnvelopeId::from_bytes(id).map_err(|_| QueryError::Envelopes)?,
                header_digest: Digest::from_bytes(digest),
            };
            if about.contains(&one) {
                return Err(QueryError::Envelopes);
            }
            about.push(one);
        }
        r.finish()?;
        if about.is_empty() {
            return Err(QueryError::Envelopes);
        }
        Ok(Self { about })
    }
}

fn head(r: &mut Reader<'_>) -> Result<(), QueryError> {
    // The number first: other messages have another length, and are told apart by it.
    let items = r.array(CONTROL_ITEMS_MAX, "control message")?;
    let version = r.uint("control version")?;
    let number = r.uint("control number")?;
    if (version, number) != (VERSION, STATUS_QUERY) || items != 3 {
        return Err(QueryError::Unknown { version, number });
    }
    Ok(())
}

/// Items of any control message that is looked at.
const CONTROL_ITEMS_MAX: usize = 16;
