//! Whom a package lets one believe, and when: its authorities, certificates, revocation lists and records.
//!
//! A signer is judged at the time T that the package proves for the signature. Of each authority on the
//! path a list must show that it was not revoked: the one in force at T, or a later one made before the
//! certificates ended (an authority may forget a certificate only afterwards). The rule is one that
//! `openssl -attime` can follow: the path is judged at the first time X, T or the beginning of a later
//! list, at which every certificate holds and every authority has a list in force. Beyond that, no
//! list of the package, however late, may revoke a certificate of the path with a reason that reaches
//! back to T (architecture 7).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Seek};

use formats::id::{Digest, TrustDomain};
use formats::proof::{Member, ProofReader};
use formats::record::Record;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::chain::{RevocationPolicy, TrustStore, Validator, VerifiedCert};
use pki::revoke::Crl;
use pki::role::Role;
use pki::sign::Parsed;
use pki::stamp;

use super::{Limits, Place, Report};

/// What the package is judged by.
pub(super) struct Trust {
    domain: TrustDomain,
    roots: Vec<Certificate>,
    intermediates: Vec<Certificate>,
    lists: Vec<Crl>,
    certificates: BTreeMap<Digest, Certificate>,
    /// Number in the package and bytes.
    pub(super) records: Vec<(u32, Vec<u8>)>,
    validators: RefCell<BTreeMap<i64, Validator>>,
}

/// Parts as they are read, before the domain is known.
#[derive(Default)]
struct Parts {
    lists: Vec<Crl>,
    certificates: BTreeMap<Digest, Certificate>,
    records: Vec<(u32, Vec<u8>)>,
}

impl Trust {
    pub(super) fn load<R: Read + Seek>(
        zip: &mut ProofReader<R>,
        trusted: Option<Vec<Certificate>>,
        limits: Limits,
        report: &mut Report,
    ) -> Option<Self> {
        let at = Place::of(&Member::Anchors);
        let anchors = report.take(&at, zip.read(&Member::Anchors))?;
        let anchors = report.take(&at, Certificate::all_from_pem(&anchors))?;
        let (own_roots, intermediates): (Vec<_>, Vec<_>) =
            anchors.into_iter().partition(Certificate::is_self_issued);
        report.own_roots = trusted.is_some();
        let roots = trusted.unwrap_or(own_roots);
        report.roots = roots.iter().map(|root| root.sha256().to_string()).collect();
        let parts = Parts::read(zip, limits, report)?;
        let authorities: Vec<&Certificate> = roots.iter().chain(&intermediates).collect();
        for list in &parts.lists {
            let at = Place::of(&Member::Crl(Digest::of(list.der())));
            match authorities.iter().any(|one| list.verify(one).is_ok()) {
                true => {
                    let (from, issuer) = (list.this_update().rfc3339(), list.issuer());
                    let until = list
                        .next_update()
                        .map_or_else(String::new, Timestamp::rfc3339);
                    report.ok(
                        &at,
                        format!("danh sách thu hồi của {issuer}, hiệu lực từ {from} đến {until}"),
                        format!("revocation list of {issuer}, in force from {from} to {until}"),
                    );
                }
                false => report.bad(&at, "is signed by no authority of the package"),
            }
        }
        let domain = parts.domain();
        let domain = report.take(&Place::member("records"), domain)?;
        Some(Self {
            domain,
            roots,
            intermediates,
            lists: parts.lists,
            certificates: parts.certificates,
            records: parts.records,
            validators: RefCell::default(),
        })
    }

    /// The certificate with this digest, believed in this role at this time.
    pub(super) fn signer(
        &self,
        sha256: &Digest,
        role: Role,
        at: Timestamp,
    ) -> Result<VerifiedCert, String> {
        let known = self.certificates.get(sha256);
        let certificate = known.ok_or_else(|| format!("certificate {sha256} is not inside"))?;
        self.believe(certificate, role, at)
    }

    /// The certificate that made a signature, believed in this role at this time.
    pub(super) fn signer_of(
        &self,
        parsed: &Parsed,
        role: Role,
        at: Timestamp,
    ) -> Result<VerifiedCert, String> {
        let mut all = self.certificates.values();
        let certificate = all.find(|one| parsed.signer_matches(one));
        self.believe(
            certificate.ok_or("its signer's certificate is not inside")?,
            role,
            at,
        )
    }

    pub(super) fn believe(
        &self,
        certificate: &Certificate,
        role: Role,
        at: Timestamp,
    ) -> Result<VerifiedCert, String> {
        self.first(at, |validator, when| {
            validator
                .verify(certificate, role, when)
                .map_err(|error| error.to_string())
        })
        .and_then(|signer| self.unspoilt(signer, at))
    }

    /// Asks at the time itself, then at the beginning of each later list; the first answer counts, and of
    /// several refusals the first.
    pub(super) fn first<T>(
        &self,
        at: Timestamp,
        ask: impl Fn(&Validator, Timestamp) -> Result<T, String>,
    ) -> Result<T, String> {
        let at = whole_seconds(at);
        let mut times: Vec<Timestamp> = self.lists.iter().map(Crl::this_update).collect();
        times.retain(|time| *time > at);
        times.push(at);
        times.sort();
        times.dedup();
        let mut refused = None;
        for when in times {
            match ask(&self.validator(when), when) {
                Ok(answer) => return Ok(answer),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| "cannot be judged".to_owned()))
    }

