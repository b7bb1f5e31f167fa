//! The book of users, sessions and keys: what `access` promises, over the desk's rows. A key that was good
//! a moment ago counts as good for five seconds without another look, so a busy DMS costs no read a call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use futures_util::FutureExt;
use sqlx::SqliteConnection;

use formats::id::{AgencyCode, Digest};
use formats::time::Timestamp;
use relay::store::{Change, CommitError, DeskRefusal, Store};

use super::{Caller, KeyDraft, KeyView, Login, NewKey, UserDraft};
use crate::fault::DeskError;
use crate::store::access as rows;
use crate::store::commit::desk_write;

/// Users, sessions and keys of one desk.
#[derive(Debug)]
pub(crate) struct Access {
    store: Store,
    /// Keys that were good a moment ago, by hash: a busy DMS must not cost a read a call.
    recent: Mutex<HashMap<Digest, Recent>>,
}

#[derive(Clone, Debug)]
struct Recent {
    caller: Caller,
    expires: Option<Timestamp>,
    checked: Timestamp,
}

impl Access {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            recent: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) async fn put_user(&self, draft: UserDraft, now: Timestamp) -> Result<(), DeskError> {
        let (caller, hash) = prepare_user(draft).await?;
        self.commit(desk_write(move |desk, _| {
            async move {
                let conn = desk.connection().await?;
                Ok(rows::put_user(conn, &caller, &hash, now).await?)
            }
            .boxed()
        }))
        .await
    }

    pub(crate) async fn login(
        &self,
        name: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<Option<Login>, DeskError> {
        let known = rows::user(&self.store.reader(), name).await?;
        let (caller, stored) = known.map_or_else(
            // The same work for an unknown name, so that the time does not tell who exists.
            || (None, NO_PASSWORD.to_owned()),
            |user| (Some(user.caller), user.password),
        );
        let password = password.to_owned();
        let matches = blocking(move || password_matches(&password, &stored)).await?;
        let (Some(caller), true) = (caller, matches) else {
            return Ok(None);
        };
        let token = base62(&rand::random::<[u8; 32]>());
        let until = now.plus_ms(SESSION_MS);
        let hash = Digest::of(token.as_bytes());
        let user = caller.name.clone();
        self.commit(desk_write(move |desk, _| {
            async move {
                let conn = desk.connection().await?;
                Ok(rows::put_session(conn, hash.as_bytes(), &user, now, until).await?)
            }
            .boxed()
        }))
        .await?;
        Ok(Some(Login {
            token,
            caller,
            until,
        }))
    }

    pub(crate) async fn session(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<Caller>, DeskError> {
        let hash = Digest::of(token.as_bytes());
        rows::session(&self.store.reader(), hash.as_bytes(), now).await
    }

    pub(crate) async fn logout(&self, token: &str) -> Result<(), DeskError> {
        let hash = Digest::of(token.as_bytes());
        self.commit(desk_write(move |desk, _| {
            async move {
                let conn = desk.connection().await?;
                Ok(rows::end_session(conn, hash.as_bytes()).await?)
            }
            .boxed()
        }))
        .await
    }

    pub(crate) async fn create_key(
        &self,
        agency: &AgencyCode,
        draft: KeyDraft,
        now: Timestamp,
    ) -> Result<NewKey, DeskError> {
        let new = prepare_key(agency, draft, now)?;
        let (key, hash, live) = (
            new.key.clone(),
            Digest::of(new.secret.as_bytes()),
            new.secret.starts_with(LIVE),
        );
        self.commit(desk_write(move |desk, _| {
            async move {
                let conn = desk.connection().await?;
                Ok(rows::put_key(conn, hash.as_bytes(), live, &key).await?)
            }
            .boxed()
        }))
        .await?;
        Ok(new)
    }

    pub(crate) async fn verify_key(
        &self,
        secret: &str,
        now: Timestamp,
    ) -> Result<Option<Caller>, DeskError> {
        if !secret.starts_with(LIVE) && !secret.starts_with(TEST) {
            return Ok(None);
        }
        let hash = Digest::of(secret.as_bytes());
        if let Some(caller) = self.recently_good(hash, now) {
            return Ok(Some(caller));
        }
        let pool = self.store.reader();
        let Some(good) = rows::good_key(&pool, hash.as_bytes(), now).await? else {
            return Ok(None);
        };
        let recent = Recent {
            caller: good.caller.clone(),
            expires: good.expires,
            checked: now,
        };
        self.remember(hash, recent);
        if good
            .last_used
            .is_none_or(|last| now.minus(last) > LAST_USED_MS)
        {
            let id = good.id;
            self.commit(desk_write(move |desk, _| {
                async move {
                    let conn = desk.connection().await?;
                    Ok(rows::mark_key_used(conn, &id, now).await?)
                }
                .boxed()
            }))
            .await?;
        }
        Ok(Some(good.caller))
    }

    fn remember(&self, hash: Digest, recent: Recent) {
        let mut all = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= RECENT_MAX {
            all.clear();
        }
        all.insert(hash, recent);
    }

    fn recently_good(&self, hash: Digest, now: Timestamp) -> Option<Caller> {
        let all = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = all.get(&hash)?;
        let fresh = (0..RECENT_MS).contains(&now.minus(recent.checked));
        let good = recent.expires.is_none_or(|expires| now < expires);
        (fresh && good).then(|| recent.caller.clone())
    }

    pub(crate) async fn keys(&self, agency: &AgencyCode) -> Result<Vec<KeyView>, DeskError> {
        rows::keys(&self.store.reader(), agency).await
    }

    pub(crate) async fn revoke_key(
        &self,
        agency: &AgencyCode,
        id: &str,
        now: Timestamp,
    ) -> Result<(), DeskError> {
        let (owner, id) = (agency.clone(), id.to_owned());
        let known = rows::keys(&self.store.reader(), agency).await?;
        if !known.iter().any(|key| key.id == id) {
            return Err(DeskError::NotFound);
        }
        self.commit(desk_write(move |desk, _| {
            async move {
                let conn = desk.connection().await?;
                rows::revoke_key(conn, owner.as_str(), &id, now).await?;
                Ok::<(), DeskRefusal>(())
            }
            .boxed()
        }))
        .await?;
        self.recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        Ok(())
    }

    async fn commit(&self, write: Box<dyn relay::store::DeskWrite>) -> Result<(), DeskError> {
        self.store
            .commit(Change::with_desk(Vec::new(), write))
            .await?;
        Ok(())
    }
}

impl From<CommitError> for DeskError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Busy { retry_after_ms } | CommitError::DiskFull { retry_after_ms, .. } => {
                Self::Busy {
                    retry_after_s: seconds_up(retry_after_ms),
                }
            }
            other => Self::Internal(other.to_string()),
        }
    }
}

