//! The parts of records: addresses, keys, windows. Each checks itself while it is read.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::id::serde_as_text;
use crate::limits;

/// What kind a station is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StationKind {
    /// With a desk, at an agency.
    Node,
    /// Of the backbone.
    Relay,
}

/// What a station takes; never more than [`crate::limits`] allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StationLimits {
    /// Bytes of one body.
    pub body_bytes: u64,
    /// Transfers in flight on one link.
    pub transfers: u32,
}

/// How old data and times may be, the same for the whole network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// Seconds after which revocation data counts as stale.
    pub revocation_s: u64,
    /// Seconds that the first station accepts `created` behind its clock.
    pub created_behind_s: u64,
    /// Seconds that the first station accepts `created` ahead of its clock.
    pub created_ahead_s: u64,
}

/// An address to dial: `host:port`, host being a DNS name, an IPv4 or a bracketed IPv6 address.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    text: String,
    host_end: usize,
    port: u16,
}

/// Not `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an address of the form host:port")]
pub struct AddressError;

impl Address {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// DNS name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.text.get(..self.host_end).unwrap_or_default();
        host.strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
    }

    /// The port, never 0.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port_text) = text.rsplit_once(':').ok_or(AddressError)?;
        let port: u16 = port_text.parse().map_err(|_| AddressError)?;
        let host_fits = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| {
                // One spelling of each address.
                ip.to_string() == inner
            }),
            None => {
                (1..=limits::DNS_NAME_CHARS_MAX).contains(&host.len())
                    && host.bytes().all(|b| {
                        b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-'
                    })
                    && host.split('.').all(|label| !label.is_empty())
            }
        };
        if host_fits && port != 0 && port.to_string() == port_text {
            Ok(Self {
                text: text.to_owned(),
                host_end: host.len(),
                port,
            })
        } else {
            Err(AddressError)
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Not the base64 text of bytes of the right length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not base64 of the right length")]
pub struct Base64Error;

/// Ed25519 public key of a log; in JSON as base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKey([u8; 32]);

impl NoteKey {
    /// Wraps a key. Whether it is a point of the curve shows at verification.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for NoteKey {
    type Err = Base64Error;

    fn from_str(text: &str) -> Result<Self, Base64Error> {
        // 44 characters are 32 bytes; longer text must not reach the decoder.
        if text.len() != 44 {
            return Err(Base64Error);
        }
        let bytes = STANDARD.decode(text).map_err(|_| Base64Error)?;
        bytes.try_into().map(Self).map_err(|_| Base64Error)
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

/// A DER object, here a certificate; in JSON as base64. Not parsed here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Der(Vec<u8>);

impl Der {
    /// Wraps at most 16 KiB.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Base64Error> {
        if (1..=limits::CERTIFICATE_BYTES_MAX).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(Base64Error)
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Der {
    type Err = Base64Error;

    fn from_str(text: &str) -> Result<Self, Base64Error> {
        if text.len() > limits::CERTIFICATE_BYTES_MAX.div_ceil(3) * 4 {
            return Err(Base64Error);
        }
        Self::new(STANDARD.decode(text).map_err(|_| Base64Error)?)
    }
}

impl fmt::Display for Der {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for Der {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Der({} bytes)", self.0.len())
    }
}

mod text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Address, Der, NoteKey, serde_as_text};

    serde_as_text!(Address);
    serde_as_text!(Der);
    serde_as_text!(NoteKey);
}
