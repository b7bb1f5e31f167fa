//! Names of things: agencies, stations, envelopes, digests.
//!
//! Each is a type that holds only valid values: parsing is the border, afterwards nobody checks
//! again. The text form is the only text form (no case folding, no trimming), because names are
//! compared, hashed and signed. Cheap to clone. Fails with [`IdError`]; does not know directories:
//! whether a name exists is `relay`'s business.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use crate::limits;

/// Why a text or byte string is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not an agency code of Decision 20/2020 in canonical form.
    #[error("not an agency code: {0:?}")]
    AgencyCode(String),
    /// Not 32 bytes or 64 lower-case hexadecimal digits.
    #[error("not a sha-256 digest")]
    Digest,
    /// A DNS name that is not below the trust domain or does not hold a code there.
    #[error("{name:?} is not an agency's name below {domain:?}")]
    DnsName {
        /// The name found.
        name: String,
        /// The trust domain expected.
        domain: String,
    },
    /// Not a UUID of version 7 in its canonical form.
    #[error("not an envelope id")]
    EnvelopeId,
    /// Not an agency code of the 13-character form of Decision 28/2018.
    #[error("not an agency code of the old form: {0:?}")]
    OldAgencyCode(String),
    /// Not a lower-case DNS name with a hyphen in its first label.
    #[error("not a station name: {0:?}")]
    StationName(String),
    /// Not a lower-case DNS name.
    #[error("not a trust domain: {0:?}")]
    TrustDomain(String),
}

/// Text kept in an error: enough to recognise it, never a long hostile string.
fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Text form, order, `FromStr`, `TryFrom` and serde of a name that wraps checked text.
macro_rules! text_name {
    ($name:ident) => {
        impl $name {
            /// The text, which is the only form of the name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        serde_as_text!($name);
    };
}

/// Serde by `Display` and `FromStr`.
macro_rules! serde_as_text {
    ($name:ty) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use serde_as_text;

/// Canonical agency code, e.g. `H01.36.04`: level 1 first (Decision 20/2020/QĐ-TTg).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgencyCode(Arc<str>);

text_name!(AgencyCode);

impl AgencyCode {
    /// Accepts `^[A-Z][0-9]{2}(\.[0-9A-Z]{1,6}){0,8}$` of at most 35 characters.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let refused = || IdError::AgencyCode(excerpt(text));
        if text.len() > limits::AGENCY_CODE_CHARS_MAX {
            return Err(refused());
        }
        let mut groups = text.split('.');
        let first = groups.next().unwrap_or_default().as_bytes();
        let first_fits = matches!(first, [letter, d1, d2]
            if letter.is_ascii_uppercase() && d1.is_ascii_digit() && d2.is_ascii_digit());
        let mut count = 0_u32;
        let groups_fit = groups.all(|group| {
            count += 1;
            (1..=6).contains(&group.len())
                && group
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        });
        if first_fits && groups_fit && count <= 8 {
            Ok(Self(text.into()))
        } else {
            Err(refused())
        }
    }

    /// The code as a DNS name below the trust domain: groups reversed, lower case.
    /// `H01.36.04` is `04.36.h01.<trust domain>` (architecture 7).
    #[must_use]
    pub fn dns_name(&self, domain: &TrustDomain) -> String {
        let mut name = String::with_capacity(self.0.len() + 1 + domain.0.len());
        for group in self.0.rsplit('.') {
            name.push_str(&group.to_ascii_lowercase());
            name.push('.');
        }
        name.push_str(&domain.0);
        name
    }

    /// The code whose [`Self::dns_name`] is exactly `name`.
    pub fn from_dns_name(name: &str, domain: &TrustDomain) -> Result<Self, IdError> {
        let refused = || IdError::DnsName {
            name: excerpt(name),
            domain: domain.as_str().to_owned(),
        };
        let labels = name
            .strip_suffix(domain.as_str())
            .and_then(|rest| rest.strip_suffix('.'))
            .ok_or_else(refused)?;
        // Upper case would name the same host, but a certificate has one spelling of its holder.
        if labels.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(refused());
        }
        let groups: Vec<&str> = labels.rsplit('.').collect();
        Self::parse(&groups.join(".").to_ascii_uppercase()).map_err(|_| refused())
    }

    /// The code one level up, `None` at level 1.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0
            .rsplit_once('.')
            .map(|(parent, _)| Self(parent.into()))
    }

    /// Whether `self` is `ancestor` or lies below it.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        self.0
            .strip_prefix(ancestor.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The 13-character code that this one is likely to have had: groups reversed and padded with
    /// groups of zeros. A proposal for an administrator, never used for addressing. `None` where
    /// the groups have other widths than that form, or [`OldAgencyCode::likely_code`] would not
    /// lead back.
    #[must_use]
    pub fn likely_old_code(&self) -> Option<OldAgencyCode> {
        let groups: Vec<&str> = self.0.split('.').collect();
        let old = match groups.as_slice() {
            [one] => format!("000.00.00.{one}"),
            [one, two] => format!("000.00.{two}.{one}"),
            [one, two, three] => format!("000.{three}.{two}.{one}"),
            [one, two, three, four] => format!("{four}.{three}.{two}.{one}"),
            _ => return None,
        };
        let old = OldAgencyCode::parse(&old).ok()?;
        (old.likely_code().as_ref() == Some(self)).then_some(old)
    }

    /// The level of Decision 20/2020: 1 for `H01`, 3 for `H01.36.04`.
    #[must_use]
    pub fn level(&self) -> usize {
        self.0.split('.').count()
    }
}

