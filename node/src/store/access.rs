//! Rows of users, sessions and keys. Secrets come in as hashes only.

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};

use formats::id::AgencyCode;
use formats::time::Timestamp;

use crate::access::{Caller, KeyView, Scope};
use crate::fault::DeskError;

/// A user as stored.
pub(crate) struct UserRow {
    pub(crate) caller: Caller,
    /// PHC string.
    pub(crate) password: String,
}

pub(crate) async fn put_user(
    conn: &mut SqliteConnection,
    caller: &Caller,
    password: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO desk_user (name, display, agency, scopes, password, created)
         VALUES (?, ?, ?, ?, ?, ?)
         ON CONFLICT (name) DO UPDATE SET display = excluded.display, agency = excluded.agency,
           scopes = excluded.scopes, password = excluded.password",
    )
    .bind(&caller.name)
    .bind(&caller.label)
    .bind(caller.agency.as_str())
    .bind(scopes_text(&caller.scopes))
    .bind(password)
    .bind(now.unix_ms())
    .execute(&mut *conn)
    .await?;
    // A new password ends what the old one opened.
    sqlx::query("DELETE FROM desk_session WHERE user = ?")
        .bind(&caller.name)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn user(pool: &SqlitePool, name: &str) -> Result<Option<UserRow>, DeskError> {
    let row =
        sqlx::query("SELECT name, display, agency, scopes, password FROM desk_user WHERE name = ?")
            .bind(name)
            .fetch_optional(pool)
            .await?;
    row.map(|row| {
        Ok(UserRow {
            caller: user_caller(&row)?,
            password: row.try_get("password")?,
        })
    })
    .transpose()
}

pub(crate) async fn put_session(
    conn: &mut SqliteConnection,
    token: &[u8],
    user: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM desk_session WHERE until < ?")
        .bind(now.unix_ms())
        .execute(&mut *conn)
        .await?;
    sqlx::query("INSERT INTO desk_session (token, user, created, until) VALUES (?, ?, ?, ?)")
        .bind(token)
        .bind(user)
        .bind(now.unix_ms())
        .bind(until.unix_ms())
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn end_session(
    conn: &mut SqliteConnection,
    token: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query("DELETE FROM desk_session WHERE token = ?")
        .bind(token)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn session(
    pool: &SqlitePool,
    token: &[u8],
    now: Timestamp,
) -> Result<Option<Caller>, DeskError> {
    let row = sqlx::query(
        "SELECT u.name, u.display, u.agency, u.scopes FROM desk_session s
         JOIN desk_user u ON u.name = s.user WHERE s.token = ? AND s.until > ?",
    )
    .bind(token)
    .bind(now.unix_ms())
    .fetch_optional(pool)
    .await?;
    row.map(|row| user_caller(&row)).transpose()
}

pub(crate) async fn put_key(
    conn: &mut SqliteConnection,
    secret: &[u8],
    live: bool,
    key: &KeyView,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO desk_key (id, secret, agency, label, prefix, scopes, live, created, expires)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&key.id)
    .bind(secret)
    .bind(key.agency.as_str())
    .bind(&key.label)
    .bind(&key.prefix)
    .bind(scopes_text(&key.scopes))
    .bind(live)
    .bind(key.created.unix_ms())
    .bind(key.expires.map(Timestamp::unix_ms))
    .execute(conn)
    .await?;
    Ok(())
}

/// A key that is good at `now`, and until when.
pub(crate) struct GoodKey {
    pub(crate) caller: Caller,
    pub(crate) id: String,
    pub(crate) expires: Option<Timestamp>,
    pub(crate) last_used: Option<Timestamp>,
}

pub(crate) async fn good_key(
    pool: &SqlitePool,
    secret: &[u8],
    now: Timestamp,
) -> Result<Option<GoodKey>, DeskError> {
    let row = sqlx::query(
        "SELECT id, agency, label, scopes, live, expires, last_used FROM desk_key
         WHERE secret = ? AND revoked IS NULL AND (expires IS NULL OR expires > ?)",
    )
    .bind(secret)
    .bind(now.unix_ms())
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let id: String = row.try_get("id")?;
    let live: bool = row.try_get("live")?;
    let caller = Caller {
        agency: agency(&row)?,
        name: format!("key:{id}"),
        label: row.try_get("label")?,
        scopes: scopes(&row.try_get::<String, _>("scopes")?),
        sandbox: !live,
    };
    Ok(Some(GoodKey {
        caller,
        id,
        expires: time_option(&row, "expires")?,
        last_used: time_option(&row, "last_used")?,
    }))
}

pub(crate) async fn mark_key_used(
    conn: &mut SqliteConnection,
    id: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE desk_key SET last_used = ? WHERE id = ?")
        .bind(now.unix_ms())
        .bind(id)
        .execute(conn)
        .await?;
    Ok(())
}

pub(crate) async fn revoke_key(
    conn: &mut SqliteConnection,
    agency: &str,
    id: &str,
    now: Timestamp,
) -> Result<u64, sqlx::Error> {
    let done = sqlx::query(
        "UPDATE desk_key SET revoked = coalesce(revoked, ?) WHERE agency = ? AND id = ?",
    )
    .bind(now.unix_ms())
    .bind(agency)
    .bind(id)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

pub(crate) async fn keys(pool: &SqlitePool, owner: &AgencyCode) -> Result<Vec<KeyView>, DeskError> {
    let rows = sqlx::query(
        "SELECT id, agency, label, prefix, scopes, created, expires, last_used, revoked
         FROM desk_key WHERE agency = ? ORDER BY created DESC, id",
    )
    .bind(owner.as_str())
    .fetch_all(pool)
    .await?;
    rows.iter().map(key_view).collect()
}

fn key_view(row: &SqliteRow) -> Result<KeyView, DeskError> {
    Ok(KeyView {
        id: row.try_get("id")?,
        agency: agency(row)?,
        label: row.try_get("label")?,
        prefix: row.try_get("prefix")?,
        scopes: scopes(&row.try_get::<String, _>("scopes")?),
        created: Timestamp::from_unix_ms(row.try_get("created")?),
        expires: time_option(row, "expires")?,
        last_used: time_option(row, "last_used")?,
        revoked: time_option(row, "revoked")?,
    })
}

fn user_caller(row: &SqliteRow) -> Result<Caller, DeskError> {
    Ok(Caller {
        agency: agency(row)?,
        name: row.try_get("name")?,
        label: row.try_get("display")?,
        scopes: scopes(&row.try_get::<String, _>("scopes")?),
        sandbox: false,
    })
}

fn agency(row: &SqliteRow) -> Result<AgencyCode, DeskError> {
    let code: String = row.try_get("agency")?;
    AgencyCode::parse(&code).map_err(|error| DeskError::Internal(format!("stored row: {error}")))
}

pub(super) fn time_option(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row
        .try_get::<Option<i64>, _>(column)?
        .map(Timestamp::from_unix_ms))
}

fn scopes_text(scopes: &[Scope]) -> String {
    let words: Vec<&str> = scopes.iter().map(|scope| scope.code()).collect();
    words.join(" ")
}

fn scopes(text: &str) -> Vec<Scope> {
    text.split(' ').filter_map(Scope::parse).collect()
}
