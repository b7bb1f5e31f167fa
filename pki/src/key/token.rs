//! Keys in PKCS#11 tokens.
//!
//! Owns: [`TokenKey`], the handle of one private key that never leaves its token. A PKCS#11
//! session must not be used by two threads, so each handle has one thread with a session of its
//! own, fed through a bounded queue; dropping the handle ends the thread. When the token or the
//! session is lost, the next use opens it again, once; a wrong PIN is never tried twice. The token
//! gets digests, never messages. Fails with [`KeyError::Token`]. Must not know: what is signed.

mod object;
mod session;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use aws_lc_rs::digest;
use der::Encode;
use der::asn1::UintRef;
use zeroize::Zeroizing;

use self::session::{Open, Session};
use super::{Algorithm, KeyError, TokenFault, TokenUri};
use crate::algorithm::{Curve, KeyKind, PublicKey};

/// What the key is to do.
#[derive(Debug)]
enum Work {
    /// The ECDH secret with this point, of so many bytes.
    Agree { point: Vec<u8>, bytes: usize },
    /// An ECDSA signature r‖s over a digest.
    SignEcdsa { digest: Vec<u8> },
    /// An RSA-PSS signature over a SHA-256 digest.
    SignPss { digest: Vec<u8> },
}

type Answer = Result<Zeroizing<Vec<u8>>, TokenFault>;

struct Job {
    work: Work,
    answer: SyncSender<Answer>,
}

/// A private key inside a token.
pub(super) struct TokenKey {
    uri: Box<TokenUri>,
    jobs: Option<SyncSender<Job>>,
    worker: Option<JoinHandle<()>>,
}

impl TokenKey {
    /// Finds the key; also its SubjectPublicKeyInfo.
    pub(super) fn open(
        uri: &TokenUri,
        passphrase: Option<&str>,
    ) -> Result<(Self, Vec<u8>), KeyError> {
        let opened = Open::new(uri, passphrase).and_then(|open| {
            let session = open.session(false)?;
            let spki = object::public_key(&session)?;
            Ok((open, session, spki))
        });
        let (open, session, spki) = opened.map_err(|fault| failed(uri, fault))?;
        Ok((Self::start(uri, open, session)?, spki))
    }

    /// Makes a signing key in the token.
    pub(super) fn generate_signing(
        uri: &TokenUri,
        passphrase: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<(Self, Vec<u8>), KeyError> {
        let kind = match algorithm {
            Algorithm::EcdsaP256 => object::Kind::Sign(Curve::P256),
            Algorithm::EcdsaP384 => object::Kind::Sign(Curve::P384),
            Algorithm::RsaPss3072 => object::Kind::SignRsa,
        };
        Self::generate(uri, passphrase, kind)
    }

    /// Makes a decryption key in the token.
    pub(super) fn generate_decryption(
        uri: &TokenUri,
        passphrase: Option<&str>,
        curve: Curve,
    ) -> Result<(Self, Vec<u8>), KeyError> {
        Self::generate(uri, passphrase, object::Kind::Agree(curve))
    }

    fn generate(
        uri: &TokenUri,
        passphrase: Option<&str>,
        kind: object::Kind,
    ) -> Result<(Self, Vec<u8>), KeyError> {
        Open::new(uri, passphrase)
            .and_then(|open| object::generate(&open.without_key()?, uri, kind))
            .map_err(|fault| failed(uri, fault))?;
        Self::open(uri, passphrase)
    }

    fn start(uri: &TokenUri, open: Open, session: Session) -> Result<Self, KeyError> {
        let (jobs, queue) = sync_channel(QUEUE);
        let worker = Builder::new()
            .name("pkcs11".to_owned())
            .spawn(move || work(&queue, &open, Some(session)))
            .map_err(|error| failed(uri, TokenFault::Refused(error.to_string())))?;
        Ok(Self {
            uri: Box::new(uri.clone()),
            jobs: Some(jobs),
            worker: Some(worker),
        })
    }

    /// Its address.
    pub(super) fn uri(&self) -> &TokenUri {
        &self.uri
    }

    /// An error about this key.
    pub(super) fn fault(&self, fault: TokenFault) -> KeyError {
        failed(&self.uri, fault)
    }

    /// What kind of signing key it is.
    pub(super) fn algorithm(&self, spki: &[u8]) -> Result<Algorithm, KeyError> {
        let kind = PublicKey::from_spki(spki).map(|key| key.kind());
        match kind {
            Ok(KeyKind::EcP256) => Ok(Algorithm::EcdsaP256),
            Ok(KeyKind::EcP384) => Ok(Algorithm::EcdsaP384),
            Ok(KeyKind::Rsa) => Ok(Algorithm::RsaPss3072),
            Ok(KeyKind::Ed25519) => Err(self.fault(TokenFault::Kind("Ed25519".to_owned()))),
            Err(error) => Err(self.fault(TokenFault::Kind(error.to_string()))),
        }
    }

    /// The curve of a decryption key.
    pub(super) fn curve(&self, spki: &[u8]) -> Result<Curve, KeyError> {
        match self.algorithm(spki)? {
            Algorithm::EcdsaP256 => Ok(Curve::P256),
            Algorithm::EcdsaP384 => Ok(Curve::P384),
            Algorithm::RsaPss3072 => Err(self.fault(TokenFault::Kind(
                "RSA keys do not agree on secrets".to_owned(),
            ))),
        }
    }

    /// Signs a message; ECDSA as DER.
    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let hashed = |with| digest::digest(with, message).as_ref().to_vec();
        let (work, curve) = match algorithm {
            Algorithm::EcdsaP256 => {
                let digest = hashed(&digest::SHA256);
                (Work::SignEcdsa { digest }, Some(Curve::P256))
            }
            Algorithm::EcdsaP384 => {
                let digest = hashed(&digest::SHA384);
                (Work::SignEcdsa { digest }, Some(Curve::P384))
            }
            Algorithm::RsaPss3072 => {
                let digest = hashed(&digest::SHA256);
                (Work::SignPss { digest }, None)
            }
        };
        let signature = self.ask(work)?;
        match curve {
            None => Ok(signature.to_vec()),
            Some(curve) => ecdsa_der(&signature, curve).ok_or_else(|| {
                self.fault(TokenFault::Refused(
                    "a signature of the wrong size came back".to_owned(),
                ))
            }),
        }
    }

