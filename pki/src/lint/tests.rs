//! The linter: every rule fires on an object made to break it, alone; what we issue breaks none;
//! and what breaks one is never signed.

mod pkilint;

use std::collections::BTreeSet;

use der::asn1::{BitString, Ia5String, OctetString, SetOfVec};
use der::{Any, Decode, Encode, Sequence, Tag};
use formats::id::Digest;
use formats::time::Timestamp;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::crl::{RevokedCert, TbsCertList};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::CrlReason;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::*;
use crate::issue::{CRL_VALID_MS, CrlEntry, CrlTemplate, IssueError};
use crate::key::{Algorithm, SigningKey};
use crate::profile::{ProfileError, to_be_signed};
use crate::role::Role;
use crate::testing::{Country, NOW};

/// TBSCertificate in pieces that a test can replace.
#[derive(Clone, Debug, Sequence)]
pub(crate) struct Tbs {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    version: Option<u8>,
    serial: Any,
    signature: AlgorithmIdentifierOwned,
    issuer: Any,
    validity: Validity,
    subject: Any,
    spki: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    issuer_id: Option<BitString>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT", optional = "true")]
    extensions: Option<Vec<Extension>>,
}

#[derive(Clone, Debug, Sequence)]
pub(crate) struct Validity {
    not_before: Any,
    not_after: Any,
}

impl Tbs {
    pub(crate) fn read(der: &[u8]) -> Self {
        Self::from_der(der).unwrap()
    }

    fn extension(&mut self, id: &str) -> &mut Extension {
        let list = self.extensions.as_mut().unwrap();
        list.iter_mut()
            .find(|one| one.extn_id.to_string() == id)
            .unwrap()
    }

    pub(crate) fn set(&mut self, id: &str, value: &[u8]) {
        self.extension(id).extn_value = OctetString::new(value).unwrap();
    }

    pub(crate) fn remove(&mut self, id: &str) {
        let list = self.extensions.as_mut().unwrap();
        list.retain(|one| one.extn_id.to_string() != id);
    }

    fn add(&mut self, id: &str, critical: bool, value: &[u8]) {
        self.extensions.as_mut().unwrap().push(Extension {
            extn_id: id.parse().unwrap(),
            critical,
            extn_value: OctetString::new(value).unwrap(),
        });
    }

    fn push_subject(&mut self, oid: &str, tag: Tag, value: &str) {
        let mut sets: Vec<SetOfVec<AttributeTypeAndValue>> = self.subject.decode_as().unwrap();
        let one = AttributeTypeAndValue {
            oid: oid.parse().unwrap(),
            value: Any::new(tag, value.as_bytes()).unwrap(),
        };
        sets.push(SetOfVec::try_from(vec![one]).unwrap());
        self.subject = Any::encode_from(&sets).unwrap();
    }
}

struct World {
    country: Country,
}

impl World {
    /// What the linter says of a certificate of the national CA after a change.
    fn codes(
        &self,
        role: Role,
        name: &str,
        change: impl FnOnce(&mut Tbs),
    ) -> BTreeSet<&'static str> {
        let (_, template) = match role {
            Role::IssuingCa => {
                let key = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
                let spki = key.spki_der().to_vec();
                (
                    key,
                    Template::new(role, name, &spki, NOW).permitting("h02.tram.test"),
                )
            }
            _ => Country::template(role, name),
        };
        let issuer = match role {
            Role::IssuingCa => &self.country.root,
            _ => &self.country.national,
        };
        let algorithm = issuer_key(issuer.certificate());
        let domain = &self.country.domain;
        let serial = [0x55; 16];
        let cert = issuer.certificate();
        let tbs = to_be_signed(&template, Some(cert), &serial, algorithm.clone(), domain).unwrap();
        let mut tbs = Tbs::from_der(&tbs).unwrap();
        change(&mut tbs);
        let tbs = tbs.to_der().unwrap();
        let beside = Beside {
            issuer: Some(cert),
            domain: Some(domain),
            profiles: None,
        };
        match pass_certificate(tbs, algorithm, &template, &beside) {
            Ok(linted) => linted.warnings().iter().map(|one| one.rule.code).collect(),
            Err(error) => error.findings().iter().map(|one| one.rule.code).collect(),
        }
    }
}

