//! Rows that a bit of the disk has turned, put right from what their digests prove: a header by its digest, a
//! statement by its leaf hash, a leaf hash by its statement, a tile by the leaves below it. The bytes that
//! were found are kept beside. What no digest proves is left alone: guessing would be forging.
//!
//! Runs in the writer's transaction. Fails with the database's error; must not know why somebody looked.

use formats::header::Header;
use formats::id::Digest;
use formats::merkle::tiles::Tile;
use formats::statement::{self, Statement};
use formats::time::Timestamp;
use sqlx::{Row, SqliteConnection};

/// A row that does not agree with its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// By its key.
    Envelope(i64),
    /// By its position.
    Statement(i64),
    /// By epoch, level and number; the position of the epoch's leaf 0 last.
    Tile(i64, i64, i64, i64),
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mended {
    /// Nothing was wrong.
    Fine,
    /// It is right now.
    Now,
    /// No digest proves what it was.
    Cannot,
}

/// Puts a row right if its digests prove what it was.
pub(super) async fn mend(
    connection: &mut SqliteConnection,
    place: Place,
    now: Timestamp,
) -> Result<Mended, sqlx::Error> {
    match place {
        Place::Envelope(key) => envelope(connection, key, now).await,
        Place::Statement(position) => one_statement(connection, position, now).await,
        Place::Tile(epoch, level, number, first) => {
            tile(connection, (epoch, level, number), first, now).await
        }
    }
}

async fn envelope(
    connection: &mut SqliteConnection,
    key: i64,
    now: Timestamp,
) -> Result<Mended, sqlx::Error> {
    let row = sqlx::query(
        "SELECT header, header_digest, sender, id, expires, body_bytes FROM envelope WHERE key = ?",
    )
    .bind(key)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else {
        return Ok(Mended::Fine);
    };
    let (mut bytes, digest): (Vec<u8>, Vec<u8>) =
        (row.try_get("header")?, row.try_get("header_digest")?);
    let was = bytes.clone();
    if Digest::of(&bytes).as_bytes().as_slice() != digest {
        // Either the column or the header has the turned bit: a digest that differs in one bit is no chance.
        let own = is_one_bit_off(Digest::of(&bytes).as_bytes(), &digest);
        let good = |bytes: &[u8]| Digest::of(bytes).as_bytes().as_slice() == digest;
        if !own && !one_bit(&mut bytes, good) {
            return Ok(Mended::Cannot);
        }
    }
    let Ok(header) = Header::decode(&bytes) else {
        return Ok(Mended::Cannot);
    };
    let context = header.context();
    let size = i64::try_from(header.body_bytes()).unwrap_or(i64::MAX);
    let same = was == bytes
        && header.digest().as_bytes().as_slice() == digest
        && row.try_get::<String, _>("sender")? == context.sender.as_str()
        && row.try_get::<Vec<u8>, _>("id")? == context.id.as_bytes()
        && row.try_get::<i64, _>("expires")? == context.expires.unix_ms()
        && row.try_get::<i64, _>("body_bytes")? == size;
    if same {
        return Ok(Mended::Fine);
    }
    sqlx::query(
        "UPDATE envelope SET header = ?, header_digest = ?, sender = ?, id = ?, expires = ?, \
         body_bytes = ? WHERE key = ?",
    )
    .bind(&bytes)
    .bind(header.digest().as_bytes().to_vec())
    .bind(context.sender.as_str().to_owned())
    .bind(context.id.as_bytes().to_vec())
    .bind(context.expires.unix_ms())
    .bind(size)
    .bind(key)
    .execute(&mut *connection)
    .await?;
    remember(connection, "envelope", key, now, was).await?;
    Ok(Mended::Now)
}

async fn one_statement(
    connection: &mut SqliteConnection,
    position: i64,
    now: Timestamp,
) -> Result<Mended, sqlx::Error> {
    let row = sqlx::query(
        "SELECT envelope_id, header_digest, salt, leaf, body FROM statement WHERE position = ?",
    )
    .bind(position)
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else {
        return Ok(Mended::Cannot);
    };
    let (mut salt, mut leaf): (Vec<u8>, Vec<u8>) = (row.try_get("salt")?, row.try_get("leaf")?);
    let mut body: Vec<u8> = row.try_get("body")?;
    let was = [salt.as_slice(), &leaf, &body].concat();
    let hash = |salt: &[u8], body: &[u8]| {
        let salt = <[u8; 32]>::try_from(salt).ok()?;
        Some(*statement::leaf_hash(&salt, body).as_bytes())
    };
    let Some(own) = hash(&salt, &body) else {
        return Ok(Mended::Cannot);
    };
    if own.as_slice() != leaf {
        let fits =
            |salt: &[u8], body: &[u8]| hash(salt, body).is_some_and(|own| own.as_slice() == leaf);
        if is_one_bit_off(&own, &leaf) {
            leaf = own.to_vec();
        } else {
            let kept = salt.clone();
            let of_body = one_bit(&mut body, |body| fits(&kept, body));
            if !of_body && !one_bit(&mut salt, |salt| fits(salt, &body)) {
                return Ok(Mended::Cannot);
            }
        }
    }
    let (mut id, mut header): (Vec<u8>, Vec<u8>) =
        (row.try_get("envelope_id")?, row.try_get("header_digest")?);
    if let Ok(one) = Statement::parse(&body) {
        id = one.envelope.as_bytes().to_vec();
        header = one.header_digest.as_bytes().to_vec();
    }
    let named = (row.try_get("envelope_id")?, row.try_get("header_digest")?);
    if was == [salt.as_slice(), &leaf, &body].concat() && named == (id.clone(), header.clone()) {
        return Ok(Mended::Fine);
    }
    sqlx::query(
        "UPDATE statement SET envelope_id = ?, header_digest = ?, salt = ?, leaf = ?, body = ? \
         WHERE position = ?",
    )
    .bind(id)
    .bind(header)
    .bind(salt)
    .bind(leaf)
    .bind(body)
    .bind(position)
    .execute(&mut *connection)
    .await?;
    remember(connection, "statement", position, now, was).await?;
    Ok(Mended::Now)
}

