//! Status queries (architecture 5): a sender's station asks again for what we stated about its envelopes.
//! The answer is that our statements are owed once more, so they travel with all other receipts, one
//! envelope for many, and a crash in between loses nothing.
//!
//! Who may ask is the station that the envelope's header names as its sender's; everything else is passed
//! over. An envelope is answered for at most once a minute, so that asking costs the asker more than us.
//! A query is answered by no statement. Fails by answering nothing: the asker asks again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use formats::id::Party;
use formats::query::{About, StatusQuery};

use crate::station::Core;
use crate::store::{EnvelopeKey, Write};

/// Envelopes that were answered for a short time ago.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<HashMap<EnvelopeKey, Instant>>);

impl Answered {
    /// True if the envelope was not answered for in the last minute; it counts as answered from now on.
    fn may(&self, envelope: EnvelopeKey, now: Instant) -> bool {
        let mut answered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered.len() >= ANSWERED_MAX {
            answered.retain(|_, at| now.saturating_duration_since(*at) < AGAIN_AFTER);
        }
        if answered.len() >= ANSWERED_MAX {
            return false;
        }
        let last = answered.get(&envelope);
        let free = last.is_none_or(|at| now.saturating_duration_since(*at) >= AGAIN_AFTER);
        if free {
            answered.insert(envelope, now);
        }
        free
    }
}

/// The writes that answer a control message, none if it is no query or asks for nothing that we may tell.
pub(crate) async fn answer(core: &Core, asks: &Party, body: &[u8]) -> Vec<Write> {
    if !StatusQuery::is_one(body) {
        return Vec::new();
    }
    let query = match StatusQuery::decode(body) {
        Ok(query) => query,
        Err(error) => {
            tracing::warn!(code = "TRAM-326", %asks, %error, "control message is kept, not acted on");
            return Vec::new();
        }
    };
    let asked = query.about.len();
    let mut writes = Vec::new();
    for about in query.about {
        match known(core, asks, &about).await {
            Ok(Some(envelope)) if core.answered.may(envelope, Instant::now()) => {
                writes.push(Write::Owe { envelope });
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(code = "TRAM-331", %error, "store cannot be read");
                break;
            }
        }
    }
    let answers = writes.len();
    tracing::info!(%asks, asked, answers, "statements asked for again");
    writes
}

async fn known(
    core: &Core,
    asks: &Party,
    about: &About,
) -> Result<Option<EnvelopeKey>, crate::store::ReadError> {
    let found = core.store.find_id(&about.envelope).await?;
    let theirs = found.into_iter().find(|one| {
        let context = one.header.context();
        one.header.digest() == about.header_digest
            && context.class.is_sealed()
            && asks.station() == Some(&context.sender_station)
    });
    Ok(theirs.map(|one| one.key))
}

/// An envelope is answered for once in this time.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Envelopes remembered; while so many were answered for within a minute, the others wait.
const ANSWERED_MAX: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_answered_for_once_a_minute() {
        let answered = Answered::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(answered.may(EnvelopeKey(1), start));
        assert!(!answered.may(EnvelopeKey(1), after(59)));
        assert!(answered.may(EnvelopeKey(2), after(59)));
        assert!(answered.may(EnvelopeKey(1), after(60)));
    }

    #[test]
    fn a_flood_is_bounded_and_ends_with_its_minute() {
        let answered = Answered::default();
        let start = Instant::now();
        for key in 0..ANSWERED_MAX {
            assert!(answered.may(EnvelopeKey(i64::try_from(key).unwrap()), start));
        }
        assert!(!answered.may(EnvelopeKey(-1), start));
        assert!(answered.may(EnvelopeKey(-1), start + AGAIN_AFTER));
    }
}