fn issuer_key(cert: &Certificate) -> AlgorithmIdentifierOwned {
    let algorithm = cert.public_key().unwrap().usual_algorithm();
    algorithm.identifier().unwrap()
}

fn time(tag: Tag, text: &str) -> Any {
    Any::new(tag, text.as_bytes()).unwrap()
}

const AKI: &str = "2.5.29.35";
const BASIC: &str = "2.5.29.19";
const CONSTRAINTS: &str = "2.5.29.30";
const EKU: &str = "2.5.29.37";
const KU: &str = "2.5.29.15";
pub(crate) const SAN: &str = "2.5.29.17";
const SKI: &str = "2.5.29.14";

/// A subjectAltName of these dNSNames.
fn san(names: &[&str]) -> Vec<u8> {
    let names = names.iter().map(|name| Ia5String::new(name).unwrap());
    let names: Vec<GeneralName> = names.map(GeneralName::DnsName).collect();
    names.to_der().unwrap()
}

type Change = Box<dyn FnOnce(&mut Tbs)>;

/// What breaks each rule on an agency's signature certificate.
#[expect(
    clippy::too_many_lines,
    reason = "a table of cases is read in one piece"
)]
fn agency_cases() -> Vec<(&'static str, Change)> {
    fn case(code: &'static str, change: impl FnOnce(&mut Tbs) + 'static) -> (&'static str, Change) {
        (code, Box::new(change))
    }
    vec![
        case("L-VERSION", |tbs| {
            tbs.version = None;
        }),
        case("L-SERIAL", |tbs| {
            tbs.serial = Any::new(Tag::Integer, vec![0xf5; 16]).unwrap();
        }),
        case("L-SERIAL", |tbs| {
            tbs.serial = Any::new(Tag::Integer, vec![0x55; 21]).unwrap()
        }),
        case("L-SERIAL", |tbs| {
            tbs.serial = Any::new(Tag::Integer, vec![0]).unwrap()
        }),
        case("L-SERIAL-ENTROPY", |tbs| {
            tbs.serial = Any::new(Tag::Integer, vec![0x55; 7]).unwrap();
        }),
        case("L-UNIQUE-ID", |tbs| {
            tbs.issuer_id = Some(BitString::from_bytes(&[1]).unwrap());
        }),
        case("L-VALIDITY", |tbs| {
            tbs.validity.not_after = time(Tag::UtcTime, "261122000000Z");
        }),
        case("L-VALIDITY", |tbs| {
            tbs.validity.not_after = time(Tag::UtcTime, "281122000000Z");
        }),
        case("L-VALIDITY-UTC", |tbs| {
            tbs.validity.not_before = time(Tag::GeneralizedTime, "20261122020000Z");
        }),
        case("L-VALIDITY-ISSUER", |tbs| {
            tbs.validity.not_after = time(Tag::UtcTime, "470101000000Z");
        }),
        case("L-SKI", |tbs| tbs.remove(SKI)),
        case("L-SKI", |tbs| tbs.extension(SKI).critical = true),
        case("L-SKI-METHOD", |tbs| tbs.set(SKI, &[4, 3, 1, 2, 3])),
        case("L-AKI", |tbs| tbs.remove(AKI)),
        case("L-AKI", |tbs| tbs.extension(AKI).critical = true),
        case("L-AKI", |tbs| tbs.set(AKI, &[0x30, 0])),
        case("L-AKI-MATCH", |tbs| tbs.set(AKI, &[0x30, 4, 0x80, 2, 1, 2])),
        case("L-KU", |tbs| tbs.remove(KU)),
        case("L-KU", |tbs| tbs.set(KU, &[3, 2, 7, 0x80])),
        case("L-KU", |tbs| tbs.set(KU, &[3, 2, 5, 0xe0])),
        case("L-KU-CRITICAL", |tbs| tbs.extension(KU).critical = false),
        case("L-EKU-ONE", |tbs| tbs.remove(EKU)),
        case("L-EKU-ONE", |tbs| {
            let both = vec![
                Role::AgencySignature.eku().unwrap(),
                Role::Delegate.eku().unwrap(),
            ];
            tbs.set(EKU, &both.to_der().unwrap());
        }),
        case("L-EKU-ONE", |tbs| {
            let any: der::asn1::ObjectIdentifier = "2.5.29.37.0".parse().unwrap();
            tbs.set(EKU, &vec![any].to_der().unwrap());
        }),
        case("L-EKU-CRITICAL", |tbs| tbs.extension(EKU).critical = true),
        case("L-ASKED", |tbs| {
            tbs.set(EKU, &vec![Role::Delegate.eku().unwrap()].to_der().unwrap());
        }),
        case("L-ASKED", |tbs| {
            tbs.set(SAN, &san(&["05.36.h01.tram.test"]))
        }),
        case("L-ASKED", |tbs| {
            tbs.validity.not_after = time(Tag::UtcTime, "270101000000Z");
        }),
        case("L-ASKED", |tbs| {
            let other = SigningKey::generate(Algorithm::EcdsaP256).unwrap();
            tbs.spki = SubjectPublicKeyInfoOwned::from_der(other.spki_der()).unwrap();
        }),
        case("L-BC", |tbs| tbs.add(BASIC, false, &[0x30, 0])),
        case("L-EKU-ONE", |tbs| {
            tbs.add(BASIC, true, &[0x30, 3, 1, 1, 0xff])
        }),
        case("L-EXT-KNOWN", |tbs| tbs.add("1.2.3.4", false, &[5, 0])),
        case("L-EXT-KNOWN", |tbs| tbs.add("1.2.3.4", true, &[5, 0])),
        case("L-OCSP-NOCHECK", |tbs| {
            tbs.add("1.3.6.1.5.5.7.48.1.5", false, &[5, 0])
        }),
        case("L-NAME-CONSTRAINTS", |tbs| {
            let mut value = vec![0x30, 13, 0xa0, 11, 0x30, 9, 0x82, 7];
            value.extend_from_slice(b"x.tests");
            tbs.add(CONSTRAINTS, true, &value);
        }),
        case("L-POLICY", |tbs| {
            tbs.add(
                "2.5.29.32",
                false,
                &[0x30, 8, 0x30, 6, 6, 4, 0x55, 0x1d, 0x20, 0],
            )
        }),
        case("L-SAN-ONE", |tbs| tbs.remove(SAN)),
        case("L-SAN-ONE", |tbs| {
            tbs.set(SAN, &san(&["04.36.h01.tram.test", "36.h01.tram.test"]));
        }),
        case("L-SAN-ONE", |tbs| {
            tbs.set(SAN, &san(&["*.36.h01.tram.test"]))
        }),
        case("L-SAN-NAME", |tbs| {
            tbs.set(SAN, &san(&["04.36.H01.tram.test"]))
        }),
        case("L-SAN-NAME", |tbs| {
            tbs.set(SAN, &san(&["04.36.h01.example"]))
        }),
        case("L-SAN-NAME", |tbs| {
            tbs.set(SAN, &san(&["node-1.tram.test"]))
        }),
        case("L-SAN-CRITICAL", |tbs| tbs.extension(SAN).critical = true),
        case("L-NAMES-PERMITTED", |tbs| {
            tbs.set(SAN, &san(&["04.36.h01.example"]))
        }),
        case("L-ORG-ID", |tbs| {
            tbs.push_subject("2.5.4.97", Tag::Utf8String, "H02")
        }),
        case("L-SUBJECT", |tbs| {
            tbs.subject = Any::new(Tag::Sequence, Vec::new()).unwrap()
        }),
        case("L-SUBJECT", |tbs| {
            tbs.push_subject("2.5.4.10", Tag::Utf8String, &"x".repeat(65))
        }),
        case("L-SUBJECT", |tbs| {
            tbs.push_subject("2.5.4.10", Tag::Ia5String, "x")
        }),
        case("L-SUBJECT", |tbs| {
            tbs.push_subject("2.5.4.3", Tag::Utf8String, "again")
        }),
        case("L-ISSUER-NAME", |tbs| tbs.issuer = tbs.subject.clone()),
        case("L-SIG", |tbs| {
            tbs.signature.oid = "1.2.840.10045.4.3.3".parse().unwrap()
        }),
        case("L-KEY", |tbs| {
            // P-256 by name, but no point of the curve.
            tbs.spki.subject_public_key = BitString::from_bytes(&[4; 65]).unwrap();
        }),
        case("L-PARSE", |tbs| {
            let twice = tbs.extension(KU).clone();
            tbs.extensions.as_mut().unwrap().push(twice);
        }),
        case("L-URLS", |tbs| {
            let mut value = vec![0x30, 20, 0x30, 18, 0xa0, 16, 0xa0, 14, 0x86, 12];
            value.extend_from_slice(b"ldap://a/b/c");
            tbs.add("2.5.29.31", false, &value);
        }),
        case("L-VERIFIER", |tbs| {
            tbs.extension(KU).extn_value = OctetString::new([3, 2, 5, 0xe0]).unwrap()
        }),
    ]
}

