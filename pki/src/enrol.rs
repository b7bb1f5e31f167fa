//! What stations and the authority say to each other: the messages of enrolment, renewal and the
//! exchange of published files.
//!
//! Owns: paths, field names and limits of the authority's API (JSON over HTTPS, TLS 1.3). The
//! authority proves itself by a chain that ends in the root whose SHA-256 the station was given
//! (`--fingerprint`); a station proves itself by a one-time token once and by its current
//! certificate from then on. Certificate requests are PKCS#10: only the key and the proof that the
//! requester holds it are used, names come from the grant or the current certificate.
//! Fails: not at all, except where a text does not parse. Must not know: sockets, databases, keys.

use formats::id::{AgencyCode, Digest, Party, StationName, TrustDomain};
use formats::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::role::Role;

/// `POST` [`Preview`] → [`Grant`]: what a token is for. Spends nothing.
pub const PATH_PREVIEW: &str = "/v1/enrol/preview";
/// `POST` [`Enrol`] → [`Issued`]: spends the token. The same token with the same requests is
/// answered again, so that a lost answer loses nothing; with others it is refused (`token_spent`).
pub const PATH_ENROL: &str = "/v1/enrol";
/// `POST` [`Renew`] → [`Issued`], with the station's current TLS certificate.
pub const PATH_RENEW: &str = "/v1/renew";
/// `GET ?after=N&wait=S` → [`Published`]: names of files published after sequence `N`; waits up to
/// `S` seconds (at most [`WAIT_S_MAX`]) for the first. `POST` of a signed record (its bytes) with
/// the station's TLS certificate publishes it.
pub const PATH_RECORDS: &str = "/v1/records";
/// `GET /v1/records/NAME` → the bytes of one published file.
pub const PATH_RECORD: &str = "/v1/records/{name}";
/// Longest wait for news, seconds: below the idle limit of ordinary proxies.
pub const WAIT_S_MAX: u64 = 50;
/// Most names in one [`Published`]; the client asks again from its sequence.
pub const NAMES_MAX: usize = 1000;
/// Largest request, bytes.
pub const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Asks what a token is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preview {
    /// The token as printed.
    pub token: String,
}

/// What a token allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The station that may be set up.
    pub station: StationName,
    /// Agencies that it will serve.
    pub agencies: Vec<GrantedAgency>,
    /// The trust domain.
    pub trust_domain: TrustDomain,
    /// Relays to link to; empty for a relay.
    pub home_relays: Vec<StationName>,
    /// End of the token's life, RFC 3339.
    pub expires: String,
    /// Where time-stamps are given.
    pub time_stamp_url: Option<String>,
}

/// One agency of a grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantedAgency {
    /// Its code.
    pub code: AgencyCode,
    /// Its name in Vietnamese.
    pub name: String,
}

/// One certificate that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The role, one of those of stations and agencies.
    #[serde(with = "role_word")]
    pub role: Role,
    /// For whom.
    pub party: Party,
    /// PKCS#10 in PEM.
    pub csr: String,
    /// Renewal for an agency: base64 of a CMS signature ([`crate::sign::Content::Renewal`]) over
    /// [`Request::statement`], by the agency's current signature key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
}

impl Request {
    /// The bytes that an agency signs to ask for this renewal.
    #[must_use]
    pub fn statement(&self) -> Vec<u8> {
        let (role, party) = (self.role, &self.party);
        let csr = Digest::of(self.csr.as_bytes());
        format!("tram-renewal-1\n{role}\n{party}\n{csr}\n").into_bytes()
    }
}

/// Spends a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enrol {
    /// The token as printed.
    pub token: String,
    /// What is wanted: each role of the station once, both roles of each agency once.
    pub requests: Vec<Request>,
}

/// Asks for successors of current certificates.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renew {
    /// What is wanted.
    pub requests: Vec<Request>,
}

/// What was issued.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Issued {
    /// In the order of the requests.
    pub certificates: Vec<IssuedCertificate>,
    /// Issuing authorities and roots, PEM.
    pub authorities: Vec<String>,
    /// Certificates of the trust list's signers to pin, PEM.
    pub trust_list: Vec<String>,
    /// How many of them must sign; all, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_list_needed: Option<usize>,
}

