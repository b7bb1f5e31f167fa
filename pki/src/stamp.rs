//! RFC 3161 time-stamps: asking, issuing, and believing a token.
//!
//! Owns: request, response and token bytes (the structures are in `stamp/structure.rs`). A token is
//! a CMS signature over TSTInfo by a certificate in role `TimeStamping`; it is verified with the
//! same checks as every other signature here. The clock is the caller's: `now` is a parameter, and
//! [`TokenIssuer::respond`] puts exactly it into the token.
//!
//! Fails with [`StampError`]. A request that cannot be granted is answered with a PKIFailureInfo,
//! not with an error. Must not know HTTP, files or what is stamped.

mod structure;

#[cfg(test)]
mod tests;

use der::asn1::{Int, ObjectIdentifier, OctetString};
use der::{Decode, Encode};

use formats::id::Digest;
use formats::time::Timestamp;
use formats::{limits, oid};

use crate::cert::Certificate;
use crate::chain::{ChainError, Validator};
use crate::key::SigningKey;
use crate::role::Role;
use crate::sign::{
    self, Embed, HashAlgorithm, NotDer, ParseError, Parsed, SignError, VerifyError, strict,
};

pub use structure::Failure;
use structure::{Accuracy, MessageImprint, Request, Response, Status, StatusInfo, TstInfo};

