//! Epochs of the log: the open one, and those before it with the last head that each was closed with. What was
//! stated in a closed epoch is proven in that head for ever.
//!
//! Fails at a start like [`super::log`]. Must not know why an epoch was opened.

use std::sync::Arc;

use formats::checkpoint::{LogOrigin, SignedCheckpoint};
use formats::id::Digest;
use sqlx::{Row, SqliteConnection};

use crate::evidence::{Head, signer};
use crate::store::log::{self, Log};
use crate::store::{OpenError, Options};

/// One epoch.
#[derive(Debug, Clone)]
pub(super) struct Epoch {
    /// Its number in the tables.
    pub(super) row: i64,
    pub(super) origin: LogOrigin,
    /// Position of its leaf 0 in the table of statements.
    pub(super) first_position: i64,
    /// Its last head; `None`: the open one, whose head grows.
    pub(super) closed: Option<Arc<Head>>,
}

/// Reads all epochs up to the open one. Those that have no last head yet get it signed now: its root is that
/// of its leaves, so a size is never signed with two roots.
pub(super) async fn read(
    connection: &mut SqliteConnection,
    options: &Options,
    open: &Log,
) -> Result<Vec<Epoch>, OpenError> {
    let rows = sqlx::query(
        "SELECT l.epoch, l.origin, l.first_position, c.signed, \
         lead(l.first_position) OVER (ORDER BY l.epoch) AS next \
         FROM log l LEFT JOIN closed_log c ON c.epoch = l.epoch ORDER BY l.epoch",
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut epochs = Vec::with_capacity(rows.len());
    for row in &rows {
        let (number, first_position): (i64, i64) =
            (row.try_get("epoch")?, row.try_get("first_position")?);
        let name: String = row.try_get("origin")?;
        let damaged = |problem: &str| OpenError::Log {
            origin: name.clone(),
            position: 0,
            problem: problem.to_owned(),
        };
        let origin: LogOrigin = name
            .parse()
            .map_err(|_| damaged("its name does not parse"))?;
        let mut closed = None;
        if number != open.epoch {
            let next: Option<i64> = row.try_get("next")?;
            let log = log::rebuild(connection, &name, number, first_position, next).await?;
            let signed: Option<Vec<u8>> = row.try_get("signed")?;
            let head = match signed {
                Some(bytes) => {
                    let signed = SignedCheckpoint::decode(&bytes)
                        .map_err(|error| damaged(&error.to_string()))?;
                    Head {
                        size: log.tree.size(),
                        root: log.tree.root(),
                        signed,
                        edge: log.tree.edge(),
                    }
                }
                None => close(connection, options, &origin, &log).await?,
            };
            let says = head.signed.parsed().map(|note| note.checkpoint);
            if !says.is_ok_and(|says| says.size == head.size && says.root == head.root) {
                return Err(damaged("its last head is of other leaves"));
            }
            closed = Some(Arc::new(head));
        }
        epochs.push(Epoch {
            row: number,
            origin,
            first_position,
            closed,
        });
    }
    Ok(epochs)
}

/// Signs the last head of an epoch and keeps it.
async fn close(
    connection: &mut SqliteConnection,
    options: &Options,
    origin: &LogOrigin,
    log: &Log,
) -> Result<Head, OpenError> {
    let mut options = options.clone();
    options.log.origin = origin.clone();
    let head = signer::first_head(&log.tree, &options).map_err(OpenError::Sign)?;
    sqlx::query("INSERT INTO closed_log (epoch, size, root, signed) VALUES (?, ?, ?, ?)")
        .bind(log.epoch)
        .bind(i64::try_from(head.size).unwrap_or(i64::MAX))
        .bind(head.root.as_bytes().to_vec())
        .bind(head.signed.encode())
        .execute(connection)
        .await?;
    Ok(head)
}

/// The greatest head of our own logs that is known: of those that other stations hold.
pub(super) async fn greatest_seen(
    connection: &mut SqliteConnection,
    station: &formats::id::StationName,
) -> Result<Option<(LogOrigin, u64, Digest)>, OpenError> {
    let rows =
        sqlx::query("SELECT origin, size, root FROM seen_head WHERE origin LIKE ? || '/log/%'")
            .bind(station.as_str().to_owned())
            .fetch_all(connection)
            .await?;
    let mut greatest: Option<(LogOrigin, u64, Digest)> = None;
    for row in &rows {
        let name: String = row.try_get("origin")?;
        let (size, root): (i64, Vec<u8>) = (row.try_get("size")?, row.try_get("root")?);
        let (Ok(origin), Ok(size), Ok(root)) = (
            name.parse::<LogOrigin>(),
            u64::try_from(size),
            Digest::try_from(root.as_slice()),
        ) else {
            continue;
        };
        let rank = (origin.epoch(), size);
        if greatest
            .as_ref()
            .is_none_or(|(known, most, _)| (known.epoch(), *most) < rank)
        {
            greatest = Some((origin, size, root));
        }
    }
    Ok(greatest)
}