/// Agency code of the 13-character form of Decision 28/2018, e.g. `000.00.03.H29`. Only ever an
/// alias in the directory; never an identity.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OldAgencyCode(Arc<str>);

text_name!(OldAgencyCode);

impl OldAgencyCode {
    /// Accepts `^[0-9A-Z]{3}\.[0-9A-Z]{2}\.[0-9A-Z]{2}\.[A-Z][0-9]{2}$`.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let shape = b"xxx.xx.xx.Aud";
        let fits = text.len() == shape.len()
            && text.bytes().zip(shape).all(|(b, kind)| match kind {
                b'x' => b.is_ascii_digit() || b.is_ascii_uppercase(),
                b'A' => b.is_ascii_uppercase(),
                b'u' | b'd' => b.is_ascii_digit(),
                _ => b == b'.',
            });
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(IdError::OldAgencyCode(excerpt(text)))
        }
    }

    /// The canonical code this one is likely to be an alias of: groups reversed, leading groups
    /// of zeros left out. A proposal for an administrator, never used for addressing.
    #[must_use]
    pub fn likely_code(&self) -> Option<AgencyCode> {
        let groups: Vec<&str> = self
            .0
            .split('.')
            .skip_while(|group| group.bytes().all(|b| b == b'0'))
            .collect();
        let reversed: Vec<&str> = groups.into_iter().rev().collect();
        AgencyCode::parse(&reversed.join(".")).ok()
    }
}

/// Lower-case DNS name of at most `max` characters.
fn is_dns_name(text: &str, max: usize) -> bool {
    text.len() <= max
        && text.split('.').all(|label| {
            (1..=limits::DNS_LABEL_CHARS_MAX).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase() || b == b'-')
        })
}

/// The DNS name under which all certificates of one network lie, e.g. `tram.test`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(Arc<str>);

text_name!(TrustDomain);

impl TrustDomain {
    /// Accepts a lower-case DNS name that leaves room for the names below it.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        // One more for the dot between an agency's labels and the domain.
        let max = limits::DNS_NAME_CHARS_MAX - limits::STATION_NAME_CHARS_MAX - 1;
        if is_dns_name(text, max) {
            Ok(Self(text.into()))
        } else {
            Err(IdError::TrustDomain(excerpt(text)))
        }
    }
}

/// Name of a station: a lower-case DNS name whose first label has a hyphen and starts with a
/// letter, so that no agency's DNS name can be mistaken for one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StationName(Arc<str>);

text_name!(StationName);

impl StationName {
    /// Accepts e.g. `relay-a.tram.test`; at most 120 characters.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let first = text.split('.').next().unwrap_or_default();
        let fits = is_dns_name(text, limits::STATION_NAME_CHARS_MAX)
            && first.contains('-')
            && first.starts_with(|c: char| c.is_ascii_lowercase());
        if fits {
            Ok(Self(text.into()))
        } else {
            Err(IdError::StationName(excerpt(text)))
        }
    }

    /// Whether the name lies below the trust domain.
    #[must_use]
    pub fn is_below(&self, domain: &TrustDomain) -> bool {
        self.0
            .strip_suffix(domain.as_str())
            .is_some_and(|rest| rest.ends_with('.'))
    }
}

/// Who sends or receives: an agency (documents, statuses) or a station (receipts, control).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// An agency, by its canonical code.
    Agency(AgencyCode),
    /// A station, by its name.
    Station(StationName),
}

