//! Grants: one-time permissions to set up one station with its agencies.
//!
//! Owns: tokens (160 random bits, printed once, kept as their SHA-256), their life, and what was
//! answered to whoever spent one, so that a lost answer can be asked for again with the same
//! requests and with no others. Fails with [`GrantError`]. Must not know certificates.

use aws_lc_rs::rand;
use formats::id::{AgencyCode, Digest, StationName};
use formats::time::Timestamp;
use serde_json::json;
use thiserror::Error;

use super::audit::{self, Actor};
use super::db::{DbError, Row, Tx};
use super::inventory::Inventory;
use crate::cert::hex;
use crate::enrol::GrantedAgency;

/// Why a grant is not made or not honoured.
#[derive(Debug, Error)]
pub enum GrantError {
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A stored value is not what was written.
    #[error("grant {0} is damaged: withdraw it and make another")]
    Damaged(String),
    /// Its time is over.
    #[error("the token ended at {0}")]
    Expired(Timestamp),
    /// The system has no randomness.
    #[error("no randomness")]
    Random,
    /// Spent with other requests.
    #[error("the token was spent at {0}")]
    Spent(Timestamp),
    /// Nobody made it.
    #[error("no such grant")]
    Unknown,
    /// Taken back.
    #[error("the token was withdrawn at {0}")]
    Withdrawn(Timestamp),
}

/// What a grant sets up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// Equipment of another maker, by EST: one TLS certificate.
    Equipment,
    /// A station at an agency.
    Node,
    /// A station of the backbone.
    Relay,
}

impl GrantKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Equipment => "equipment",
            Self::Node => "node",
            Self::Relay => "relay",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        let all = [Self::Equipment, Self::Node, Self::Relay];
        all.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What a grant allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The station.
    pub station: StationName,
    /// What is set up.
    pub kind: GrantKind,
    /// Agencies that it will serve.
    pub agencies: Vec<GrantedAgency>,
    /// Relays that it links to.
    pub home_relays: Vec<StationName>,
}

/// A grant as kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Short name for lists and withdrawal.
    pub id: String,
    /// What it allows.
    pub allowed: Allowed,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends.
    pub expires: Timestamp,
    /// By whom.
    pub made_by: String,
    /// Since when it is spent.
    pub spent: Option<Timestamp>,
    /// Since when it is withdrawn.
    pub withdrawn: Option<Timestamp>,
    pub(super) request_hash: Option<String>,
    pub(super) answer: Option<String>,
}

/// A new grant: the only moment at which the token is known.
#[derive(Debug)]
pub struct Made {
    /// Short name for lists and withdrawal.
    pub id: String,
    /// To be given to whoever sets up the station.
    pub token: String,
    /// When it ends.
    pub expires: Timestamp,
}

