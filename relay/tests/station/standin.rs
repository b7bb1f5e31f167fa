//! An authority for tests: the four routes over TLS, answered by `pki`'s own issuer, and every way in
//! which an authority may be away, slow, wrong or hostile.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use formats::id::{Digest, Party, StationName, TrustDomain};
use formats::record::Record;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::chain::{TrustStore, Validator};
use pki::enrol::{
    Enrol, Grant, Issued, IssuedCertificate, Preview, Published, PublishedFile, Renew, Request,
};
use pki::issue::Issuer;
use pki::key::{Algorithm, SigningKey};
use pki::ledger::Ledger;
use pki::profile::Template;
use pki::role::Role;
use pki::sign::{Content, Parsed, verify_detached};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime,
};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{self, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use tokio_rustls::server::TlsStream;

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should.
    Good,
    /// Does what it is asked and hangs up instead of answering.
    Forgetful,
    /// Hangs up at once.
    Away,
    /// Sends other bytes than it announces.
    OtherBytes,
    /// Files have no end.
    Endless,
    /// Lists more files than it may, with names that leave the folder.
    Flooding,
    /// Answers pages that are not of this API.
    Strange,
}

/// What the test may see and change.
pub struct State {
    pub mood: Mood,
    pub grant: Grant,
    pub token: String,
    /// Paths in the order in which they were asked for.
    pub asked: Vec<String>,
    /// The answer to the request with this number is lost.
    pub lose: Option<usize>,
    /// Certificates issued since the start.
    pub issued: Vec<Certificate>,
    /// Validity of what is issued.
    pub life_ms: Option<i64>,
    domain: TrustDomain,
    root: Certificate,
    ca: Issuer,
    ledger: Ledger,
    trust_list: Certificate,
    records: PathBuf,
    known: BTreeMap<String, (u64, Option<Digest>)>,
    sequence: u64,
    answers: HashMap<Digest, Issued>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// A running stand-in; ends when dropped.
pub struct Standin {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    news: Arc<watch::Sender<u64>>,
    task: tokio::task::JoinHandle<()>,
}

/// Where the stand-in's own certificates come from.
pub struct Parts {
    pub domain: TrustDomain,
    pub root: Certificate,
    pub ca: Issuer,
    pub ledger: Ledger,
    pub trust_list: Certificate,
    pub records: PathBuf,
    pub grant: Grant,
    /// The name that the server shows.
    pub name: StationName,
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Standin {
    pub async fn start(parts: Parts) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        Self::start_on(parts, listener)
    }

