//! Recall: what a station asks of the stations of its recipients, in the body of an envelope of class
//! control (architecture 5): do not deliver this envelope to these recipients.
//!
//! The message carries the whole signed header of what is taken back, so that the recipient's home
//! station can bury an envelope that has not come yet, and every station on the way can see that the
//! one who asks is the one that the sender's header names. Whether it is, and whether the signature
//! holds, is for `relay` and `node` to judge. Fails with [`RecallError`].

use crate::cbor::{self, Reader, Writer};
use crate::header::{Header, HeaderError};
use crate::id::Party;
use crate::limits;

/// The version that this code writes and reads.
const VERSION: u64 = 1;
/// The number of this message among the control messages.
const RECALL: u64 = 1;
/// Longest text of a party: a station's name.
const PARTY_CHARS_MAX: usize = 120;

/// Why bytes are not a recall. The fault is the station's that sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecallError {
    /// Not deterministic CBOR of the right shape.
    #[error(transparent)]
    Cbor(#[from] cbor::Error),
    /// A control message of a later version.
    #[error("control message {number} of version {version} is not known")]
    Unknown {
        /// Version of the message.
        version: u64,
        /// Its number.
        number: u64,
    },
    /// The header inside is not a header.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Nobody, somebody twice, or somebody whom the header does not name.
    #[error("recipients of the recall are not recipients of the envelope")]
    Recipients,
}

/// A recall as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recall {
    /// Header of what is taken back.
    pub header: Header,
    /// Its CMS signature, 1 byte to 64 KiB.
    pub header_signature: Vec<u8>,
    /// From whom: recipients of that header, none twice.
    pub recipients: Vec<Party>,
}

impl Recall {
    /// `[1, 1, header, header signature, [recipient, …]]`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(5)
            .uint(VERSION)
            .uint(RECALL)
            .bytes(self.header.bytes())
            .bytes(&self.header_signature)
            .array(self.recipients.len());
        for recipient in &self.recipients {
            w.text(recipient.as_str());
        }
        w.finish()
    }

    /// Reads the CBOR form; a recall of nobody, or of somebody the header does not name, is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecallError> {
        let mut r = Reader::new(bytes);
        r.array_exact(5, "control message")?;
        let version = r.uint("control version")?;
        let number = r.uint("control number")?;
        if (version, number) != (VERSION, RECALL) {
            return Err(RecallError::Unknown { version, number });
        }
        let header = Header::decode(r.bytes(limits::HEADER_BYTES_MAX, "header")?)?;
        let header_signature = r
            .bytes(limits::SIGNATURE_BYTES_MAX, "header signature")?
            .to_vec();
        let count = r.array(limits::RECIPIENTS_MAX, "recipients")?;
        let named = &header.context().recipients;
        let mut recipients = Vec::with_capacity(count);
        for _ in 0..count {
            let text = r.text(PARTY_CHARS_MAX, "recipient")?;
            let party: Party = text.parse().map_err(|_| RecallError::Recipients)?;
            if !named.contains(&party) || recipients.contains(&party) {
                return Err(RecallError::Recipients);
            }
            recipients.push(party);
        }
        r.finish()?;
        if recipients.is_empty() {
            return Err(RecallError::Recipients);
        }
        Ok(Self {
            header,
            header_signature,
            recipients,
        })
    }
}