/// Whole seconds that cover this many milliseconds, at least one.
pub(crate) fn seconds_up(ms: u64) -> u32 {
    u32::try_from(ms.div_ceil(1000).max(1)).unwrap_or(u32::MAX)
}

/// For `tram-node user add` beside a running station: writes on an administrator's connection.
pub async fn put_user_beside(
    conn: &mut SqliteConnection,
    draft: UserDraft,
    now: Timestamp,
) -> Result<(), DeskError> {
    let (caller, hash) = prepare_user(draft).await?;
    Ok(rows::put_user(conn, &caller, &hash, now).await?)
}

/// For `tram-node key add` beside a running station: writes on an administrator's connection.
pub async fn put_key_beside(
    conn: &mut SqliteConnection,
    agency: &AgencyCode,
    draft: KeyDraft,
    now: Timestamp,
) -> Result<NewKey, DeskError> {
    let new = prepare_key(agency, draft, now)?;
    let hash = Digest::of(new.secret.as_bytes());
    rows::put_key(
        conn,
        hash.as_bytes(),
        new.secret.starts_with(LIVE),
        &new.key,
    )
    .await?;
    Ok(new)
}

async fn prepare_user(draft: UserDraft) -> Result<(Caller, String), DeskError> {
    let name_fits = (2..=40).contains(&draft.name.len())
        && draft
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
    if !name_fits {
        return Err(DeskError::Invalid(
            "user name needs 2 to 40 of a-z 0-9 . _ -".to_owned(),
        ));
    }
    if !(PASSWORD_CHARS_MIN..=PASSWORD_CHARS_MAX).contains(&draft.password.chars().count()) {
        return Err(DeskError::Invalid(
            "password needs 4 to 200 characters".to_owned(),
        ));
    }
    if draft.scopes.is_empty() {
        return Err(DeskError::Invalid(
            "a user needs at least one scope".to_owned(),
        ));
    }
    let caller = Caller {
        agency: draft.agency,
        name: draft.name,
        label: draft.display,
        scopes: draft.scopes,
        sandbox: false,
    };
    let password = draft.password;
    let hash = blocking(move || {
        let salt: [u8; 16] = rand::random();
        Argon2::default()
            .hash_password_with_salt(password.as_bytes(), &salt)
            .map(|hash: PasswordHash| hash.to_string())
    })
    .await?
    .map_err(|error| DeskError::Internal(format!("argon2: {error}")))?;
    Ok((caller, hash))
}

