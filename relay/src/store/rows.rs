//! Rows of the station's tables as values, and how they are read. Owns the mapping of columns; fails
//! with [`ReadError::Damaged`] when a row does not parse, which means another hand wrote it.

use std::collections::BTreeMap;
use std::sync::Arc;

use formats::header::Header;
use formats::id::{Digest, EnvelopeId, Party, StationName};
use formats::reason::Reason;
use formats::time::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::store::leg::{Circumstances, EnvelopeKey, LegId, LegState, Phase};
use crate::store::read::ReadError;

/// Column `body_kind`.
pub(super) const BODY_INLINE: i64 = 0;
/// Column `body_kind`.
pub(super) const BODY_FILE: i64 = 1;
/// Column `body_kind`.
pub(super) const BODY_RELEASED: i64 = 2;

/// An envelope with all its legs, as the writer keeps it in memory. The body's bytes are not in it.
#[derive(Debug, Clone)]
pub(super) struct EnvelopeEntry {
    pub(super) key: EnvelopeKey,
    pub(super) header: Arc<Header>,
    pub(super) keep_body: bool,
    pub(super) has_body: bool,
    pub(super) body_file: Option<String>,
    pub(super) legs: BTreeMap<LegId, LegRow>,
}

impl EnvelopeEntry {
    /// Columns: key, header, keep_body, body_kind, body_file.
    pub(super) fn read(row: &SqliteRow) -> Result<Self, ReadError> {
        let key = EnvelopeKey(row.try_get("key")?);
        let body_kind: i64 = row.try_get("body_kind")?;
        let header = header(row, key)?;
        let digest: Vec<u8> = row.try_get("header_digest")?;
        if header.digest().as_bytes().as_slice() != digest {
            return Err(ReadError::Damaged {
                table: "envelope",
                row: key.0,
                problem: "the header does not have its digest".to_owned(),
            });
        }
        Ok(Self {
            key,
            header: Arc::new(header),
            keep_body: row.try_get("keep_body")?,
            has_body: body_kind != BODY_RELEASED,
            body_file: row.try_get("body_file")?,
            legs: BTreeMap::new(),
        })
    }

    pub(super) fn leg_of(&self, recipient: &Party) -> Option<LegId> {
        self.legs
            .values()
            .find(|leg| leg.recipient == *recipient)
            .map(|leg| leg.id)
    }

    pub(super) fn is_done(&self) -> bool {
        self.legs.values().all(|leg| leg.state.is_final())
    }

    /// A leg of our own desk is in quarantine: its body is the evidence of what did not verify and is
    /// never removed while it is (promise 7).
    pub(super) fn is_evidence(&self) -> bool {
        self.legs
            .values()
            .any(|leg| leg.next_hop.is_none() && matches!(leg.state, LegState::Quarantined(_)))
    }
}

/// One row of `leg`.
#[derive(Debug, Clone)]
pub(super) struct LegRow {
    pub(super) id: LegId,
    pub(super) recipient: Party,
    pub(super) next_hop: Option<StationName>,
    pub(super) state: LegState,
    /// For queued legs since when.
    pub(super) next_at: Timestamp,
    pub(super) attempt: u32,
    pub(super) received: Timestamp,
    pub(super) changed: Timestamp,
    /// Of the last statement, with its epoch.
    pub(super) last_statement: Option<(i64, Digest)>,
}

/// What [`LegRow::read`] needs.
pub(super) const LEG_COLUMNS: &str = "id, envelope, recipient, next_hop, phase, reason, next_at, \
     tries, attempt, priority, received, changed, last_statement, last_epoch";

impl LegRow {
    pub(super) fn read(row: &SqliteRow) -> Result<Self, ReadError> {
        let id: i64 = row.try_get("id")?;
        let digest: Option<Vec<u8>> = row.try_get("last_statement")?;
        let last_statement = match digest {
            None => None,
            Some(bytes) => Some((row.try_get("last_epoch")?, self::digest("leg", id, &bytes)?)),
        };
        Ok(Self {
            id: LegId(id),
            recipient: party("leg", id, row.try_get("recipient")?)?,
            next_hop: station("leg", id, row.try_get("next_hop")?)?,
            state: state(row, id)?,
            next_at: time(row, "next_at")?,
            attempt: small("leg", id, row.try_get("attempt")?)?,
            received: time(row, "received")?,
            changed: time(row, "changed")?,
            last_statement,
        })
    }

