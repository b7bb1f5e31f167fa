//! Core: what every part of the station shares: name, clock, store, directory, links, and the
//! signals between them. Built once at the start from the configuration; holds no task and does
//! nothing by itself.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use formats::id::{Digest, Party, StationName};
use formats::reason::Reason;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::key::{KeyError, LogKey, SigningKey};
use pki::pair::Pair;
use pki::role::Role;
use pki::tls::{CurrentValidator, StationIdentity, TlsClock, TlsError};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;
use super::pulling::Authority;
use super::time::Time;
use crate::alarm::{Board, Contact, watch};
use crate::authority::renew::{Slot, renewal_of};
use crate::authority::standing::{Certificates, Renewal, Standing};
use crate::clock::Clock;
use crate::config::{IdentityFiles, StationConfig};
use crate::damage::Damage;
use crate::desk::{Arrival, Desk};
use crate::directory::{Directory, StationKind};
use crate::evidence::cosign::Witnessing;
use crate::evidence::heads::{self, Heads};
use crate::evidence::{EvidenceSigner, LogIdentity};
use crate::facts::Facts;
use crate::forward::{self, Batch};
use crate::link::Links;
use crate::link::driver::{Port, Transport};
use crate::ops::Counters;
use crate::quota::{Allowance, Quotas};
use crate::route::{self, Hop};
use crate::store::{LegId, Options, Store};
use crate::testimony::Testimony;

/// See the file.
pub(crate) struct Core {
    pub(crate) name: StationName,
    pub(crate) config: StationConfig,
    pub(crate) clock: Clock,
    pub(crate) started: Timestamp,
    pub(crate) store: Store,
    pub(crate) directory: Directory,
    pub(crate) desk: Option<Arc<dyn Desk>>,
    pub(crate) evidence: LogIdentity,
    pub(crate) tls: LinkTls,
    pub(crate) authority: Option<Authority>,
    /// Certificates in use: ours and those of the desk's agencies.
    pub(crate) certificates: Certificates,
    /// Something was written into the records folder.
    pub(crate) records_changed: Notify,
    pub(crate) links: Links,
    pub(crate) quotas: Quotas,
    pub(crate) forward: forward::Handle,
    /// Something is owed.
    pub(crate) receipts_owed: Notify,
    pub(crate) testimony: Testimony,
    /// Who cosigns our log.
    pub(crate) witnessing: Witnessing,
    /// Heads of logs that were seen.
    pub(crate) heads: Heads,
    pub(crate) facts: Facts,
    pub(crate) counters: Counters,
    pub(crate) damage: Damage,
    /// Handshakes at once.
    pub(crate) handshakes: Arc<Semaphore>,
    /// Transfers being received at once, over all links.
    pub(crate) receiving: Semaphore,
    pub(crate) time: Time,
    pub(super) marking: Mutex<()>,
    pub(super) looking: Mutex<()>,
    pub(crate) alarms: Board,
    /// The time-stamp authority, if one is configured.
    pub(crate) time_stamps: Contact,
    /// The authority that records are got from, once somebody gets them.
    pub(crate) heard_authority: Contact,
    pub(super) authority_name: Mutex<Option<String>>,
    /// The station stops: take nothing new.
    pub(crate) stop: CancellationToken,
    /// The forwarder has ended: links may close.
    pub(crate) forwarded: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What the tasks need and nobody else.
pub(crate) struct Parts {
    pub(crate) port: Port,
    pub(crate) fresh: mpsc::Receiver<Batch>,
}

/// Everything a start needs before it touches the store or a socket.
struct Loaded {
    directory: Directory,
    evidence: LogIdentity,
    tls: LinkTls,
}

async fn load(config: &StationConfig, clock: &Clock) -> Result<Loaded, StartError> {
    config.check()?;
    let now = clock.now();
    let passphrase = passphrase(&config.identity)?;
    let passphrase = passphrase.as_deref();
    finish_switches(&config.identity)?;
    let directory = records(config, now).await?;
    let evidence = evidence(config, passphrase, &directory)?;
    let identity = tls_identity(config, passphrase, &directory)?;
    let tls = LinkTls {
        identity: RwLock::new(Arc::new(identity)),
        directory: directory.clone(),
        clock: clock.clone(),
    };
    Ok(Loaded {
        directory,
        evidence,
        tls,
    })
}

/// See [`super::records`].
pub(super) async fn records(
    config: &StationConfig,
    now: Timestamp,
) -> Result<Directory, StartError> {
    let pinned = super::anchor::pinned(config)?;
    let folder = config.records.clone();
    let opened = tokio::task::spawn_blocking(move || Directory::open(folder, pinned, now)).await;
    let opened = opened.map_err(|error| StartError::Listen(error.to_string()))?;
    Ok(opened?)
}

/// See [`super::identity`].
pub(super) async fn identity(
    config: &StationConfig,
    clock: Clock,
) -> Result<StationIdentity, StartError> {
    let passphrase = passphrase(&config.identity)?;
    let directory = records(config, clock.now()).await?;
    tls_identity(config, passphrase.as_deref(), &directory)
}

/// See [`super::prepare`].
pub(super) async fn prepare(
    config: StationConfig,
    desk_schema: &'static [&'static str],
    clock: Clock,
    open_epoch: Option<String>,
) -> Result<Store, StartError> {
    let loaded = load(&config, &clock).await?;
    let options = Options {
        desk_schema,
        clock,
        free_floor_bytes: config.disk_floor_bytes,
        open_epoch,
        ..Options::new(loaded.evidence)
    };
    Ok(Store::open(&config.data, options).await?)
}