#[test]
fn each_rule_fires_on_what_breaks_it_and_not_on_what_we_issue() {
    let world = World {
        country: Country::new(),
    };
    let mut seen = BTreeSet::new();
    for (code, change) in agency_cases() {
        let found = world.codes(Role::AgencySignature, "H01.36.04", change);
        assert!(found.contains(code), "{code}: {found:?}");
        seen.insert(code);
    }
    for (role, name) in chain::tests::ENDS {
        let clean = world.codes(role, name, |_| {});
        assert!(clean.is_empty(), "{role}: {clean:?}");
    }
    let ca = |change: &dyn Fn(&mut Tbs)| world.codes(Role::IssuingCa, "CA 2", change);
    assert!(ca(&|_| {}).is_empty());
    for (code, change) in [
        (
            "L-BC-CRITICAL",
            (&|tbs: &mut Tbs| tbs.extension(BASIC).critical = false) as &dyn Fn(&mut Tbs),
        ),
        ("L-BC", &|tbs| {
            tbs.set(BASIC, &[0x30, 6, 1, 1, 0xff, 2, 1, 3])
        }),
        ("L-NAME-CONSTRAINTS", &|tbs| tbs.remove(CONSTRAINTS)),
        ("L-NAME-CONSTRAINTS", &|tbs| {
            tbs.extension(CONSTRAINTS).critical = false
        }),
        ("L-EKU-ONE", &|tbs| {
            tbs.add(
                EKU,
                false,
                &vec![Role::Delegate.eku().unwrap()].to_der().unwrap(),
            );
        }),
    ] {
        let found = ca(change);
        assert!(found.contains(code), "{code}: {found:?}");
        seen.insert(code);
    }
    let stamps = |change: fn(&mut Tbs)| world.codes(Role::TimeStamping, "tsa-1.tram.test", change);
    assert!(stamps(|tbs| tbs.extension(EKU).critical = false).contains("L-EKU-CRITICAL"));
    let ocsp = |change: fn(&mut Tbs)| world.codes(Role::Ocsp, "ocsp-1.tram.test", change);
    assert!(ocsp(|tbs| tbs.remove("1.3.6.1.5.5.7.48.1.5")).contains("L-OCSP-NOCHECK"));
    // Rules that need a signed object, another issuer or a list are tested below.
    let elsewhere = ["L-DER", "L-ISSUER-KIND", "L-ISSUER-USAGE", "L-SIG-VALUE"];
    for rule in RULES.iter().filter(|rule| rule.object != Object::Crl) {
        let tested = seen.contains(rule.code) || elsewhere.contains(&rule.code);
        assert!(tested, "{} has no test", rule.code);
    }
}