/// Why there is no usable token.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// The TSA's certificate is not trusted for time-stamps at the token's time.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The library has no randomness for a serial number.
    #[error("no random serial number")]
    Crypto,
    /// The response carries something else than was asked for.
    #[error("the token is for another {0}")]
    Different(&'static str),
    /// The token's time lies after now.
    #[error("the token says {token}, it is {now}")]
    Future {
        /// The token's time.
        token: Timestamp,
        /// The caller's time.
        now: Timestamp,
    },
    /// A field has a value that RFC 3161 does not allow.
    #[error("time-stamp field {0} is malformed")]
    Malformed(&'static str),
    /// The TSA's certificate did not come with the token.
    #[error("the token carries no certificate of its signer")]
    NoCertificate,
    /// Bytes that are not DER.
    #[error(transparent)]
    NotDer(#[from] NotDer),
    /// The token's signature object is unusable.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// The TSA refused.
    #[error("the time-stamp authority refused with status {status}: {reason}")]
    Refused {
        /// PKIStatus (RFC 3161 section 2.4.2).
        status: u8,
        /// The TSA's text and failure information.
        reason: String,
    },
    /// A token cannot be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The token's signature does not hold.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

impl From<der::Error> for StampError {
    fn from(error: der::Error) -> Self {
        Self::NotDer(error.into())
    }
}

/// A request for a time-stamp over a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStampRequest {
    hash: HashAlgorithm,
    imprint: Vec<u8>,
    nonce: u64,
}

impl TimeStampRequest {
    /// A request over a SHA-256 digest with this nonce; take a random one, so that no old token can be replayed.
    #[must_use]
    pub fn new(imprint: Digest, nonce: u64) -> Self {
        Self::over(HashAlgorithm::Sha256, imprint.as_bytes().to_vec(), nonce)
    }

    /// A request over a digest of another algorithm. One of another length than the algorithm's is refused by
    /// whoever is asked.
    #[must_use]
    pub const fn over(hash: HashAlgorithm, imprint: Vec<u8>, nonce: u64) -> Self {
        Self {
            hash,
            imprint,
            nonce,
        }
    }

    /// The request's DER, asking for the certificate to be included.
    ///
    /// # Errors
    /// Never in practice: only if fixed-size fields did not encode.
    pub fn build(&self) -> Result<Vec<u8>, StampError> {
        let request = Request {
            version: 1,
            message_imprint: MessageImprint::of(self.hash, &self.imprint)?,
            policy: None,
            nonce: Some(nonce_integer(self.nonce)?),
            certificate_wanted: true,
            extensions: None,
        };
        Ok(request.to_der()?)
    }

    /// Takes the token out of the answer to this request and checks that it is the answer: status,
    /// imprint and nonce. Its signature is checked by [`verify_token`].
    ///
    /// # Errors
    /// [`StampError`] as named.
    pub fn token_from_response(&self, response: &[u8]) -> Result<Vec<u8>, StampError> {
        if response.len() > limits::TOKEN_BYTES_MAX {
            return Err(StampError::Malformed("length"));
        }
        let response: Response = strict(response)?;
        // RFC 3161 section 2.4.2: 0 granted, 1 granted with modifications; others carry no token.
        if response.status.status > 1 {
            return Err(StampError::Refused {
                status: response.status.status,
                reason: response.status.reason(),
            });
        }
        let token = response
            .token
            .ok_or(StampError::Malformed("token"))?
            .to_der()?;
        let info = read_info(&Parsed::parse(&token)?)?;
        check_imprint(&info, self.hash, &self.imprint)?;
        if info.nonce != Some(nonce_integer(self.nonce)?) {
            return Err(StampError::Different("nonce"));
        }
        Ok(token)
    }
}

/// As [`TimeStampRequest::token_from_response`], from the parts of the request.
///
/// # Errors
/// [`StampError`] as named.
pub fn token_from_response(
    response: &[u8],
    imprint: &Digest,
    nonce: u64,
) -> Result<Vec<u8>, StampError> {
    TimeStampRequest::new(*imprint, nonce).token_from_response(response)
}

/// What a verified token proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStamp {
    /// The proven time.
    pub time: Timestamp,
    /// The token's serial number, in hexadecimal.
    pub serial: String,
    /// The policy under which it was issued.
    pub policy: ObjectIdentifier,
    /// SHA-256 of the TSA's certificate.
    pub tsa: Digest,
    /// How far the time may be off by the token's own word, milliseconds; one second when it says
    /// nothing (RFC 3161 section 2.4.2 leaves it to the policy then).
    pub accuracy_ms: u64,
}

/// Verifies a token over a SHA-256 imprint: one signer, its certificate trusted for time-stamps at
/// the token's time, the imprint, and a time not after `now`.
///
/// # Errors
/// [`StampError`] for the first check that does not hold.
pub fn verify_token(
    token: &[u8],
    imprint: &Digest,
    validator: &Validator,
    now: Timestamp,
) -> Result<TimeStamp, StampError> {
    verify_token_over(
        token,
        HashAlgorithm::Sha256,
        imprint.as_bytes(),
        validator,
        now,
    )
}

/// The same over a digest of another algorithm.
///
/// # Errors
/// [`StampError`] for the first check that does not hold.
pub fn verify_token_over(
    token: &[u8],
    hash: HashAlgorithm,
    imprint: &[u8],
    validator: &Validator,
    now: Timestamp,
) -> Result<TimeStamp, StampError> {
    if token.len() > limits::TOKEN_BYTES_MAX {
        return Err(StampError::Malformed("length"));
    }
    let parsed = Parsed::parse(token)?;
    let info = read_info(&parsed)?;
    check_imprint(&info, hash, imprint)?;
    let time = info.time()?;
    if time > now.plus_ms(FUTURE_MS_MAX) {
        return Err(StampError::Future { token: time, now });
    }
    let certificate = parsed.embedded_signer().ok_or(StampError::NoCertificate)?;
    if certificate.is_impersonated_in(&parsed.embedded_certificates()) {
        return Err(StampError::Malformed("list of certificates"));
    }
    let tsa = validator.verify_within_hour(&certificate, Role::TimeStamping, time)?;
    let content = parsed.content().ok_or(StampError::Malformed("content"))?;
    let digest = parsed.hash().digest(&content);
    sign::check_signature(&parsed, oid::CT_TST_INFO, &digest, &tsa)?;
    Ok(described(&info, time, &certificate))
}

/// What a token says, unverified: for whoever judges its signer another way.
///
/// # Errors
/// [`StampError`] for bytes that are no token with its signer's certificate.
pub(crate) fn claimed_stamp(token: &[u8]) -> Result<TimeStamp, StampError> {
    let parsed = Parsed::parse(token)?;
    let info = read_info(&parsed)?;
    let certificate = parsed.embedded_signer().ok_or(StampError::NoCertificate)?;
    Ok(described(&info, info.time()?, &certificate))
}

fn described(info: &TstInfo, time: Timestamp, certificate: &Certificate) -> TimeStamp {
    let serial = info.serial.as_bytes().iter();
    TimeStamp {
        time,
        serial: serial.map(|byte| format!("{byte:02x}")).collect(),
        policy: info.policy,
        tsa: certificate.sha256(),
        accuracy_ms: info
            .accuracy
            .as_ref()
            .map_or(ACCURACY_MS, Accuracy::milliseconds),
    }
}

/// The time that a token claims, unverified: for choosing the time at which to judge signers before
/// the token itself is judged, and for display.
///
/// # Errors
/// [`StampError`] for bytes that are no token.
pub fn claimed_time(token: &[u8]) -> Result<Timestamp, StampError> {
    read_info(&Parsed::parse(token)?)?.time()
}

/// The SHA-256 imprint that a token claims to be over, unverified.
pub(crate) fn claimed_imprint(token: &[u8]) -> Option<Digest> {
    let info = read_info(&Parsed::parse(token).ok()?).ok()?;
    let imprint = info.message_imprint.hashed_message.as_bytes();
    Some(Digest::from_bytes(imprint.try_into().ok()?))
}

/// Issues tokens with one key.
#[derive(Debug, Clone)]
pub struct TokenIssuer {
    key: SigningKey,
    certificate: Certificate,
    chain: Vec<Certificate>,
    accuracy_ms: u64,
}

impl TokenIssuer {
    /// The chain goes into tokens after the issuer's own certificate. Tokens say one second of accuracy.
    #[must_use]
    pub const fn new(key: SigningKey, certificate: Certificate, chain: Vec<Certificate>) -> Self {
        Self {
            key,
            certificate,
            chain,
            accuracy_ms: ACCURACY_MS,
        }
    }

    /// What tokens say of their accuracy, milliseconds. Whoever gives the clock keeps to it: `now` only
    /// while it is right to this much, and [`Self::time_not_available`] otherwise.
    #[must_use]
    pub const fn with_accuracy_ms(mut self, accuracy_ms: u64) -> Self {
        self.accuracy_ms = accuracy_ms;
        self
    }

    /// What tokens say of their accuracy, milliseconds.
    #[must_use]
    pub const fn accuracy_ms(&self) -> u64 {
        self.accuracy_ms
    }

    /// Answers a request: a token at `now`, or a refusal that says why.
    ///
    /// # Errors
    /// Only when the key or the system's randomness fails; what is wrong with the request is in the
    /// response.
    pub fn respond(&self, request: &[u8], now: Timestamp) -> Result<Vec<u8>, StampError> {
        let request = match read_request(request) {
            Ok(request) => request,
            Err(failure) => return Ok(refusal(failure)?),
        };
        let token = self.issue(&request, now)?;
        let status = StatusInfo {
            status: GRANTED,
            text: None,
            failure: None,
        };
        let token = Some(der::Any::from_der(&token)?);
        Ok(Response { status, token }.to_der()?)
    }

    /// A refusal for a clock that is not sure, without reading the request.
    ///
    /// # Errors
    /// Never in practice: only if fixed fields did not encode.
    pub fn time_not_available(&self) -> Result<Vec<u8>, StampError> {
        Ok(refusal(Failure::TimeNotAvailable)?)
    }

    fn issue(&self, request: &Request, now: Timestamp) -> Result<Vec<u8>, StampError> {
        let mut serial = [0; SERIAL_BYTES];
        aws_lc_rs::rand::fill(&mut serial).map_err(|_| StampError::Crypto)?;
        // Positive and never shortened: the first byte is between 0x40 and 0x7f.
        if let Some(first) = serial.first_mut() {
            *first = *first & 0x3f | 0x40;
        }
        let info = TstInfo {
            version: 1,
            policy: oid::POLICY_TIME_STAMP,
            message_imprint: request.message_imprint.clone(),
            serial: Int::new(&serial)?,
            time: structure::generalized_time(now)?,
            accuracy: Some(Accuracy::of_milliseconds(self.accuracy_ms)),
            ordering: false,
            nonce: request.nonce.clone(),
            tsa: None,
            extensions: None,
        };
        // RFC 3161 section 2.4.1: without certReq no certificate may be included.
        let embed = if request.certificate_wanted {
            Embed::Chain(&self.chain)
        } else {
            Embed::None
        };
        let content = info.to_der()?;
        Ok(sign::sign_inside(
            &self.key,
            &self.certificate,
            oid::CT_TST_INFO,
            &content,
            now,
            embed,
        )?)
    }
}

fn read_request(bytes: &[u8]) -> Result<Request, Failure> {
    if bytes.len() > REQUEST_BYTES_MAX {
        return Err(Failure::BadDataFormat);
    }
    let request: Request = strict(bytes).map_err(|_| Failure::BadDataFormat)?;
    if request.version != 1 {
        return Err(Failure::BadRequest);
    }
    if request.extensions.is_some() {
        return Err(Failure::UnacceptedExtension);
    }
    if request
        .policy
        .is_some_and(|policy| policy != oid::POLICY_TIME_STAMP)
    {
        return Err(Failure::UnacceptedPolicy);
    }
    let imprint = &request.message_imprint;
    let hash =
        HashAlgorithm::from_identifier(&imprint.hash_algorithm).ok_or(Failure::BadAlgorithm)?;
    if imprint.hashed_message.as_bytes().len() != hash.implementation().output_len() {
        return Err(Failure::BadDataFormat);
    }
    if request
        .nonce
        .as_ref()
        .is_some_and(|nonce| nonce.as_bytes().len() > NONCE_BYTES_MAX)
    {
        return Err(Failure::BadRequest);
    }
    Ok(request)
}

fn refusal(failure: Failure) -> Result<Vec<u8>, der::Error> {
    let status = StatusInfo {
        status: REJECTION,
        text: Some(vec![failure.text().to_owned()]),
        failure: Some(failure.bits()?),
    };
    Response {
        status,
        token: None,
    }
    .to_der()
}

fn read_info(parsed: &Parsed) -> Result<TstInfo, StampError> {
    if parsed.content_type() != oid::CT_TST_INFO {
        return Err(StampError::Malformed("content type"));
    }
    let content = parsed.content().ok_or(StampError::Malformed("content"))?;
    let info: TstInfo = strict(&content)?;
    if info.version != 1 {
        return Err(StampError::Malformed("version"));
    }
    // RFC 3161 section 2.4.2 lets extensions change the meaning; a critical one would have to be
    // understood, and there is none that we know.
    if info.extensions.is_some() {
        return Err(StampError::Malformed("extensions"));
    }
    Ok(info)
}

fn check_imprint(info: &TstInfo, hash: HashAlgorithm, imprint: &[u8]) -> Result<(), StampError> {
    let stamped = &info.message_imprint;
    if HashAlgorithm::from_identifier(&stamped.hash_algorithm) != Some(hash)
        || stamped.hashed_message.as_bytes() != imprint
    {
        return Err(StampError::Different("imprint"));
    }
    Ok(())
}

fn nonce_integer(nonce: u64) -> Result<Int, der::Error> {
    // A leading zero octet keeps it positive; DER then drops what is not needed.
    let bytes = nonce.to_be_bytes();
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len() - 1);
    let digits = bytes.get(start..).unwrap_or_default();
    let mut integer = Vec::with_capacity(digits.len() + 1);
    if digits.first().is_some_and(|first| first & 0x80 != 0) {
        integer.push(0);
    }
    integer.extend_from_slice(digits);
    Int::new(&integer)
}

impl MessageImprint {
    fn of(hash: HashAlgorithm, imprint: &[u8]) -> Result<Self, der::Error> {
        Ok(Self {
            hash_algorithm: hash.identifier(),
            hashed_message: OctetString::new(imprint)?,
        })
    }
}

/// A token may be this far ahead of our clock: as far as `created` may be.
const FUTURE_MS_MAX: i64 = limits::CREATED_AHEAD_MS_MAX;
/// What a token without a word of its own is taken to be right to, and what ours say.
const ACCURACY_MS: u64 = 1_000;
const GRANTED: Status = 0;
const REJECTION: Status = 2;
/// Nonces in use have 8 to 20 bytes.
const NONCE_BYTES_MAX: usize = 33;
/// A request has about 70 bytes; more only with extensions, which are refused anyway.
const REQUEST_BYTES_MAX: usize = 4 * 1024;
const SERIAL_BYTES: usize = 16;