/// See [`super::check`].
pub(super) async fn check(
    config: StationConfig,
    clock: Clock,
) -> Result<serde_json::Value, StartError> {
    let loaded = load(&config, &clock).await?;
    let snapshot = loaded.directory.snapshot();
    Ok(serde_json::json!({
        "good": true,
        "station": config.name,
        "agencies": snapshot.agencies().count(),
        "stations": snapshot.stations().count(),
        "records_refused": snapshot.refused(),
        "revocation_stale": snapshot.revocation_stale(clock.now()),
        "alarms": watch::of_records(&snapshot, &config.name, clock.now()),
    }))
}

/// Loads keys, records and store, and binds the port.
pub(crate) async fn build(
    config: StationConfig,
    desk: Option<Arc<dyn Desk>>,
    clock: Clock,
) -> Result<(Core, Parts), StartError> {
    let Loaded {
        directory,
        evidence,
        tls,
    } = load(&config, &clock).await?;
    let mut options = Options::new(evidence.clone());
    options.clock = clock.clone();
    options.free_floor_bytes = config.disk_floor_bytes;
    options.desk_schema = desk.as_ref().map_or(&[], |desk| desk.schema());
    let store = Store::open(&config.data, options).await?;
    // The folder says which epoch of the log goes on.
    let evidence = store.log_identity().clone();
    let port = bind(&config, &tls, &reset_secret(&evidence))?;
    let (forward, fresh) = forward::Handle::new();
    let authority = Authority::of(&config, &directory, &clock);
    let time = Time::new(clock.clone(), &directory.snapshot().trust_list().windows);
    let core = Core {
        name: config.name.clone(),
        started: clock.now(),
        clock,
        time,
        marking: Mutex::default(),
        looking: Mutex::default(),
        alarms: Board::default(),
        time_stamps: Contact::default(),
        heard_authority: Contact::default(),
        authority_name: Mutex::default(),
        store,
        directory,
        desk,
        evidence,
        tls,
        authority,
        certificates: Certificates::default(),
        records_changed: Notify::new(),
        links: Links::default(),
        quotas: Quotas::new(Allowance::default()),
        forward,
        receipts_owed: Notify::new(),
        testimony: Testimony::default(),
        witnessing: Witnessing::default(),
        heads: Heads::default(),
        facts: Facts::default(),
        counters: Counters::default(),
        damage: Damage::default(),
        handshakes: Arc::new(Semaphore::new(HANDSHAKES)),
        receiving: Semaphore::new(RECEIVING),
        stop: CancellationToken::new(),
        forwarded: CancellationToken::new(),
        tasks: TaskTracker::new(),
        config,
    };
    core.show_certificates();
    heads::restore(&core).await.map_err(StartError::Listen)?;
    Ok((core, Parts { port, fresh }))
}