#[test]
fn rules_have_their_own_codes_and_both_languages() {
    let codes: BTreeSet<&str> = RULES.iter().map(|rule| rule.code).collect();
    assert_eq!(codes.len(), RULES.len());
    assert!(RULES.len() >= 30);
    for rule in RULES {
        assert!(
            rule.code.starts_with("L-") && !rule.clause.is_empty(),
            "{}",
            rule.code
        );
        assert!(
            !rule.english.is_empty() && !rule.vietnamese.is_empty(),
            "{}",
            rule.code
        );
        assert_ne!(rule.english, rule.vietnamese, "{}", rule.code);
    }
}

#[test]
fn an_end_certificate_and_a_province_are_told_as_issuers() {
    let mut country = Country::new();
    let (_, end) = country.issue(Role::AgencySignature, "H01");
    let (_, registry) = country.issue(Role::Registry, "registry-1.h01.tram.test");
    let codes = |cert: &Certificate, issuer: &Certificate| -> BTreeSet<&str> {
        let beside = Beside {
            issuer: Some(issuer),
            domain: Some(&country.domain),
            profiles: None,
        };
        let found = certificate(cert.der(), &beside);
        found.iter().map(|one| one.rule.code).collect()
    };
    let national = country.national.certificate();
    assert!(codes(&registry, national).is_empty());
    assert!(codes(&registry, &end).contains("L-ISSUER-USAGE"));
    let province = codes(&registry, country.province.certificate());
    for code in [
        "L-ISSUER-KIND",
        "L-SIG-VALUE",
        "L-ISSUER-NAME",
        "L-AKI-MATCH",
    ] {
        assert!(province.contains(code), "{code}: {province:?}");
    }
    assert!(codes(country.root.certificate(), country.root.certificate()).is_empty());
    let mut trailing = registry.der().to_vec();
    trailing.push(0);
    let found = certificate(&trailing, &Beside::default());
    let found: Vec<_> = found.iter().map(|one| one.rule.code).collect();
    assert_eq!(found, ["L-DER", "L-PARSE"]);
}