fn prepare_key(agency: &AgencyCode, draft: KeyDraft, now: Timestamp) -> Result<NewKey, DeskError> {
    if !(1..=80).contains(&draft.label.chars().count()) {
        return Err(DeskError::Invalid(
            "label of a key needs 1 to 80 characters".to_owned(),
        ));
    }
    if draft.scopes.is_empty() {
        return Err(DeskError::Invalid(
            "a key needs at least one scope".to_owned(),
        ));
    }
    let start = if draft.live { LIVE } else { TEST };
    let secret = format!("{start}{}", base62(&rand::random::<[u8; 32]>()));
    let key = KeyView {
        id: base62(&rand::random::<[u8; 6]>()),
        agency: agency.clone(),
        label: draft.label,
        prefix: secret.chars().take(start.len() + 4).collect(),
        scopes: draft.scopes,
        created: now,
        expires: draft.expires,
        last_used: None,
        revoked: None,
    };
    Ok(NewKey { key, secret })
}

fn password_matches(password: &str, stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

/// Argon2 takes tens of milliseconds: never on a thread that serves others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, DeskError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| DeskError::Internal(format!("password work stopped: {error}")))
}

/// Bytes as text of letters and digits only, so that a double click selects all of it.
fn base62(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut number = bytes.to_vec();
    let mut text = Vec::with_capacity(bytes.len() * 4 / 3 + 2);
    while number.iter().any(|byte| *byte != 0) {
        let mut rest: u16 = 0;
        for byte in &mut number {
            let value = (rest << 8) | u16::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        text.push(DIGITS.get(usize::from(rest)).copied().unwrap_or(b'0'));
    }
    text.reverse();
    String::from_utf8(text).unwrap_or_default()
}

const LIVE: &str = "tram_live_";
const TEST: &str = "tram_test_";
/// A clerk's working day.
const SESSION_MS: i64 = 12 * 3_600_000;
/// How long a key counts as good without another look: the delay of a revocation made elsewhere.
const RECENT_MS: i64 = 5_000;
const RECENT_MAX: usize = 1_024;
/// `last used` is kept to this accuracy, so that it costs no write a call.
const LAST_USED_MS: i64 = 60_000;
const PASSWORD_CHARS_MIN: usize = 4;
const PASSWORD_CHARS_MAX: usize = 200;
/// The hash of nobody's password.
const NO_PASSWORD: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA\
$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Scope;

    #[test]
    fn keys_are_long_random_words_and_show_only_their_first_characters() {
        let agency = AgencyCode::parse("H01.36.04").unwrap();
        let draft = || KeyDraft {
            label: "QLVB".to_owned(),
            scopes: vec![Scope::Send],
            live: false,
            expires: None,
        };
        let now = Timestamp::from_unix_ms(0);
        let one = prepare_key(&agency, draft(), now).unwrap();
        let two = prepare_key(&agency, draft(), now).unwrap();
        assert_ne!(one.secret, two.secret);
        let rest = one.secret.strip_prefix("tram_test_").unwrap();
        assert!(
            rest.len() >= 40 && rest.bytes().all(|b| b.is_ascii_alphanumeric()),
            "{rest}"
        );
        assert_eq!(one.key.prefix.len(), 14);
        let empty = KeyDraft {
            scopes: vec![],
            ..draft()
        };
        assert!(prepare_key(&agency, empty, now).is_err());
    }

    #[test]
    fn base62_is_the_number_in_base_62() {
        assert_eq!(base62(&[0]), "");
        assert_eq!(base62(&[61]), "z");
        assert_eq!(base62(&[62]), "10");
        assert_eq!(base62(&[1, 0]), "48");
    }

    #[tokio::test]
    async fn a_password_matches_itself_only_and_nobodys_hash_parses() {
        let draft = UserDraft {
            name: "lan".to_owned(),
            display: "Nguyễn Thị Lan".to_owned(),
            agency: AgencyCode::parse("H01").unwrap(),
            scopes: vec![Scope::Read],
            password: "demo".to_owned(),
        };
        let (caller, hash) = prepare_user(draft).await.unwrap();
        assert_eq!(caller.name, "lan");
        assert!(hash.starts_with("$argon2id$"));
        assert!(password_matches("demo", &hash));
        assert!(!password_matches("Demo", &hash));
        assert!(PasswordHash::new(NO_PASSWORD).is_ok());
        assert!(!password_matches("", NO_PASSWORD));
    }
}