impl Core {
    /// The way of a leg: `None` = here, else the neighbour, whether its link is up or not.
    pub(crate) fn next_hop(
        &self,
        recipient: &Party,
        via: &[StationName],
        now: Timestamp,
    ) -> Result<Option<StationName>, Reason> {
        let snapshot = self.directory.snapshot();
        let destination = match recipient {
            Party::Agency(code) => snapshot.home_station(code, now).ok_or_else(|| {
                // Known to have been there, or perhaps only not there yet by our clock: not for good.
                if snapshot.lapses().has_ended(code) {
                    Reason::NoRoute
                } else if self.clock_unsure() {
                    Reason::ClockUnsure
                } else {
                    Reason::UnknownAgency
                }
            })?,
            Party::Station(name) if *name == self.name => return Ok(None),
            Party::Station(name) => snapshot
                .station(name)
                .ok_or(Reason::NoRoute)?
                .record()
                .name
                .clone(),
        };
        let up = |station: &StationName| self.links.is_up(station);
        match route::next_hop(snapshot.graph(), &self.name, &destination, via, &up) {
            Hop::Here => Ok(None),
            Hop::Next(station) | Hop::Waits(station) => Ok(Some(station)),
            Hop::Nowhere => Err(Reason::NoRoute),
        }
    }

    /// Whether we carry envelopes for others: relays do, nodes do not.
    pub(crate) fn passes_on(&self) -> bool {
        self.directory
            .station(&self.name)
            .is_some_and(|station| station.record().kind == StationKind::Relay)
    }

    /// The station's own certificates and where they lie.
    pub(crate) fn slots(&self) -> Result<[Slot; 2], StartError> {
        let passphrase = passphrase(&self.config.identity)?;
        let files = &self.config.identity;
        let slot = |role, certificate: &Path, key: &Path| Slot {
            role,
            party: Party::Station(self.name.clone()),
            pair: Pair::new(certificate, key),
            passphrase: passphrase.clone(),
        };
        Ok([
            slot(Role::StationTls, &files.tls_cert, &files.tls_key),
            slot(
                Role::StationEvidence,
                &files.evidence_cert,
                &files.evidence_key,
            ),
        ])
    }

    /// Takes over what a renewal (or a person) put into the place of the old keys.
    pub(crate) fn adopt_identity(&self) -> Result<(), StartError> {
        let passphrase = passphrase(&self.config.identity)?;
        let passphrase = passphrase.as_deref();
        let identity = tls_identity(&self.config, passphrase, &self.directory)?;
        let evidence = evidence(&self.config, passphrase, &self.directory)?;
        self.tls.replace(identity);
        let signer = evidence.signer();
        self.evidence.replace_signer(EvidenceSigner::clone(&signer));
        self.show_certificates();
        Ok(())
    }

    fn show_certificates(&self) {
        let tls = self.tls.identity();
        let evidence = self.evidence.signer();
        let both = [tls.chain.first(), Some(&evidence.certificate)];
        for (slot, certificate) in self.slots().into_iter().flatten().zip(both) {
            if let Some(certificate) = certificate {
                let renewal = slot.renewal(self.renewal_of(certificate, slot.role));
                self.certificates
                    .put(Standing::of(certificate, slot.role, slot.party, renewal));
            }
        }
    }

