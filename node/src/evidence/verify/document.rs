//! The document of a package: its packet or the digest of it, the agency's signature with its time-stamp,
//! the headers that carried it, and the ASiC-S form.

use std::io::{Read, Seek, Write};

use formats::header::Header;
use formats::id::{AgencyCode, Digest, EnvelopeId, Party};
use formats::proof::asic::{Asic, Checksum};
use formats::proof::{Member, ProofReader};
use formats::time::Timestamp;
use pki::chain::VerifiedCert;
use pki::role::Role;
use pki::sign::{PacketDigest, PacketHasher, Parsed, Verified, verify_header, verify_packet};

use super::sums::Hashing;
use super::trust::Trust;
use super::{Place, Report, Shown};

/// What holds of the document.
pub(super) struct Document {
    pub(super) headers: Vec<SealedHeader>,
}

/// A header whose signature and commitment hold.
pub(super) struct SealedHeader {
    pub(super) id: EnvelopeId,
    pub(super) digest: Digest,
    pub(super) commitment: Option<Digest>,
    pub(super) created: Timestamp,
    pub(super) sender: Party,
    pub(super) recipients: Vec<AgencyCode>,
}

/// The packet's signature and who made it.
struct Signed {
    cms: Vec<u8>,
    packet: PacketDigest,
    signer: VerifiedCert,
}

pub(super) fn check<R: Read + Seek>(
    zip: &mut ProofReader<R>,
    trust: &Trust,
    report: &mut Report,
) -> Option<Document> {
    let at = Place::of(&Member::Signature);
    let cms = report.take(&at, zip.read(&Member::Signature))?;
    let parsed = report.take(&at, Parsed::parse(&cms))?;
    let packet = packet(zip, &parsed, &cms, report)?;
    let when = signed_at(trust, &parsed, report)?;
    let signer = trust.signer_of(&parsed, Role::AgencySignature, when);
    let signer = report.take(&at, signer)?;
    let signed = Signed {
        cms,
        packet,
        signer,
    };
    let headers = envelopes(zip, trust, &signed, report);
    let sender = signed.signer.party().map(ToString::to_string);
    report.document = Some(Shown {
        envelopes: headers.iter().map(|header| header.id.to_string()).collect(),
        packet_sha256: signed.packet.digest().to_string(),
        with_packet: zip.has(&Member::Packet),
        sender: sender.unwrap_or_default(),
    });
    if headers.is_empty() {
        report.bad(&Place::member("envelopes"), "none holds");
    }
    Some(Document { headers })
}

/// The packet's digests; of a packet that is not here those that are stated.
fn packet<R: Read + Seek>(
    zip: &mut ProofReader<R>,
    parsed: &Parsed,
    cms: &[u8],
    report: &mut Report,
) -> Option<PacketDigest> {
    let at = Place::of(&Member::PacketDigest);
    let text = report.take(&at, zip.read(&Member::PacketDigest))?;
    let stated = std::str::from_utf8(&text).ok().and_then(|text| {
        let digest = text.strip_suffix('\n')?;
        digest.parse::<Digest>().ok()
    });
    let stated = report.take(&at, stated.ok_or("malformed"))?;
    if !zip.has(&Member::Packet) {
        if zip.has(&Member::Asic) {
            report.bad(&Place::of(&Member::Asic), "is of a packet that is not here");
        }
        report.ok(
            &at,
            format!("không kèm gói tin, chỉ có SHA-256 {stated}"),
            format!("without the packet, only its SHA-256 {stated}"),
        );
        return Some(PacketDigest::stated(stated, parsed));
    }
    let at = Place::of(&Member::Packet);
    let mut hashing = Packet {
        hash: PacketHasher::new(parsed.hash()),
        sum: Checksum::default(),
    };
    let bytes = report.take(&at, zip.copy(&Member::Packet, &mut hashing))?;
    let packet = report.take(&at, hashing.hash.finish())?;
    if stated != packet.digest() {
        report.bad(&Place::of(&Member::PacketDigest), "is not the packet's");
    }
    let text = format!("gói tin / packet: SHA-256 {}", packet.digest());
    report.ok(&at, text.clone(), text);
    if zip.has(&Member::Asic) {
        let at = Place::of(&Member::Asic);
        let same = asic(zip, bytes, hashing.sum.value(), cms);
        if report.take(&at, same).is_some() {
            report.ok(
                &at,
                "bản ASiC-S chứa đúng gói tin và chữ ký này",
                "the ASiC-S form holds exactly this packet and signature",
            );
        }
    }
    Some(packet)
}