    pub fn start_on(parts: Parts, listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let name = parts.name.clone();
        let mut state = State {
            mood: Mood::Good,
            grant: parts.grant,
            token: "TOKEN-1".to_owned(),
            asked: vec![],
            lose: None,
            issued: vec![],
            life_ms: None,
            domain: parts.domain,
            root: parts.root,
            ca: parts.ca,
            ledger: parts.ledger,
            trust_list: parts.trust_list,
            records: parts.records,
            known: BTreeMap::new(),
            sequence: 0,
            answers: HashMap::new(),
            now: parts.now,
        };
        let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
        let own = state.certify(Role::StationTls, &Party::Station(name), key.spki_der());
        let chain = [&own, state.ca.certificate(), &state.root]
            .map(|one| CertificateDer::from(one.der().to_vec()));
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der().unwrap().to_vec()));
        let mut config = rustls::ServerConfig::builder_with_provider(pki::tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(Anybody(pki::tls::provider())))
            .with_single_cert(chain.to_vec(), key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        state.issued.clear();
        state.scan();
        let state = Arc::new(Mutex::new(state));
        let news = Arc::new(watch::Sender::new(0));
        let (shared, told) = (Arc::clone(&state), Arc::clone(&news));
        #[expect(
            clippy::disallowed_methods,
            reason = "aborted when the stand-in is dropped"
        )]
        let task = tokio::spawn(async move {
            let acceptor = TlsAcceptor::from(Arc::new(config));
            let mut calls = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, state, news) = (acceptor.clone(), shared.clone(), told.clone());
                calls.spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        answer(stream, &state, &news).await;
                    }
                });
            }
        });
        Self {
            address,
            state,
            news,
            task,
        }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn fingerprint(&self) -> String {
        self.state().root.sha256().to_string()
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn set(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// Looks at the published folder and tells whoever waits.
    pub fn publish(&self) {
        self.state().scan();
        self.news.send_modify(|n| *n += 1);
    }
}

impl State {
    /// What is new or changed in the published folder gets the next sequence.
    fn scan(&mut self) {
        let mut here = BTreeMap::new();
        for entry in std::fs::read_dir(&self.records).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if pki::enrol::is_file_name(&name) {
                here.insert(
                    name,
                    Some(Digest::of(&std::fs::read(entry.path()).unwrap())),
                );
            }
        }
        for name in self.known.keys() {
            here.entry(name.clone()).or_insert(None);
        }
        for (name, digest) in here {
            if self.known.get(&name).map(|(_, known)| *known) != Some(digest) {
                self.sequence += 1;
                self.known.insert(name, (self.sequence, digest));
            }
        }
    }

    fn certify(&mut self, role: Role, party: &Party, spki: &[u8]) -> Certificate {
        let now = (self.now)();
        let mut template =
            Template::new(role, &party.to_string(), spki, now).for_party(party.clone());
        if let Some(life) = self.life_ms {
            template.not_before = now.minus_ms(1_000);
            template.not_after = now.plus_ms(life);
        }
        let prepared = self.ca.prepare(template).unwrap();
        let planned = self.ledger.plan(vec![prepared], now).unwrap().remove(0);
        let certificate = self.ca.sign(planned).unwrap();
        self.ledger
            .issued(std::slice::from_ref(&certificate), now)
            .unwrap();
        self.issued.push(certificate.clone());
        certificate
    }

    fn validator(&self) -> Validator {
        Validator::new(TrustStore {
            trust_domain: self.domain.clone(),
            roots: vec![self.root.clone()],
            intermediates: vec![self.ca.certificate().clone()],
            crls: vec![],
            ocsp: vec![],
        })
    }

    fn issue(&mut self, requests: &[Request]) -> Issued {
        let mut certificates = Vec::new();
        for request in requests {
            let spki = pki::csr::requested_key(request.csr.as_bytes()).unwrap();
            let certificate = self.certify(request.role, &request.party, &spki);
            let file = format!(
                "{}.{}.{}.crt",
                request.party,
                request.role,
                certificate.serial_hex()
            );
            std::fs::write(self.records.join(file), certificate.pem()).unwrap();
            certificates.push(IssuedCertificate {
                role: request.role,
                party: request.party.clone(),
                certificate: certificate.pem(),
            });
        }
        self.scan();
        Issued {
            certificates,
            authorities: vec![self.ca.certificate().pem(), self.root.pem()],
            trust_list: vec![self.trust_list.pem()],
            trust_list_needed: None,
        }
    }

    fn enrol(&mut self, body: &[u8]) -> Answer {
        let asked: Enrol = serde_json::from_slice(body).unwrap();
        if asked.token != self.token {
            return refusal(401, "token_unknown");
        }
        let digest = Digest::of(&serde_json::to_vec(&asked.requests).unwrap());
        if let Some(answer) = self.answers.get(&digest) {
            return json(answer);
        }
        if !self.answers.is_empty() {
            return refusal(409, "token_spent");
        }
        let issued = self.issue(&asked.requests);
        self.answers.insert(digest, issued.clone());
        json(&issued)
    }

    fn renew(&mut self, body: &[u8], caller: Option<&Certificate>) -> Answer {
        let Some(station) = self.caller(caller) else {
            return refusal(403, "not_yours");
        };
        let asked: Renew = serde_json::from_slice(body).unwrap();
        for request in &asked.requests {
            let yours = match (&request.party, &request.proof) {
                (Party::Station(name), None) => *name == station,
                (Party::Agency(_), Some(proof)) => self.proven(request, proof),
                _ => false,
            };
            if !yours {
                return refusal(403, "not_yours");
            }
        }
        json(&self.issue(&asked.requests))
    }

    fn proven(&self, request: &Request, proof: &str) -> bool {
        let cms = STANDARD.decode(proof).unwrap();
        let signer = Parsed::parse(&cms).unwrap().embedded_signer().unwrap();
        let now = (self.now)();
        let signer = self
            .validator()
            .verify(&signer, Role::AgencySignature, now)
            .unwrap();
        signer.party() == Some(&request.party)
            && verify_detached(&cms, Content::Renewal(&request.statement()), &signer).is_ok()
    }

    fn caller(&self, shown: Option<&Certificate>) -> Option<StationName> {
        let now = (self.now)();
        let verified = self
            .validator()
            .verify(shown?, Role::StationTls, now)
            .ok()?;
        match verified.party()? {
            Party::Station(name) => Some(name.clone()),
            Party::Agency(_) => None,
        }
    }

    fn take_record(&mut self, body: &[u8], caller: Option<&Certificate>) -> Answer {
        let station = self.caller(caller);
        let verified = pki::record::verify(body, &self.validator(), (self.now)());
        let (Some(station), Ok(verified)) = (station, verified) else {
            return refusal(403, "not_yours");
        };
        let name = match verified.record() {
            Record::Station(one) if one.name == station => format!("station-{station}.rec"),
            Record::Attachment(one) => format!("attachment-{}.rec", one.agency),
            _ => return refusal(403, "not_yours"),
        };
        std::fs::write(self.records.join(&name), body).unwrap();
        self.scan();
        json(&Published {
            sequence: self.sequence,
            files: vec![PublishedFile {
                name,
                sha256: Some(Digest::of(body)),
                bytes: u64::try_from(body.len()).unwrap(),
            }],
            more: false,
        })
    }

    fn list(&self, after: u64) -> Published {
        let mut news: Vec<_> = self
            .known
            .iter()
            .filter(|(_, (sequence, _))| *sequence > after)
            .map(|(name, (sequence, digest))| (*sequence, name.clone(), *digest))
            .collect();
        news.sort();
        let more = news.len() > PAGE;
        news.truncate(PAGE);
        let sequence = news
            .last()
            .map_or_else(|| after.min(self.sequence), |(last, ..)| *last);
        let files = news.into_iter().map(|(_, name, sha256)| PublishedFile {
            bytes: std::fs::metadata(self.records.join(&name)).map_or(0, |about| about.len()),
            name,
            sha256,
        });
        Published {
            sequence,
            files: files.collect(),
            more,
        }
    }
}