    /// Who renews a certificate of this role.
    pub(crate) fn renewal_of(&self, certificate: &Certificate, role: Role) -> Renewal {
        let Some(authority) = &self.config.authority else {
            return Renewal::ByHand;
        };
        let validator = self.directory.validator();
        let own = self.tls.identity();
        let mut ours = vec![authority.fingerprint];
        // After a new root of the same authority the fingerprint is history.
        if let Some(tls) = own.chain.first()
            && let Ok(verified) = validator.verify(tls, Role::StationTls, tls.not_before())
        {
            ours.extend(verified.path().first().map(Certificate::sha256));
        }
        renewal_of(certificate, role, &validator, &ours)
    }

    /// Hands every local leg that is not final to the desk (again).
    pub(crate) async fn deliver_open(self: &Arc<Self>) {
        let mut after: Option<LegId> = None;
        loop {
            let open = match self.store.local_open(after, LOCAL_STEP).await {
                Ok(open) => open,
                Err(error) => {
                    tracing::warn!(code = "TRAM-331", %error, "spool cannot be read");
                    return;
                }
            };
            let Some(last) = open.last() else { return };
            after = Some(last.leg);
            for due in open {
                let Ok(Some(envelope)) = self.store.envelope(due.envelope).await else {
                    continue;
                };
                let Some(body) = envelope.body else { continue };
                self.deliver(Arrival {
                    leg: due.leg,
                    envelope: due.envelope,
                    recipient: due.recipient,
                    header: envelope.header,
                    header_signature: envelope.header_signature.into(),
                    capsule_bytes: envelope.capsule_bytes,
                    body,
                    from: envelope.from,
                });
            }
        }
    }
}

/// A crash in the middle of a renewal left the pair to be finished.
fn finish_switches(files: &IdentityFiles) -> Result<(), StartError> {
    for (certificate, key) in [
        (&files.tls_cert, &files.tls_key),
        (&files.evidence_cert, &files.evidence_key),
    ] {
        let pair = Pair::new(certificate, key);
        pair.recover()
            .map_err(|error| identity_error(key, &error))?;
    }
    Ok(())
}

fn passphrase(files: &IdentityFiles) -> Result<Option<String>, StartError> {
    let Some(path) = &files.passphrase_file else {
        return Ok(None);
    };
    let text = std::fs::read_to_string(path).map_err(|error| identity_error(path, &error))?;
    Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
}

pub(super) fn identity_error(path: &Path, why: &dyn std::fmt::Display) -> StartError {
    StartError::Identity {
        path: path.to_owned(),
        why: why.to_string(),
    }
}

fn evidence(
    config: &StationConfig,
    passphrase: Option<&str>,
    directory: &Directory,
) -> Result<LogIdentity, StartError> {
    let files = &config.identity;
    let key_error = |path: &Path| {
        let path = path.to_owned();
        move |error: KeyError| identity_error(&path, &error)
    };
    let evidence_key = SigningKey::load(&files.evidence_key, passphrase)
        .map_err(key_error(&files.evidence_key))?;
    let log_key = LogKey::load(&files.log_key, passphrase).map_err(key_error(&files.log_key))?;
    let evidence_certificate = own_certificate(config, &files.evidence_cert, directory)?;
    if evidence_certificate.spki_der() != evidence_key.spki_der() {
        return Err(identity_error(
            &files.evidence_key,
            &"is not the key of the certificate",
        ));
    }
    let origin = directory
        .station(&config.name)
        .map(|station| station.record().log_origin.clone())
        .ok_or_else(|| {
            identity_error(
                &config.records,
                &format!("holds no valid station record of {}", config.name),
            )
        })?;
    Ok(LogIdentity::new(
        origin,
        log_key,
        evidence_key,
        evidence_certificate,
    ))
}

