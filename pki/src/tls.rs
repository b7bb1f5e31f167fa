//! TLS settings of links: 1.3 only, both ends authenticated, one ALPN, nothing resumed.
//!
//! Owns: the rustls configurations and the verifiers behind them. Two implementations must agree
//! on a peer: rustls-webpki checks the path with the station-tls usage, and our own validator
//! checks it again with role, name and revocation rules. A dialling station also pins the name it
//! dials. Sessions are never resumed, so that every link is judged by the lists of its day
//! (architecture, section 7). Fails with [`TlsError`]; a refused peer gets a TLS alert and no
//! reason. Must not know: quinn, sockets, where certificates lie.

mod authority;
mod key;

use std::fmt;
use std::sync::Arc;

use formats::id::{Party, StationName, TrustDomain};
use formats::time::Timestamp;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, ServerConfig,
    SignatureScheme,
};
use thiserror::Error;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::cert::{CertError, Certificate};
use crate::chain::{ChainError, Validator};
use crate::key::SigningKey;
use crate::role::Role;

pub use authority::{AuthorityTrust, authority_client_config};
pub use key::identity;

/// Why a TLS configuration cannot be made or a peer's certificate names nobody.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificate does not parse or names no station.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// rustls refused the settings.
    #[error("TLS settings refused: {0}")]
    Rustls(#[from] rustls::Error),
    /// The identity is incomplete or does not fit together.
    #[error("station identity: {0}")]
    Identity(&'static str),
    /// The peer showed no certificate.
    #[error("peer showed no certificate")]
    NoCertificate,
}

/// Gives the validator of this moment: new revocation lists count from the next handshake on.
pub type CurrentValidator = Arc<dyn Fn() -> Validator + Send + Sync>;

/// Tells the time; `None` when the clock is not sure, and handshakes then fail.
pub type TlsClock = Arc<dyn Fn() -> Option<Timestamp> + Send + Sync>;

/// Who we are on links.
#[derive(Clone, Debug)]
pub struct StationIdentity {
    /// Our name.
    pub name: StationName,
    /// Our TLS certificate first, then the authorities up to (not including) the root.
    pub chain: Vec<Certificate>,
    /// Its key.
    pub key: SigningKey,
}

impl StationIdentity {
    /// Joins name, chain and key.
    ///
    /// # Errors
    /// [`TlsError::Identity`] when they do not belong together.
    pub fn new(
        name: StationName,
        chain: Vec<Certificate>,
        key: SigningKey,
        domain: &TrustDomain,
    ) -> Result<Self, TlsError> {
        let own = chain.first().ok_or(TlsError::Identity("no certificate"))?;
        if own.spki_der() != key.spki_der() {
            return Err(TlsError::Identity("the key is not the certificate's"));
        }
        if own.role()? != Role::StationTls {
            return Err(TlsError::Identity(
                "the certificate has another role than station-tls",
            ));
        }
        if own.party(domain)? != Party::Station(name.clone()) {
            return Err(TlsError::Identity("the certificate names another station"));
        }
        Ok(Self { name, chain, key })
    }
}

/// The application protocol of links.
pub const ALPN: &[u8] = b"tram/1";

/// Settings of the end that is dialled.
///
/// # Errors
/// [`TlsError::Rustls`].
pub fn server_config(
    identity: &StationIdentity,
    validator: CurrentValidator,
    clock: TlsClock,
) -> Result<ServerConfig, TlsError> {
    let mut config = listening(identity, validator, clock, true)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(config)
}

/// Settings of a server that answers strangers as well (HTTP): a caller may show a station's
/// certificate, and if it does, it must be good.
///
/// # Errors
/// [`TlsError::Rustls`].
pub fn open_server_config(
    identity: &StationIdentity,
    validator: CurrentValidator,
    clock: TlsClock,
) -> Result<ServerConfig, TlsError> {
    let mut config = listening(identity, validator, clock, false)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn listening(
    identity: &StationIdentity,
    validator: CurrentValidator,
    clock: TlsClock,
    mandatory: bool,
) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let verifier = PeerVerifier {
        validator,
        expected: None,
        mandatory,
        provider: Arc::clone(&provider),
    };
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(Time(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(key::identity(&identity.chain, &identity.key));
    config.max_early_data_size = 0;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}

/// Settings of the end that dials, for one named peer.
///
/// # Errors
/// [`TlsError::Rustls`].
pub fn client_config(
    identity: &StationIdentity,
    peer: &StationName,
    validator: CurrentValidator,
    clock: TlsClock,
) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let expected = Some(peer.clone());
    let verifier = PeerVerifier {
        validator,
        expected,
        mandatory: true,
        provider: Arc::clone(&provider),
    };
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(Time(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(key::identity(&identity.chain, &identity.key));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.enable_early_data = false;
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The station that a peer's verified certificate names.
///
/// # Errors
/// [`TlsError`] when there is none.
pub fn peer_station(
    certs: &[CertificateDer<'_>],
    domain: &TrustDomain,
) -> Result<StationName, TlsError> {
    let cert = Certificate::parse(certs.first().ok_or(TlsError::NoCertificate)?)?;
    match (cert.role()?, cert.party(domain)?) {
        (Role::StationTls, Party::Station(name)) => Ok(name),
        _ => Err(TlsError::Identity(
            "the peer's certificate is not for station-tls",
        )),
    }
}

/// The SHA-256 of a peer's certificate, to compare with its station record.
#[must_use]
pub fn peer_sha256(certs: &[CertificateDer<'_>]) -> Option<formats::id::Digest> {
    certs.first().map(|der| formats::id::Digest::of(der))
}

/// aws-lc-rs, named explicitly, with hybrid post-quantum key exchange first.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.kx_groups = vec![
        aws_lc_rs::kx_group::X25519MLKEM768,
        aws_lc_rs::kx_group::X25519,
        aws_lc_rs::kx_group::SECP256R1,
    ];
    Arc::new(provider)
}

struct Time(TlsClock);

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Time")
    }
}

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from((self.0)()?.unix_s()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            seconds,
        )))
    }
}

