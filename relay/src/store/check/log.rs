//! The log against itself: one walk over the statements in the order of the leaves, which grows the tree
//! again. Tiles are compared when they fill, checkpoints when the tree has their size.

use std::collections::VecDeque;

use formats::checkpoint::SignedCheckpoint;
use formats::id::Digest;
use formats::limits;
use formats::merkle::tiles::{Tile, TileId, Tree};
use formats::statement::{self, LogOpened, PreviousHead, Statement};
use formats::time::Timestamp;
use pki::role::Role;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Epoch, PAGE, Run, What, id_text};

/// How far a statement's time may be from a token's: clocks differ, and a commit may wait.
const TOLERANCE_MS: i64 = limits::CREATED_AHEAD_MS_MAX;

/// Where a walk stands.
struct Walk {
    epoch: Epoch,
    tree: Tree,
    /// First leaf that is not what it was.
    first_bad: Option<u64>,
    /// Leaves are missing: where the others stand is not known, nothing behind them can be compared.
    broken: bool,
    checkpoints: VecDeque<Stored>,
    /// Size of the last checkpoint read from the table.
    read_to: i64,
    /// Not before this: the last stamped checkpoint that does not have the leaf.
    not_before: Option<Timestamp>,
    /// The latest statement since that checkpoint.
    latest: Option<(u64, Timestamp, String)>,
}

/// One row of `checkpoint`.
struct Stored {
    size: u64,
    root: Option<Digest>,
    signed: Vec<u8>,
    stamped: Timestamp,
}

/// Walks every epoch.
pub(super) async fn check(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    let mut previous: Option<PreviousHead> = None;
    let epochs = run.epochs.clone();
    let stray = sqlx::query("SELECT count(*) AS n FROM statement WHERE position < ?")
        .bind(epochs.first().map_or(i64::MAX, |one| one.first_position))
        .fetch_one(&mut *run.connection)
        .await?;
    if stray.try_get::<i64, _>("n")? > 0 {
        let detail = "statements before the first epoch".to_owned();
        run.found(What::Leaf, "statement", detail);
    }
    for epoch in epochs {
        let mut walk = Walk {
            epoch,
            tree: Tree::new(),
            first_bad: None,
            broken: false,
            checkpoints: VecDeque::new(),
            read_to: -1,
            not_before: None,
            latest: None,
        };
        walk_epoch(run, &mut walk, previous.as_ref()).await?;
        previous = walk.epoch.parsed.clone().map(|origin| PreviousHead {
            origin,
            size: walk.tree.size(),
            root: walk.tree.root(),
        });
    }
    stray_tiles(run).await
}

async fn walk_epoch(
    run: &mut Run<'_>,
    walk: &mut Walk,
    previous: Option<&PreviousHead>,
) -> Result<(), sqlx::Error> {
    if walk.epoch.parsed.is_none() {
        let detail = format!("its name {:?} does not parse", walk.epoch.origin);
        run.found(
            What::Epoch,
            &format!("log row {}", walk.epoch.number),
            detail,
        );
    }
    let mut next = walk.epoch.first_position;
    loop {
        let rows = sqlx::query(
            "SELECT position, envelope_id, header_digest, salt, leaf, body FROM statement \
             WHERE position >= ? AND position < ? ORDER BY position LIMIT ?",
        )
        .bind(next)
        .bind(walk.epoch.end)
        .bind(PAGE)
        .fetch_all(&mut *run.connection)
        .await?;
        if rows.is_empty() {
            break;
        }
        for row in &rows {
            let position: i64 = row.try_get("position")?;
            let index = walk.tree.size();
            if position != next {
                let missing = position - next;
                let detail = format!("{missing} statements are missing before position {position}");
                run.found_leaf(What::Leaf, &walk.epoch, index, detail);
                walk.broken = true;
                walk.first_bad.get_or_insert(index);
                next = position;
            }
            next += 1;
            one(run, walk, row, previous).await?;
        }
    }
    let size = walk.tree.size();
    if size == 0 {
        let detail = "the epoch has no first leaf".to_owned();
        run.found_leaf(What::Epoch, &walk.epoch, 0, detail);
    }
    if walk.broken {
        return Ok(());
    }
    while let Some(stored) = checkpoint_beyond(run, walk).await? {
        let detail = format!(
            "a checkpoint over {} leaves was signed; there are {size}",
            stored.size
        );
        run.found_leaf(What::Checkpoint, &walk.epoch, size, detail);
        walk.first_bad.get_or_insert(size);
    }
    missing_tiles(run, walk).await
}

