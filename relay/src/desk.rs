//! Desk: what a node adds to a station, seen from the station. The station knows it by this trait
//! only.
//!
//! Calls come from the station's tasks and must return at once: a desk that has work to do puts it
//! into a queue of its own. Must not know: HTTP, edXML, keys.

use std::sync::Arc;

use formats::header::Header;
use formats::id::{Party, StationName};
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::time::Timestamp;

use crate::station::Station;
use crate::store::{BodyPlace, DeskWrite, EnvelopeKey, LegId};

/// The desk of a node.
pub trait Desk: Send + Sync {
    /// The desk's migrations, oldest first (see [`crate::store::Options::desk_schema`]).
    fn schema(&self) -> &'static [&'static str] {
        &[]
    }

    /// Called once, before anything arrives: the handle through which the desk commits and asks.
    fn attached(&self, station: &Station) {
        let _unused = station;
    }

    /// A leg for one of our parties is durable here. Idempotent: called again after a restart,
    /// until the leg is final.
    fn arrived(&self, arrival: Arrival);

    /// A leg of an envelope that this desk sent changes its state; the answer joins the same
    /// commit.
    fn leg_changed(&self, change: &LegChange) -> Option<Box<dyn DeskWrite>>;
}

/// A leg that is here to be delivered (or, class receipt and control, to be read).
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The leg; the desk moves it to its final state when it has taken it.
    pub leg: LegId,
    /// Its envelope.
    pub envelope: EnvelopeKey,
    /// Whom it is for.
    pub recipient: Party,
    /// The header; its signature was verified when the envelope was accepted.
    pub header: Arc<Header>,
    /// The header's CMS signature.
    pub header_signature: Arc<[u8]>,
    /// Size of piece 0 of the body.
    pub capsule_bytes: u32,
    /// The sealed body.
    pub body: BodyPlace,
    /// The neighbour it came from; `None` = sent by this desk.
    pub from: Option<StationName>,
}

/// Legs that changed, all of one envelope and in the same way.
#[derive(Clone, Debug)]
pub struct LegChange {
    /// The envelope's header.
    pub header: Arc<Header>,
    /// The envelope.
    pub envelope: EnvelopeKey,
    /// The legs with their recipients.
    pub legs: Vec<(LegId, Party)>,
    /// What happened to them.
    pub what: What,
}

/// What happened to legs.
#[derive(Clone, Debug)]
pub enum What {
    /// The next station has custody.
    PassedOn {
        /// Which.
        to: StationName,
        /// Its statements, verified; none for class receipt and control.
        bundle: Option<Arc<ReceiptBundle>>,
    },
    /// The next station refused for good.
    Refused {
        /// Why.
        reason: Reason,
        /// Who.
        by: StationName,
    },
    /// It will be tried again.
    Retry {
        /// Why the last try did not work.
        reason: Reason,
        /// When.
        next_at: Timestamp,
        /// How many tries there were.
        attempt: u32,
    },
    /// Its time ran out at this station.
    Expired,
}
