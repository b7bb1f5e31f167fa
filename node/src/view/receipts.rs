//! The receipts of a sent document as its sender's system takes them: bytes to be checked by whoever does
//! not believe this desk, and what they say in plain fields. Nothing here reads a store, a clock or a file.

use formats::id::{Digest, EnvelopeId};
use formats::time::Timestamp;
use serde::{Serialize, Serializer};

use super::state::{RecipientState, as_text, as_text_time};

/// Receipts about one document, and what opens the commitment in them.
#[derive(Clone, Debug, Serialize)]
pub struct ReceiptsView {
    /// The document.
    #[serde(serialize_with = "as_text")]
    pub id: EnvelopeId,
    /// Every recipient reached what was asked for, or a state that is final.
    pub complete: bool,
    /// The state that decides the badge.
    pub state: RecipientState,
    /// How many recipients the document has.
    pub recipients: u64,
    /// SHA-256 of the packet.
    #[serde(serialize_with = "as_text")]
    pub packet_digest: Digest,
    /// Salt of the first envelope's commitment.
    #[serde(serialize_with = "as_base64")]
    pub salt: Vec<u8>,
    /// Signature value of the packet's CMS: commitment = SHA-256("tram-content-1" ‖ salt ‖ packet
    /// digest ‖ SHA-256(signature value)).
    #[serde(serialize_with = "as_base64")]
    pub signature_value: Vec<u8>,
    /// Every envelope with the salt of its commitment; more than one for a split or repeated document.
    pub envelopes: Vec<EnvelopeOpening>,
    /// In the order in which they came.
    pub receipts: Vec<ReceiptView>,
}

/// What opens the commitment of one envelope.
#[derive(Clone, Debug, Serialize)]
pub struct EnvelopeOpening {
    /// The envelope.
    #[serde(serialize_with = "as_text")]
    pub id: EnvelopeId,
    /// The salt of its commitment.
    #[serde(serialize_with = "as_base64")]
    pub salt: Vec<u8>,
}

/// Statements of one station about this document under one signed checkpoint.
#[derive(Clone, Debug, Serialize)]
pub struct ReceiptView {
    /// CBOR of the receipt bundle (file `*.receipt`), with this document's statements only.
    #[serde(serialize_with = "as_base64")]
    pub bundle: Vec<u8>,
    /// What they say, in the order of the bundle.
    pub events: Vec<ReceiptEvent>,
}

/// One statement in plain fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReceiptEvent {
    /// Name of the event (ETSI EN 319 522), for example `ContentHandover`.
    pub event: &'static str,
    /// The envelope that it is about.
    #[serde(serialize_with = "as_text")]
    pub envelope: EnvelopeId,
    /// The recipient that it is about.
    pub recipient: String,
    /// The station that says it.
    pub station: String,
    /// When, by that station's clock.
    #[serde(serialize_with = "as_text_time")]
    pub at: Timestamp,
    /// Why, for refusals: the reason's code.
    pub reason: Option<&'static str>,
}

fn as_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    use base64::Engine;
    serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(bytes))
}
