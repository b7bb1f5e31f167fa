//! `ceremony.toml`: who takes part, which authorities are made, where their keys live.
//!
//! Owns: the file's form, its rules (all problems are listed at once, each with the fix) and the
//! certificate template of each authority. Fails with [`PlanError`]. Must not know: keys, steps.

mod reader;

use std::collections::BTreeSet;
use std::path::Path;

use formats::id::{AgencyCode, Digest, TrustDomain};
use formats::time::Timestamp;
use serde::Deserialize;

use crate::key::{Algorithm, TokenUri};
use crate::plan::PlanError;
use crate::profile::Template;
use crate::role::Role;

use reader::{File, Reader};

/// A plan that passed every check.
#[derive(Clone, Debug)]
pub struct CeremonyPlan {
    /// Name of whoever runs the authorities; organizationName of the root and the national one.
    pub authority: String,
    /// The DNS name below which everything is named.
    pub trust_domain: TrustDomain,
    /// Where the people meet, for the script.
    pub place: Option<String>,
    /// Who takes part.
    pub participants: Vec<Participant>,
    /// In how many parts the passphrase of the root key is given to custodians.
    pub shares: Option<Shares>,
    /// The root.
    pub root: Authority,
    /// Days that the first list of the root is valid for.
    pub root_list_days: u32,
    /// The issuing authorities, the national one first.
    pub issuing: Vec<Authority>,
    /// SHA-256 of the file: what the review was about.
    pub digest: Digest,
    /// The file itself.
    pub text: String,
}

/// `[[participant]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Participant {
    /// What they do.
    pub role: Duty,
    /// Their name; a blank to fill in by hand when it is empty.
    #[serde(default)]
    pub name: String,
}

/// What a participant does.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "lowercase")]
pub enum Duty {
    /// Keeps a share of the root key's passphrase, or the passphrase.
    Custodian,
    /// Reads the script aloud and decides.
    Leader,
    /// Types.
    Operator,
    /// Sees that the script is followed.
    Witness,
}

impl Duty {
    /// The duty in English and Vietnamese.
    #[must_use]
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Custodian => ("custodian", "người giữ mảnh khóa"),
            Self::Leader => ("leader", "người chủ trì"),
            Self::Operator => ("operator", "người thao tác"),
            Self::Witness => ("witness", "người chứng kiến"),
        }
    }
}

/// `[shares]`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Shares {
    /// How many are needed.
    pub needed: u8,
    /// How many there are.
    pub of: u8,
}

/// One authority of the plan.
#[derive(Clone, Debug)]
pub struct Authority {
    /// Name of its files: `root`, `ca`, `ca-H01`.
    pub file: String,
    /// organizationName.
    pub organization: String,
    /// The province or ministry that it is for; none for the root and the national one.
    pub code: Option<AgencyCode>,
    /// Kind of key.
    pub algorithm: Algorithm,
    /// The word for it in the plan.
    pub algorithm_word: String,
    /// How long it is valid.
    pub valid_years: u32,
    /// Where its key lives.
    pub place: KeyPlace,
    /// Permitted DNS subtrees; empty for the root.
    pub subtrees: Vec<String>,
}

/// Where a key lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// Elsewhere: only a certificate request comes to the ceremony.
    Elsewhere,
    /// An encrypted file.
    File,
    /// A token.
    Token(Box<TokenUri>),
}

