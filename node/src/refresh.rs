//! Status queries of the desk (architecture 5): asks the stations on a document's road for their statements
//! again, when a receipt is overdue, when a log was stamped after its receipt had left, and when somebody
//! wants to see the newest evidence.
//!
//! By itself an envelope is asked about a few times at most, an hour or more after it fell silent and never
//! all at one moment; many envelopes of one station share one message. What comes back are receipts like any
//! others (`receipts`). Fails by asking later.

use std::collections::{BTreeMap, BTreeSet};

use formats::header::Header;
use formats::id::{AgencyCode, EnvelopeId, Party, StationName};
use formats::limits;
use formats::query::{About, StatusQuery};
use formats::time::Timestamp;
use relay::store::{Change, Write};

use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::store::commit::desk_rows;
use crate::store::ledger;
use crate::store::queries::{self, Silent};
use crate::view::{Refreshed, Unasked};

/// Asks about a document now, unless it was asked about in the last minute.
pub(crate) async fn document(
    core: &Core,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<Refreshed, DeskError> {
    let pool = core.reader();
    ledger::document(&pool, agency, id).await?;
    let envelopes = queries::of_document(&pool, id).await?;
    let now = core.now();
    let recent = now.minus_ms(AGAIN_MS);
    let fresh = envelopes
        .iter()
        .any(|one| one.asked.is_some_and(|asked| asked > recent));
    let (asked, unreachable) = ask(core, &envelopes, now, fresh).await?;
    Ok(Refreshed {
        id,
        asked,
        unreachable,
        asked_before: fresh,
    })
}

/// Asks by itself about what fell silent; at most one message's worth of envelopes a look.
pub(crate) async fn overdue(core: &Core, now: Timestamp) -> Result<(), DeskError> {
    let pool = core.reader();
    let most = u32::try_from(limits::QUERY_ENVELOPES_MAX).unwrap_or(1);
    let mut silent = queries::silent(&pool, now, most).await?;
    silent.retain(|one| one.since.plus_ms(jitter_ms(one)) < now);
    if silent.is_empty() {
        return Ok(());
    }
    ask(core, &silent, now, false).await.map(|_| ())
}

/// The envelope's own wait within half an hour, so that a day's documents are not asked about together.
fn jitter_ms(one: &Silent) -> i64 {
    let byte = one.header_digest.as_bytes().first().copied().unwrap_or(0);
    i64::from(byte) * SPREAD_MS / 256
}

type Asked = (Vec<String>, Vec<Unasked>);

async fn ask(
    core: &Core,
    envelopes: &[Silent],
    now: Timestamp,
    only_name: bool,
) -> Result<Asked, DeskError> {
    let mut by_station: BTreeMap<StationName, Vec<About>> = BTreeMap::new();
    for one in envelopes {
        for station in stations(core, one, now).await? {
            by_station.entry(station).or_default().push(About {
                envelope: one.envelope,
                header_digest: one.header_digest,
            });
        }
    }
    let (mut asked, mut unreachable) = (Vec::new(), Vec::new());
    let mut writes: Vec<Write> = Vec::new();
    for (station, about) in by_station {
        if only_name {
            asked.push(station.to_string());
            continue;
        }
        for about in about.chunks(limits::QUERY_ENVELOPES_MAX) {
            let message = StatusQuery {
                about: about.to_vec(),
            };
            let to = std::slice::from_ref(&station);
            match core.station().control(to, message.encode()).await {
                Ok(accept) => writes.push(accept.into()),
                Err(error) => {
                    let why = error.to_string();
                    let station = station.to_string();
                    unreachable.push(Unasked { station, why });
                    break;
                }
            }
        }
        if unreachable
            .last()
            .is_none_or(|one| one.station != station.as_str())
        {
            asked.push(station.to_string());
        }
    }
    if !only_name {
        let ids: Vec<String> = envelopes
            .iter()
            .map(|one| one.envelope.to_string())
            .collect();
        let rows = desk_rows(move |desk, _| {
            queries::asked(desk, &ids, now);
            Ok(())
        });
        core.station()
            .commit(Change::with_desk(writes, rows))
            .await?;
    }
    Ok((asked, unreachable))
}

/// Whoever stated or should have stated something about the envelope, but for ourselves.
async fn stations(
    core: &Core,
    one: &Silent,
    now: Timestamp,
) -> Result<BTreeSet<StationName>, DeskError> {
    let header = Header::decode(&one.header)
        .map_err(|error| DeskError::Internal(format!("stored header: {error}")))?;
    let mut found = queries::speakers(&core.reader(), one.envelope).await?;
    let directory = core.station().directory().snapshot();
    for recipient in header.context().recipients.iter().filter_map(Party::agency) {
        found.extend(directory.home_station(recipient, header.context().created));
        found.extend(directory.home_station(recipient, now));
    }
    found.remove(core.station().name());
    Ok(found)
}

/// A document is asked about once in this time: stations answer no more often.
const AGAIN_MS: i64 = 60_000;
/// Questions that fall due together are spread over this long.
const SPREAD_MS: i64 = 30 * 60_000;