    pub(super) fn tries(&self) -> u32 {
        match self.state {
            LegState::WaitingRetry { attempt, .. } => attempt,
            LegState::Queued
            | LegState::Offered
            | LegState::Held
            | LegState::PassedOn
            | LegState::Refused(_)
            | LegState::Expired
            | LegState::Withdrawn
            | LegState::Quarantined(_) => 0,
        }
    }

    pub(super) fn circumstances(&self, has_body: bool) -> Circumstances {
        Circumstances {
            local: self.next_hop.is_none(),
            has_body,
        }
    }
}

/// Columns phase, reason, next_at, tries.
pub(super) fn state(row: &SqliteRow, id: i64) -> Result<LegState, ReadError> {
    let damaged = |problem: String| ReadError::Damaged {
        table: "leg",
        row: id,
        problem,
    };
    let code: i64 = row.try_get("phase")?;
    let phase = Phase::from_code(code).ok_or_else(|| damaged(format!("phase {code}")))?;
    let reason = reason(row.try_get("reason")?);
    let with_reason = || reason.ok_or_else(|| damaged("no reason".to_owned()));
    Ok(match phase {
        Phase::Queued => LegState::Queued,
        Phase::Offered => LegState::Offered,
        Phase::WaitingRetry => LegState::WaitingRetry {
            reason: with_reason()?,
            next_at: time(row, "next_at")?,
            attempt: small("leg", id, row.try_get("tries")?)?,
        },
        Phase::Held => LegState::Held,
        Phase::PassedOn => LegState::PassedOn,
        Phase::Refused => LegState::Refused(with_reason()?),
        Phase::Expired => LegState::Expired,
        Phase::Withdrawn => LegState::Withdrawn,
        Phase::Quarantined => LegState::Quarantined(with_reason()?),
    })
}

/// By its code; a code of a later version is no reason we know.
pub(super) fn reason(code: Option<String>) -> Option<Reason> {
    let code = code?;
    Reason::ALL.into_iter().find(|reason| reason.code() == code)
}

pub(super) fn header(row: &SqliteRow, key: EnvelopeKey) -> Result<Header, ReadError> {
    let bytes: Vec<u8> = row.try_get("header")?;
    Header::decode(&bytes).map_err(|error| ReadError::Damaged {
        table: "envelope",
        row: key.0,
        problem: error.to_string(),
    })
}

pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, ReadError> {
    Ok(Timestamp::from_unix_ms(row.try_get(column)?))
}

pub(super) fn party(table: &'static str, row: i64, text: String) -> Result<Party, ReadError> {
    text.parse().map_err(|_| ReadError::Damaged {
        table,
        row,
        problem: format!("party {text:?}"),
    })
}

pub(super) fn station(
    table: &'static str,
    row: i64,
    text: Option<String>,
) -> Result<Option<StationName>, ReadError> {
    let Some(text) = text else { return Ok(None) };
    let parsed = StationName::parse(&text);
    let damaged = |_| ReadError::Damaged {
        table,
        row,
        problem: format!("station {text:?}"),
    };
    parsed.map(Some).map_err(damaged)
}

pub(super) fn digest(table: &'static str, row: i64, bytes: &[u8]) -> Result<Digest, ReadError> {
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| ReadError::Damaged {
        table,
        row,
        problem: format!("digest of {} bytes", bytes.len()),
    })?;
    Ok(Digest::from_bytes(bytes))
}

pub(super) fn salt(table: &'static str, row: i64, bytes: &[u8]) -> Result<[u8; 32], ReadError> {
    digest(table, row, bytes).map(|digest| *digest.as_bytes())
}

pub(super) fn small(table: &'static str, row: i64, number: i64) -> Result<u32, ReadError> {
    u32::try_from(number).map_err(|_| ReadError::Damaged {
        table,
        row,
        problem: format!("number {number}"),
    })
}

/// Station names in one column, a space between them.
pub(super) fn via_text(via: &[StationName]) -> String {
    via.iter()
        .map(StationName::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

pub(super) fn via(row: i64, text: &str) -> Result<Vec<StationName>, ReadError> {
    let names = text.split_ascii_whitespace().map(StationName::parse);
    names
        .collect::<Result<_, _>>()
        .map_err(|_| ReadError::Damaged {
            table: "envelope",
            row,
            problem: format!("via {text:?}"),
        })
}

/// Names an envelope across stations.
pub(super) fn name(header: &Header) -> (Party, EnvelopeId) {
    (header.context().sender.clone(), header.context().id)
}
