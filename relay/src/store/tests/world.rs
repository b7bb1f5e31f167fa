//! A station's identity, envelopes and callers for the tests of the store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use formats::body;
use formats::checkpoint::{Checkpoint, LogOrigin};
use formats::header::{Class, Context, Header, Priority};
use formats::id::{AgencyCode, Digest, EnvelopeId, Party, StationName, TrustDomain};
use formats::receipt::ReceiptBundle;
use formats::statement::{Event, Statement};
use formats::time::Timestamp;
use futures_util::future::BoxFuture;
use pki::cert::Certificate;
use pki::chain::{TrustStore, Validator, VerifiedCert};
use pki::issue::{Issuer, prepare_root, sign_root};
use pki::key::{Algorithm, LogKey, SigningKey};
use pki::ledger::Ledger;
use pki::profile::Template;
use pki::role::Role;

use crate::clock::Clock;
use crate::evidence::LogIdentity;
use crate::store::{
    Accept, BodyPlace, Change, Committed, DeskRefusal, DeskRows, DeskWrite, LegId, LegState, Move,
    NewLeg, Options, Outcome, StatementDraft, Store, Write,
};

pub(super) const NOW: Timestamp = Timestamp::from_unix_ms(1_795_318_262_114);
pub(super) const HOUR_MS: i64 = 3_600_000;

/// Identity and folder of a station that tests open and open again.
pub(super) struct World {
    pub(super) dir: tempfile::TempDir,
    pub(super) identity: LogIdentity,
    pub(super) verified: VerifiedCert,
    pub(super) validator: Validator,
    pub(super) clock: Clock,
}

impl World {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut authority = Authority::new(dir.path());
        let (identity, verified) = authority.station();
        let validator = authority.validator();
        Self {
            dir,
            identity,
            verified,
            validator,
            clock: Clock::manual(NOW),
        }
    }

    pub(super) fn data(&self) -> std::path::PathBuf {
        self.dir.path().join("data")
    }

    pub(super) fn options(&self) -> Options {
        let mut options = Options::new(self.identity.clone());
        options.clock = self.clock.clone();
        options.free_floor_bytes = 0;
        options.desk_schema = &[DESK_SCHEMA];
        options
    }

    pub(super) async fn open(&self) -> Store {
        Store::open(&self.data(), self.options()).await.unwrap()
    }

    /// Checks a bundle as a stranger would: both signatures, every path. Gives its statements.
    pub(super) fn check(&self, bundle: &ReceiptBundle) -> (Checkpoint, Vec<Statement>) {
        let key = self.identity.log_key.public();
        let checkpoint =
            pki::note::verify_checkpoint(&bundle.checkpoint, &key, &self.verified).unwrap();
        (checkpoint, bundle.statements().unwrap())
    }
}

pub(super) const DESK_SCHEMA: &str = "CREATE TABLE desk_note (text TEXT PRIMARY KEY) STRICT;";

/// Root and issuing authority of a test's own trust domain.
pub(super) struct Authority {
    ledger: Ledger,
    domain: TrustDomain,
    root: Certificate,
    ca: Issuer,
}

impl Authority {
    pub(super) fn new(dir: &Path) -> Self {
        let domain: TrustDomain = "tram.test".parse().unwrap();
        let mut ledger = Ledger::open(&dir.join("ledger")).unwrap();
        let root_key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let template = Template::new(Role::Root, "Root", root_key.spki_der(), NOW);
        let prepared = prepare_root(template, &root_key, &domain).unwrap();
        let planned = ledger.plan(vec![prepared], NOW).unwrap().remove(0);
        let root = sign_root(planned, &root_key).unwrap();
        let by_root = Issuer::new(root.clone(), root_key, domain.clone()).unwrap();
        let ca_key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let template =
            Template::new(Role::IssuingCa, "CA", ca_key.spki_der(), NOW).permitting("tram.test");
        let certificate = issue(&mut ledger, &by_root, template);
        let ca = Issuer::new(certificate, ca_key, domain.clone()).unwrap();
        Self {
            ledger,
            domain,
            root,
            ca,
        }
    }