impl CeremonyPlan {
    /// Reads and checks a plan. PIN files with a relative path lie beside it.
    ///
    /// # Errors
    /// [`PlanError`].
    pub fn load(path: &Path) -> Result<Self, PlanError> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => {
                // Absolute, because key files elsewhere will name the same PIN file.
                let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
                Self::parse(&file, text, whole.parent().unwrap_or_else(|| Path::new("")))
            }
            Err(source) => Err(PlanError::File { file, source }),
        }
    }

    /// Checks a plan's text; `file` is for error texts, `base` the folder of PIN files.
    ///
    /// # Errors
    /// [`PlanError::Form`] or [`PlanError::Problems`].
    pub fn parse(file: &str, text: String, base: &Path) -> Result<Self, PlanError> {
        let parsed: File = toml::from_str(&text).map_err(|error| PlanError::Form {
            file: file.to_owned(),
            reason: error.to_string(),
        })?;
        let mut problems = Vec::new();
        let mut reader = Reader {
            base,
            domain: parsed.ceremony.trust_domain.clone(),
            problems: &mut problems,
        };
        let authority = parsed.ceremony.authority;
        let root = reader.root(&authority, &parsed.root);
        let mut issuing: Vec<Authority> = parsed
            .issuing
            .iter()
            .map(|one| reader.issuing(&authority, one, parsed.root.valid_years))
            .collect();
        issuing.sort_by(|one, other| one.code.cmp(&other.code));
        let plan = Self {
            authority,
            trust_domain: parsed.ceremony.trust_domain,
            place: parsed.ceremony.place,
            participants: parsed.participants,
            shares: parsed.shares,
            root,
            root_list_days: parsed.root.list_days,
            issuing,
            digest: Digest::of(text.as_bytes()),
            text,
        };
        plan.check_people(&mut problems);
        plan.check_shares(&mut problems);
        plan.check_authorities(&mut problems);
        if problems.is_empty() {
            Ok(plan)
        } else {
            Err(PlanError::Problems(problems))
        }
    }

    /// Participants with this duty.
    pub fn with_duty(&self, duty: Duty) -> impl Iterator<Item = &Participant> {
        self.participants.iter().filter(move |one| one.role == duty)
    }

    fn check_people(&self, problems: &mut Vec<String>) {
        let count = |duty| self.with_duty(duty).count();
        if count(Duty::Leader) != 1 {
            problems.push("there must be exactly one leader: add or remove one".to_owned());
        }
        for duty in [Duty::Operator, Duty::Witness] {
            if count(duty) == 0 {
                problems.push(format!("no {} takes part: add one", duty.words().0));
            }
        }
        let mut named = BTreeSet::new();
        for one in self.participants.iter().filter(|one| !one.name.is_empty()) {
            if !named.insert(&one.name) {
                problems.push(format!(
                    "{} stands twice: nobody watches or shares a secret with themselves",
                    one.name
                ));
            }
        }
        if self.authority.trim().is_empty() {
            problems.push("the authority has no name: write ceremony.authority".to_owned());
        }
    }

    fn check_shares(&self, problems: &mut Vec<String>) {
        let custodians = self.with_duty(Duty::Custodian).count();
        let Some(shares) = self.shares else {
            if custodians == 0 {
                problems
                    .push("no custodian: nobody keeps the passphrase of the root key".to_owned());
            }
            return;
        };
        let Shares { needed, of } = shares;
        if matches!(self.root.place, KeyPlace::Token(_)) {
            problems.push(
                "shares: a token's PIN is not divided: remove the table, or write key = \"file\""
                    .to_owned(),
            );
        }
        if needed < 2 {
            problems.push(format!(
                "shares.needed is {needed}: at least 2 persons must agree"
            ));
        }
        if needed > of {
            problems.push(format!(
                "shares.needed is {needed} of {of}: nobody could ever open the root key"
            ));
        }
        if of > SHARES_MAX {
            problems.push(format!("shares.of is {of}: at most {SHARES_MAX}"));
        }
        if custodians != usize::from(of) {
            problems.push(format!(
                "{of} shares for {custodians} custodians: name one custodian for each share"
            ));
        }
    }

    fn check_authorities(&self, problems: &mut Vec<String>) {
        let national = self.issuing.iter().filter(|one| one.code.is_none()).count();
        if national != 1 {
            problems.push(format!(
                "{national} national issuing authorities (without code): there must be exactly one"
            ));
        }
        let mut files = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for one in std::iter::once(&self.root).chain(&self.issuing) {
            if one.code.is_some() && !files.insert(&one.file) {
                problems.push(format!("{} stands twice: remove one", one.file));
            }
            if let KeyPlace::Token(uri) = &one.place
                && !keys.insert(uri.shown())
            {
                problems.push(format!("two authorities share the key {}", uri.shown()));
            }
        }
    }
}

impl Authority {
    /// What its certificate is to say.
    #[must_use]
    pub fn template(&self, domain: &TrustDomain, spki: &[u8], now: Timestamp) -> Template {
        let role = if self.subtrees.is_empty() {
            Role::Root
        } else {
            Role::IssuingCa
        };
        let name = format!("Tram {} {domain}", self.file);
        let mut template =
            Template::new(role, &name, spki, now).of_organization(&self.organization);
        for subtree in &self.subtrees {
            template = template.permitting(subtree);
        }
        // Both ends count (RFC 5280 section 4.1.2.5): the last second is one before.
        template.not_after = template.not_before.plus_ms(self.valid_ms()).minus_ms(1000);
        template
    }

    /// Length of its validity.
    #[must_use]
    pub fn valid_ms(&self) -> i64 {
        i64::from(self.valid_years).saturating_mul(365 * DAY_MS)
    }
}

impl KeyPlace {
    /// The place as the transcript says it, without anything secret.
    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Elsewhere => "elsewhere".to_owned(),
            Self::File => "encrypted file".to_owned(),
            Self::Token(uri) => uri.shown(),
        }
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// More people than that are never in one room.
pub const SHARES_MAX: u8 = 16;

#[cfg(test)]
mod tests;
