//! Reading the table of profiles and an operator's file over it.
//!
//! Owns: the TOML form, its rules, and the rule that an operator only narrows. Fails with
//! [`TableError`] naming every problem at once. Must not know: certificates.

use std::collections::BTreeMap;
use std::sync::Arc;

use der::asn1::ObjectIdentifier;
use der::flagset::FlagSet;
use formats::id::Digest;
use formats::oid;
use serde::Deserialize;
use thiserror::Error;
use x509_cert::ext::pkix::KeyUsages;

use super::{IssuerKind, KeyRule, Profile, Profiles, Table, Usage};
use crate::role::{NameKind, Role};

/// Why a file of profiles is not used.
#[derive(Debug, Error)]
pub enum TableError {
    /// The file cannot be read.
    #[error("profiles {file}")]
    File {
        /// Path of the file.
        file: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not the TOML that it should be.
    #[error("profiles: {0}")]
    Form(String),
    /// Rules are broken.
    #[error("profiles have {} problem(s):\n{}", .0.len(), .0.join("\n"))]
    Problems(Vec<String>),
}

/// One profile for each role; a missing one does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Each {
    agency_encryption: Profile,
    agency_signature: Profile,
    delegate: Profile,
    issuing_ca: Profile,
    ocsp: Profile,
    registry: Profile,
    root: Profile,
    station_evidence: Profile,
    station_tls: Profile,
    time_stamping: Profile,
    trust_list: Profile,
}

impl Each {
    pub(super) fn of(&self, role: Role) -> &Profile {
        match role {
            Role::AgencyEncryption => &self.agency_encryption,
            Role::AgencySignature => &self.agency_signature,
            Role::Delegate => &self.delegate,
            Role::IssuingCa => &self.issuing_ca,
            Role::Ocsp => &self.ocsp,
            Role::Registry => &self.registry,
            Role::Root => &self.root,
            Role::StationEvidence => &self.station_evidence,
            Role::StationTls => &self.station_tls,
            Role::TimeStamping => &self.time_stamping,
            Role::TrustList => &self.trust_list,
        }
    }