fn tls_identity(
    config: &StationConfig,
    passphrase: Option<&str>,
    directory: &Directory,
) -> Result<StationIdentity, StartError> {
    let files = &config.identity;
    let certificate = own_certificate(config, &files.tls_cert, directory)?;
    let key = SigningKey::load(&files.tls_key, passphrase)
        .map_err(|error| identity_error(&files.tls_key, &error))?;
    // The chain to send: what the validator built, without the root, own certificate first.
    let verified = directory
        .validator()
        .verify(&certificate, Role::StationTls, certificate.not_before())
        .map_err(|error| identity_error(&files.tls_cert, &error))?;
    let chain = verified.path().iter().skip(1).rev().cloned().collect();
    let domain = directory.snapshot().trust_domain().clone();
    StationIdentity::new(config.name.clone(), chain, key, &domain)
        .map_err(|error| identity_error(&files.tls_key, &error))
}

fn own_certificate(
    config: &StationConfig,
    path: &Path,
    directory: &Directory,
) -> Result<Certificate, StartError> {
    let certificate = Certificate::load(path).map_err(|error| identity_error(path, &error))?;
    let party = certificate
        .party(directory.snapshot().trust_domain())
        .map_err(|error| identity_error(path, &error))?;
    if party != Party::Station(config.name.clone()) {
        let why = format!("names {party}, but `name` is {}", config.name);
        return Err(identity_error(path, &why));
    }
    Ok(certificate)
}

/// What TLS needs for every link: who we are, whom to believe at this moment, what time it is.
pub(crate) struct LinkTls {
    identity: RwLock<Arc<StationIdentity>>,
    directory: Directory,
    clock: Clock,
}

impl LinkTls {
    /// For callers.
    pub(crate) fn listening(&self) -> Result<rustls::ServerConfig, TlsError> {
        pki::tls::server_config(&self.identity(), self.validator(), self.time())
    }

    /// Who we are at this moment.
    pub(crate) fn identity(&self) -> Arc<StationIdentity> {
        Arc::clone(&self.identity.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, identity: StationIdentity) {
        *self
            .identity
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
    }

    /// For dialling one station.
    pub(crate) fn dialling(&self, peer: &StationName) -> Result<rustls::ClientConfig, TlsError> {
        pki::tls::client_config(&self.identity(), peer, self.validator(), self.time())
    }

    fn validator(&self) -> CurrentValidator {
        current_validator(&self.directory)
    }

    /// A doubtful clock still judges certificates: without links nobody could tell us the time.
    fn time(&self) -> TlsClock {
        let clock = self.clock.clone();
        Arc::new(move || Some(clock.now()))
    }
}

/// The validator of each moment.
pub(super) fn current_validator(directory: &Directory) -> CurrentValidator {
    let directory = directory.clone();
    Arc::new(move || directory.validator())
}

/// Lasts as long as the log's key and tells nothing about it: Ed25519 signatures are the same every time.
fn reset_secret(evidence: &LogIdentity) -> [u8; 32] {
    *Digest::of(&evidence.log_key.sign(b"tram-link-reset-1")).as_bytes()
}

fn bind(config: &StationConfig, tls: &LinkTls, secret: &[u8; 32]) -> Result<Port, StartError> {
    let listen = |error: &dyn std::fmt::Display| StartError::Listen(error.to_string());
    let server = tls.listening().map_err(|error| listen(&error))?;
    let transport = Transport {
        idle: config.timing.idle,
        keep_alive: config.timing.idle / 3,
        peer_streams: PEER_STREAMS,
    };
    Port::bind(config.listen, server, transport, secret).map_err(|error| listen(&error))
}

/// Handshakes at once: about a millisecond of CPU each.
const HANDSHAKES: usize = 256;
/// Transfers received at once over all links: bounds memory to some 200 MiB of offers.
const RECEIVING: usize = 1_024;
/// A control stream, 64 small and 4 large transfers, and some that are just ending.
const PEER_STREAMS: u32 = 80;
/// Local legs read at once.
const LOCAL_STEP: usize = 256;
