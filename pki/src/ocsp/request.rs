//! Requests (RFC 6960 section 4.1): which certificates somebody asks about.
//!
//! Owns: reading one, within limits. A signature of the asker and its name are not looked at:
//! answers are public. Fails with [`OcspError`], which the server answers with
//! `malformedRequest`. Must not know the answers.

use der::Decode;

use super::structure::OcspRequest;
use super::{ACCEPTABLE_RESPONSES, BASIC, CertId, NONCE, OcspError, check_extensions, nonce};
use const_oid::ObjectIdentifier;

/// A parsed request.
#[derive(Clone, Debug)]
pub struct Request {
    items: Vec<CertId>,
    nonce: Option<Vec<u8>>,
}

impl Request {
    /// Parses strict DER; nothing may follow.
    ///
    /// # Errors
    /// [`OcspError`] for malformed or oversized requests, critical extensions that we do not know,
    /// and askers who do not take a basic answer.
    pub fn parse(der: &[u8]) -> Result<Self, OcspError> {
        if der.len() > REQUEST_BYTES_MAX {
            return Err(OcspError::TooLarge {
                bytes: der.len(),
                most: REQUEST_BYTES_MAX,
            });
        }
        let body = OcspRequest::from_der(der)?.body;
        if body.version != 0 {
            return Err(OcspError::Refused("not a request of version 1"));
        }
        if body.list.is_empty() {
            return Err(OcspError::Refused("asks about nothing"));
        }
        if body.list.len() > ITEMS_MAX {
            return Err(OcspError::TooMany {
                entries: body.list.len(),
                most: ITEMS_MAX,
            });
        }
        check_extensions(body.extensions.as_ref(), &[NONCE, ACCEPTABLE_RESPONSES])?;
        for one in &body.list {
            check_extensions(one.extensions.as_ref(), &[])?;
        }
        let accepted = body.extensions.iter().flatten();
        for extension in accepted.filter(|one| one.extn_id == ACCEPTABLE_RESPONSES) {
            let kinds = Vec::<ObjectIdentifier>::from_der(extension.extn_value.as_bytes())?;
            if !kinds.contains(&BASIC) {
                return Err(OcspError::Refused("the asker takes no basic answer"));
            }
        }
        let nonce = nonce(body.extensions.as_ref());
        let items = body.list.into_iter().map(|one| CertId(one.id)).collect();
        Ok(Self { items, nonce })
    }

    /// The certificates that are asked about, at least one.
    #[must_use]
    pub fn items(&self) -> &[CertId] {
        &self.items
    }

    /// The nonce that came along. Answers made in advance leave it out, as RFC 9654 section 2.1
    /// allows.
    #[must_use]
    pub fn nonce(&self) -> Option<&[u8]> {
        self.nonce.as_deref()
    }
}

/// Certificates in one request; RFC 5019 section 2.1.1 has one.
const ITEMS_MAX: usize = 16;
/// A signed request with its certificate has about 3 KiB.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
