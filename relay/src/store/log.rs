//! The log in the database: the epoch's tree rebuilt and checked at a start, and tiles gathered for
//! proofs later. Fails at a start with [`OpenError::Log`] when leaves, tiles and stamped checkpoints
//! disagree: whoever serves such a log makes all its evidence worthless (RFC 6962 logs died of one bit).

use std::collections::BTreeSet;

use formats::checkpoint::LogOrigin;
use formats::id::Digest;
use formats::statement::{self, LogOpened, PreviousHead};
use formats::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, Row, SqliteConnection, SqliteExecutor};

use crate::store::{OpenError, Options, epochs, mend};
use formats::merkle::tiles::{self, Edge, Tile, TileId, Tiles, Tree};

/// The epoch being written.
#[derive(Debug, Clone)]
pub(super) struct Log {
    pub(super) epoch: i64,
    pub(super) origin: LogOrigin,
    /// Position of its leaf 0 in the table of statements.
    pub(super) first_position: i64,
    pub(super) tree: Tree,
}

impl Log {
    /// Position of the next statement.
    pub(super) fn next_position(&self) -> i64 {
        self.first_position
            .saturating_add(i64::try_from(self.tree.size()).unwrap_or(i64::MAX))
    }
}

/// Opens the newest epoch of the folder: that is the log that goes on. Another begins if the options say so,
/// or if the identity names a later one than the folder has.
pub(super) async fn open(
    connection: &mut SqliteConnection,
    options: &Options,
) -> Result<Log, OpenError> {
    let newest =
        sqlx::query("SELECT epoch, origin, first_position FROM log ORDER BY epoch DESC LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?;
    let Some(newest) = newest else {
        let why = options.open_epoch.as_deref().unwrap_or("new");
        return begin(
            connection,
            options,
            options.log.origin.clone(),
            (1, 1),
            None,
            why,
        )
        .await;
    };
    let (epoch, first_position) = (newest.try_get("epoch")?, newest.try_get("first_position")?);
    let found: String = newest.try_get("origin")?;
    let log = rebuild(connection, &found, epoch, first_position, None).await?;
    let damaged = |problem: String| OpenError::Log {
        origin: found.clone(),
        position: 0,
        problem,
    };
    let last: LogOrigin = found
        .parse()
        .map_err(|_| damaged("its name does not parse".to_owned()))?;
    let named = &options.log.origin;
    let later = named.station() != last.station() || named.epoch() > last.epoch();
    let why = match &options.open_epoch {
        Some(why) => why.as_str(),
        None if later => "restored",
        None => return Ok(log),
    };
    // Of ours and what others hold of it the greatest: what is missing here is named as missing.
    let mut previous = PreviousHead {
        origin: last.clone(),
        size: log.tree.size(),
        root: log.tree.root(),
    };
    let mut highest = last
        .epoch()
        .max(named.epoch().saturating_sub(u32::from(later)));
    let seen = epochs::greatest_seen(connection, named.station()).await?;
    if let Some((origin, size, root)) = seen {
        highest = highest.max(origin.epoch());
        if (origin.epoch(), size) > (last.epoch(), previous.size) {
            previous = PreviousHead { origin, size, root };
        }
    }
    let origin = LogOrigin::new(named.station().clone(), highest.saturating_add(1));
    let place = (epoch + 1, log.next_position());
    begin(connection, options, origin, place, Some(previous), why).await
}

/// Begins an epoch: its first leaf says what it goes on from.
async fn begin(
    connection: &mut SqliteConnection,
    options: &Options,
    origin: LogOrigin,
    (epoch, first_position): (i64, i64),
    previous: Option<PreviousHead>,
    why: &str,
) -> Result<Log, OpenError> {
    let now = options.clock.now();
    let body = LogOpened::new(origin.clone(), now, previous, why).to_json();
    let salt: [u8; 32] = rand::random();
    let leaf = statement::leaf_hash(&salt, &body);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO log (epoch, origin, first_position, opened) VALUES (?, ?, ?, ?)")
        .bind(epoch)
        .bind(origin.to_string())
        .bind(first_position)
        .bind(now.unix_ms())
        .execute(&mut *transaction)
        .await?;
    // It is about no envelope: the id and digest of none.
    sqlx::query(
        "INSERT INTO statement (position, envelope_id, header_digest, salt, leaf, body) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(first_position)
    .bind(vec![0_u8; 16])
    .bind(vec![0_u8; 32])
    .bind(salt.to_vec())
    .bind(leaf.as_bytes().to_vec())
    .bind(body)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    let mut tree = Tree::new();
    tree.append(leaf);
    Ok(Log {
        epoch,
        origin,
        first_position,
        tree,
    })
}

/// Rebuilds the tree from leaves and tile roots, and checks what can be checked cheaply: the leaves of
/// the unfilled tile against their statements, and the newest stamped checkpoint against the tiles.
///
/// `next` is the first position of the epoch after it, if there is one.
pub(super) async fn rebuild(
    connection: &mut SqliteConnection,
    origin: &str,
    epoch: i64,
    first_position: i64,
    next: Option<i64>,
) -> Result<Log, OpenError> {
    let damaged = |position: u64, problem: &str| OpenError::Log {
        origin: origin.to_owned(),
        position,
        problem: problem.to_owned(),
    };
    let end = next.unwrap_or(i64::MAX);
    let row = sqlx::query(
        "SELECT max(position) AS last FROM statement WHERE position >= ? AND position < ?",
    )
    .bind(first_position)
    .bind(end)
    .fetch_one(&mut *connection)
    .await?;
    let last: Option<i64> = row.try_get("last")?;
    let leaves = last.map_or(0, |last| last - first_position + 1);
    let size = u64::try_from(leaves).map_err(|_| damaged(0, "negative size"))?;
    let mut edge = Vec::new();
    for (level, length) in tiles::edge_lengths(size).into_iter().enumerate() {
        let hashes = if level == 0 {
            edge_leaves(connection, (first_position, end), size, &damaged).await?
        } else {
            edge_roots(connection, epoch, level, size, &damaged).await?
        };
        if hashes.len() != length {
            return Err(damaged(size, "leaves or tiles are missing"));
        }
        edge.push(hashes);
    }
    let tree = Tree::from_edge(size, &edge).ok_or_else(|| damaged(size, "edge and size differ"))?;
    check_stamped(connection, epoch, &tree, &damaged).await?;
    let name = origin.parse::<LogOrigin>();
    Ok(Log {
        epoch,
        origin: name.map_err(|_| damaged(0, "its name does not parse"))?,
        first_position,
        tree,
    })
}

type Damaged<'a> = &'a (dyn Fn(u64, &str) -> OpenError + Sync);

async fn edge_leaves(
    connection: &mut SqliteConnection,
    (first_position, end): (i64, i64),
    size: u64,
    damaged: Damaged<'_>,
) -> Result<Vec<Digest>, OpenError> {
    let first = size - size % 256;
    let from = first_position.saturating_add(i64::try_from(first).unwrap_or(i64::MAX));
    let rows = sqlx::query(
        "SELECT position, salt, leaf, body FROM statement WHERE position >= ? AND position < ? \
         ORDER BY position",
    )
    .bind(from)
    .bind(end)
    .fetch_all(&mut *connection)
    .await?;
    let mut leaves = Vec::with_capacity(rows.len());
    for (index, row) in (first..).zip(&rows) {
        let salt = hash(row, "salt")?.ok_or_else(|| damaged(index, "salt"))?;
        let leaf = hash(row, "leaf")?.ok_or_else(|| damaged(index, "leaf"))?;
        let body: Vec<u8> = row.try_get("body")?;
        if statement::leaf_hash(salt.as_bytes(), &body) == leaf {
            leaves.push(leaf);
            continue;
        }
        // A bit of the disk may have turned; what the hashes do not prove stops the start.
        let place = mend::Place::Statement(row.try_get("position")?);
        let mended = mend::mend(&mut *connection, place, Timestamp::from_unix_ms(0)).await?;
        let again = sqlx::query("SELECT leaf FROM statement WHERE position = ?")
            .bind(row.try_get::<i64, _>("position")?)
            .fetch_one(&mut *connection)
            .await?;
        match hash(&again, "leaf")? {
            Some(leaf) if mended == mend::Mended::Now => leaves.push(leaf),
            Some(_) | None => {
                return Err(damaged(index, "the statement does not have its leaf hash"));
            }
        }
    }
    Ok(leaves)
}

/// Roots of the full tiles one level below that are not in a full tile of this level yet.
async fn edge_roots(
    connection: &mut SqliteConnection,
    epoch: i64,
    level: usize,
    size: u64,
    damaged: Damaged<'_>,
) -> Result<Vec<Digest>, OpenError> {
    let below = i64::try_from(level).unwrap_or(i64::MAX) - 1;
    let tiles = size
        .checked_shr(u32::try_from(8 * level).unwrap_or(u32::MAX))
        .unwrap_or(0);
    let rows = sqlx::query(
        "SELECT root, hashes FROM tile WHERE epoch = ? AND level = ? AND number >= ? ORDER BY number",
    )
    .bind(epoch)
    .bind(below)
    .bind(i64::try_from(tiles - tiles % 256).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    let mut roots = Vec::with_capacity(rows.len());
    for row in &rows {
        let root = hash(row, "root")?.ok_or_else(|| damaged(size, "tile root"))?;
        roots.push(root);
    }
    Ok(roots)
}

async fn check_stamped(
    connection: &mut SqliteConnection,
    epoch: i64,
    tree: &Tree,
    damaged: Damaged<'_>,
) -> Result<(), OpenError> {
    let stamped =
        sqlx::query("SELECT size, root FROM checkpoint WHERE epoch = ? ORDER BY size DESC LIMIT 1")
            .bind(epoch)
            .fetch_optional(&mut *connection)
            .await?;
    let Some(stamped) = stamped else {
        return Ok(());
    };
    let size: i64 = stamped.try_get("size")?;
    let size = u64::try_from(size).map_err(|_| damaged(0, "negative checkpoint"))?;
    let root = hash(&stamped, "root")?.ok_or_else(|| damaged(size, "checkpoint root"))?;
    if size > tree.size() {
        return Err(damaged(
            size,
            "a stamped checkpoint covers more leaves than there are",
        ));
    }
    if size == 0 {
        return Ok(());
    }
    let mut needed = BTreeSet::new();
    tiles::needed_for_inclusion(size - 1, size, &mut needed);
    let tiles = gather(&mut *connection, epoch, &tree.edge(), &needed).await?;
    if tiles.root(size) != Some(root) {
        return Err(damaged(size, "the tiles do not lead to the stamped root"));
    }
    Ok(())
}

/// The tiles named, from the edge and the database. What is not there is not in the answer.
pub(super) async fn gather<'e>(
    executor: impl SqliteExecutor<'e>,
    epoch: i64,
    edge: &Edge,
    needed: &BTreeSet<TileId>,
) -> Result<Tiles, sqlx::Error> {
    let mut tiles = Tiles::default();
    let mut stored = Vec::new();
    for id in needed {
        match edge.tile(*id) {
            Some(tile) => tiles.insert(*id, tile),
            None => stored.push(*id),
        }
    }
    if stored.is_empty() {
        return Ok(tiles);
    }
    let mut query = sqlx::QueryBuilder::<sqlx::Sqlite>::new(
        "SELECT t.level, t.number, t.hashes FROM tile t JOIN (",
    );
    query.push_values(&stored, |mut row, id| {
        row.push_bind(i64::from(id.level))
            .push_bind(i64::try_from(id.index).unwrap_or(i64::MAX));
    });
    query.push(") w ON t.level = w.column1 AND t.number = w.column2 WHERE t.epoch = ");
    query.push_bind(epoch);
    for row in query.build().persistent(false).fetch_all(executor).await? {
        let level = u32::try_from(row.try_get::<i64, _>("level")?).unwrap_or(u32::MAX);
        let index = u64::try_from(row.try_get::<i64, _>("number")?).unwrap_or(u64::MAX);
        let hashes: Vec<u8> = row.try_get("hashes")?;
        if let Some(tile) = Tile::from_bytes(&hashes) {
            tiles.insert(TileId { level, index }, tile);
        }
    }
    Ok(tiles)
}

/// A column of 32 bytes; `None` if it has another length.
fn hash(row: &SqliteRow, column: &str) -> Result<Option<Digest>, sqlx::Error> {
    let bytes: Vec<u8> = row.try_get(column)?;
    Ok(<[u8; 32]>::try_from(bytes.as_slice())
        .ok()
        .map(Digest::from_bytes))
}
