//! How long a document is kept: content deleted by a rule, holds, and what asking for evidence came to.

use formats::id::{Digest, EnvelopeId};
use formats::time::Timestamp;
use serde::Serialize;

use super::state::{as_text, as_text_time};

/// The packet is here no more; its digest, signature and evidence are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ContentDeleted {
    /// When.
    #[serde(serialize_with = "as_text_time")]
    pub at: Timestamp,
    /// By which rule.
    pub rule: String,
}

/// One act about keeping a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeepingView {
    /// `hold`, `release` or `deleted`.
    pub act: String,
    /// The person, key or rule that did it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    #[serde(serialize_with = "as_text_time")]
    pub at: Timestamp,
}

/// Whether the last word about holding is a hold.
#[must_use]
pub fn is_held(keeping: &[KeepingView]) -> bool {
    let last = keeping.iter().rev().find(|one| one.act != "deleted");
    last.is_some_and(|one| one.act == "hold")
}

/// Who was asked for their statements again. The answers come as receipts.
#[derive(Clone, Debug, Serialize)]
pub struct Refreshed {
    /// The document.
    #[serde(serialize_with = "as_text")]
    pub id: EnvelopeId,
    /// Stations that are asked.
    pub asked: Vec<String>,
    /// Stations that cannot be asked now.
    pub unreachable: Vec<Unasked>,
    /// They were asked a moment ago, and are not asked again.
    pub asked_before: bool,
}

/// A station that cannot be asked.
#[derive(Clone, Debug, Serialize)]
pub struct Unasked {
    /// Which.
    pub station: String,
    /// Why.
    pub why: String,
}

/// A packet that was refused for good, as the station's log states it.
#[derive(Clone, Debug, Serialize)]
pub struct Rejected {
    /// Names the refusal.
    #[serde(serialize_with = "as_text")]
    pub id: EnvelopeId,
    /// SHA-256 of the packet.
    #[serde(serialize_with = "as_text")]
    pub packet_digest: Digest,
    /// The receipt (file `*.receipt`), base64.
    pub receipt: String,
}
