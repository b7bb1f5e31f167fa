//! Search: looking through the inventory a page at a time.
//!
//! Owns: the filters. Text is looked for in name, serial number and fingerprint. Must not know how
//! pages are shown.

use formats::time::Timestamp;

use super::{Entry, Inventory, InventoryError, entry_of};
use crate::authority::db::Value;
use crate::role::Role;

/// How a certificate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Signed, not revoked, not ended.
    Good,
    /// Ended.
    Expired,
    /// Planned and never signed: something stopped between.
    Planned,
    /// Revoked.
    Revoked,
}

impl Standing {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Expired => "expired",
            Self::Planned => "planned",
            Self::Revoked => "revoked",
        }
    }
}

impl Entry {
    /// How it stands at `now`.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        match (&self.revoked, &self.sha256) {
            (Some(_), _) => Standing::Revoked,
            (None, None) => Standing::Planned,
            (None, Some(_)) if self.not_after < now => Standing::Expired,
            (None, Some(_)) => Standing::Good,
        }
    }
}

/// What is looked for; everything by default.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// A part of the name, or the beginning of a serial number or SHA-256.
    pub text: Option<String>,
    /// One role.
    pub role: Option<Role>,
    /// One standing.
    pub standing: Option<Standing>,
    /// Those that end before this, and have not ended yet.
    pub ends_before: Option<Timestamp>,
    /// Those after this place in the order of planning.
    pub after: u64,
    /// At most so many; [`PAGE_MAX`] at most.
    pub limit: u32,
}

impl Inventory {
    /// One page in the order of planning.
    ///
    /// # Errors
    /// [`InventoryError::Db`], [`InventoryError::Damaged`].
    pub async fn search(
        &self,
        search: &Search,
        now: Timestamp,
    ) -> Result<Vec<Entry>, InventoryError> {
        let limit = search.limit.clamp(1, PAGE_MAX);
        let text = search
            .text
            .as_deref()
            .map(|text| text.trim().to_lowercase());
        let standing = search.standing.map(|standing| standing.as_str().to_owned());
        let mut tx = self.db.read().await?;
        let rows = tx
            .rows(
                "SELECT seq, serial, issuer, role, name, not_before, not_after, sha256, revoked,
                        reason
                 FROM certificate
                 WHERE seq > $1
                   AND (CAST($2 AS TEXT) IS NULL OR role = $2)
                   AND (CAST($3 AS TEXT) IS NULL OR LOWER(name) LIKE $3 ESCAPE '!'
                        OR serial LIKE $4 ESCAPE '!' OR sha256 LIKE $4 ESCAPE '!')
                   AND (CAST($5 AS BIGINT) IS NULL
                        OR (not_after < $5 AND not_after >= $6 AND revoked IS NULL
                            AND sha256 IS NOT NULL))
                   AND (CAST($7 AS TEXT) IS NULL OR $7 = CASE
                        WHEN revoked IS NOT NULL THEN 'revoked' WHEN sha256 IS NULL THEN 'planned'
                        WHEN not_after < $6 THEN 'expired' ELSE 'good' END)
                 ORDER BY seq LIMIT $8",
                [
                    i64::try_from(search.after).unwrap_or(i64::MAX).into(),
                    Value::Text(search.role.map(|role| role.as_str().to_owned())),
                    Value::Text(text.as_deref().map(|text| format!("%{}%", escaped(text)))),
                    Value::Text(
                        text.as_deref()
                            .map(|text| format!("{}%", escaped(&text.replace(':', "")))),
                    ),
                    Value::Int(search.ends_before.map(Timestamp::unix_ms)),
                    now.unix_ms().into(),
                    Value::Text(standing),
                    i64::from(limit).into(),
                ],
            )
            .await?;
        rows.iter().map(entry_of).collect()
    }

    /// The newest good certificate of each role that names `name`.
    ///
    /// # Errors
    /// [`InventoryError::Db`], [`InventoryError::Damaged`].
    pub async fn current(
        &self,
        name: &str,
        role: Role,
        now: Timestamp,
    ) -> Result<Option<Entry>, InventoryError> {
        let mut tx = self.db.read().await?;
        let row = tx
            .row(
                "SELECT seq, serial, issuer, role, name, not_before, not_after, sha256, revoked,
                        reason
                 FROM certificate
                 WHERE name = $1 AND role = $2 AND not_after >= $3 AND revoked IS NULL
                   AND sha256 IS NOT NULL
                 ORDER BY not_after DESC, seq DESC LIMIT 1",
                [name.into(), role.as_str().into(), now.unix_ms().into()],
            )
            .await?;
        row.as_ref().map(entry_of).transpose()
    }
}

/// A text that LIKE takes literally.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for one in text.chars() {
        if matches!(one, '!' | '%' | '_') {
            out.push('!');
        }
        out.push(one);
    }
    out
}

/// Most entries of one page.
pub const PAGE_MAX: u32 = 1000;
