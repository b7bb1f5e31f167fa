//! What the store can be asked: legs that are due, envelopes, the queue's shape, a leg's history, the
//! receipts owed, the statements of an envelope with proofs. Owns the types of the answers and the
//! queries behind them; fails by [`ReadError`]; changes nothing.

use std::sync::Arc;

use formats::body::Layout;
use formats::header::{Header, Priority};
use formats::id::{EnvelopeId, Party, StationName};
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};

use crate::store::body::{BodyError, BodyReader};
use crate::store::leg::Phase;
use crate::store::mend::Place;
use crate::store::rows::{self, BODY_FILE, BODY_INLINE, BODY_RELEASED, LegRow};
use crate::store::{BodyPlace, Conflict, DueLeg, EnvelopeKey, LegId, LegState, Store};

/// Why a read gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A row does not parse: the database was changed by another hand, or our bug.
    #[error("{table} row {row}: {problem}")]
    Damaged {
        /// Which table.
        table: &'static str,
        /// Its key.
        row: i64,
        /// What does not parse.
        problem: String,
    },
    /// A proof from the stored tiles does not lead to the signed root.
    #[error("leaf {index} does not lead to the root of size {size}")]
    Unprovable {
        /// Which leaf.
        index: u64,
        /// In which tree.
        size: u64,
    },
    /// SQLite.
    #[error("database")]
    Database(#[from] sqlx::Error),
}

/// An envelope as it lies here.
#[derive(Debug, Clone)]
pub struct StoredEnvelope {
    /// Its key.
    pub key: EnvelopeKey,
    /// The signed header.
    pub header: Arc<Header>,
    /// Its CMS signature.
    pub header_signature: Vec<u8>,
    /// Size of piece 0 of the body.
    pub capsule_bytes: u32,
    /// Where it came through before this station.
    pub via: Vec<StationName>,
    /// The neighbour that offered it first; `None` = own desk.
    pub from: Option<StationName>,
    /// When it came first.
    pub received: Timestamp,
    /// The body; `None` once it is released.
    pub body: Option<BodyPlace>,
}

/// A leg as it stands, with its envelope's name.
#[derive(Debug, Clone)]
pub struct LegRecord {
    /// The leg.
    pub leg: LegId,
    /// Its envelope.
    pub envelope: EnvelopeKey,
    /// Whom it is for.
    pub recipient: Party,
    /// Where it goes next or went last; `None` = here.
    pub next_hop: Option<StationName>,
    /// Its state.
    pub state: LegState,
    /// The sender's attempt.
    pub attempt: u32,
    /// When this station took it.
    pub received: Timestamp,
    /// When its state changed last.
    pub changed: Timestamp,
}

/// One turn in a leg's history that was not the plain way: a retry, a hold, a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegTurn {
    /// When.
    pub at: Timestamp,
    /// The state's word.
    pub state: &'static str,
    /// Why.
    pub reason: Option<Reason>,
    /// The next hop at that time.
    pub next_hop: Option<StationName>,
}

/// Receipts that this station owes another one.
#[derive(Debug, Clone)]
pub struct OwedReceipts {
    /// To whom.
    pub station: StationName,
    /// For [`crate::store::Write::SettleReceipts`].
    pub positions: Vec<i64>,
    /// The statements with proofs in the newest head.
    pub bundle: ReceiptBundle,
}

/// Which checkpoint proofs lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProofBase {
    /// The newest signed head.
    Newest,
    /// The first time-stamped checkpoint that covers all the statements; the newest head if none does.
    FirstStamped,
}

/// How many legs there are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateCount {
    /// The state's word.
    pub state: &'static str,
    /// How many.
    pub legs: u64,
}