#[test]
fn what_the_linter_refuses_is_never_signed() {
    let country = Country::new();
    let (_, mut template) = Country::template(Role::AgencySignature, "H01");
    template.not_after = template.not_after.plus_ms(86_400_000);
    let refused = country.national.prepare(template.clone());
    let Err(IssueError::Profile(ProfileError::Lint(error))) = refused else {
        panic!("{refused:?}");
    };
    assert!(error.to_string().contains("L-VALIDITY"), "{error}");
    let narrow =
        "version = 1\n[profile.agency-signature]\nvalidity_days = 30\nkeys = [\"P-384\"]\n";
    let profiles = Profiles::narrowed(narrow).unwrap();
    let strict = country.national.with_profiles(profiles.clone());
    let (key, usual) = Country::template(Role::AgencySignature, "H01");
    let error = strict.prepare(usual).unwrap_err().to_string();
    assert!(
        error.contains("L-VALIDITY") && error.contains("L-KEY"),
        "{error}"
    );
    let key384 = SigningKey::generate(Algorithm::EcdsaP384).unwrap();
    let party = template.party.unwrap();
    let short = |key: &SigningKey| {
        let template = strict.template(Role::AgencySignature, "H01", key.spki_der(), NOW);
        strict.prepare(template.for_party(party.clone()))
    };
    assert!(short(&key).unwrap_err().to_string().contains("L-KEY"));
    let prepared = short(&key384).unwrap();
    assert_eq!(prepared.profiles_sha256(), profiles.sha256());
    let cert = strict.sign(prepared.recorded()).unwrap();
    assert_eq!(
        cert.not_after().minus(cert.not_before()),
        30 * 86_400_000 - 1000
    );
}

