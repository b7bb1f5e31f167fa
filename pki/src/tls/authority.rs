//! TLS towards the authority: first believed by the fingerprint of its root, later by what the
//! station has learned.
//!
//! Owns: whom a station takes for its authority. The server sends its certificate, the issuing
//! authority and the root; a station that knows nothing yet accepts the root whose SHA-256 a person
//! gave it, and nothing else. In both cases the chain is judged twice, as on links, and the name
//! decides too: every station of the country has a certificate of the same role. Must not know:
//! HTTP, sockets.

use std::fmt;
use std::sync::Arc;

use formats::id::{Digest, StationName, TrustDomain};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::key;
use super::{CHAIN_MAX, CurrentValidator, PeerVerifier, StationIdentity, Time, TlsClock, TlsError};
use crate::cert::Certificate;
use crate::chain::{TrustStore, Validator};

/// Whom a station takes for its authority.
#[derive(Clone)]
pub enum AuthorityTrust {
    /// Whose chain ends in the root with this SHA-256: the first contact.
    Pinned(Digest),
    /// Whose chain holds by the records that the station has.
    Known(CurrentValidator),
}

impl fmt::Debug for AuthorityTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(root) => write!(f, "Pinned({root})"),
            Self::Known(_) => f.write_str("Known"),
        }
    }
}

/// Settings for calling the authority at `host`; with an identity the station shows who it is.
///
/// # Errors
/// [`TlsError::Rustls`].
pub fn authority_client_config(
    identity: Option<&StationIdentity>,
    host: &str,
    trust: AuthorityTrust,
    clock: TlsClock,
) -> Result<ClientConfig, TlsError> {
    let verifier = AuthorityVerifier {
        host: host.to_owned(),
        trust,
    };
    let builder = ClientConfig::builder_with_details(super::provider(), Arc::new(Time(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match identity {
        Some(own) => builder.with_client_cert_resolver(key::identity(&own.chain, &own.key)),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.enable_early_data = false;
    config.resumption = Resumption::disabled();
    Ok(config)
}

struct AuthorityVerifier {
    host: String,
    trust: AuthorityTrust,
}

impl fmt::Debug for AuthorityVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuthorityVerifier({}, {:?})", self.host, self.trust)
    }
}

impl AuthorityVerifier {
    fn validator(
        &self,
        end: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
    ) -> Result<CurrentValidator, rustls::Error> {
        let pinned = match &self.trust {
            AuthorityTrust::Known(validator) => return Ok(Arc::clone(validator)),
            AuthorityTrust::Pinned(pinned) => pinned,
        };
        let bad = |_| rustls::Error::from(CertificateError::BadEncoding);
        let root = sent.iter().find(|der| Digest::of(der) == *pinned);
        let root = root.ok_or(CertificateError::UnknownIssuer)?;
        let end = Certificate::parse(end).map_err(bad)?;
        let validator = Validator::new(TrustStore {
            trust_domain: domain_of(&end)?,
            roots: vec![Certificate::parse(root).map_err(bad)?],
            intermediates: Vec::new(),
            crls: Vec::new(),
            ocsp: Vec::new(),
        });
        Ok(Arc::new(move || validator.clone()))
    }

    /// The host that a person wrote, or, where that is an address, a name that the authority keeps
    /// for its own servers.
    fn is_its_name(&self, name: &StationName) -> bool {
        name.as_str().eq_ignore_ascii_case(&self.host) || name.as_str().starts_with(SERVER_PREFIX)
    }
}

/// Nothing is known but the name itself: a server's name lies directly below its trust domain.
fn domain_of(end: &Certificate) -> Result<TrustDomain, rustls::Error> {
    let name = end.dns_name().ok();
    name.and_then(|name| name.split_once('.'))
        .and_then(|(_, domain)| domain.parse().ok())
        .ok_or_else(|| CertificateError::NotValidForName.into())
}

impl ServerCertVerifier for AuthorityVerifier {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let intermediates = intermediates.get(..CHAIN_MAX).unwrap_or(intermediates);
        let validator = self.validator(end, intermediates)?;
        let domain = validator().trust_domain().clone();
        // Roots come from the trust, never from the wire.
        let between: Vec<CertificateDer<'_>> = intermediates
            .iter()
            .filter(|der| Certificate::parse(der).is_ok_and(|one| !one.is_self_issued()))
            .cloned()
            .collect();
        let peer = PeerVerifier {
            validator,
            expected: None,
            mandatory: true,
            provider: super::provider(),
        };
        peer.check(end, &between, now)?;
        let name = super::peer_station(std::slice::from_ref(end), &domain)
            .map_err(|_| CertificateError::NotValidForName)?;
        if self.is_its_name(&name) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
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
        let algorithms = super::provider().signature_verification_algorithms;
        super::verify_tls13_signature(message, cert, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        super::provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// First letters of the names of the authority's own servers (`authority-1.<trust domain>`); nobody
/// else gets a certificate for such a name.
const SERVER_PREFIX: &str = "authority-";