/// What waits for one next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Where to; `None` = the own desk.
    pub next_hop: Option<StationName>,
    /// Legs not final.
    pub legs: u64,
    /// Of them, in `waiting_retry`.
    pub waiting_retry: u64,
    /// When the oldest of them came.
    pub oldest: Timestamp,
    /// Legs by age: up to 1 minute, 5 minutes, 1 hour, 1 day, and more.
    pub ages: [u64; 5],
}

/// What waits here, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueShape {
    /// One entry a state that is not final.
    pub states: Vec<StateCount>,
    /// One entry a next hop, most legs first.
    pub destinations: Vec<Destination>,
    /// Receipts that are not in an envelope yet.
    pub owed_receipts: u64,
}

/// Columns of [`due_leg`].
const DUE_COLUMNS: &str = "id, envelope, recipient, next_hop, phase, reason, next_at, tries, \
     attempt, priority, received";

impl Store {
    /// Legs for `next_hop` that may go now, the most urgent first and then the oldest.
    pub async fn due(
        &self,
        next_hop: &StationName,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DueLeg>, ReadError> {
        // One range of the index for each priority: whatever waits for a later time is never walked.
        let mut query = QueryBuilder::<Sqlite>::new("");
        for (nth, priority) in Priority::ALL.iter().rev().enumerate() {
            query.push(if nth == 0 {
                "SELECT * FROM (SELECT "
            } else {
                " UNION ALL SELECT * FROM (SELECT "
            });
            query
                .push(DUE_COLUMNS)
                .push(" FROM leg WHERE phase IN (0, 2) AND next_hop = ");
            query.push_bind(next_hop.as_str().to_owned());
            query
                .push(" AND priority = ")
                .push_bind(i64::from(priority.number()));
            query.push(" AND next_at <= ").push_bind(now.unix_ms());
            query
                .push(" ORDER BY next_at, id LIMIT ")
                .push_bind(count(limit))
                .push(")");
        }
        query.push(" LIMIT ").push_bind(count(limit));
        self.due_legs(query).await
    }

    /// Next hops that have a leg which may go now.
    pub async fn due_hops(&self, now: Timestamp) -> Result<Vec<StationName>, ReadError> {
        let rows = sqlx::query(
            "SELECT DISTINCT next_hop FROM leg \
             WHERE phase IN (0, 2) AND next_hop IS NOT NULL AND next_at <= ?",
        )
        .bind(now.unix_ms())
        .fetch_all(&self.shared.readers)
        .await?;
        let hops = rows
            .iter()
            .map(|row| rows::station("leg", 0, row.try_get("next_hop")?));
        Ok(hops
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    /// When the next leg in `waiting_retry` may go again.
    pub async fn next_retry(&self) -> Result<Option<Timestamp>, ReadError> {
        let row = sqlx::query("SELECT min(next_at) AS next_at FROM leg WHERE phase = 2")
            .fetch_one(&self.shared.readers)
            .await?;
        let next_at: Option<i64> = row.try_get("next_at")?;
        Ok(next_at.map(Timestamp::from_unix_ms))
    }

    /// Legs whose home is this station and that are not final: what the desk is told again at a start.
    /// In order of age; go on with the last one's id.
    pub async fn local_open(
        &self,
        after: Option<LegId>,
        limit: usize,
    ) -> Result<Vec<DueLeg>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query
            .push(DUE_COLUMNS)
            .push(" FROM leg WHERE phase < 4 AND next_hop IS NULL AND id > ");
        query.push_bind(after.map_or(0, |leg| leg.0));
        query.push(" ORDER BY id LIMIT ").push_bind(count(limit));
        self.due_legs(query).await
    }

    /// Legs on their way that are not final, in order of age: to be routed anew when roads change.
    pub async fn onward_open(
        &self,
        after: Option<LegId>,
        limit: usize,
    ) -> Result<Vec<DueLeg>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(DUE_COLUMNS);
        query.push(" FROM leg WHERE phase < 4 AND next_hop IS NOT NULL AND id > ");
        query.push_bind(after.map_or(0, |leg| leg.0));
        query.push(" ORDER BY id LIMIT ").push_bind(count(limit));
        self.due_legs(query).await
    }

    /// Legs that are not final and whose envelope expired before `now`.
    pub async fn expired(&self, now: Timestamp, limit: usize) -> Result<Vec<DueLeg>, ReadError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query
            .push(DUE_COLUMNS)
            .push(" FROM leg WHERE phase < 4 AND expires < ");
        query.push_bind(now.unix_ms());
        query
            .push(" ORDER BY expires LIMIT ")
            .push_bind(count(limit));
        self.due_legs(query).await
    }