impl Party {
    /// The text form; a code has no lower-case letter and a station's name always has one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Agency(code) => code.as_str(),
            Self::Station(name) => name.as_str(),
        }
    }

    /// The agency, if it is one.
    #[must_use]
    pub fn agency(&self) -> Option<&AgencyCode> {
        match self {
            Self::Agency(code) => Some(code),
            Self::Station(_) => None,
        }
    }

    /// The station, if it is one.
    #[must_use]
    pub fn station(&self) -> Option<&StationName> {
        match self {
            Self::Agency(_) => None,
            Self::Station(name) => Some(name),
        }
    }
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Party {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.bytes().any(|b| b.is_ascii_lowercase()) {
            StationName::parse(text).map(Self::Station)
        } else {
            AgencyCode::parse(text).map(Self::Agency)
        }
    }
}

impl From<AgencyCode> for Party {
    fn from(code: AgencyCode) -> Self {
        Self::Agency(code)
    }
}

impl From<StationName> for Party {
    fn from(name: StationName) -> Self {
        Self::Station(name)
    }
}

serde_as_text!(Party);

/// Identity of an envelope: a UUID of version 7 (RFC 9562), fixed at first submission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvelopeId([u8; 16]);

impl EnvelopeId {
    /// Makes an id from the time of submission and ten random bytes of the caller. Times outside
    /// of 48 bits are cut to the nearest that fits.
    #[must_use]
    pub fn new(now: crate::time::Timestamp, random: &[u8; 10]) -> Self {
        let ms = u64::try_from(now.unix_ms()).unwrap_or(0).min((1 << 48) - 1);
        let uuid = uuid::Builder::from_unix_timestamp_millis(ms, random).into_uuid();
        Self(uuid.into_bytes())
    }

    /// Accepts the 16 bytes of a UUID of version 7.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, IdError> {
        let uuid = uuid::Uuid::from_bytes(bytes);
        let fits = uuid.get_version_num() == 7 && uuid.get_variant() == uuid::Variant::RFC4122;
        if fits {
            Ok(Self(bytes))
        } else {
            Err(IdError::EnvelopeId)
        }
    }

    /// The 16 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EnvelopeId {
    type Err = IdError;

    /// Accepts the lower-case form with hyphens only.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let uuid = uuid::Uuid::try_parse(text).map_err(|_| IdError::EnvelopeId)?;
        let id = Self::from_bytes(uuid.into_bytes())?;
        if id.to_string() == text {
            Ok(id)
        } else {
            Err(IdError::EnvelopeId)
        }
    }
}

serde_as_text!(EnvelopeId);