type Answer = (u16, Vec<u8>);

fn json(value: &impl serde::Serialize) -> Answer {
    (200, serde_json::to_vec(value).unwrap())
}

fn refusal(status: u16, code: &str) -> Answer {
    let problem = pki::enrol::Problem {
        code: code.to_owned(),
        status,
        title: "refused".to_owned(),
        detail: "bị từ chối".to_owned(),
        next: "ask for another token".to_owned(),
    };
    (status, serde_json::to_vec(&problem).unwrap())
}

async fn answer(mut stream: TlsStream<TcpStream>, state: &Mutex<State>, news: &watch::Sender<u64>) {
    let Some((method, path, body)) = read(&mut stream).await else {
        return;
    };
    let caller = stream.get_ref().1.peer_certificates();
    let caller = caller.and_then(|all| Certificate::parse(all.first()?).ok());
    let mood = {
        let mut state = state.lock().unwrap();
        let number = state.asked.len();
        state.asked.push(format!("{method} {path}"));
        match state.lose {
            Some(lost) if lost == number => Mood::Forgetful,
            _ => state.mood,
        }
    };
    if mood == Mood::Away {
        return;
    }
    if path.contains("/v1/records?") {
        wait_for_news(&path, state, news).await;
    }
    let (status, content) = {
        let mut state = state.lock().unwrap();
        decide(&mut state, mood, &method, &path, &body, caller.as_ref())
    };
    if method == "POST" {
        news.send_modify(|n| *n += 1);
    }
    if mood == Mood::Forgetful {
        return;
    }
    let length = if mood == Mood::Endless && path.starts_with("/v1/records/") {
        String::new()
    } else {
        format!("content-length: {}\r\n", content.len())
    };
    let head = format!("HTTP/1.1 {status} -\r\n{length}connection: close\r\n\r\n");
    if stream.write_all(head.as_bytes()).await.is_err() {
        return;
    }
    let endless = length.is_empty();
    while stream.write_all(&content).await.is_ok() && endless {}
    drop(stream.shutdown().await);
}

