//! Who may use the desk: people with passwords and sessions, systems with keys.
//!
//! Passwords are stored as argon2id, keys and session tokens as SHA-256 of 32 random bytes (their
//! entropy needs no slow hash). Secrets leave this module once, when they are made. Fails with
//! `DeskError::Invalid` for words that are not allowed and says never why a login did not work.

pub(crate) mod book;

pub use self::book::{put_key_beside, put_user_beside};

use formats::id::AgencyCode;
use formats::time::Timestamp;
use serde::Serialize;

/// What a key or a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Users, keys, settings.
    Admin,
    /// Lists, documents, evidence.
    Read,
    /// Inbox: claim, package, acknowledge.
    Receive,
    /// Submit documents.
    Send,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 4] = [Self::Admin, Self::Read, Self::Receive, Self::Send];

    /// The word in the API and the database.
    pub fn code(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Read => "read",
            Self::Receive => "receive",
            Self::Send => "send",
        }
    }

    /// The scope of a word, if it is one.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.code() == word)
    }
}

/// Who calls: the same for a key and for a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Caller {
    /// The agency it acts for.
    pub agency: AgencyCode,
    /// Name of the user, or `key:<id>`.
    pub name: String,
    /// Name for people: display name of the user, or label of the key.
    pub label: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// The key belongs to a sandbox (`tram_test_`).
    pub sandbox: bool,
}

impl Caller {
    /// The caller may do this.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// A key without its secret.
#[derive(Clone, Debug, Serialize)]
pub struct KeyView {
    /// Short public id.
    pub id: String,
    /// The agency it acts for.
    pub agency: AgencyCode,
    /// What people call it.
    pub label: String,
    /// First characters of the secret, enough to recognise it.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    #[serde(serialize_with = "crate::view::as_text_time")]
    pub created: Timestamp,
    /// When it ends, if ever.
    #[serde(serialize_with = "crate::view::as_text_time_option")]
    pub expires: Option<Timestamp>,
    /// When it was last used, to the minute.
    #[serde(serialize_with = "crate::view::as_text_time_option")]
    pub last_used: Option<Timestamp>,
    /// When it was revoked.
    #[serde(serialize_with = "crate::view::as_text_time_option")]
    pub revoked: Option<Timestamp>,
}

/// A new key; the secret is shown this once.
#[derive(Clone, Debug, Serialize)]
pub struct NewKey {
    /// The key.
    pub key: KeyView,
    /// `tram_test_…` or `tram_live_…`.
    pub secret: String,
}

/// What a new key shall be.
#[derive(Clone, Debug)]
pub struct KeyDraft {
    /// What people call it, 1 to 80 characters.
    pub label: String,
    /// What it may do; at least one.
    pub scopes: Vec<Scope>,
    /// Live traffic (`tram_live_`) or sandbox (`tram_test_`).
    pub live: bool,
    /// When it ends, if ever.
    pub expires: Option<Timestamp>,
}

/// What a new user shall be.
#[derive(Clone, Debug)]
pub struct UserDraft {
    /// Login name: `[a-z0-9._-]`, 2 to 40 characters.
    pub name: String,
    /// Name for people.
    pub display: String,
    /// The agency the user acts for.
    pub agency: AgencyCode,
    /// What the user may do.
    pub scopes: Vec<Scope>,
    /// At least 4 characters; the screens ask for more.
    pub password: String,
}

/// A login that worked.
#[derive(Clone, Debug)]
pub struct Login {
    /// Secret for the session cookie.
    pub token: String,
    /// Who it is.
    pub caller: Caller,
    /// When the session ends.
    pub until: Timestamp,
}