struct PeerVerifier {
    validator: CurrentValidator,
    expected: Option<StationName>,
    /// Whether a caller without a certificate is sent away.
    mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for PeerVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerVerifier(expected {:?})", self.expected)
    }
}

impl PeerVerifier {
    fn check(
        &self,
        end: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let validator = (self.validator)();
        self.check_with_webpki(&validator, end, intermediates, now)?;
        let cert = Certificate::parse(end).map_err(|_| CertificateError::BadEncoding)?;
        // A chain longer than any of ours is not worth parsing.
        let extra = intermediates
            .iter()
            .take(CHAIN_MAX)
            .map(|der| Certificate::parse(der));
        let extra = extra
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| CertificateError::BadEncoding)?;
        let at = i64::try_from(now.as_secs())
            .unwrap_or(i64::MAX)
            .saturating_mul(1000);
        let at = Timestamp::from_unix_ms(at);
        let peer = validator
            .verify_with(&cert, &extra, Role::StationTls, at)
            .map_err(|error| tls_error(&error))?;
        match (peer.party(), &self.expected) {
            (Some(Party::Station(name)), Some(expected)) if name != expected => {
                Err(CertificateError::NotValidForName.into())
            }
            (Some(Party::Station(_)), _) => Ok(()),
            _ => Err(CertificateError::NotValidForName.into()),
        }
    }

    /// The second opinion: path, usage and name constraints by rustls-webpki.
    fn check_with_webpki(
        &self,
        validator: &Validator,
        end: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let bad = |_| rustls::Error::from(CertificateError::UnknownIssuer);
        let roots: Vec<CertificateDer<'_>> = validator
            .roots()
            .iter()
            .map(|root| CertificateDer::from(root.der()))
            .collect();
        let anchors: Vec<TrustAnchor<'_>> = roots
            .iter()
            .map(anchor_from_trusted_cert)
            .collect::<Result<_, _>>()
            .map_err(bad)?;
        let known = validator
            .authorities()
            .map(|cert| CertificateDer::from(cert.der().to_vec()));
        let sent = intermediates
            .iter()
            .take(CHAIN_MAX)
            .map(|der| der.clone().into_owned());
        let between: Vec<CertificateDer<'_>> = sent.chain(known).collect();
        let end = EndEntityCert::try_from(end).map_err(|_| CertificateError::BadEncoding)?;
        end.verify_for_usage(
            self.provider.signature_verification_algorithms.all,
            &anchors,
            &between,
            now,
            // `required` would demand the usage of authorities too; that the end certificate has
            // it, and nothing else, is our own validator's first check.
            KeyUsage::required_if_present(STATION_TLS_OID),
            None,
            None,
        )
        .map(drop)
        .map_err(|error| match error {
            webpki::Error::CertExpired { .. } => CertificateError::Expired.into(),
            webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet.into(),
            webpki::Error::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose.into(),
            _ => CertificateError::UnknownIssuer.into(),
        })
    }

    fn signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signature, algorithms)
    }
}

/// TLS alerts tell peers nothing internal; the nearest standard one is chosen.
fn tls_error(error: &ChainError) -> rustls::Error {
    match error {
        ChainError::Expired { .. } => CertificateError::Expired,
        ChainError::NotYetValid { .. } => CertificateError::NotValidYet,
        ChainError::Revoked { .. } => CertificateError::Revoked,
        ChainError::RevocationUnknown { .. } => CertificateError::UnknownRevocationStatus,
        ChainError::Signature { .. } => CertificateError::BadSignature,
        ChainError::Role { .. } => CertificateError::InvalidPurpose,
        ChainError::Name { .. } | ChainError::Certificate { .. } => {
            CertificateError::NotValidForName
        }
        ChainError::Budget
        | ChainError::Depth { .. }
        | ChainError::NoPath { .. }
        | ChainError::NotDelegable { .. }
        | ChainError::Policy { .. }
        | ChainError::Structure { .. } => CertificateError::UnknownIssuer,
    }
    .into()
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.check(end, intermediates, now)
            .map(|()| ServerCertVerified::assertion())
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
        self.signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Stations know which certificate to show; the list of roots is nobody's business.
        &[]
    }

    fn verify_client_cert(
        &self,
        end: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        self.check(end, intermediates, now)
            .map(|()| ClientCertVerified::assertion())
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
        self.signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// `formats::oid::EKU_STATION_TLS` as DER content, because webpki wants static bytes.
const STATION_TLS_OID: &[u8] = &[
    0x2b, 0x06, 0x01, 0x04, 0x01, 0x81, 0xfd, 0x59, 0x01, 0x02, 0x02,
];

/// Authorities that a peer may send beside its certificate.
const CHAIN_MAX: usize = 6;

#[cfg(test)]
mod tests;