/// What the linter says of a list of the national CA after a change.
fn list_codes(country: &Country, change: impl FnOnce(&mut TbsCertList)) -> BTreeSet<&'static str> {
    let entry = |last: u8, reason| CrlEntry {
        serial: vec![0x41, last],
        at: NOW,
        reason,
    };
    let template = CrlTemplate {
        number: 7,
        this_update: NOW,
        next_update: NOW.plus_ms(CRL_VALID_MS),
        entries: vec![
            entry(1, CrlReason::KeyCompromise),
            entry(2, CrlReason::Unspecified),
        ],
    };
    let good = country.national.sign_crl(&template).unwrap();
    let issuer = country.national.certificate();
    let beside = Beside {
        issuer: Some(issuer),
        domain: Some(&country.domain),
        profiles: None,
    };
    assert!(crl(good.der(), &beside).is_empty());
    let mut tbs = good.list().tbs_cert_list.clone();
    change(&mut tbs);
    match pass_crl(tbs.to_der().unwrap(), issuer_key(issuer), &beside) {
        Ok(linted) => linted.warnings().iter().map(|one| one.rule.code).collect(),
        Err(error) => error.findings().iter().map(|one| one.rule.code).collect(),
    }
}

fn entry(tbs: &mut TbsCertList) -> &mut RevokedCert {
    &mut tbs.revoked_certificates.as_mut().unwrap()[0]
}

fn set(tbs: &mut TbsCertList, id: &str, value: &[u8], critical: bool) {
    let list = tbs.crl_extensions.as_mut().unwrap();
    list.retain(|one| one.extn_id.to_string() != id);
    list.push(Extension {
        extn_id: id.parse().unwrap(),
        critical,
        extn_value: OctetString::new(value).unwrap(),
    });
}

type ListChange = fn(&mut TbsCertList);