    /// The envelope of this key, with its body if it is small.
    pub async fn envelope(&self, key: EnvelopeKey) -> Result<Option<StoredEnvelope>, ReadError> {
        match self.envelope_row(key).await {
            // A bit of the disk may have turned: what the digest proves is put right, once.
            Err(ReadError::Damaged { row, .. }) => {
                let _told_by_reading_again = self.mend(Place::Envelope(row)).await;
                self.envelope_row(key).await
            }
            read => read,
        }
    }

    async fn envelope_row(&self, key: EnvelopeKey) -> Result<Option<StoredEnvelope>, ReadError> {
        let row = sqlx::query("SELECT * FROM envelope WHERE key = ?")
            .bind(key.0)
            .fetch_optional(&self.shared.readers)
            .await?;
        row.as_ref().map(stored_envelope).transpose()
    }

    /// The envelope of this name, with its body if it is small.
    pub async fn find(
        &self,
        sender: &Party,
        id: &EnvelopeId,
    ) -> Result<Option<StoredEnvelope>, ReadError> {
        let row = sqlx::query("SELECT * FROM envelope WHERE sender = ? AND id = ?")
            .bind(sender.as_str())
            .bind(id.as_bytes().as_slice())
            .fetch_optional(&self.shared.readers)
            .await?;
        row.as_ref().map(stored_envelope).transpose()
    }

    /// Envelopes of this id, whoever sent them: for `trace`, where the sender is not told.
    pub async fn find_id(&self, id: &EnvelopeId) -> Result<Vec<StoredEnvelope>, ReadError> {
        let rows = sqlx::query("SELECT * FROM envelope WHERE id = ? LIMIT 16")
            .bind(id.as_bytes().as_slice())
            .fetch_all(&self.shared.readers)
            .await?;
        rows.iter().map(stored_envelope).collect()
    }

    /// Opens the body of an envelope; `None` if it is released.
    pub async fn open_body(
        &self,
        envelope: &StoredEnvelope,
    ) -> Result<Option<BodyReader>, BodyError> {
        let Some(place) = &envelope.body else {
            return Ok(None);
        };
        let header = &envelope.header;
        let class = header.context().class;
        let layout = Layout::new(class, envelope.capsule_bytes, header.body_bytes())
            .map_err(|_| BodyError::Damaged { piece: 0 })?;
        self.shared
            .bodies
            .reader(place, header.body_digest(), layout)
            .await
            .map(Some)
    }

    /// All legs of an envelope.
    pub async fn legs(&self, envelope: EnvelopeKey) -> Result<Vec<LegRecord>, ReadError> {
        let rows = sqlx::query("SELECT * FROM leg WHERE envelope = ? ORDER BY id")
            .bind(envelope.0)
            .fetch_all(&self.shared.readers)
            .await?;
        rows.iter().map(leg_record).collect()
    }

    /// One leg.
    pub async fn leg(&self, leg: LegId) -> Result<Option<LegRecord>, ReadError> {
        let row = sqlx::query("SELECT * FROM leg WHERE id = ?")
            .bind(leg.0)
            .fetch_optional(&self.shared.readers)
            .await?;
        row.as_ref().map(leg_record).transpose()
    }