/// One leaf.
async fn one(
    run: &mut Run<'_>,
    walk: &mut Walk,
    row: &SqliteRow,
    previous: Option<&PreviousHead>,
) -> Result<(), sqlx::Error> {
    run.report.statements += 1;
    let index = walk.tree.size();
    let (salt, stored): (Vec<u8>, Vec<u8>) = (row.try_get("salt")?, row.try_get("leaf")?);
    let body: Vec<u8> = row.try_get("body")?;
    let leaf = <[u8; 32]>::try_from(salt.as_slice())
        .ok()
        .map(|salt| statement::leaf_hash(&salt, &body));
    let parsed = Statement::parse(&body);
    let words = match &parsed {
        Ok(statement) => Some(words_of(statement)),
        Err(_) => None,
    };
    let envelope: Vec<u8> = row.try_get("envelope_id")?;
    if leaf.is_none_or(|leaf| leaf.as_bytes().as_slice() != stored) {
        let detail = "the statement does not have its leaf hash".to_owned();
        let found = run.found_leaf(What::Leaf, &walk.epoch, index, detail);
        found.statement.clone_from(&words);
        found.envelope = (index > 0).then(|| id_text(&envelope));
        walk.first_bad.get_or_insert(index);
    }
    if index == 0 {
        first_leaf(run, &walk.epoch, &body, previous);
    } else {
        let header: Vec<u8> = row.try_get("header_digest")?;
        match &parsed {
            Ok(statement) => about(run, walk, index, statement, (&envelope, &header)),
            Err(error) => {
                let detail = error.to_string();
                let found = run.found_leaf(What::Statement, &walk.epoch, index, detail);
                found.envelope = Some(id_text(&envelope));
            }
        }
    }
    let told = <[u8; 32]>::try_from(stored.as_slice()).map(Digest::from_bytes);
    // A statement that was altered alone leaves the stored hash; one whose hash is altered, the other way.
    let grown = leaf
        .or_else(|| told.ok())
        .unwrap_or(Digest::from_bytes([0; 32]));
    walk.tree.append(grown);
    for (id, tile) in walk.tree.take_full() {
        compare_tile(run, walk, id, &tile).await?;
    }
    compare_checkpoints(run, walk).await
}

/// The first leaf says which log begins and what it goes on from.
fn first_leaf(run: &mut Run<'_>, epoch: &Epoch, body: &[u8], previous: Option<&PreviousHead>) {
    let problem = match LogOpened::parse(body) {
        Err(error) => Some(error.to_string()),
        Ok(opened) if Some(&opened.origin) != epoch.parsed.as_ref() => {
            Some(format!("it opens {}", opened.origin))
        }
        Ok(opened) if opened.time.unix_ms() != epoch.opened => {
            Some("its time is not the epoch's".to_owned())
        }
        Ok(opened) if !goes_on(opened.previous.as_ref(), previous) => {
            Some("what it goes on from is not the epoch before".to_owned())
        }
        Ok(_) => None,
    };
    if let Some(problem) = problem {
        run.found_leaf(What::Epoch, epoch, 0, problem);
    }
}