/// A tile follows from what is below it: the leaves of statements, or the roots of tiles.
async fn tile(
    connection: &mut SqliteConnection,
    (epoch, level, number): (i64, i64, i64),
    first_position: i64,
    now: Timestamp,
) -> Result<Mended, sqlx::Error> {
    let row =
        sqlx::query("SELECT root, hashes FROM tile WHERE epoch = ? AND level = ? AND number = ?")
            .bind(epoch)
            .bind(level)
            .bind(number)
            .fetch_optional(&mut *connection)
            .await?;
    let below = if level == 0 {
        let first = first_position + number * 256;
        sqlx::query("SELECT leaf AS hash FROM statement WHERE position >= ? AND position < ? ORDER BY position")
            .bind(first)
            .bind(first + 256)
            .fetch_all(&mut *connection)
            .await?
    } else {
        sqlx::query(
            "SELECT root AS hash FROM tile WHERE epoch = ? AND level = ? AND number >= ? AND number < ? \
             ORDER BY number",
        )
        .bind(epoch)
        .bind(level - 1)
        .bind(number * 256)
        .bind(number * 256 + 256)
        .fetch_all(&mut *connection)
        .await?
    };
    let mut bytes = Vec::with_capacity(below.len() * 32);
    for row in &below {
        bytes.extend(row.try_get::<Vec<u8>, _>("hash")?);
    }
    let Some((tile, root)) = Tile::from_bytes(&bytes).and_then(|tile| {
        let root = tile.root()?;
        Some((tile, root.as_bytes().to_vec()))
    }) else {
        return Ok(Mended::Cannot);
    };
    let (mut was, mut agrees) = (Vec::new(), true);
    if let Some(row) = row {
        let (kept, hashes): (Vec<u8>, Vec<u8>) = (row.try_get("root")?, row.try_get("hashes")?);
        if kept == root && hashes == bytes {
            return Ok(Mended::Fine);
        }
        // Hashes or root must still say the same as what is below: else it is below that something is wrong.
        agrees = kept == root || hashes == bytes;
        was = [kept, hashes].concat();
    }
    if !agrees {
        return Ok(Mended::Cannot);
    }
    sqlx::query(
        "INSERT OR REPLACE INTO tile (epoch, level, number, root, hashes) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(epoch)
    .bind(level)
    .bind(number)
    .bind(root)
    .bind(tile.to_bytes())
    .execute(&mut *connection)
    .await?;
    remember(connection, "tile", number, now, was).await?;
    Ok(Mended::Now)
}

/// The bytes that were found are never thrown away.
async fn remember(
    connection: &mut SqliteConnection,
    place: &str,
    row: i64,
    now: Timestamp,
    was: Vec<u8>,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO mended_row (place, row, found, was) VALUES (?, ?, ?, ?)")
        .bind(place)
        .bind(row)
        .bind(now.unix_ms())
        .bind(was)
        .execute(connection)
        .await?;
    tracing::warn!(
        code = "TRAM-346",
        place,
        row,
        "a damaged row was put right from its digests"
    );
    Ok(())
}

/// Turns the one bit back that makes the bytes good again; `false`: there is no such bit, and nothing changed.
fn one_bit(bytes: &mut [u8], good: impl Fn(&[u8]) -> bool) -> bool {
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mask = 1_u8 << bit;
            bytes[at] ^= mask;
            if good(bytes) {
                return true;
            }
            bytes[at] ^= mask;
        }
    }
    false
}

fn is_one_bit_off(a: &[u8], b: &[u8]) -> bool {
    let bits = a.iter().zip(b).map(|(a, b)| (a ^ b).count_ones());
    a.len() == b.len() && bits.sum::<u32>() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turned_bit_is_found_and_two_are_not() {
        let right = b"a statement that a disk kept".to_vec();
        let digest = Digest::of(&right);
        let good = |bytes: &[u8]| Digest::of(bytes) == digest;
        for bit in [0_usize, 7, 100, right.len() * 8 - 1] {
            let mut turned = right.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            assert!(one_bit(&mut turned, good));
            assert_eq!(turned, right);
        }
        let mut twice = right;
        twice[0] ^= 3;
        let before = twice.clone();
        assert!(!one_bit(&mut twice, good));
        assert_eq!(twice, before);
    }
}