    /// The turns of a leg that were not the plain way, the oldest first, at most the last hundred.
    pub async fn turns(&self, leg: LegId) -> Result<Vec<LegTurn>, ReadError> {
        let rows = sqlx::query(
            "SELECT * FROM (SELECT * FROM leg_turn WHERE leg = ? ORDER BY id DESC LIMIT 100) \
             ORDER BY id",
        )
        .bind(leg.0)
        .fetch_all(&self.shared.readers)
        .await?;
        rows.iter().map(leg_turn).collect()
    }

    /// Second headers under a taken id, the newest first.
    pub async fn conflicts(&self, limit: usize) -> Result<Vec<Conflict>, ReadError> {
        let rows = sqlx::query("SELECT * FROM id_conflict ORDER BY received DESC LIMIT ?")
            .bind(count(limit))
            .fetch_all(&self.shared.readers)
            .await?;
        rows.iter().map(conflict).collect()
    }

    /// What waits here and how old it is.
    pub async fn shape(&self, now: Timestamp) -> Result<QueueShape, ReadError> {
        let mut states = Vec::new();
        let rows =
            sqlx::query("SELECT phase, count(*) AS legs FROM leg WHERE phase < 4 GROUP BY phase")
                .fetch_all(&self.shared.readers)
                .await?;
        for row in &rows {
            let phase = Phase::from_code(row.try_get("phase")?).unwrap_or(Phase::Held);
            states.push(StateCount {
                state: phase.word(),
                legs: natural(row, "legs")?,
            });
        }
        let rows = sqlx::query(
            "SELECT next_hop, count(*) AS legs, sum(phase = 2) AS retry, min(received) AS oldest, \
               sum(?1 - received <= 60000) AS a, \
               sum(?1 - received > 60000 AND ?1 - received <= 300000) AS b, \
               sum(?1 - received > 300000 AND ?1 - received <= 3600000) AS c, \
               sum(?1 - received > 3600000 AND ?1 - received <= 86400000) AS d, \
               sum(?1 - received > 86400000) AS e \
             FROM leg WHERE phase < 4 GROUP BY next_hop ORDER BY legs DESC",
        )
        .bind(now.unix_ms())
        .fetch_all(&self.shared.readers)
        .await?;
        let destinations = rows.iter().map(destination).collect::<Result<_, _>>()?;
        let row = sqlx::query("SELECT count(*) AS owed FROM owed_receipt")
            .fetch_one(&self.shared.readers)
            .await?;
        Ok(QueueShape {
            states,
            destinations,
            owed_receipts: natural(&row, "owed")?,
        })
    }

    async fn due_legs(&self, mut query: QueryBuilder<Sqlite>) -> Result<Vec<DueLeg>, ReadError> {
        let rows = query.build().fetch_all(&self.shared.readers).await?;
        rows.iter().map(due_leg).collect()
    }
}

fn due_leg(row: &SqliteRow) -> Result<DueLeg, ReadError> {
    let id: i64 = row.try_get("id")?;
    let priority: i64 = row.try_get("priority")?;
    Ok(DueLeg {
        leg: LegId(id),
        envelope: EnvelopeKey(row.try_get("envelope")?),
        recipient: rows::party("leg", id, row.try_get("recipient")?)?,
        next_hop: rows::station("leg", id, row.try_get("next_hop")?)?,
        state: rows::state(row, id)?,
        attempt: rows::small("leg", id, row.try_get("attempt")?)?,
        priority: u8::try_from(priority).unwrap_or(u8::MAX),
        received: rows::time(row, "received")?,
    })
}