/// An epoch goes on from the one before it, or from a later head of it that only others hold.
fn goes_on(said: Option<&PreviousHead>, before: Option<&PreviousHead>) -> bool {
    match (said, before) {
        (None, None) => true,
        (Some(said), Some(before)) => {
            let later = (said.origin.epoch(), said.size) > (before.origin.epoch(), before.size);
            said == before || (later && said.origin.station() == before.origin.station())
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// What a statement says against its row, its station and the stamped checkpoints before it.
fn about(
    run: &mut Run<'_>,
    walk: &mut Walk,
    index: u64,
    statement: &Statement,
    (envelope, header): (&[u8], &[u8]),
) {
    let words = words_of(statement);
    let station = walk.epoch.parsed.as_ref().map(|origin| origin.station());
    let problem = if station != Some(&statement.station) {
        Some(format!("it speaks for {}", statement.station))
    } else if statement.envelope.as_bytes().as_slice() != envelope
        || statement.header_digest.as_bytes().as_slice() != header
    {
        Some("its row names another envelope".to_owned())
    } else {
        None
    };
    if let Some(problem) = problem {
        let found = run.found_leaf(What::Statement, &walk.epoch, index, problem);
        found.statement = Some(words.clone());
        found.envelope = Some(statement.envelope.to_string());
    }
    if statement.clock_unsure {
        return;
    }
    if let Some(stamped) = walk.not_before
        && statement.time < stamped.minus_ms(TOLERANCE_MS)
    {
        let (said, stamped) = (statement.time.rfc3339(), stamped.rfc3339());
        let detail = format!("says {said}, but was not in the log stamped at {stamped}");
        let found = run.found_leaf(What::Time, &walk.epoch, index, detail);
        found.statement = Some(words.clone());
        found.envelope = Some(statement.envelope.to_string());
    }
    let later = |known: &(u64, Timestamp, String)| known.1 < statement.time;
    if walk.latest.as_ref().is_none_or(later) {
        walk.latest = Some((index, statement.time, words));
    }
}

async fn compare_tile(
    run: &mut Run<'_>,
    walk: &mut Walk,
    id: TileId,
    tile: &Tile,
) -> Result<(), sqlx::Error> {
    if walk.broken {
        return Ok(());
    }
    let number = i64::try_from(id.index).unwrap_or(i64::MAX);
    let row =
        sqlx::query("SELECT root, hashes FROM tile WHERE epoch = ? AND level = ? AND number = ?")
            .bind(walk.epoch.number)
            .bind(i64::from(id.level))
            .bind(number)
            .fetch_optional(&mut *run.connection)
            .await?;
    let width = 256_u64.saturating_pow(id.level.min(7));
    let first = id.index.saturating_mul(256).saturating_mul(width);
    let after = first.saturating_add(width.saturating_mul(256));
    let place = format!("tile row ({}, {}, {number})", walk.epoch.number, id.level);
    let problem = match row {
        None => Some((first, "the tile is not there".to_owned())),
        Some(row) => {
            let (root, hashes): (Vec<u8>, Vec<u8>) = (row.try_get("root")?, row.try_get("hashes")?);
            let want = tile.to_bytes();
            let differs = want
                .chunks(32)
                .zip(hashes.chunks(32))
                .position(|(want, have)| want != have);
            let at = |nth: usize| {
                first.saturating_add(u64::try_from(nth).unwrap_or(0).saturating_mul(width))
            };
            let own_root = tile.root().map(|root| root.as_bytes().to_vec());
            match differs {
                Some(nth) => Some((at(nth), "its hash is not the statement's".to_owned())),
                None if hashes.len() != want.len() => {
                    Some((first, "it has another size".to_owned()))
                }
                None if own_root.as_deref() != Some(&root) => {
                    Some((first, "its root is not that of its hashes".to_owned()))
                }
                None => None,
            }
        }
    };
    let Some((index, detail)) = problem else {
        return Ok(());
    };
    // A statement that was altered is found by its own hash; its tile then only confirms that.
    let told = walk
        .first_bad
        .is_some_and(|bad| (first..after).contains(&bad));
    if !told {
        let found = run.found_leaf(What::Tile, &walk.epoch, index, detail);
        found.place = place;
    }
    Ok(())
}

/// Every stored checkpoint of the size that the tree has now.
async fn compare_checkpoints(run: &mut Run<'_>, walk: &mut Walk) -> Result<(), sqlx::Error> {
    while let Some(stored) = checkpoint_up_to(run, walk, walk.tree.size()).await? {
        let size = walk.tree.size();
        let root = (stored.size == size).then(|| walk.tree.root());
        if stored.root != root && walk.first_bad.is_none() && !walk.broken {
            let detail = format!("the leaves do not lead to the root signed over {size} of them");
            // Between the last checkpoint that holds and this one.
            let first = walk.tree.size().saturating_sub(1);
            run.found_leaf(What::Checkpoint, &walk.epoch, first, detail);
        }
        for problem in judge(run, walk, &stored) {
            run.found_leaf(What::Checkpoint, &walk.epoch, size, problem);
        }
        if let Some((index, time, words)) = walk.latest.take()
            && time > stored.stamped.plus_ms(TOLERANCE_MS)
        {
            let (said, stamped) = (time.rfc3339(), stored.stamped.rfc3339());
            let detail = format!("says {said}, but the log with it was stamped at {stamped}");
            let found = run.found_leaf(What::Time, &walk.epoch, index, detail);
            found.statement = Some(words);
        }
        walk.not_before = Some(stored.stamped);
    }
    Ok(())
}

/// The note, and, if the keys are known, its signatures and its token.
fn judge(run: &mut Run<'_>, walk: &Walk, stored: &Stored) -> Vec<String> {
    let mut problems = Vec::new();
    let signed = match SignedCheckpoint::decode(&stored.signed) {
        Ok(signed) => signed,
        Err(error) => return vec![error.to_string()],
    };
    match signed.parsed() {
        Err(error) => problems.push(error.to_string()),
        Ok(note) => {
            let said = &note.checkpoint;
            if Some(&said.origin) != walk.epoch.parsed.as_ref()
                || said.size != stored.size
                || Some(said.root) != stored.root
            {
                problems.push("the signed note says another head than its row".to_owned());
            }
        }
    }
    match signed.token.as_deref().map(pki::stamp::claimed_time) {
        None => problems.push("it has no time-stamp".to_owned()),
        Some(Err(error)) => problems.push(error.to_string()),
        Some(Ok(time)) if time.minus(stored.stamped).abs() > TOLERANCE_MS => {
            problems.push("its row names another time than its token".to_owned());
        }
        Some(Ok(_)) => {}
    }
    let Some(directory) = run.settings.directory.clone() else {
        return problems;
    };
    let station = walk.epoch.parsed.as_ref().map(|origin| origin.station());
    let Some(record) = station.and_then(|name| directory.station(name)) else {
        run.report.unjudged += 1;
        return problems;
    };
    let mut verdict = None;
    for sha256 in &record.record().evidence_sha256 {
        let Ok(signer) = directory.signer(sha256, Role::StationEvidence, stored.stamped) else {
            continue;
        };
        let key = record.record().note_key.as_bytes();
        let held = pki::note::verify_checkpoint(&signed, key, &signer);
        verdict = Some(held.map(drop).map_err(|error| error.to_string()));
        if matches!(verdict, Some(Ok(()))) {
            break;
        }
    }
    match verdict {
        None => run.report.unjudged += 1,
        Some(Err(problem)) => problems.push(problem),
        Some(Ok(())) => {
            let now = stored.stamped.plus_ms(TOLERANCE_MS);
            if let Err(error) = pki::note::verify_stamp(&signed, &directory.validator(), now) {
                problems.push(error.to_string());
            }
        }
    }
    problems
}

async fn checkpoint_up_to(
    run: &mut Run<'_>,
    walk: &mut Walk,
    size: u64,
) -> Result<Option<Stored>, sqlx::Error> {
    fill(run, walk).await?;
    let due = walk.checkpoints.front().is_some_and(|one| one.size <= size);
    Ok(if due {
        walk.checkpoints.pop_front()
    } else {
        None
    })
}

async fn checkpoint_beyond(
    run: &mut Run<'_>,
    walk: &mut Walk,
) -> Result<Option<Stored>, sqlx::Error> {
    fill(run, walk).await?;
    Ok(walk.checkpoints.pop_front())
}

async fn fill(run: &mut Run<'_>, walk: &mut Walk) -> Result<(), sqlx::Error> {
    if !walk.checkpoints.is_empty() || walk.read_to == i64::MAX {
        return Ok(());
    }
    let rows = sqlx::query(
        "SELECT size, root, signed, stamped FROM checkpoint WHERE epoch = ? AND size > ? \
         ORDER BY size LIMIT ?",
    )
    .bind(walk.epoch.number)
    .bind(walk.read_to)
    .bind(PAGE)
    .fetch_all(&mut *run.connection)
    .await?;
    walk.read_to = i64::MAX;
    for row in &rows {
        let size: i64 = row.try_get("size")?;
        let root: Vec<u8> = row.try_get("root")?;
        walk.checkpoints.push_back(Stored {
            size: u64::try_from(size).unwrap_or(u64::MAX),
            root: <[u8; 32]>::try_from(root).ok().map(Digest::from_bytes),
            signed: row.try_get("signed")?,
            stamped: Timestamp::from_unix_ms(row.try_get("stamped")?),
        });
        walk.read_to = size;
    }
    Ok(())
}

/// Tiles that the leaves do not fill (any more): the log was longer.
async fn missing_tiles(run: &mut Run<'_>, walk: &Walk) -> Result<(), sqlx::Error> {
    let size = walk.tree.size();
    let rows =
        sqlx::query("SELECT level, max(number) AS last FROM tile WHERE epoch = ? GROUP BY level")
            .bind(walk.epoch.number)
            .fetch_all(&mut *run.connection)
            .await?;
    for row in &rows {
        let (level, last): (i64, i64) = (row.try_get("level")?, row.try_get("last")?);
        let power = u32::try_from(level).unwrap_or(0).saturating_add(1).min(7);
        let full = size / 256_u64.saturating_pow(power);
        if level < 0 || u64::try_from(last).unwrap_or(u64::MAX) >= full {
            let detail = format!("tile {last} of level {level} is beyond the {size} leaves");
            run.found_leaf(What::Tile, &walk.epoch, size, detail);
        }
    }
    Ok(())
}

async fn stray_tiles(run: &mut Run<'_>) -> Result<(), sqlx::Error> {
    for table in ["tile", "checkpoint"] {
        let what = if table == "tile" {
            What::Tile
        } else {
            What::Checkpoint
        };
        let query =
            format!("SELECT count(*) AS n FROM {table} WHERE epoch NOT IN (SELECT epoch FROM log)");
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut *run.connection)
            .await?;
        if row.try_get::<i64, _>("n")? > 0 {
            run.found(what, table, "rows of an epoch that is not there".to_owned());
        }
    }
    Ok(())
}

/// Event, envelope and recipient of a statement.
pub(super) fn words_of(statement: &Statement) -> String {
    format!(
        "{} {} for {} at {}",
        statement.event.name(),
        statement.envelope,
        statement.recipient,
        statement.time.rfc3339()
    )
}