/// The form is made again and compared.
fn asic<R: Read + Seek>(
    zip: &mut ProofReader<R>,
    bytes: u64,
    sum: u32,
    cms: &[u8],
) -> Result<(), String> {
    let form = Asic::of(bytes, sum, cms).ok_or("the packet is too large for it")?;
    let text = |error: formats::proof::ProofError| error.to_string();
    let mut expected = Hashing::default();
    let io = |error: std::io::Error| error.to_string();
    expected.write_all(&form.before).map_err(io)?;
    zip.copy(&Member::Packet, &mut expected).map_err(text)?;
    expected.write_all(&form.after).map_err(io)?;
    let mut found = Hashing::default();
    zip.copy(&Member::Asic, &mut found).map_err(text)?;
    match expected.finish() == found.finish() {
        true => Ok(()),
        false => Err("is not the form of this packet and signature".to_owned()),
    }
}

/// When the packet was signed: proven by its time-stamp, else as its signer says.
fn signed_at(trust: &Trust, parsed: &Parsed, report: &mut Report) -> Option<Timestamp> {
    let at = Place::of(&Member::Signature);
    let said = report.take(&at, parsed.signing_time().ok_or("no signing time"))?;
    let Some(token) = parsed.timestamp_token() else {
        report.ok(
            &at,
            format!(
                "chữ ký không có dấu thời gian; người ký ghi {}",
                said.rfc3339()
            ),
            format!(
                "no time-stamp on the signature; its signer says {}",
                said.rfc3339()
            ),
        );
        return Some(said);
    };
    let stamped = trust.stamp(&token, parsed.signature_value());
    let Some(time) = report.take(&at, stamped) else {
        return Some(said);
    };
    let text = time.rfc3339();
    report.ok(
        &at,
        format!("dấu thời gian của chữ ký {text}"),
        format!("time-stamp of the signature {text}"),
    );
    Some(time)
}

fn envelopes<R: Read + Seek>(
    zip: &mut ProofReader<R>,
    trust: &Trust,
    signed: &Signed,
    report: &mut Report,
) -> Vec<SealedHeader> {
    let ids = zip.members().filter_map(|member| match member {
        Member::Header(id) => Some(*id),
        _ => None,
    });
    let ids: Vec<EnvelopeId> = ids.collect();
    let mut headers = Vec::new();
    for id in ids {
        let at = Place::member(format!("envelopes/{id}"));
        let result = envelope(zip, trust, signed, id);
        if let Some(header) = report.take(&at, result) {
            report.ok(
                &at,
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
    signed: &Signed,
    id: EnvelopeId,
) -> Result<SealedHeader, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut read = |member| zip.read(&member).map_err(|error| text(&error));
    let bytes = read(Member::Header(id))?;
    let cms = read(Member::HeaderSignature(id))?;
    let salt = hex_line(&read(Member::ContentSalt(id))?)?;
    let header = Header::decode(&bytes).map_err(|error| text(&error))?;
    let context = header.context();
    if context.id != id {
        return Err("the header has another id".to_owned());
    }
    let created = context.created;
    let signer = trust.signer(&context.signer, Role::AgencySignature, created)?;
    let verified: Verified<Header> =
        verify_header(header, &cms, &signer).map_err(|error| text(&error))?;
    let (packet, inner) = (signed.packet.clone(), &signed.signer);
    verify_packet(&verified, packet, &signed.cms, salt.as_bytes(), inner)
        .map_err(|error| text(&error))?;
    let context = verified.value().context();
    let recipients = context.recipients.iter().filter_map(Party::agency);
    Ok(SealedHeader {
        id,
        digest: verified.value().digest(),
        commitment: context.commitment,
        created,
        sender: context.sender.clone(),
        recipients: recipients.cloned().collect(),
    })
}

/// 64 hexadecimal digits and a newline.
pub(super) fn hex_line(bytes: &[u8]) -> Result<Digest, String> {
    let text = std::str::from_utf8(bytes).ok();
    text.and_then(|text| text.strip_suffix('\n')?.parse().ok())
        .ok_or_else(|| "salt is malformed".to_owned())
}

/// Hashes a packet and takes its checksum while it is read.
struct Packet {
    hash: PacketHasher,
    sum: Checksum,
}

impl Write for Packet {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.hash.update(bytes);
        self.sum.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
