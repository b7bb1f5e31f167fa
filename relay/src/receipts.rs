//! Receipts: turns the statements that this station owes other stations into envelopes of class
//! `receipt`: one envelope per station for all that gathered, its body the receipt bundle in clear,
//! its header signed with the evidence key. The envelope and the settling of what it carries are
//! one commit, so a receipt is neither lost nor sent twice.
//!
//! Receipts state nothing and are never answered by receipts. Fails by waiting: what could not be
//! sent is still owed. Must not know: what the statements say, how they travel.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use formats::header::{Class, Priority};
use formats::id::Party;

use crate::own;
use crate::station::Core;
use crate::store::pace::Pace;
use crate::store::{Change, NewLeg, OwedReceipts, Write};

/// Why a receipt envelope could not be made; it stays owed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReceiptError {
    /// The envelope itself.
    #[error(transparent)]
    Envelope(#[from] own::LetterError),
    /// No road to the station, or the commit said no.
    #[error("{0}")]
    Waits(String),
}

/// Sends what is owed whenever something new is, until the station stops.
pub(crate) async fn run(core: Arc<Core>) {
    let mut pace = Pace::new(PASS_EVERY, BUSY_RECEIPTS, Instant::now());
    loop {
        tokio::select! {
            () = core.receipts_owed.notified() => {}
            () = tokio::time::sleep(core.config.timing.sweep * SWEEPS) => {}
            () = core.stop.cancelled() => return,
        }
        // Each envelope of receipts costs as much as a document's: when many are owed, they travel together.
        if let Some(wait) = pace.wait(Instant::now()) {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = core.stop.cancelled() => return,
            }
        }
        let begun = Instant::now();
        let told = settle_all(&core).await;
        pace.round(told, begun);
    }
}

/// One pass over everything that is owed now. A station that cannot be told (it left the records, no
/// road) is passed over for the rest of it: what it is owed waits, the others are told.
async fn settle_all(core: &Arc<Core>) -> usize {
    let mut waiting = BTreeSet::new();
    let mut told = 0;
    loop {
        let owed = match core.store.owed_receipts(BATCH, &waiting).await {
            Ok(owed) => owed,
            Err(error) => {
                tracing::warn!(%error, "owed receipts cannot be read");
                return told;
            }
        };
        if owed.is_empty() {
            return told;
        }
        let count: usize = owed.iter().map(|one| one.positions.len()).sum();
        told += count;
        let sends = owed.into_iter().map(|one| async {
            let station = one.station.clone();
            settle(core, one).await.map_err(|error| (station, error))
        });
        let outcomes = futures_util::future::join_all(sends).await;
        for (station, error) in outcomes.into_iter().filter_map(Result::err) {
            if core.facts.first(&format!("receipt {error}")) {
                tracing::warn!(%error, "receipt stays owed");
            }
            waiting.insert(station);
        }
        // What came meanwhile is told in the next pass, together with what else comes until then.
        if count < BATCH && waiting.is_empty() {
            return told;
        }
    }
}

async fn settle(core: &Arc<Core>, owed: OwedReceipts) -> Result<(), ReceiptError> {
    let now = core.clock.now();
    let to = Party::Station(owed.station.clone());
    let next_hop = core
        .next_hop(&to, &[], now)
        .map_err(|reason| ReceiptError::Waits(format!("{to}: {}", reason.code())))?;
    let letter = own::Letter {
        class: Class::Receipt,
        priority: Priority::Normal,
        legs: vec![NewLeg {
            recipient: to,
            next_hop,
        }],
        body: owed.bundle.encode(),
    };
    let accept = own::envelope(core, letter, now).await?;
    let settled = Write::SettleReceipts {
        positions: owed.positions,
    };
    core.commit(Change::of(vec![accept.into(), settled]))
        .await
        .map(|_| ())
        .map_err(|error| ReceiptError::Waits(error.to_string()))
}

/// Passes begin at least this far apart when many receipts are owed.
const PASS_EVERY: Duration = Duration::from_millis(40);
/// Statements in a tenth of a second that are many.
const BUSY_RECEIPTS: usize = 10;
/// How many owed statements are read at once, at most what one bundle may hold.
const BATCH: usize = 1024;
/// Sweeps between two looks without being woken.
const SWEEPS: u32 = 10;
