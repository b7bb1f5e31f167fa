//! Checks a proof package in process: the same checks, in the same order, as its `verify.sh`.
//!
//! Trusts the roots in the package, and says their fingerprints, unless the caller brings its own. Fails
//! only when the file cannot be read; whatever is wrong in it is a check that did not hold. Constant
//! memory: the packet is hashed while it is read. Knows no store and no clock: chains are judged at one
//! time at which every revocation list of the package is in force.

mod claims;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

use serde::Serialize;

use formats::header::Header;
use formats::id::{Digest, EnvelopeId, Party};
use formats::proof::{Member, ProofReader};
use formats::record::Record;
use formats::time::Timestamp;
use pki::cert::Certificate;
use pki::chain::{TrustStore, Validator, VerifiedCert};
use pki::revoke::Crl;
use pki::role::Role;
use pki::sign::{PacketDigest, PacketHasher, Parsed, Verified, verify_header, verify_packet};

use crate::view::Phrase;
use claims::{Claims, SealedHeader};

/// One check and its result.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// The check held.
    pub ok: bool,
    /// What was checked, and what was found if it did not hold.
    pub text: Phrase,
}

/// Result of all checks of a package.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Every check held and there was at least one receipt to check.
    pub valid: bool,
    /// SHA-256 fingerprints of the roots that were trusted; to be compared with another source.
    pub roots: Vec<String>,
    /// The checks in order.
    pub checks: Vec<Check>,
}

impl Report {
    fn ok(&mut self, vi: impl Into<String>, en: impl Into<String>) {
        self.checks.push(Check {
            ok: true,
            text: Phrase::new(vi, en),
        });
    }

    fn bad(&mut self, what: &str, why: impl std::fmt::Display) {
        let text = Phrase::new(
            format!("{what}: không hợp lệ ({why})"),
            format!("{what}: {why}"),
        );
        self.checks.push(Check { ok: false, text });
    }

    /// Takes a result apart: a fault is a check that did not hold.
    fn take<T, E: std::fmt::Display>(&mut self, what: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.bad(what, error)).ok()
    }
}

/// Checks the package in a file, trusting the roots inside it. Blocking.
pub fn file(path: &Path) -> std::io::Result<Report> {
    package(File::open(path)?, None)
}

/// Checks the package in a file, trusting these roots only. Blocking.
pub fn file_trusting(path: &Path, roots: Vec<Certificate>) -> std::io::Result<Report> {
    package(File::open(path)?, Some(roots))
}

fn package(file: File, trusted: Option<Vec<Certificate>>) -> std::io::Result<Report> {
    let mut report = Report::default();
    match ProofReader::open(file) {
        Ok(mut zip) => {
            // `None`: something that the rest needs is missing, and said.
            let complete = check(&mut zip, trusted, &mut report).is_some();
            report.valid = complete && report.checks.iter().all(|check| check.ok);
        }
        Err(formats::proof::ProofError::Io(error)) => return Err(error),
        Err(error) => report.bad("zip", error),
    }
    Ok(report)
}

fn check<R: Read + Seek>(
    zip: &mut ProofReader<R>,
    trusted: Option<Vec<Certificate>>,
    report: &mut Report,
) -> Option<()> {
    let signature = report.take("signature.p7s", zip.read(&Member::Signature))?;
    let parsed = report.take("signature.p7s", Parsed::parse(&signature))?;
    let trust = trust(zip, trusted, &parsed, report)?;
    let mut claims = Claims::default();
    for record in &trust.records {
        let verified = pki::record::verify(record, &trust.validator, trust.at);
        let Some(verified) = report.take("record", verified) else {
            continue;
        };
        report.ok(kind(verified.record()), kind(verified.record()));
        claims.add(verified.into_record());
    }
    let (packet, signer) = packet(zip, &trust, &parsed, report)?;
    let headers = envelopes(zip, &trust, &packet, &signature, &signer, report);
    claims.checkpoints(zip, &trust, report);
    let receipts = claims.receipts(zip, &headers, report);
    if receipts == 0 {
        report.bad("receipts", "none holds");
    }
    Some(())
}

