//! Snapshot: the directory at one moment. Immutable but for two caches (verdicts on records, verified signers), so
//! readers share it without locks and a decision never mixes two states of the folder.
//!
//! Built from the folder by [`Snapshot::build`]; caches are carried over while the trust behind them is the same.
//! Must not know files, links, the store.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use formats::id::{AgencyCode, Digest, StationName, TrustDomain};
use formats::record::{self, Record, Subject, TrustList};
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::chain::{ChainError, TrustStore, Validator, VerifiedCert};
use pki::role::Role;

use super::folder::{Claim, Folder, KnownCert, Refused};
use super::judge::{self, Verdicts};
use crate::route::{Graph, Vertex};

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

/// An agency of the directory.
#[derive(Clone, Debug)]
pub struct AgencyEntry {
    /// What the registry says.
    pub agency: record::Agency,
    /// The signed bundle that says it.
    pub signed: Arc<[u8]>,
    /// What a search looks through.
    haystack: String,
}

/// A station of the directory.
#[derive(Clone, Debug)]
pub struct StationEntry {
    record: record::Station,
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
type Indexed = BTreeMap<AgencyCode, Vec<Arc<KnownCert>>>;

/// The directory at one moment.
#[derive(Debug)]
pub struct Snapshot {
    trust: TrustList,
    /// Of the inputs of the validator: equal means that cached verdicts still hold.
    trust_digest: Digest,
    validator: Validator,
    verdicts: Arc<Verdicts>,
    signers: Arc<Signers>,
    agencies: BTreeMap<AgencyCode, Arc<AgencyEntry>>,
    aliases: HashMap<String, AgencyCode>,
    attachments: HashMap<AgencyCode, Vec<Arc<Claim>>>,
    delegations: HashMap<AgencyCode, Vec<Arc<Claim>>>,
    stations: BTreeMap<StationName, Arc<StationEntry>>,
    certificates: HashMap<Digest, Arc<KnownCert>>,
    encryption: Indexed,
    graph: Graph,
    built: Timestamp,
    refused: Vec<Refused>,
}

type Signers = Mutex<HashMap<(Digest, Role, i64), VerifiedCert>>;

impl Snapshot {
    pub(crate) fn build(
        folder: &Folder,
        pinned: &Certificate,
        last: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, DirectoryError> {
        let mut refused: Vec<Refused> = folder.refused().collect();
        let authorities = authorities(folder);
        let trust = judge::trust_list(folder.claims(), pinned, &authorities, &mut refused);
        let trust = trust.ok_or_else(|| DirectoryError::NoTrustList {
            refused: refused.iter().map(|one| format!("{}: {}", one.file, one.reason)).collect(),
        })?;
        let (store, trust_digest) = trust_store(folder, &trust, authorities);
        let same = last.filter(|last| last.trust_digest == trust_digest);
        let mut snapshot = Self {
            validator: same.map_or_else(|| Validator::new(store), Self::validator),
            verdicts: same.map(|same| Arc::clone(&same.verdicts)).unwrap_or_default(),
            signers: same.map(|same| Arc::clone(&same.signers)).unwrap_or_default(),
            trust,
            trust_digest,
            agencies: BTreeMap::new(),
            aliases: HashMap::new(),
            attachments: HashMap::new(),
            delegations: HashMap::new(),
            stations: BTreeMap::new(),
            certificates: HashMap::new(),
            encryption: BTreeMap::new(),
            graph: Graph::default(),
            built: now,
            refused: vec![],
        };
        snapshot.index_certificates(folder);
        let subjects = judge::by_subject(folder.claims(), now, &mut refused);
        for (subject, claims) in subjects {
            snapshot.place(subject, claims, now, &mut refused);
        }
        snapshot.draw_graph(&mut refused);
        refused.sort_by(|one, other| one.file.cmp(&other.file));
        snapshot.refused = refused;
        Ok(snapshot)
    }

    fn index_certificates(&mut self, folder: &Folder) {
        for known in folder.certificates() {
            self.certificates.insert(known.sha256, Arc::clone(known));
            if known.role != Some(Role::AgencyEncryption) {
                continue;
            }
            let code = known.dns_name.as_deref().and_then(|name| {
                AgencyCode::from_dns_name(name, &self.trust.trust_domain).ok()
            });
            if let Some(code) = code {
                self.encryption.entry(code).or_default().push(Arc::clone(known));
            }
        }
        for list in self.encryption.values_mut() {
            list.sort_by_key(|known| std::cmp::Reverse(known.not_before));
        }
    }

    fn place(
        &mut self,
        subject: Subject,
        claims: Vec<Arc<Claim>>,
        now: Timestamp,
        refused: &mut Vec<Refused>,
    ) {
        match subject {
            // Judged before everything else.
            Subject::TrustList(_) => {}
            // Judged when they are asked for: there may be hundreds of thousands.
            Subject::Attachment(code) => {
                self.attachments.insert(code, claims);
            }
            Subject::Delegation(_, scope) => {
                self.delegations.entry(scope).or_default().extend(claims);
            }
            Subject::Agencies(_) | Subject::Station(_) => {
                for claim in claims {
                    match self.verdicts.verify(&claim, &self.validator, now) {
                        Ok(()) => {
                            self.adopt(&claim);
                            return;
                        }
                        Err(reason) => refused.push(Refused { file: claim.file.clone(), reason }),
                    }
                }
            }
        }
    }

    fn adopt(&mut self, claim: &Claim) {
        match &claim.record {
            Record::Agencies(bundle) => {
                for agency in &bundle.agencies {
                    for alias in &agency.aliases {
                        self.aliases.insert(alias.to_lowercase(), agency.code.clone());
                    }
                    let entry = AgencyEntry {
                        haystack: haystack(agency),
                        agency: agency.clone(),
                        signed: Arc::clone(&claim.signed),
                    };
                    self.agencies.insert(agency.code.clone(), Arc::new(entry));
                }
            }
            Record::Station(station) => {
                let entry =
                    StationEntry { record: station.clone(), signed: Arc::clone(&claim.signed) };
                self.stations.insert(station.name.clone(), Arc::new(entry));
            }
            Record::Attachment(_) | Record::Delegation(_) | Record::TrustList(_) => {}
        }
    }

    fn draw_graph(&mut self, refused: &mut Vec<Refused>) {
        let vertices: Vec<Vertex> = self
            .stations
            .values()
            .map(|station| Vertex {
                name: station.record.name.clone(),
                relay: station.record.kind == StationKind::Relay,
                home_relays: station.record.home_relays.clone(),
                neighbours: station.record.neighbours.clone(),
            })
            .collect();
        let (graph, one_sided) = Graph::build(&vertices);
        self.graph = graph;
        refused.extend(one_sided.into_iter().map(|(claims, of)| Refused {
            file: format!("{claims}"),
            reason: format!("names {of} as its neighbour, which does not name it back"),
        }));
    }

    /// The agency with this canonical code.
    #[must_use]
    pub fn agency(&self, code: &AgencyCode) -> Option<Arc<AgencyEntry>> {
        self.agencies.get(code).cloned()
    }

    /// The agency that someone means; successors are followed.
    #[must_use]
    pub fn resolve(&self, text: &str, at: Timestamp) -> Option<Arc<AgencyEntry>> {
        let text = text.trim();
        let canonical = AgencyCode::parse(text).ok().and_then(|code| self.agencies.get(&code));
        let named = || self.agencies.get(self.aliases.get(&text.to_lowercase())?);
        let mut entry = canonical.or_else(named)?;
        for _ in 0..SUCCESSORS_MAX {
            let over = entry.agency.valid_to.is_some_and(|end| end <= at);
            match entry.agency.successor.as_ref().filter(|_| over) {
                Some(next) => entry = self.agencies.get(next)?,
                None => return Some(Arc::clone(entry)),
            }
        }
        None
    }

    /// Agencies whose code, name or alias contains `text`, case ignored, by code.
    #[must_use]
    pub fn search(&self, text: &str, limit: usize) -> Vec<Arc<AgencyEntry>> {
        let needle = text.trim().to_lowercase();
        let matching = self.agencies.values().filter(|entry| entry.haystack.contains(&needle));
        matching.take(limit).cloned().collect()
    }

    /// Every agency, by code.
    pub fn agencies(&self) -> impl Iterator<Item = &Arc<AgencyEntry>> {
        self.agencies.values()
    }

    /// The signed record that names the home station of this agency at `at`, and that station. Only an
    /// attachment of the agency itself; see [`Self::home_station`] for delegations.
    #[must_use]
    pub fn attachment(
        &self,
        code: &AgencyCode,
        at: Timestamp,
    ) -> Option<(StationName, Arc<[u8]>)> {
        let claims = self.attachments.get(code)?;
        claims.iter().find_map(|claim| match &claim.record {
            Record::Attachment(attachment) if attachment.from <= at => {
                self.verdicts.verify(claim, &self.validator, self.built).ok()?;
                Some((attachment.station.clone(), Arc::clone(&claim.signed)))
            }
            Record::Attachment(_)
            | Record::Agencies(_)
            | Record::Delegation(_)
            | Record::Station(_)
            | Record::TrustList(_) => None,
        })
    }

    /// The station that delivers to this agency at `at`: of its own attachment, else of the parent that
    /// receives for it by the nearest delegation.
    #[must_use]
    pub fn home_station(&self, code: &AgencyCode, at: Timestamp) -> Option<StationName> {
        if let Some((station, _)) = self.attachment(code, at) {
            return Some(station);
        }
        let delegation = self.delegation(code, at)?;
        self.attachment(&delegation.parent, at).map(|(station, _)| station)
    }

    /// The delegation in force for an agency without an attachment of its own.
    #[must_use]
    pub fn delegation(&self, code: &AgencyCode, at: Timestamp) -> Option<record::Delegation> {
        if self.attachment(code, at).is_some() {
            return None;
        }
        let mut scope = Some(code.clone());
        while let Some(here) = scope {
            let claims = self.delegations.get(&here).into_iter().flatten();
            let found = claims
                .filter_map(|claim| match &claim.record {
                    Record::Delegation(delegation) if delegation.from <= at => {
                        self.verdicts.verify(claim, &self.validator, self.built).ok()?;
                        Some(delegation)
                    }
                    Record::Delegation(_)
                    | Record::Agencies(_)
                    | Record::Attachment(_)
                    | Record::Station(_)
                    | Record::TrustList(_) => None,
                })
                .max_by_key(|delegation| delegation.sequence);
            if found.is_some() {
                return found.cloned();
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

    /// Verifies a certificate for a role at a time. Cached by the hour: of the things that decide, only the ends
    /// of validity move within one, and those of the certificate itself are compared each time.
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
        let verified =
            self.validator.verify(&certificate, role, at).map_err(UnknownSigner::Refused)?;
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

    /// Whether a CRL is older than the window that the trust list allows beyond its nextUpdate: then links
    /// are restricted (architecture 7).
    #[must_use]
    pub fn revocation_stale(&self, now: Timestamp) -> bool {
        let window_ms = i64::try_from(self.trust.windows.revocation_s.saturating_mul(1000));
        let earlier = now.minus_ms(window_ms.unwrap_or(i64::MAX));
        !self.validator.freshness(earlier).stale.is_empty()
    }
}

fn unusable(code: &AgencyCode, error: UnknownSigner) -> DirectoryError {
    match error {
        UnknownSigner::Absent => DirectoryError::NoCertificate(code.clone()),
        UnknownSigner::Refused(source) => DirectoryError::Certificate { code: code.clone(), source },
    }
}

fn haystack(agency: &record::Agency) -> String {
    let mut text = format!("{} {}", agency.code, agency.name);
    for alias in &agency.aliases {
        text.push(' ');
        text.push_str(alias);
    }
    text.to_lowercase()
}

/// Issuing authorities that lie in the folder; believed only below a root of the trust list.
fn authorities(folder: &Folder) -> Vec<Certificate> {
    folder
        .certificates()
        .filter(|known| known.role == Some(Role::IssuingCa))
        .filter_map(|known| Certificate::parse(&known.der).ok())
        .collect()
}

/// Everything a verdict depends on, and a digest of it.
fn trust_store(
    folder: &Folder,
    trust: &TrustList,
    intermediates: Vec<Certificate>,
) -> (TrustStore, Digest) {
    let roots = trust.roots.iter().filter_map(|der| Certificate::parse(der.as_bytes()).ok());
    let roots: Vec<Certificate> = roots.collect();
    let crls: Vec<_> = folder.crls().cloned().collect();
    let mut digests: Vec<Digest> = roots.iter().map(Certificate::sha256).collect();
    digests.extend(intermediates.iter().map(Certificate::sha256));
    digests.extend(crls.iter().map(|crl| Digest::of(crl.der())));
    digests.sort();
    let mut all = trust.trust_domain.as_str().as_bytes().to_vec();
    for digest in digests {
        all.extend_from_slice(digest.as_bytes());
    }
    let trust_domain = trust.trust_domain.clone();
    (TrustStore { trust_domain, roots, intermediates, crls }, Digest::of(&all))
}

/// A chain of successors longer than this is a loop.
const SUCCESSORS_MAX: usize = 16;
/// Verified signers kept; about 2 KiB each.
const SIGNERS_MAX: usize = 50_000;
const SECONDS_PER_HOUR: i64 = 3_600;