/// One issued certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IssuedCertificate {
    /// The role.
    #[serde(with = "role_word")]
    pub role: Role,
    /// For whom.
    pub party: Party,
    /// PEM.
    pub certificate: String,
}

/// Names of published files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The sequence to ask after next time.
    pub sequence: u64,
    /// What is new or changed, oldest first.
    pub files: Vec<PublishedFile>,
    /// More is waiting: ask again at once.
    pub more: bool,
}

/// One published file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedFile {
    /// Its name: letters, digits, `.`, `-`, `_`; ends in `.rec`, `.crt` or `.crl`.
    pub name: String,
    /// SHA-256 of its bytes; nothing for a file that was taken back.
    pub sha256: Option<Digest>,
    /// Its length.
    pub bytes: u64,
}

/// Whether a name may become a file in a folder of records.
#[must_use]
pub fn is_file_name(name: &str) -> bool {
    let known = [".rec", ".crt", ".crl"]
        .iter()
        .any(|end| name.ends_with(end));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    known && name.len() <= 200 && !name.starts_with('.') && name.bytes().all(plain)
}

/// A refusal (RFC 9457, `application/problem+json`).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// Stable word, for example `token_spent`.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// What is wrong, English.
    pub title: String,
    /// What is wrong and what to do next, Vietnamese.
    pub detail: String,
    /// What to do next, English.
    pub next: String,
}

/// When a certificate is to be renewed: at two thirds of its life, up to a twelfth of its life
/// later by `spread` (0..=u16::MAX), so that a country's nodes do not come in the same hour.
#[must_use]
pub fn renewal_at(not_before: Timestamp, not_after: Timestamp, spread: u16) -> Timestamp {
    let life = not_after
        .unix_ms()
        .saturating_sub(not_before.unix_ms())
        .max(0);
    let due = life / 3 * 2;
    let jitter = (life / 12).saturating_mul(i64::from(spread)) / i64::from(u16::MAX);
    not_before.plus_ms(due.saturating_add(jitter))
}

/// A role as its stable word.
mod role_word {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::role::Role;

    pub(super) fn serialize<S: Serializer>(role: &Role, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(role.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Role, D::Error> {
        let word = std::borrow::Cow::<'de, str>::deserialize(from)?;
        word.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder_are_no_file_names() {
        for good in ["ca.crl", "H01.36.04.signature.crt", "agencies-0001.rec"] {
            assert!(is_file_name(good), "{good}");
        }
        let long = format!("{}.crt", "a".repeat(200));
        for bad in [
            "../ca.crl",
            "a/b.crt",
            ".crt",
            ".a.crt",
            "ca.crl\0",
            "x.pem",
            "đ.crt",
            "",
            &long,
        ] {
            assert!(!is_file_name(bad), "{bad:?}");
        }
    }

    #[test]
    fn renewal_comes_between_two_thirds_and_three_quarters_of_a_life() {
        let from = Timestamp::from_unix_ms(1_700_000_000_000);
        let until = from.plus_ms(90 * 86_400_000);
        let first = renewal_at(from, until, 0);
        let last = renewal_at(from, until, u16::MAX);
        assert_eq!(first, from.plus_ms(60 * 86_400_000));
        assert_eq!(last, from.plus_ms(675 * 8_640_000));
        assert_eq!(
            renewal_at(until, from, 7),
            until,
            "a life that ends before it begins"
        );
    }

    #[test]
    fn a_request_keeps_its_form_on_the_wire() {
        let text = r#"{"role":"station-tls","party":"node-1.tram.test","csr":"x"}"#;
        let request: Request = serde_json::from_str(text).expect("a request");
        assert_eq!(request.role, Role::StationTls);
        assert_eq!(serde_json::to_string(&request).expect("text"), text);
        let strange = text.replace("station-tls", "station");
        assert!(serde_json::from_str::<Request>(&strange).is_err());
    }
}