    /// Believes paths by the lists in force at this moment, and only with them.
    fn validator(&self, at: Timestamp) -> Validator {
        let mut made = self.validators.borrow_mut();
        let validator = made.entry(at.unix_ms()).or_insert_with(|| {
            let in_force = |list: &&Crl| list.this_update() <= at && list.is_fresh(at, 0);
            let store = TrustStore {
                trust_domain: self.domain.clone(),
                roots: self.roots.clone(),
                intermediates: self.intermediates.clone(),
                crls: self.lists.iter().filter(in_force).cloned().collect(),
                ocsp: Vec::new(),
            };
            Validator::with_policy(store, RevocationPolicy::Required { grace_ms: 0 })
        });
        validator.clone()
    }

    fn unspoilt(&self, signer: VerifiedCert, at: Timestamp) -> Result<VerifiedCert, String> {
        for pair in signer.path().windows(2) {
            let [issuer, certificate] = pair else {
                continue;
            };
            for list in self.lists.iter().filter(|list| list.verify(issuer).is_ok()) {
                if let Some(entry) = list.entry(certificate)
                    && entry.spoils(at)
                {
                    return Err(format!(
                        "{} was revoked at {} ({:?})",
                        certificate.subject(),
                        entry.at.rfc3339(),
                        entry.reason
                    ));
                }
            }
        }
        Ok(signer)
    }

    /// The time that a token proves over this signature value.
    pub(super) fn stamp(&self, token: &[u8], value: &[u8]) -> Result<Timestamp, String> {
        let imprint = Digest::of(value);
        let latest = Timestamp::from_unix_ms(i64::MAX);
        let claimed = stamp::claimed_time(token).map_err(|error| error.to_string())?;
        let found = self.first(claimed, |validator, when| {
            let stamp = stamp::verify_token(token, &imprint, validator, latest)
                .map_err(|error| error.to_string())?;
            let tsa = Parsed::parse(token)
                .ok()
                .and_then(|one| one.embedded_signer());
            let tsa = tsa.ok_or("the token carries no certificate of its signer")?;
            let tsa = validator.verify(&tsa, Role::TimeStamping, when);
            Ok((stamp.time, tsa.map_err(|error| error.to_string())?))
        });
        let (time, tsa) = found?;
        self.unspoilt(tsa, time)?;
        Ok(time)
    }

    /// Verifies a record, judged when it was issued.
    pub(super) fn record(&self, bytes: &[u8]) -> Result<Record, String> {
        let text = |error: pki::record::RecordError| error.to_string();
        let opened = pki::record::open(bytes).map_err(text)?;
        let issued = opened.record.issued();
        let verified = self.first(issued, |validator, when| {
            pki::record::verify(bytes, validator, when).map_err(text)
        })?;
        let role = pki::record::role_of(&opened.record);
        for signer in std::iter::once(&opened.signer).chain(&opened.co_signers) {
            self.believe(signer, role, issued)?;
        }
        Ok(verified.into_record())
    }
}

impl Parts {
    fn read<R: Read + Seek>(
        zip: &mut ProofReader<R>,
        limits: Limits,
        report: &mut Report,
    ) -> Option<Self> {
        let members: Vec<Member> = zip.members().cloned().collect();
        let mut parts = Self::default();
        let mut kept: u64 = 0;
        for member in &members {
            let (Member::Crl(_) | Member::Certificate(_) | Member::Record(_)) = member else {
                continue;
            };
            let at = Place::of(member);
            let Some(bytes) = report.take(&at, zip.read(member)) else {
                continue;
            };
            kept = kept.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            if kept > limits.kept_bytes {
                report.bad(
                    &at,
                    "records, certificates and lists are too large together",
                );
                return None;
            }
            parts.take(member, bytes, &at, report);
        }
        Some(parts)
    }

    fn take(&mut self, member: &Member, bytes: Vec<u8>, at: &Place, report: &mut Report) {
        match member {
            Member::Crl(digest) | Member::Certificate(digest) if Digest::of(&bytes) != *digest => {
                report.bad(at, "has other content than its name says");
            }
            Member::Crl(_) => self.lists.extend(report.take(at, Crl::parse(&bytes))),
            Member::Certificate(digest) => {
                if let Some(certificate) = report.take(at, Certificate::parse(&bytes)) {
                    self.certificates.insert(*digest, certificate);
                }
            }
            Member::Record(number) => self.records.push((*number, bytes)),
            _ => {}
        }
    }

    /// The trust domain, from the one trust list; whether that holds is judged with the other records.
    fn domain(&self) -> Result<TrustDomain, &'static str> {
        let lists = self.records.iter().filter_map(|(_, bytes)| {
            match pki::record::open(bytes).ok()?.record {
                Record::TrustList(list) => Some(list.trust_domain),
                Record::Agencies(_)
                | Record::Attachment(_)
                | Record::Delegation(_)
                | Record::Station(_) => None,
            }
        });
        let lists: Vec<TrustDomain> = lists.collect();
        match <[TrustDomain; 1]>::try_from(lists) {
            Ok([domain]) => Ok(domain),
            Err(lists) if lists.is_empty() => Err("no trust list"),
            Err(_) => Err("more than one trust list"),
        }
    }
}

/// Times in certificates, lists and `openssl -attime` are whole seconds.
pub(super) fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_unix_ms(at.unix_ms().div_euclid(1_000).saturating_mul(1_000))
}