fn decide(
    state: &mut State,
    mood: Mood,
    method: &str,
    path: &str,
    body: &[u8],
    caller: Option<&Certificate>,
) -> Answer {
    if mood == Mood::Strange {
        return (200, b"<html>hello</html>".to_vec());
    }
    match (method, path) {
        ("POST", "/v1/enrol/preview") => {
            let asked: Preview = serde_json::from_slice(body).unwrap();
            match asked.token == state.token {
                true => json(&state.grant),
                false => refusal(401, "token_unknown"),
            }
        }
        ("POST", "/v1/enrol") => state.enrol(body),
        ("POST", "/v1/renew") => state.renew(body, caller),
        ("POST", "/v1/records") => state.take_record(body, caller),
        ("GET", path) if path.starts_with("/v1/records?") => {
            if mood == Mood::Flooding {
                return json(&flood());
            }
            json(&state.list(number(path, "after=")))
        }
        ("GET", path) => {
            let name = path.trim_start_matches("/v1/records/");
            match std::fs::read(state.records.join(name)) {
                Ok(bytes) if mood == Mood::OtherBytes => (200, vec![b'x'; bytes.len()]),
                Ok(bytes) => (200, bytes),
                Err(_) => refusal(404, "not_found"),
            }
        }
        _ => refusal(404, "not_found"),
    }
}

fn flood() -> Published {
    let file = |n: usize| PublishedFile {
        name: format!("../../flood-{n}.crt"),
        sha256: Some(Digest::of(b"x")),
        bytes: 1,
    };
    Published {
        sequence: u64::MAX,
        files: (0..1_001).map(file).collect(),
        more: true,
    }
}

async fn wait_for_news(path: &str, state: &Mutex<State>, news: &watch::Sender<u64>) {
    let (after, wait) = (number(path, "after="), number(path, "wait="));
    let mut told = news.subscribe();
    let waiting = async {
        loop {
            {
                let state = state.lock().unwrap();
                if state.sequence > after || state.mood != Mood::Good {
                    return;
                }
            }
            if told.changed().await.is_err() {
                return;
            }
        }
    };
    drop(tokio::time::timeout(Duration::from_secs(wait), waiting).await);
}

fn number(path: &str, key: &str) -> u64 {
    let rest = path.split_once(key).map_or("", |(_, rest)| rest);
    rest.split('&').next().unwrap().parse().unwrap_or(0)
}

async fn read(stream: &mut TlsStream<TcpStream>) -> Option<(String, String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await.ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&piece[..count]),
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec())
        .ok()?
        .to_lowercase();
    let first = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |text| text.parse().unwrap());
    let mut body = bytes[end + 4..].to_vec();
    while body.len() < length {
        let mut piece = [0; 4096];
        match stream.read(&mut piece).await.ok()? {
            0 => return None,
            count => body.extend_from_slice(&piece[..count]),
        }
    }
    Some((method, path, body))
}

/// Lets every client in: whom a certificate names is judged by the routes.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Files of one answer: few, so that tests see more than one.
const PAGE: usize = 7;

/// A grant for one station.
pub fn grant(station: &str, domain: &str, agencies: &[(&str, &str)], relays: &[&str]) -> Grant {
    Grant {
        station: station.parse().unwrap(),
        agencies: agencies
            .iter()
            .map(|(code, name)| pki::enrol::GrantedAgency {
                code: code.parse().unwrap(),
                name: (*name).to_owned(),
            })
            .collect(),
        trust_domain: domain.parse().unwrap(),
        home_relays: relays.iter().map(|name| name.parse().unwrap()).collect(),
        expires: "2030-01-01T00:00:00Z".to_owned(),
        time_stamp_url: None,
    }
}

/// All files below a folder by their names.
pub fn files_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}
