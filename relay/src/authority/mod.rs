//! The station's side of the authority (see `pki::enrol`): enrolment with a one-time token, renewal
//! with the current certificate, and what the authority publishes.
//!
//! ```text
//!  enrol ── token ──► authority        once: keys are made here and stay here
//!  renew ── current certificate ──►    at two thirds of a certificate's life
//!  pull  ◄── records, CRLs ──          all the time, by long polls
//! ```
//!
//! Everything here can fail for a day without stopping the traffic: the station goes on with what it
//! has and says how old that is. Must not know: links, envelopes.

pub mod client;
pub mod enrol;
pub mod publish;
pub mod pull;
pub mod renew;
pub mod standing;

use std::fmt;
use std::path::Path;

use formats::id::Digest;
use serde::Deserialize;

pub use client::{Client, ClientError};

/// The `[authority]` section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthoritySettings {
    /// Where it is.
    pub endpoint: Endpoint,
    /// SHA-256 of its root, as it was given at enrolment.
    pub fingerprint: Digest,
}

/// `https://HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
}

/// Not the address of an authority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not a SHA-256.
    #[error("a fingerprint has 64 hexadecimal digits (colons are ignored)")]
    Fingerprint,
    /// Another scheme, or more than host and port.
    #[error("write the address as https://HOST:PORT, without a path")]
    Url,
}

impl Endpoint {
    /// DNS name or IP address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `host:port` as HTTP writes it.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "https://{}", self.authority())
    }
}

impl std::str::FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let rest = text.strip_prefix("https://").ok_or(EndpointError::Url)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or(EndpointError::Url)?;
                (host, port.strip_prefix(':'))
            }
            None => match rest.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().map_err(|_| EndpointError::Url)?,
            None => HTTPS,
        };
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':');
        if host.is_empty() || port == 0 || !host.bytes().all(letter) {
            return Err(EndpointError::Url);
        }
        let host = host.to_ascii_lowercase();
        Ok(Self { host, port })
    }
}

/// A fingerprint as people write it: hexadecimal, colons, spaces and case do not matter.
pub fn fingerprint(text: &str) -> Result<Digest, EndpointError> {
    let hex: String = text
        .chars()
        .filter(|letter| !matches!(letter, ':' | ' '))
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    hex.parse().map_err(|_| EndpointError::Fingerprint)
}

/// The section as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Section {
    url: String,
    fingerprint: String,
}

impl Section {
    pub(crate) fn settings(&self) -> Result<AuthoritySettings, EndpointError> {
        Ok(AuthoritySettings {
            endpoint: self.url.parse()?,
            fingerprint: fingerprint(&self.fingerprint)?,
        })
    }
}

/// Replaces a file of ours; in words for the caller.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), String> {
    pki::pair::replace(path, bytes).map_err(|error| error.to_string())
}

const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_host_and_port_and_nothing_else() {
        for (text, authority) in [
            ("https://authority-1.tram.test", "authority-1.tram.test:443"),
            (
                "https://Authority-1.tram.test:8443/",
                "authority-1.tram.test:8443",
            ),
            ("https://127.0.0.1:8443", "127.0.0.1:8443"),
            ("https://[::1]:8443", "[::1]:8443"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.authority(), authority);
            assert_eq!(endpoint.to_string().parse::<Endpoint>().unwrap(), endpoint);
        }
        for text in [
            "http://authority-1.tram.test",
            "https://",
            "https://a:0",
            "https://a:b",
            "https://a/path",
            "https://user@a",
            "https://a?x=1",
            "https://[::1",
            "https://a\r\nX: y",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_fingerprint_is_read_as_openssl_prints_it() {
        let digest = Digest::of(b"root");
        let plain = digest.to_string();
        let pairs: Vec<String> = plain
            .as_bytes()
            .chunks(2)
            .map(|pair| String::from_utf8_lossy(pair).to_uppercase())
            .collect();
        assert_eq!(fingerprint(&plain).unwrap(), digest);
        assert_eq!(fingerprint(&pairs.join(":")).unwrap(), digest);
        assert!(fingerprint(&plain[1..]).is_err());
        assert!(fingerprint("").is_err());
    }
}