impl Inventory {
    /// Makes a grant.
    ///
    /// # Errors
    /// [`GrantError::Db`], [`GrantError::Random`].
    pub async fn grant(
        &self,
        allowed: &Allowed,
        life_ms: i64,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<Made, GrantError> {
        let mut secret = [0; 20];
        rand::fill(&mut secret).map_err(|_| GrantError::Random)?;
        let token = format!("{TOKEN_PREFIX}{}", hex(&secret));
        let hash = Digest::of(token.as_bytes()).to_string();
        let id: String = hash.chars().take(12).collect();
        let expires = now.plus_ms(life_ms).floor_s();
        let agencies = serde_json::to_string(&allowed.agencies).unwrap_or_default();
        let relays = serde_json::to_string(&allowed.home_relays).unwrap_or_default();
        let kind = allowed.kind.as_str();
        let mut tx = self.db.write().await?;
        tx.execute(
            "INSERT INTO token_grant
             (id, token_hash, station, kind, agencies, home_relays, created, expires, made_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            [
                id.clone().into(),
                hash.into(),
                allowed.station.to_string().into(),
                kind.into(),
                agencies.into(),
                relays.into(),
                now.unix_ms().into(),
                expires.unix_ms().into(),
                actor.who.clone().into(),
            ],
        )
        .await?;
        let codes: Vec<&AgencyCode> = allowed.agencies.iter().map(|one| &one.code).collect();
        let facts = json!({
            "grant": id, "station": allowed.station, "kind": kind, "agencies": codes,
            "expires": expires.rfc3339(),
        });
        audit::append(&mut tx, actor, now, [("granted", facts)]).await?;
        tx.commit().await?;
        Ok(Made { id, token, expires })
    }

    /// What a token is for. Spends nothing.
    ///
    /// # Errors
    /// [`GrantError`] when it is not honoured (a spent one is shown still).
    pub async fn granted(&self, token: &str, now: Timestamp) -> Result<Kept, GrantError> {
        let kept = by_token(&mut self.db.read().await?, token).await?;
        honoured(&kept, now)?;
        Ok(kept)
    }

    /// Grants, newest first.
    ///
    /// # Errors
    /// [`GrantError::Db`], [`GrantError::Damaged`].
    pub async fn grants(&self, most: u32) -> Result<Vec<Kept>, GrantError> {
        let mut tx = self.db.read().await?;
        let rows = tx
            .rows(
                "SELECT id, station, kind, agencies, home_relays, created, expires, made_by, spent,
                        withdrawn, request_hash, answer
                 FROM token_grant ORDER BY created DESC, id LIMIT $1",
                [i64::from(most).into()],
            )
            .await?;
        rows.iter().map(kept_of).collect()
    }

    /// Takes a grant back; a spent one only keeps its mark.
    ///
    /// # Errors
    /// [`GrantError::Unknown`], [`GrantError::Db`].
    pub async fn withdraw_grant(
        &self,
        id: &str,
        actor: &Actor,
        now: Timestamp,
    ) -> Result<(), GrantError> {
        let mut tx = self.db.write().await?;
        let touched = tx
            .execute(
                "UPDATE token_grant SET withdrawn = $1 WHERE id = $2 AND withdrawn IS NULL",
                [now.unix_ms().into(), id.into()],
            )
            .await?;
        if touched == 0 {
            return Err(GrantError::Unknown);
        }
        audit::append(
            &mut tx,
            actor,
            now,
            [("grant_withdrawn", json!({ "grant": id }))],
        )
        .await?;
        Ok(tx.commit().await?)
    }
}

/// Binds a grant to these requests inside a transaction, or gives what was answered to them.
pub(super) async fn bind(
    tx: &mut Tx,
    token: &str,
    request: &Digest,
    now: Timestamp,
) -> Result<Kept, GrantError> {
    let kept = by_token(tx, token).await?;
    let hash = request.to_string();
    match &kept.request_hash {
        // Asked again after a lost answer: also after the token's end, for the same requests.
        Some(known) if *known == hash && kept.answer.is_some() => return Ok(kept),
        Some(known) if *known == hash => {
            let in_time = Kept {
                expires: kept.expires.max(now),
                ..kept.clone()
            };
            honoured(&in_time, now)?;
            return Ok(kept);
        }
        Some(_) => return Err(GrantError::Spent(kept.spent.unwrap_or(kept.created))),
        None => honoured(&kept, now)?,
    }
    tx.execute(
        "UPDATE token_grant SET request_hash = $1, spent = $2 WHERE id = $3",
        [hash.into(), now.unix_ms().into(), kept.id.clone().into()],
    )
    .await?;
    Ok(kept)
}

/// Keeps what was answered.
pub(super) async fn answered(tx: &mut Tx, id: &str, answer: &str) -> Result<(), DbError> {
    tx.execute(
        "UPDATE token_grant SET answer = $1 WHERE id = $2",
        [answer.into(), id.into()],
    )
    .await?;
    Ok(())
}

async fn by_token(tx: &mut Tx, token: &str) -> Result<Kept, GrantError> {
    // Looked for by its hash: how long the database compares says nothing about the token.
    let hash = Digest::of(token.trim().as_bytes()).to_string();
    let row = tx
        .row(
            "SELECT id, station, kind, agencies, home_relays, created, expires, made_by, spent,
                    withdrawn, request_hash, answer
             FROM token_grant WHERE token_hash = $1",
            [hash.into()],
        )
        .await?;
    kept_of(&row.ok_or(GrantError::Unknown)?)
}

fn honoured(kept: &Kept, now: Timestamp) -> Result<(), GrantError> {
    match kept.withdrawn {
        Some(at) => Err(GrantError::Withdrawn(at)),
        None if kept.expires < now => Err(GrantError::Expired(kept.expires)),
        None => Ok(()),
    }
}

fn kept_of(row: &Row) -> Result<Kept, GrantError> {
    let id = row.text(0)?;
    let damaged = || GrantError::Damaged(id.clone());
    let allowed = Allowed {
        station: StationName::parse(&row.text(1)?).map_err(|_| damaged())?,
        kind: GrantKind::parse(&row.text(2)?).ok_or_else(damaged)?,
        agencies: serde_json::from_str(&row.text(3)?).map_err(|_| damaged())?,
        home_relays: serde_json::from_str(&row.text(4)?).map_err(|_| damaged())?,
    };
    Ok(Kept {
        allowed,
        created: Timestamp::from_unix_ms(row.int(5)?),
        expires: Timestamp::from_unix_ms(row.int(6)?),
        made_by: row.text(7)?,
        spent: row.int_or_none(8)?.map(Timestamp::from_unix_ms),
        withdrawn: row.int_or_none(9)?.map(Timestamp::from_unix_ms),
        request_hash: row.text_or_none(10)?,
        answer: row.text_or_none(11)?,
        id,
    })
}

/// Says at sight what it is, so that it is not pasted into a ticket by mistake.
const TOKEN_PREFIX: &str = "tram-grant-";