fn stored_envelope(row: &SqliteRow) -> Result<StoredEnvelope, ReadError> {
    let key = EnvelopeKey(row.try_get("key")?);
    let damaged = |problem: String| ReadError::Damaged {
        table: "envelope",
        row: key.0,
        problem,
    };
    let header = rows::header(row, key)?;
    let digest: Vec<u8> = row.try_get("header_digest")?;
    let context = header.context();
    if header.digest().as_bytes().as_slice() != digest
        || context.id.as_bytes().as_slice() != row.try_get::<Vec<u8>, _>("id")?
    {
        return Err(damaged(
            "the header is not the one of its digest and id".to_owned(),
        ));
    }
    let kind: i64 = row.try_get("body_kind")?;
    let body = match kind {
        BODY_RELEASED => None,
        BODY_FILE => {
            let name: Option<String> = row.try_get("body_file")?;
            let name = name.ok_or_else(|| damaged("no file".to_owned()))?;
            Some(BodyPlace::File {
                name,
                bytes: natural(row, "body_bytes")?,
            })
        }
        BODY_INLINE => {
            let body: Option<Vec<u8>> = row.try_get("body")?;
            Some(BodyPlace::Inline(
                body.ok_or_else(|| damaged("no body".to_owned()))?.into(),
            ))
        }
        other => return Err(damaged(format!("body kind {other}"))),
    };
    let via: String = row.try_get("via")?;
    Ok(StoredEnvelope {
        key,
        header: Arc::new(header),
        header_signature: row.try_get("header_signature")?,
        capsule_bytes: rows::small("envelope", key.0, row.try_get("capsule_bytes")?)?,
        via: rows::via(key.0, &via)?,
        from: rows::station("envelope", key.0, row.try_get("source")?)?,
        received: rows::time(row, "received")?,
        body,
    })
}

fn leg_record(row: &SqliteRow) -> Result<LegRecord, ReadError> {
    let leg = LegRow::read(row)?;
    Ok(LegRecord {
        leg: leg.id,
        envelope: EnvelopeKey(row.try_get("envelope")?),
        recipient: leg.recipient,
        next_hop: leg.next_hop,
        state: leg.state,
        attempt: leg.attempt,
        received: leg.received,
        changed: leg.changed,
    })
}

fn leg_turn(row: &SqliteRow) -> Result<LegTurn, ReadError> {
    let phase: i64 = row.try_get("phase")?;
    Ok(LegTurn {
        at: rows::time(row, "at")?,
        state: Phase::from_code(phase).map_or("unknown", Phase::word),
        reason: rows::reason(row.try_get("reason")?),
        next_hop: rows::station("leg_turn", row.try_get("id")?, row.try_get("next_hop")?)?,
    })
}

fn conflict(row: &SqliteRow) -> Result<Conflict, ReadError> {
    let damaged = |problem: &str| ReadError::Damaged {
        table: "id_conflict",
        row: 0,
        problem: problem.to_owned(),
    };
    let id: Vec<u8> = row.try_get("id")?;
    let id = <[u8; 16]>::try_from(id.as_slice()).map_err(|_| damaged("id"))?;
    Ok(Conflict {
        sender: rows::party("id_conflict", 0, row.try_get("sender")?)?,
        id: EnvelopeId::from_bytes(id).map_err(|_| damaged("id"))?,
        header: row.try_get("header")?,
        header_signature: row.try_get("header_signature")?,
        from: rows::station("id_conflict", 0, row.try_get("source")?)?,
        received: rows::time(row, "received")?,
    })
}

fn destination(row: &SqliteRow) -> Result<Destination, ReadError> {
    Ok(Destination {
        next_hop: rows::station("leg", 0, row.try_get("next_hop")?)?,
        legs: natural(row, "legs")?,
        waiting_retry: natural(row, "retry")?,
        oldest: rows::time(row, "oldest")?,
        ages: [
            natural(row, "a")?,
            natural(row, "b")?,
            natural(row, "c")?,
            natural(row, "d")?,
            natural(row, "e")?,
        ],
    })
}

pub(super) fn natural(row: &SqliteRow, column: &str) -> Result<u64, ReadError> {
    let number: i64 = row.try_get(column)?;
    Ok(u64::try_from(number).unwrap_or(0))
}

/// A limit as SQLite takes it.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