    /// The raw ECDH secret with the peer's point.
    pub(super) fn agree(&self, curve: Curve, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let bytes = coordinate_bytes(curve);
        let point = point.to_vec();
        let secret = self.ask(Work::Agree { point, bytes })?;
        if secret.len() == bytes {
            Ok(secret)
        } else {
            Err(self.fault(TokenFault::Refused(
                "a secret of the wrong size came back".to_owned(),
            )))
        }
    }

    fn ask(&self, work: Work) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let gone = || self.fault(TokenFault::Refused("its thread has ended".to_owned()));
        let (answer, answered) = sync_channel(1);
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Job { work, answer }).map_err(|_| gone())?;
        let result = answered.recv().map_err(|_| gone())?;
        result.map_err(|fault| self.fault(fault))
    }
}

impl Drop for TokenKey {
    fn drop(&mut self) {
        // Without senders the queue ends, and with it the thread and its session.
        drop(self.jobs.take());
        if let Some(worker) = self.worker.take() {
            let _ended = worker.join();
        }
    }
}

/// The thread of one key: one session, one job after the other.
fn work(queue: &Receiver<Job>, open: &Open, mut session: Option<Session>) {
    let mut locked = false;
    while let Ok(job) = queue.recv() {
        let result = if locked {
            Err(TokenFault::Pin)
        } else {
            attempt(&job.work, open, &mut session)
        };
        locked |= result.as_ref().err() == Some(&TokenFault::Pin);
        // Whoever asked may have gone away meanwhile.
        let _delivered = job.answer.send(result);
    }
}

/// With the session at hand, or else with a new one: sessions end when a token is pulled or its
/// server restarts, and nobody should have to restart for that.
fn attempt(work: &Work, open: &Open, session: &mut Option<Session>) -> Answer {
    if let Some(held) = session.take()
        && let Ok(result) = held.perform(work)
    {
        *session = Some(held);
        return Ok(result);
    }
    let fresh = open.session(true)?;
    let result = fresh.perform(work)?;
    *session = Some(fresh);
    Ok(result)
}

fn failed(uri: &TokenUri, fault: TokenFault) -> KeyError {
    KeyError::Token {
        key: uri.shown(),
        fault,
    }
}

fn coordinate_bytes(curve: Curve) -> usize {
    match curve {
        Curve::P256 => 32,
        Curve::P384 => 48,
    }
}

/// r‖s as a token gives it, as the SEQUENCE of two INTEGERs that X.509 wants (RFC 3279 2.2.3).
fn ecdsa_der(raw: &[u8], curve: Curve) -> Option<Vec<u8>> {
    let (r, s) = raw.split_at_checked(coordinate_bytes(curve))?;
    if s.len() != r.len() {
        return None;
    }
    let mut numbers = UintRef::new(r).ok()?.to_der().ok()?;
    numbers.extend(UintRef::new(s).ok()?.to_der().ok()?);
    der::Any::new(der::Tag::Sequence, numbers)
        .ok()?
        .to_der()
        .ok()
}

/// Jobs that wait for one key; more callers wait to hand theirs over.
const QUEUE: usize = 64;

#[cfg(test)]
mod tests;