#[test]
#[expect(
    clippy::too_many_lines,
    reason = "a table of cases is read in one piece"
)]
fn each_rule_of_lists_fires_on_what_breaks_it() {
    let country = Country::new();
    let cases: Vec<(&str, ListChange)> = vec![
        ("L-CRL-NEXT", |tbs| tbs.next_update = None),
        ("L-CRL-NEXT", |tbs| tbs.next_update = Some(tbs.this_update)),
        ("L-CRL-LIFE", |tbs| {
            tbs.next_update = Some(at(NOW.plus_ms(CRL_VALID_MS + 1000)))
        }),
        ("L-VALIDITY-UTC", |tbs| {
            let general =
                der::asn1::GeneralizedTime::from_unix_duration(tbs.this_update.to_unix_duration());
            tbs.this_update = Time::GeneralTime(general.unwrap());
        }),
        ("L-CRL-NUMBER", |tbs| {
            set(tbs, "2.5.29.20", &[2, 1, 0xff], false)
        }),
        ("L-CRL-NUMBER", |tbs| {
            set(tbs, "2.5.29.20", &[2, 1, 1], true)
        }),
        ("L-CRL-NUMBER", |tbs| {
            set(
                tbs,
                "2.5.29.20",
                &[&[2, 21][..], &[0x55; 21]].concat(),
                false,
            )
        }),
        ("L-CRL-EXT", |tbs| set(tbs, "1.2.3.4", &[5, 0], false)),
        ("L-CRL-EXT", |tbs| {
            set(tbs, "2.5.29.28", &[0x30, 3, 0x81, 1, 0xff], false)
        }),
        ("L-AKI", |tbs| set(tbs, AKI, &[0x30, 0], false)),
        ("L-AKI-MATCH", |tbs| {
            set(tbs, AKI, &[0x30, 4, 0x80, 2, 1, 2], false)
        }),
        ("L-CRL-EMPTY", |tbs| {
            tbs.revoked_certificates = Some(Vec::new())
        }),
        ("L-CRL-SERIAL", |tbs| {
            let twice = entry(tbs).clone();
            tbs.revoked_certificates.as_mut().unwrap().push(twice);
        }),
        ("L-CRL-DATE", |tbs| {
            entry(tbs).revocation_date = at(NOW.plus_ms(5000))
        }),
        ("L-CRL-REASON", |tbs| {
            let list = entry(tbs).crl_entry_extensions.as_mut().unwrap();
            list[0].extn_value = OctetString::new([10, 1, 0]).unwrap();
        }),
        ("L-CRL-ENTRY", |tbs| {
            entry(tbs).crl_entry_extensions.as_mut().unwrap()[0].critical = true;
        }),
        ("L-ISSUER-NAME", |tbs| {
            tbs.issuer = "CN=Other".parse::<Name>().unwrap()
        }),
        ("L-SIG", |tbs| {
            tbs.signature.oid = "1.2.840.10045.4.3.3".parse().unwrap()
        }),
    ];
    assert!(list_codes(&country, |_| {}).is_empty());
    let mut seen = BTreeSet::new();
    for (code, change) in cases {
        let found = list_codes(&country, change);
        // Some breaches already keep a list from being read.
        let same = found.contains(code) || found.contains("L-PARSE");
        assert!(same, "{code}: {found:?}");
        seen.insert(code);
    }
    let without = |id: &'static str| {
        list_codes(&country, move |tbs| {
            let list = tbs.crl_extensions.as_mut().unwrap();
            list.retain(|one| one.extn_id.to_string() != id);
        })
    };
    assert!(without("2.5.29.20").contains("L-CRL-NUMBER"));
    assert!(without(AKI).contains("L-AKI"));
    let (_, end) = Country::new().issue(Role::AgencySignature, "H01");
    let list = country.national.sign_crl(&CrlTemplate {
        number: 1,
        this_update: NOW,
        next_update: NOW.plus_ms(1000),
        entries: Vec::new(),
    });
    let beside = Beside {
        issuer: Some(&end),
        ..Beside::default()
    };
    let found = crl(list.unwrap().der(), &beside);
    let found: BTreeSet<_> = found.iter().map(|one| one.rule.code).collect();
    assert!(
        found.contains("L-CRL-SIGNER") && found.contains("L-SIG-VALUE"),
        "{found:?}"
    );
    seen.insert("L-CRL-SIGNER");
    // The decoder reads version 2 only; the rule stands for whoever changes it.
    seen.insert("L-CRL-VERSION");
    for rule in RULES.iter().filter(|rule| rule.object == Object::Crl) {
        assert!(seen.contains(rule.code), "{} has no test", rule.code);
    }
}

fn at(time: Timestamp) -> Time {
    crate::profile::time(time).unwrap()
}

#[test]
fn a_list_that_the_linter_refuses_is_never_signed() {
    let country = Country::new();
    let refused = country.national.sign_crl(&CrlTemplate {
        number: 1,
        this_update: NOW,
        next_update: NOW.plus_ms(CRL_VALID_MS + 60_000),
        entries: Vec::new(),
    });
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("L-CRL-LIFE"), "{error}");
}

#[test]
fn findings_never_carry_control_characters_and_are_bounded() {
    let mut found = Findings::default();
    for _ in 0..1000 {
        found.add(&rules::DER, format!("\u{1b}[31m{}", "x".repeat(5000)));
    }
    assert_eq!(found.0.len(), FINDINGS_MAX);
    assert!(
        found
            .0
            .iter()
            .all(|one| one.detail.len() <= DETAIL_CHARACTERS_MAX)
    );
    assert!(!found.0[0].detail.contains('\u{1b}'));
    let id = Digest::of(b"x");
    assert_eq!(shown(id.as_bytes()).len(), 2 * SHOWN_BYTES);
}
