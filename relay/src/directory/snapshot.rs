//! Snapshot: the directory at one moment. Immutable but for two caches (verdicts on records,
//! verified signers), so readers share it without locks and a decision never mixes two states of
//! the folder.
//!
//! Built from the folder by [`super::build`]; caches are carried over while the trust behind
//! them is the same. Must not know files, links, the store.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use formats::id::{AgencyCode, Digest, StationName, TrustDomain};
use formats::record::{self, Record, TrustList};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::chain::{ChainError, Validator, VerifiedCert};
use pki::revoke::Revocation;
use pki::role::Role;

use super::agencies::{AgencyEntry, AgencyTable};
use super::folder::{Claim, KnownCert, Refused};
use super::freshness::Freshness;
use super::judge::Verdicts;
use super::lapse::Lapses;
use crate::route::Graph;

pub use formats::record::StationKind;

/// Why the directory cannot answer (operator or issuer).
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The folder cannot be read.
    #[error("records folder {path} cannot be read; check the path and its permissions")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nothing to believe in.
    #[error("no trust list signed by the pinned key in the records folder; {refused}")]
    NoTrustList {
        /// What was there and why it does not count.
        refused: String,
    },
    /// The agency has no certificate to seal to.
    #[error("no encryption certificate in force for {0}")]
    NoCertificate(AgencyCode),
    /// It has, but it does not verify.
    #[error("encryption certificate of {code}")]
    Certificate {
        /// The agency.
        code: AgencyCode,
        /// Why.
        source: ChainError,
    },
}

/// Why a signer cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum UnknownSigner {
    /// Its certificate is not here (yet).
    #[error("certificate not known here")]
    Absent,
    /// It does not hold.
    #[error(transparent)]
    Refused(ChainError),
}

/// A station of the directory.
#[derive(Clone, Debug)]
pub struct StationEntry {
    pub(super) record: record::Station,
    /// The signed record.
    pub signed: Arc<[u8]>,
}

impl StationEntry {
    /// What the station says of itself.
    #[must_use]
    pub fn record(&self) -> &record::Station {
        &self.record
    }

    /// The relays it dials.
    #[must_use]
    pub fn home_relays(&self) -> &[StationName] {
        &self.record.home_relays
    }
}

/// A certificate of an agency in the index.
pub(super) type Indexed = BTreeMap<AgencyCode, Vec<Arc<KnownCert>>>;

/// The directory at one moment.
#[derive(Debug)]
pub struct Snapshot {
    pub(super) trust: TrustList,
    pub(super) trust_signed: Arc<[u8]>,
    /// Of the inputs of the validator: equal means that cached verdicts still hold.
    pub(super) trust_digest: Digest,
    pub(super) validator: Validator,
    pub(super) verdicts: Arc<Verdicts>,
    pub(super) signers: Arc<Signers>,
    pub(super) agencies: Arc<AgencyTable>,
    pub(super) attachments: HashMap<AgencyCode, Vec<Arc<Claim>>>,
    pub(super) delegations: HashMap<AgencyCode, Vec<Arc<Claim>>>,
    pub(super) stations: BTreeMap<StationName, Arc<StationEntry>>,
    pub(super) certificates: HashMap<Digest, Arc<KnownCert>>,
    pub(super) encryption: Indexed,
    pub(super) graph: Graph,
    pub(super) built: Timestamp,
    pub(super) freshness: Freshness,
    pub(super) lapses: Lapses,
    pub(super) refused: Vec<Refused>,
}

pub(super) type Signers = Mutex<HashMap<(Digest, Role, i64), VerifiedCert>>;

impl Snapshot {
    /// The agency with this canonical code.
    #[must_use]
    pub fn agency(&self, code: &AgencyCode) -> Option<Arc<AgencyEntry>> {
        self.agencies.by_code(code).cloned()
    }

    /// The agency that someone meant at `at` by a code or an alias (SPEC 8): an alias counts while it
    /// holds and only one agency claims it; successors of agencies that ended are followed. Who is
    /// found may have ended without a successor, or not have begun.
    #[must_use]
    pub fn resolve(&self, written: &str, at: Timestamp) -> Option<Arc<AgencyEntry>> {
        self.agencies.resolve(written, at).cloned()
    }

