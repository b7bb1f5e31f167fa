//! The validator against the public suites. The suites run through the generic path validation,
//! without the roles of this network; roles and names are tested where certificates are issued.

mod anchors;
mod boringssl;
mod limbo;
mod pkits;
pub(crate) mod profile;
mod revocation;

pub(crate) use profile::ENDS;

use std::path::Path;

use formats::time::Timestamp;

use super::link::FROM_ROOT;
use super::path::{Question, build};
use super::policy::PolicyInput;
use super::store::Store;
use super::structure::Criticality;
use super::{ChainError, RevocationPolicy};
use crate::cert::Certificate;
use crate::suite::{Case, Verdict, judge, vectors};

/// A question with the defaults of the suites.
pub(super) fn question(at: Timestamp) -> Question {
    Question {
        at,
        revocation: RevocationPolicy::NewestHeld,
        depth_max: 14,
        policy: PolicyInput::default(),
        purpose: None,
        criticality: Criticality::Demanded,
        anchor: FROM_ROOT,
    }
}

/// Runs one question; a certificate that does not parse counts as rejected.
pub(super) fn ask(
    store: &Store,
    leaf: &Certificate,
    question: &Question,
) -> Result<Vec<Certificate>, ChainError> {
    build(store, &[], leaf, question)
}

/// A time of the suites: with or without a fraction.
pub(super) fn time(text: &str) -> Timestamp {
    let text = text.replace("+00:00", "Z");
    let whole = text.trim_end_matches('Z');
    let (seconds, fraction) = whole.split_once('.').unwrap_or((whole, "000"));
    Timestamp::parse_rfc3339(&format!("{seconds}.{:0<3.3}Z", fraction)).unwrap()
}