/// A SHA-256 digest (or an RFC 6962 hash made with it).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// SHA-256 of `data`.
    #[must_use]
    pub fn of(data: &[u8]) -> Self {
        Self(Sha256::digest(data).into())
    }

    /// Wraps 32 bytes.
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

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = IdError;

    /// Accepts 64 lower-case hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let nibble = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(IdError::Digest),
        };
        let mut bytes = [0; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(IdError::Digest);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<&[u8]> for Digest {
    type Error = IdError;

    fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
        bytes.try_into().map(Self).map_err(|_| IdError::Digest)
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

serde_as_text!(Digest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agency_codes_have_one_canonical_form() {
        for good in [
            "H01",
            "H01.36.04",
            "G14.26.001",
            "A99.1.2.3.4.5.6.7.8",
            "H98.ABCDEF",
        ] {
            assert_eq!(AgencyCode::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "h01",
            "H1",
            "H001",
            "H01.",
            ".H01",
            "H01..04",
            "H01.1234567",
            "H01.a",
            " H01",
            "H01 ",
            "H01.36\n",
            "H01.1.2.3.4.5.6.7.8.9",
            "H01-36",
            "Ｈ01",
            "H01.é",
            "H01.123456.123456.123456.123456.1234",
            "000.00.03.H29",
            "*.H01",
        ] {
            assert!(AgencyCode::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!("H01.12345.123456.123456.123456.1234".len(), 35);
        assert!(AgencyCode::parse("H01.12345.123456.123456.123456.1234").is_ok());
    }

    #[test]
    fn an_agency_code_is_a_dns_name_below_the_trust_domain_and_back() {
        let domain = TrustDomain::parse("tram.test").unwrap();
        let code = AgencyCode::parse("H01.36.04").unwrap();
        assert_eq!(code.dns_name(&domain), "04.36.h01.tram.test");
        assert_eq!(
            AgencyCode::from_dns_name("04.36.h01.tram.test", &domain),
            Ok(code)
        );
        for bad in [
            "04.36.h01.other.test",
            "04.36.xh01.tram.test",
            "tram.test",
            ".tram.test",
            "h01.tram",
            "H01.tram.test",
            "h01tram.test",
            "*.h01.tram.test",
            "h01.tram.test.",
            "a-b.tram.test",
        ] {
            assert!(AgencyCode::from_dns_name(bad, &domain).is_err(), "{bad}");
        }
    }

    #[test]
    fn being_within_an_agency_respects_group_borders() {
        let code = |text| AgencyCode::parse(text).unwrap();
        assert!(code("H01.36").is_within(&code("H01")));
        assert!(code("H01").is_within(&code("H01")));
        assert!(!code("H01.36").is_within(&code("H01.3")));
        assert!(!code("H01").is_within(&code("H01.36")));
        assert_eq!(code("H01.36").parent(), Some(code("H01")));
        assert_eq!(code("H01").parent(), None);
        assert_eq!(code("H01.36.04").level(), 3);
    }

    #[test]
    fn old_codes_are_recognised_and_their_likely_new_form_proposed() {
        let likely = |text| {
            OldAgencyCode::parse(text)
                .unwrap()
                .likely_code()
                .map(|code| code.to_string())
        };
        assert_eq!(likely("000.00.03.H29").as_deref(), Some("H29.03"));
        assert_eq!(likely("000.00.00.H20").as_deref(), Some("H20"));
        assert_eq!(likely("001.00.26.G14").as_deref(), Some("G14.26.00.001"));
        let old = |text: &str| {
            AgencyCode::parse(text)
                .unwrap()
                .likely_old_code()
                .map(|old| old.to_string())
        };
        assert_eq!(old("H29.03").as_deref(), Some("000.00.03.H29"));
        assert_eq!(old("H20").as_deref(), Some("000.00.00.H20"));
        assert_eq!(old("G14.26.00.001").as_deref(), Some("001.00.26.G14"));
        for none in ["H01.151", "H01.3", "H01.00", "H01.36.04.000", "H01.1.2.3.4"] {
            assert_eq!(old(none), None, "{none}");
        }
        for bad in [
            "00.00.03.H29",
            "000.00.03.29H",
            "000.00.03.H2",
            "H29.03",
            "000-00.03.H29",
        ] {
            assert!(OldAgencyCode::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn station_names_are_never_agency_names() {
        for good in ["relay-a", "relay-a.tram.test", "node-1.36.h01.tram.test"] {
            assert_eq!(StationName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "relay",
            "relay.a-b",
            "Relay-a",
            "-relay",
            "relay-",
            "relay-a.",
            "relay-a..b",
            "1-2.test",
            "relay-a b",
            "relay-ä",
        ] {
            assert!(StationName::parse(bad).is_err(), "{bad:?}");
        }
        let domain = TrustDomain::parse("tram.test").unwrap();
        assert!(
            StationName::parse("relay-a.tram.test")
                .unwrap()
                .is_below(&domain)
        );
        assert!(
            !StationName::parse("relay-a.xtram.test")
                .unwrap()
                .is_below(&domain)
        );
    }

    #[test]
    fn a_party_is_told_apart_by_its_letters() {
        assert!(matches!("H01.36".parse(), Ok(Party::Agency(_))));
        assert!(matches!("relay-a.tram.test".parse(), Ok(Party::Station(_))));
        assert!("H01.36a".parse::<Party>().is_err());
    }

    #[test]
    fn envelope_ids_are_version_7_in_one_spelling() {
        let id = EnvelopeId::new(
            crate::time::Timestamp::from_unix_ms(1_795_318_262_114),
            &[7; 10],
        );
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(EnvelopeId::from_bytes(*id.as_bytes()), Ok(id));
        assert!(text.to_uppercase().parse::<EnvelopeId>().is_err());
        assert!(text.replace('-', "").parse::<EnvelopeId>().is_err());
        assert!(
            "67e55044-10b1-426f-9247-bb680e5fe0c8"
                .parse::<EnvelopeId>()
                .is_err()
        );
        assert!(EnvelopeId::from_bytes([0; 16]).is_err());
    }

    #[test]
    fn digests_are_written_as_lower_case_hexadecimal() {
        let digest = Digest::of(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert!(text.to_uppercase().parse::<Digest>().is_err());
        assert!(text[2..].parse::<Digest>().is_err());
        assert!(Digest::try_from(&[0_u8; 31][..]).is_err());
    }
}