    pub(super) fn issue(&mut self, role: Role, label: &str) -> (SigningKey, Certificate) {
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let name = station(label);
        let template = Template::new(role, name.as_str(), key.spki_der(), NOW)
            .for_party(Party::Station(name.clone()));
        let certificate = issue(&mut self.ledger, &self.ca, template);
        (key, certificate)
    }

    pub(super) fn station(&mut self) -> (LogIdentity, VerifiedCert) {
        let (evidence_key, evidence_certificate) = self.issue(Role::StationEvidence, "relay-1");
        let verified = self
            .validator()
            .verify(&evidence_certificate, Role::StationEvidence, NOW)
            .unwrap();
        let identity = LogIdentity::new(
            LogOrigin::new(station("relay-1"), 1),
            LogKey::generate().unwrap(),
            evidence_key,
            evidence_certificate,
        );
        (identity, verified)
    }

    pub(super) fn validator(&self) -> Validator {
        Validator::new(TrustStore {
            trust_domain: self.domain.clone(),
            roots: vec![self.root.clone()],
            intermediates: vec![self.ca.certificate().clone()],
            crls: Vec::new(),
            ocsp: Vec::new(),
        })
    }
}

fn issue(ledger: &mut Ledger, issuer: &Issuer, template: Template) -> Certificate {
    let prepared = issuer.prepare(template).unwrap();
    issuer
        .sign(ledger.plan(vec![prepared], NOW).unwrap().remove(0))
        .unwrap()
}

pub(super) fn station(label: &str) -> StationName {
    StationName::parse(&format!("{label}.tram.test")).unwrap()
}

pub(super) fn agency(code: &str) -> Party {
    Party::Agency(AgencyCode::parse(code).unwrap())
}

/// An envelope under construction: a small body, two recipients, ordinary priority.
#[derive(Clone)]
pub(super) struct Letter {
    pub(super) number: u64,
    pub(super) body: Bytes,
    pub(super) capsule_bytes: u32,
    pub(super) body_digest: Option<Digest>,
    pub(super) place: Option<BodyPlace>,
    pub(super) recipients: Vec<Party>,
    pub(super) priority: Priority,
    pub(super) expires: Timestamp,
}

/// Numbers make envelope ids; the same number is the same envelope.
pub(super) fn letter(number: u64) -> Letter {
    Letter {
        number,
        body: Bytes::from(vec![7; 600]),
        capsule_bytes: 200,
        body_digest: None,
        place: None,
        recipients: vec![agency("H01.36"), agency("H02")],
        priority: Priority::Normal,
        expires: NOW.plus_ms(24 * HOUR_MS),
    }
}

impl Letter {
    pub(super) fn id(&self) -> EnvelopeId {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.number.to_be_bytes());
        EnvelopeId::new(NOW, &random)
    }

    pub(super) fn header(&self) -> Header {
        let bytes = match &self.place {
            Some(BodyPlace::File { bytes, .. }) => *bytes,
            Some(BodyPlace::Inline(body)) => u64::try_from(body.len()).unwrap(),
            None => u64::try_from(self.body.len()).unwrap(),
        };
        let layout = body::Layout::new(Class::Document, self.capsule_bytes, bytes).unwrap();
        let digest = self
            .body_digest
            .unwrap_or_else(|| body::body_digest_of(layout, &self.body).unwrap());
        let context = Context {
            id: self.id(),
            class: Class::Document,
            sender: agency("G14"),
            sender_station: station("node-a"),
            recipients: self.recipients.clone(),
            priority: self.priority,
            created: NOW,
            expires: self.expires,
            signer: Digest::of(b"signer"),
            commitment: Some(Digest::of(b"commitment")),
            supersedes: None,
            addressed_as: Vec::new(),
        };
        Header::new(context, digest, bytes).unwrap()
    }

    /// An accept for the first recipients, all by `next_hop`.
    pub(super) fn accept(&self, legs: usize, next_hop: Option<&str>) -> Accept {
        let new = |recipient: &Party| NewLeg {
            recipient: recipient.clone(),
            next_hop: next_hop.map(station),
        };
        Accept {
            header: Arc::new(self.header()),
            header_signature: b"signature".to_vec(),
            capsule_bytes: self.capsule_bytes,
            body: self
                .place
                .clone()
                .unwrap_or_else(|| BodyPlace::Inline(self.body.clone())),
            legs: self.recipients.iter().take(legs).map(new).collect(),
            via: vec![station("node-a")],
            attempt: 1,
            from: Some(station("node-a")),
            received: NOW,
            event: Some(Event::RelayAcceptance),
            keep_body: false,
        }
    }
}