    /// At most `limit` agencies whose code, name or aliases have words that begin with those of
    /// `written`, in any order, case and diacritics ignored. Best first: code or alias, beginning of
    /// one, name, beginning of it, the rest; then those that exist at `at` before others; then by
    /// code.
    #[must_use]
    pub fn search(&self, written: &str, limit: usize, at: Timestamp) -> Vec<Arc<AgencyEntry>> {
        self.agencies.search(written, limit, at)
    }

    /// Every agency, by code.
    pub fn agencies(&self) -> impl Iterator<Item = &Arc<AgencyEntry>> {
        self.agencies.all().iter()
    }

    /// The signed record that names the home station of this agency at `at`, and that station. Only
    /// an attachment of the agency itself; see [`Self::home_station`] for delegations.
    #[must_use]
    pub fn attachment(&self, code: &AgencyCode, at: Timestamp) -> Option<(StationName, Arc<[u8]>)> {
        let claims = self.attachments.get(code)?;
        claims.iter().find_map(|claim| match &claim.record {
            Record::Attachment(attachment) if attachment.from <= at => {
                self.verdicts
                    .verify(claim, &self.validator, self.built)
                    .ok()?;
                Some((attachment.station.clone(), Arc::clone(&claim.signed)))
            }
            Record::Attachment(_)
            | Record::Agencies(_)
            | Record::Delegation(_)
            | Record::Station(_)
            | Record::TrustList(_) => None,
        })
    }

    /// The station that delivers to this agency at `at`: of its own attachment, else of the parent
    /// that receives for it by the nearest delegation.
    #[must_use]
    pub fn home_station(&self, code: &AgencyCode, at: Timestamp) -> Option<StationName> {
        if let Some((station, _)) = self.attachment(code, at) {
            return Some(station);
        }
        let delegation = self.delegation(code, at)?;
        self.attachment(&delegation.parent, at)
            .map(|(station, _)| station)
    }

    /// The delegation in force for an agency without an attachment of its own.
    #[must_use]
    pub fn delegation(&self, code: &AgencyCode, at: Timestamp) -> Option<record::Delegation> {
        self.signed_delegation(code, at).map(|(found, _)| found)
    }

    /// As [`Self::delegation`], with the signed record.
    #[must_use]
    pub fn signed_delegation(
        &self,
        code: &AgencyCode,
        at: Timestamp,
    ) -> Option<(record::Delegation, Arc<[u8]>)> {
        if self.attachment(code, at).is_some() {
            return None;
        }
        let mut scope = Some(code.clone());
        while let Some(here) = scope {
            let claims = self.delegations.get(&here).into_iter().flatten();
            let found = claims
                .filter_map(|claim| match &claim.record {
                    Record::Delegation(delegation) if delegation.from <= at => {
                        self.verdicts
                            .verify(claim, &self.validator, self.built)
                            .ok()?;
                        Some((delegation, &claim.signed))
                    }
                    Record::Delegation(_)
                    | Record::Agencies(_)
                    | Record::Attachment(_)
                    | Record::Station(_)
                    | Record::TrustList(_) => None,
                })
                .max_by_key(|(delegation, _)| delegation.sequence);
            if let Some((delegation, signed)) = found {
                return Some((delegation.clone(), Arc::clone(signed)));
            }
            scope = here.parent();
        }
        None
    }

    /// The certificate to seal to for this agency at `at`, verified: the newest that holds.
    pub fn encryption_certificate(
        &self,
        code: &AgencyCode,
        at: Timestamp,
    ) -> Result<VerifiedCert, DirectoryError> {
        if let Some(delegation) = self.delegation(code, at) {
            return self
                .signer(&delegation.encryption_sha256, Role::AgencyEncryption, at)
                .map_err(|error| unusable(code, error));
        }
        let mut refused = DirectoryError::NoCertificate(code.clone());
        let known = self.encryption.get(code).into_iter().flatten();
        for known in known.filter(|known| known.not_before <= at && at <= known.not_after) {
            match self.signer(&known.sha256, Role::AgencyEncryption, at) {
                Ok(verified) => return Ok(verified),
                Err(error) => refused = unusable(code, error),
            }
        }
        Err(refused)
    }