/// What the package is judged by.
struct Trust {
    validator: Validator,
    at: Timestamp,
    certificates: Vec<Certificate>,
    records: Vec<Vec<u8>>,
}

impl Trust {
    /// The certificate with this digest, believed in this role.
    fn signer(&self, sha256: &Digest, role: Role) -> Result<VerifiedCert, String> {
        let known = self
            .certificates
            .iter()
            .find(|certificate| certificate.sha256() == *sha256);
        let certificate = known.ok_or_else(|| format!("certificate {sha256} is not inside"))?;
        self.validator
            .verify(certificate, role, self.at)
            .map_err(|error| error.to_string())
    }
}

fn trust<R: Read + Seek>(
    zip: &mut ProofReader<R>,
    trusted: Option<Vec<Certificate>>,
    packet: &Parsed,
    report: &mut Report,
) -> Option<Trust> {
    let anchors = report.take("ca.pem", zip.read(&Member::Anchors))?;
    let anchors = report.take("ca.pem", Certificate::all_from_pem(&anchors))?;
    let (own_roots, intermediates): (Vec<_>, Vec<_>) =
        anchors.into_iter().partition(Certificate::is_self_issued);
    let roots = trusted.unwrap_or(own_roots);
    report.roots = roots.iter().map(|root| root.sha256().to_string()).collect();
    let members: Vec<Member> = zip.members().cloned().collect();
    let (mut crls, mut certificates, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for member in &members {
        let (Member::Crl(_) | Member::Certificate(_) | Member::Record(_)) = member else {
            continue;
        };
        let bytes = report.take(&member.to_string(), zip.read(member))?;
        match member {
            Member::Crl(_) => crls.extend(report.take(&member.to_string(), Crl::parse(&bytes))),
            Member::Certificate(digest) if Digest::of(&bytes) != *digest => {
                report.bad(&member.to_string(), "has other content");
            }
            Member::Certificate(_) => {
                certificates.extend(report.take(&member.to_string(), Certificate::parse(&bytes)));
            }
            _ => records.push(bytes),
        }
    }
    let at = judged_at(packet, &crls, report)?;
    let domain = records
        .iter()
        .find_map(|record| match pki::record::open(record).ok()?.record {
            Record::TrustList(list) => Some(list.trust_domain),
            Record::Agencies(_)
            | Record::Attachment(_)
            | Record::Delegation(_)
            | Record::Station(_) => None,
        });
    let trust_domain = report.take("trust list", domain.ok_or("missing"))?;
    let store = TrustStore {
        trust_domain,
        roots,
        intermediates,
        crls,
        ocsp: Vec::new(),
    };
    Some(Trust {
        validator: Validator::new(store),
        at,
        certificates,
        records,
    })
}

/// Not before the signature, and inside the window of every revocation list.
fn judged_at(packet: &Parsed, crls: &[Crl], report: &mut Report) -> Option<Timestamp> {
    let signed = report.take("signing time", packet.signing_time().ok_or("missing"))?;
    let at = crls
        .iter()
        .map(Crl::this_update)
        .fold(signed, Timestamp::max);
    let until = crls.iter().filter_map(Crl::next_update).min();
    match until {
        Some(until) if at <= until => {
            let text = at.rfc3339();
            report.ok(
                format!("danh sách thu hồi có hiệu lực lúc {text}"),
                format!("revocation lists in force at {text}"),
            );
        }
        Some(until) => report.bad("revocation lists", format!("ended at {until}")),
        None => report.bad("revocation lists", "none"),
    }
    Some(at)
}

fn packet<R: Read + Seek>(
    zip: &mut ProofReader<R>,
    trust: &Trust,
    parsed: &Parsed,
    report: &mut Report,
) -> Option<(PacketDigest, VerifiedCert)> {
    let mut hashing = Hashing(PacketHasher::new(parsed.hash()));
    report.take("packet", zip.copy(&Member::Packet, &mut hashing))?;
    let packet = report.take("packet", hashing.0.finish())?;
    let said = report.take("packet.sha256", zip.read(&Member::PacketDigest))?;
    if said.trim_ascii() != packet.digest().to_string().as_bytes() {
        report.bad("packet.sha256", "is not the packet's");
    }
    let embedded = parsed.embedded_signer().ok_or("no signer inside");
    let certificate = report.take("packet signature", embedded)?;
    let signer = trust
        .validator
        .verify(&certificate, Role::AgencySignature, trust.at);
    let signer = report.take("packet signature", signer)?;
    if let Some(token) = parsed.timestamp_token() {
        let imprint = Digest::of(parsed.signature_value());
        let latest = Timestamp::from_unix_ms(i64::MAX);
        let stamp = pki::stamp::verify_token(&token, &imprint, &trust.validator, latest);
        if let Some(stamp) = report.take("time-stamp", stamp) {
            let time = stamp.time.rfc3339();
            report.ok(
                format!("dấu thời gian {time}"),
                format!("time-stamp {time}"),
            );
        }
    }
    Some((packet, signer))
}

fn envelopes<R: Read + Seek>(
    zip: &mut ProofReader<R>,
    trust: &Trust,
    packet: &PacketDigest,
    signature: &[u8],
    inner: &VerifiedCert,
    report: &mut Report,
) -> Vec<SealedHeader> {
    let ids: Vec<EnvelopeId> = zip
        .members()
        .filter_map(|member| match member {
            Member::Header(id) => Some(*id),
            _ => None,
        })
        .collect();
    let mut headers = Vec::new();
    for id in ids {
        let what = format!("envelope {id}");
        let result = envelope(zip, trust, packet, signature, inner, id);
        if let Some(header) = report.take(&what, result) {
            report.ok(
                format!("phong bì {id} mang đúng gói tin và chữ ký này"),
                format!("envelope {id} carries exactly this packet and signature"),
            );
            headers.push(header);
        }
    }
    headers
}

fn envelope<R: Read + Seek>(
    zip: &mut ProofReader<R>,
    trust: &Trust,
    packet: &PacketDigest,
    signature: &[u8],
    inner: &VerifiedCert,
    id: EnvelopeId,
) -> Result<SealedHeader, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let bytes = zip
        .read(&Member::Header(id))
        .map_err(|error| text(&error))?;
    let cms = zip
        .read(&Member::HeaderSignature(id))
        .map_err(|error| text(&error))?;
    let salt = zip
        .read(&Member::ContentSalt(id))
        .map_err(|error| text(&error))?;
    let salt = std::str::from_utf8(&salt).map_err(|error| text(&error))?;
    let salt: Digest = salt
        .trim_end()
        .parse()
        .map_err(|_| "salt is malformed".to_owned())?;
    let header = Header::decode(&bytes).map_err(|error| text(&error))?;
    if header.context().id != id {
        return Err("the header has another id".to_owned());
    }
    let signer = trust.signer(&header.context().signer, Role::AgencySignature)?;
    let verified: Verified<Header> =
        verify_header(header, &cms, &signer).map_err(|error| text(&error))?;
    verify_packet(&verified, packet.clone(), signature, salt.as_bytes(), inner)
        .map_err(|error| text(&error))?;
    let header = verified.value();
    Ok(SealedHeader {
        id,
        digest: header.digest(),
        commitment: header.context().commitment,
        sender: header.context().sender.clone(),
        recipients: header
            .context()
            .recipients
            .iter()
            .filter_map(Party::agency)
            .cloned()
            .collect(),
    })
}

fn kind(record: &Record) -> String {
    match record {
        Record::Agencies(bundle) => format!("agencies {}", bundle.bundle),
        Record::Attachment(one) => format!("attachment {} → {}", one.agency, one.station),
        Record::Delegation(one) => format!("delegation {} → {}", one.scope, one.parent),
        Record::Station(station) => format!("station {}", station.name),
        Record::TrustList(list) => format!("trust list {}", list.trust_domain),
    }
}

/// Hashes what is written.
struct Hashing(PacketHasher);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