pub(super) async fn accept(store: &Store, accept: Accept) -> Committed {
    store.commit(Change::of(vec![accept.into()])).await.unwrap()
}

/// Accepts and gives the legs.
pub(super) async fn take(store: &Store, accept: Accept) -> Vec<LegId> {
    legs_of(&self::accept(store, accept).await.outcomes[0])
}

pub(super) fn legs_of(outcome: &Outcome) -> Vec<LegId> {
    match outcome {
        Outcome::Accepted { legs, .. } => legs.clone(),
        Outcome::Duplicate { legs, .. } => legs.iter().map(|known| known.leg).collect(),
        other => panic!("{other:?}"),
    }
}

pub(super) fn to(leg: LegId, to: LegState) -> Move {
    Move {
        leg,
        expect: Vec::new(),
        to,
        at: NOW.plus_ms(1000),
        statement: None,
        owe_receipt: false,
        evidence: None,
    }
}

pub(super) fn stating(mut one: Move, event: Event) -> Move {
    one.statement = Some(StatementDraft {
        event,
        reason: None,
        next_station: None,
    });
    one.owe_receipt = true;
    one
}

pub(super) async fn commit(store: &Store, writes: Vec<Write>) -> Committed {
    store.commit(Change::of(writes)).await.unwrap()
}

/// A desk that notes a text; with `refuse` it says no afterwards.
pub(super) struct Note {
    pub(super) text: String,
    pub(super) refuse: bool,
}

impl DeskWrite for Note {
    fn apply<'c>(
        self: Box<Self>,
        rows: &'c mut DeskRows<'_>,
        _outcomes: &'c [Outcome],
    ) -> BoxFuture<'c, Result<(), DeskRefusal>> {
        Box::pin(async move {
            rows.add("INSERT INTO desk_note (text) VALUES (?)")
                .bind(&self.text);
            if self.refuse {
                Err(DeskRefusal::refused("not this one"))
            } else {
                Ok(())
            }
        })
    }
}

/// A desk that runs one statement.
pub(super) struct Run(pub(super) &'static str);

impl DeskWrite for Run {
    fn apply<'c>(
        self: Box<Self>,
        rows: &'c mut DeskRows<'_>,
        _outcomes: &'c [Outcome],
    ) -> BoxFuture<'c, Result<(), DeskRefusal>> {
        Box::pin(async move {
            rows.add(self.0);
            Ok(())
        })
    }
}

pub(super) async fn notes(store: &Store) -> Vec<String> {
    use sqlx::Row;
    let rows = sqlx::query("SELECT text FROM desk_note ORDER BY text")
        .fetch_all(&store.reader())
        .await
        .unwrap();
    rows.iter().map(|row| row.get("text")).collect()
}

/// Files in the body folder: name → size.
pub(super) fn body_files(world: &World) -> BTreeMap<String, u64> {
    let entries = std::fs::read_dir(world.data().join("bodies")).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                entry.metadata().unwrap().len(),
            )
        })
        .collect()
}