    /// A certificate by its SHA-256, not verified.
    #[must_use]
    pub fn certificate(&self, sha256: &Digest) -> Option<Certificate> {
        let known = self.certificates.get(sha256)?;
        Certificate::parse(&known.der).ok()
    }

    /// Verifies a certificate for a role at a time. Cached by the hour: of the things that decide,
    /// only the ends of validity move within one, and those of the certificate itself are compared
    /// each time.
    pub fn signer(
        &self,
        sha256: &Digest,
        role: Role,
        at: Timestamp,
    ) -> Result<VerifiedCert, UnknownSigner> {
        let key = (*sha256, role, at.unix_s().div_euclid(SECONDS_PER_HOUR));
        let known = self.certificates.get(sha256).ok_or(UnknownSigner::Absent)?;
        let in_time = known.not_before <= at && at <= known.not_after;
        {
            let signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(verified) = signers.get(&key).filter(|_| in_time) {
                return Ok(verified.clone());
            }
        }
        let certificate = self.certificate(sha256).ok_or(UnknownSigner::Absent)?;
        let verified = self
            .validator
            .verify(&certificate, role, at)
            .map_err(UnknownSigner::Refused)?;
        let mut signers = self.signers.lock().unwrap_or_else(PoisonError::into_inner);
        if signers.len() >= SIGNERS_MAX {
            signers.clear();
        }
        signers.insert(key, verified.clone());
        Ok(verified)
    }

    /// A station by its name.
    #[must_use]
    pub fn station(&self, name: &StationName) -> Option<Arc<StationEntry>> {
        self.stations.get(name).cloned()
    }

    /// Every station, by name.
    pub fn stations(&self) -> impl Iterator<Item = &Arc<StationEntry>> {
        self.stations.values()
    }

    /// The validator over trust list and CRLs.
    #[must_use]
    pub fn validator(&self) -> Validator {
        self.validator.clone()
    }

    /// The trust list in force.
    #[must_use]
    pub fn trust_list(&self) -> &TrustList {
        &self.trust
    }

    /// The trust list in force as it was signed.
    #[must_use]
    pub fn trust_list_signed(&self) -> Arc<[u8]> {
        Arc::clone(&self.trust_signed)
    }

    /// The trust domain.
    #[must_use]
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust.trust_domain
    }

    /// Who reaches whom.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What was left out, and why.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// When this snapshot was built.
    #[must_use]
    pub fn built(&self) -> Timestamp {
        self.built
    }

    /// Whether the trust list or the list of any authority is past its window. What stops is judged along
    /// each path: [`Self::freshness`].
    #[must_use]
    pub fn revocation_stale(&self, now: Timestamp) -> bool {
        self.freshness.is_stale(now)
    }

    /// Until when the trust data may be used.
    #[must_use]
    pub fn freshness(&self) -> &Freshness {
        &self.freshness
    }

    /// Records and their ends.
    pub(crate) fn lapses(&self) -> &Lapses {
        &self.lapses
    }

    /// What the newest lists say of the certificates of this path by now, the end certificate's word first.
    /// What they say of the time of a signature is [`Self::signer`]'s.
    #[must_use]
    pub fn revocation(&self, verified: &VerifiedCert) -> Option<Revocation> {
        let pairs = verified.path().windows(2).rev();
        pairs
            .filter_map(|pair| {
                let [issuer, certificate] = pair else {
                    return None;
                };
                let lists = self.validator.crls().iter();
                lists
                    .filter(|crl| crl.revoked() > 0 && crl.covers(certificate))
                    .filter(|crl| crl.verify(issuer).is_ok())
                    .max_by_key(|crl| crl.this_update())
                    .and_then(|crl| crl.entry(certificate))
            })
            .next()
    }
}

fn unusable(code: &AgencyCode, error: UnknownSigner) -> DirectoryError {
    match error {
        UnknownSigner::Absent => DirectoryError::NoCertificate(code.clone()),
        UnknownSigner::Refused(source) => DirectoryError::Certificate {
            code: code.clone(),
            source,
        },
    }
}

/// Verified signers kept; about 2 KiB each.
const SIGNERS_MAX: usize = 50_000;
const SECONDS_PER_HOUR: i64 = 3_600;