    /// Makes each profile; all errors are gathered before anything is returned.
    fn make(mut one: impl FnMut(Role) -> Option<Profile>) -> Option<Self> {
        let made = Role::ALL.map(|role| (role, one(role)));
        let mut all: BTreeMap<Role, Profile> = made
            .into_iter()
            .filter_map(|(role, profile)| Some((role, profile?)))
            .collect();
        let mut take = |role| all.remove(&role);
        Some(Self {
            agency_encryption: take(Role::AgencyEncryption)?,
            agency_signature: take(Role::AgencySignature)?,
            delegate: take(Role::Delegate)?,
            issuing_ca: take(Role::IssuingCa)?,
            ocsp: take(Role::Ocsp)?,
            registry: take(Role::Registry)?,
            root: take(Role::Root)?,
            station_evidence: take(Role::StationEvidence)?,
            station_tls: take(Role::StationTls)?,
            time_stamping: take(Role::TimeStamping)?,
            trust_list: take(Role::TrustList)?,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<T> {
    version: u32,
    #[serde(default = "BTreeMap::new")]
    profile: BTreeMap<String, T>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Whole {
    en: String,
    vi: String,
    eku: Option<String>,
    #[serde(default)]
    eku_critical: bool,
    key_usage: Vec<String>,
    needs: String,
    name: String,
    issuers: Vec<String>,
    path_length: Option<u8>,
    #[serde(default)]
    no_check: bool,
    validity_days: u32,
    keys: Vec<String>,
    approvals: u8,
}

/// What an operator may say. Everything else is an unknown key and refused as such.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Narrowing {
    validity_days: Option<u32>,
    keys: Option<Vec<String>>,
    approvals: Option<u8>,
    remark: Option<String>,
}

/// Reads the whole table.
pub(super) fn read(text: &str) -> Result<Profiles, TableError> {
    let file: File<Whole> =
        toml::from_str(text).map_err(|error| TableError::Form(error.to_string()))?;
    let mut problems = Vec::new();
    check_roles(&file.profile, &mut problems);
    let each = Each::make(|role| {
        let Some(whole) = file.profile.get(role.as_str()) else {
            problems.push(format!("[profile.{role}] is missing"));
            return None;
        };
        profile(role, whole)
            .map_err(|problem| problems.push(format!("[profile.{role}]: {problem}")))
            .ok()
    });
    match each {
        Some(each) if problems.is_empty() => Ok(Profiles(Arc::new(Table {
            version: file.version,
            sha256: Digest::of(text.as_bytes()),
            each,
        }))),
        _ => Err(TableError::Problems(problems)),
    }
}

/// Lays an operator's file over the built-in table.
pub(super) fn narrow(base: &Profiles, text: &str) -> Result<Profiles, TableError> {
    let file: File<Narrowing> = toml::from_str(text).map_err(|error| {
        TableError::Form(format!(
            "{error}\nan operator's file may say validity_days, keys, approvals and remark only"
        ))
    })?;
    let mut problems = Vec::new();
    if file.version != base.version() {
        problems.push(format!(
            "the file is for version {} of the profiles, this program has {}: compare them with \
             `tram-pki profile diff` and write the new version",
            file.version,
            base.version()
        ));
    }
    check_roles(&file.profile, &mut problems);
    let each = Each::make(|role| {
        let base = base.of(role);
        let Some(narrowing) = file.profile.get(role.as_str()) else {
            return Some(base.clone());
        };
        narrowed(base, narrowing)
            .map_err(|problem| problems.push(format!("[profile.{role}]: {problem}")))
            .ok()
    });
    match each {
        Some(each) if problems.is_empty() => Ok(Profiles(Arc::new(Table {
            version: file.version,
            sha256: digest_over(base, text),
            each,
        }))),
        _ => Err(TableError::Problems(problems)),
    }
}

fn digest_over(base: &Profiles, text: &str) -> Digest {
    let mut bytes = b"tram-profiles-1".to_vec();
    bytes.extend_from_slice(base.sha256().as_bytes());
    bytes.extend_from_slice(Digest::of(text.as_bytes()).as_bytes());
    Digest::of(&bytes)
}

fn check_roles<T>(found: &BTreeMap<String, T>, problems: &mut Vec<String>) {
    for word in found.keys().filter(|word| word.parse::<Role>().is_err()) {
        let known: Vec<&str> = Role::ALL.into_iter().map(Role::as_str).collect();
        problems.push(format!(
            "[profile.{word}]: no such role; use one of {}",
            known.join(", ")
        ));
    }
}

fn profile(role: Role, whole: &Whole) -> Result<Profile, String> {
    let eku = whole.eku.as_deref().map(usage).transpose()?;
    let key_usage = whole
        .key_usage
        .iter()
        .map(|word| key_usage_bit(word))
        .try_fold(FlagSet::default(), |all, bit| Ok::<_, String>(all | bit?))?;
    let needs = key_usage_bit(&whole.needs)?;
    let profile = Profile {
        role,
        words: (whole.en.clone(), whole.vi.clone()),
        eku,
        eku_critical: whole.eku_critical,
        key_usage,
        needs,
        name: name_kind(&whole.name)?,
        issuers: each(&whole.issuers, issuer)?,
        path_length: whole.path_length,
        no_check: whole.no_check,
        validity_days: whole.validity_days,
        keys: each(&whole.keys, str::parse)?,
        approvals: whole.approvals,
        remark: None,
    };
    check(&profile)?;
    Ok(profile)
}

/// What must fit together in one profile.
fn check(profile: &Profile) -> Result<(), String> {
    let authority = profile.role.is_authority();
    let good = [
        (
            profile.eku.is_none() == authority,
            "authorities, and only they, have no eku",
        ),
        (
            profile.path_length.is_some() == authority,
            "authorities, and only they, have path_length",
        ),
        (
            (profile.name == NameKind::None) == authority,
            "authorities, and only they, have no name",
        ),
        (
            profile.key_usage.contains(profile.needs),
            "needs is not in key_usage",
        ),
        (!profile.issuers.is_empty(), "nobody may issue it"),
        (profile.validity_days > 0, "validity_days is 0"),
        (!profile.keys.is_empty(), "no kind of key is allowed"),
        (
            (1..=APPROVALS_MAX).contains(&profile.approvals),
            "approvals is not 1 to 5",
        ),
        (
            !profile.words.0.is_empty() && !profile.words.1.is_empty(),
            "en or vi is empty",
        ),
    ];
    match good.iter().find(|(holds, _)| !holds) {
        Some((_, problem)) => Err((*problem).to_owned()),
        None => Ok(()),
    }
}

fn narrowed(base: &Profile, by: &Narrowing) -> Result<Profile, String> {
    let mut profile = base.clone();
    if let Some(days) = by.validity_days {
        if days > base.validity_days {
            return Err(format!(
                "validity_days {days} is longer than the {} that is allowed",
                base.validity_days
            ));
        }
        profile.validity_days = days;
    }
    if let Some(keys) = &by.keys {
        profile.keys = each(keys, str::parse)?;
        let wider = |key: &&KeyRule| !base.keys.iter().any(|allowed| key.is_within(*allowed));
        if let Some(wider) = profile.keys.iter().find(wider) {
            return Err(format!("keys: {wider} is not allowed for this role"));
        }
    }
    if let Some(approvals) = by.approvals {
        if approvals < base.approvals {
            return Err(format!(
                "approvals {approvals} is less than the {} that is needed",
                base.approvals
            ));
        }
        profile.approvals = approvals;
    }
    if let Some(remark) = &by.remark {
        if remark.chars().count() > REMARK_CHARACTERS_MAX || remark.chars().any(char::is_control) {
            return Err(format!(
                "remark is longer than {REMARK_CHARACTERS_MAX} characters or has control characters"
            ));
        }
        profile.remark = Some(remark.clone());
    }
    check(&profile)?;
    Ok(profile)
}

fn each<T>(words: &[String], one: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    words.iter().map(|word| one(word)).collect()
}

fn usage(word: &str) -> Result<Usage, String> {
    USAGES
        .into_iter()
        .find(|(known, _)| *known == word)
        .map(|(word, id)| Usage { word, id })
        .ok_or_else(|| format!("unknown extended key usage {word:?}"))
}

fn key_usage_bit(word: &str) -> Result<KeyUsages, String> {
    KEY_USAGES
        .into_iter()
        .find(|(known, _)| *known == word)
        .map(|(_, bit)| bit)
        .ok_or_else(|| format!("unknown key usage {word:?}"))
}

fn name_kind(word: &str) -> Result<NameKind, String> {
    match word {
        "agency" => Ok(NameKind::Agency),
        "none" => Ok(NameKind::None),
        "station" => Ok(NameKind::Station),
        _ => Err(format!("unknown kind of name {word:?}")),
    }
}

fn issuer(word: &str) -> Result<IssuerKind, String> {
    IssuerKind::ALL
        .into_iter()
        .find(|kind| kind.as_str() == word)
        .ok_or_else(|| format!("unknown issuer {word:?}"))
}

/// The words of key usage bits, of those that our profiles use.
pub(crate) const KEY_USAGES: [(&str, KeyUsages); 5] = [
    ("digitalSignature", KeyUsages::DigitalSignature),
    ("nonRepudiation", KeyUsages::NonRepudiation),
    ("keyAgreement", KeyUsages::KeyAgreement),
    ("keyCertSign", KeyUsages::KeyCertSign),
    ("cRLSign", KeyUsages::CRLSign),
];

/// The words of extended key usages; the numbers stand in [`formats::oid`].
const USAGES: [(&str, ObjectIdentifier); 9] = [
    ("agencyEncryption", oid::EKU_AGENCY_ENCRYPTION),
    ("delegate", oid::EKU_DELEGATE),
    ("documentSigning", oid::EKU_DOCUMENT_SIGNING),
    ("OCSPSigning", oid::EKU_OCSP_SIGNING),
    ("registry", oid::EKU_REGISTRY),
    ("stationEvidence", oid::EKU_STATION_EVIDENCE),
    ("stationTls", oid::EKU_STATION_TLS),
    ("timeStamping", oid::EKU_TIME_STAMPING),
    ("trustList", oid::EKU_TRUST_LIST),
];

/// More persons than this never meet.
const APPROVALS_MAX: u8 = 5;
const REMARK_CHARACTERS_MAX: usize = 500;
