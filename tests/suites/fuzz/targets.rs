//! One target for each parser of `formats` and `pki` that reads what others wrote: takes bytes, says whether
//! they were accepted, and panics when what was accepted cannot be written back.

use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use formats::edxml::{self, Limits, NullSink, Packet};
use formats::header::Header;
use formats::id::Digest;
use pki::cert::Certificate;
use pki::key::DecryptionKey;
use pki::seal::OpenError;

use crate::mutate::{CALENDAR, CBOR, DER, PDF, TEXT, XML, ZIP};

/// One parser and what it is fed at first.
pub(crate) struct Target {
    /// Also the folder of its seeds.
    pub(crate) name: &'static str,
    /// Golden vectors that are seeds too.
    pub(crate) vectors: Option<&'static str>,
    /// Pieces that mean something to it.
    pub(crate) words: &'static [&'static [u8]],
    /// Whether it accepts these bytes.
    pub(crate) run: fn(&[u8]) -> bool,
}

const fn target(
    name: &'static str,
    vectors: Option<&'static str>,
    words: &'static [&'static [u8]],
    run: fn(&[u8]) -> bool,
) -> Target {
    Target {
        name,
        vectors,
        words,
        run,
    }
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    target("edxml", Some("edxml.json"), XML, edxml_packet),
    target("base64", None, TEXT, base64_stream),
    target("implicit-zip", None, ZIP, implicit_zip),
    target("calendar", None, CALENDAR, calendar),
    target("date", None, TEXT, date),
    target("ids", None, TEXT, ids),
    target("cbor", None, CBOR, cbor),
    target("header", Some("header.json"), CBOR, header),
    target("frame", Some("frame.json"), CBOR, frames),
    target("receipt", Some("receipt.json"), CBOR, receipt),
    target("recall", Some("recall.json"), CBOR, recall),
    target("signed-checkpoint", None, CBOR, signed_checkpoint),
    target("note", Some("note.json"), TEXT, note),
    target("statement", Some("statement.json"), TEXT, statement),
    target("record", Some("record.json"), TEXT, record),
    target("inclusion", None, TEXT, inclusion),
    target("proof", None, ZIP, proof),
    target("certificate", None, DER, certificate),
    target("crl", None, DER, crl),
    target("ocsp", None, DER, ocsp),
    target("request", None, DER, request),
    target("cms", None, DER, cms),
    target("record-file", None, DER, record_file),
    target("token", None, DER, token),
    target("evidence-record", None, DER, evidence_record),
    target("container", None, ZIP, container),
    target("capsule", None, DER, capsule),
    target("plan", None, TEXT, plan),
    target("pdf", None, PDF, pdf),
];

fn edxml_packet(bytes: &[u8]) -> bool {
    let limits = Limits::default();
    let Ok(packet) = edxml::read(bytes, &mut NullSink, &limits) else {
        return false;
    };
    let today = edxml::Date::parse("2026/11/22").expect("a day").value;
    let mut written = Vec::new();
    match packet {
        Packet::Document(mut document) => {
            let _found = edxml::validate::document(&document, today);
            let names = document.attachments.iter().map(|a| a.name.as_str());
            for name in edxml::safe_file_names(names) {
                assert!(!name.is_empty() && name.len() <= 200 && !name.contains(['/', '\\', '\0']));
            }
            // The bytes of attachments are not kept here, so they are written without.
            document.attachments.clear();
            let mut none: [&[u8]; 0] = [];
            let form = edxml::Form::DotNet;
            if edxml::write(&document, form, &mut none, &mut written).is_err() {
                return true;
            }
        }
        Packet::Status(status) => {
            let _found = edxml::validate::status(&status, today);
            if edxml::write_status(&status, edxml::Form::Java, &mut written).is_err() {
                return true;
            }
        }
    }
    let again = edxml::read(&*written, &mut NullSink, &limits);
    assert!(again.is_ok(), "what was written cannot be read: {again:?}");
    true
}

/// Read, written back as it was, and asked about, which must not panic whatever it says.
fn evidence_record(bytes: &[u8]) -> bool {
    use pki::ers::{DataObject, EvidenceRecord};
    let Ok(record) = EvidenceRecord::parse(bytes) else {
        return false;
    };
    let written = record.to_der().expect("what was read can be written");
    assert_eq!(written, bytes, "a record is written as it was read");
    let hashes = record.hashes().expect("known digests");
    let stranger = [DataObject::of("stranger", b"never archived", &hashes)];
    if let Ok(report) = nobody().ask(&record, &stranger) {
        assert!(!report.holds(), "a stranger is under a record");
    }
    let _newest = record.newest(&pki::ers::Ends::built_in());
    true
}

fn container(bytes: &[u8]) -> bool {
    let container = pki::ers::container::Container::open("seed.asice", bytes);
    let Ok(container) = container else {
        return false;
    };
    let found = container.check(&nobody());
    assert!(
        !found.is_ok_and(|verdict| verdict.holds()),
        "nobody is believed"
    );
    true
}

/// A question that believes no authority.
fn nobody() -> pki::ers::Question<'static> {
    static NOBODY: LazyLock<(pki::pdf::Anchors, pki::ers::Ends)> = LazyLock::new(Default::default);
    pki::ers::Question {
        anchors: &NOBODY.0,
        certificates: &[],
        ends: &NOBODY.1,
        at: formats::time::Timestamp::from_unix_s(1_795_316_400),
        scope: pki::ers::Scope::Each,
    }
}

fn base64_stream(bytes: &[u8]) -> bool {
    use formats::edxml::base64_stream::{Decoder, encode};
    // In one piece and in pieces of seven: the result may not depend on it.
    let decoded = |size: usize| {
        let mut out = Vec::new();
        let mut decoder = Decoder::new();
        let mut take = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        let pushed = bytes
            .chunks(size)
            .try_for_each(|piece| decoder.push(piece, &mut take));
        pushed
            .and_then(|()| decoder.finish(&mut take))
            .ok()
            .map(|()| out)
    };
    let whole = decoded(bytes.len().max(1));
    assert_eq!(whole, decoded(7), "pieces change the result");
    let Some(plain) = whole else { return false };
    let mut again = Vec::new();
    encode(&mut plain.as_slice(), &mut again, &mut |_| ()).expect("memory takes it");
    let symbols = |text: &[u8]| -> Vec<u8> {
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
        text.iter().copied().filter(|b| !blank(b)).collect()
    };
    assert_eq!(symbols(bytes), again, "a file has one base64");
    true
}

fn implicit_zip(bytes: &[u8]) -> bool {
    let mut out = Vec::new();
    let limits = Limits {
        attachment_bytes: 4 << 20,
        ..Limits::default()
    };
    let done = edxml::implicit_zip::inflate(Cursor::new(bytes), &mut out, &limits);
    assert!(out.len() <= 4 << 20, "more than the limit was written");
    done.is_ok_and(|done| {
        assert_eq!(done.sha256, Digest::of(&out));
        true
    })
}

fn calendar(bytes: &[u8]) -> bool {
    use formats::edxml::deadline::{Calendar, Days};
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let Ok(days) = Days::parse(text) else {
        return false;
    };
    let calendar = Calendar::built_in().with(&days);
    for day in days.days.keys() {
        let next = calendar.next_working(*day);
        assert!(next.is_none_or(|next| next > *day && calendar.is_working(next)));
    }
    true
}

fn date(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let date = edxml::Date::parse(text);
    if let Some(date) = date {
        let again = edxml::Date::parse(&date.value.to_string()).expect("written by us");
        assert_eq!((again.value, again.repaired), (date.value, false));
    }
    let time = edxml::date::parse_timestamp(text);
    let instant = formats::time::Timestamp::parse_rfc3339(text);
    if let Ok(instant) = instant {
        assert_eq!(instant.rfc3339(), text);
    }
    date.is_some() || time.is_some() || instant.is_ok()
}

fn ids(bytes: &[u8]) -> bool {
    use formats::id::{AgencyCode, EnvelopeId, OldAgencyCode, StationName, TrustDomain};
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let domain = TrustDomain::parse("tram.example").expect("a name");
    let agency = AgencyCode::parse(text);
    if let Ok(agency) = &agency {
        let name = agency.dns_name(&domain);
        assert_eq!(
            AgencyCode::from_dns_name(&name, &domain).ok().as_ref(),
            Some(agency)
        );
    }
    drop(edxml::document_id::parse(text));
    drop(edxml::OrganId::new(text).candidate_alias());
    drop(AgencyCode::from_dns_name(text, &domain));
    agency.is_ok()
        || OldAgencyCode::parse(text).is_ok()
        || StationName::parse(text).is_ok()
        || text.parse::<EnvelopeId>().is_ok()
        || text.parse::<Digest>().is_ok()
}

/// The reader's own calls, in an order that the bytes choose.
fn cbor(bytes: &[u8]) -> bool {
    let mut reader = formats::cbor::Reader::new(bytes);
    let mut taken = 0;
    for step in bytes.iter().take(64) {
        let ok = match step % 6 {
            0 => reader.uint("n").is_ok(),
            1 => reader.bytes(1 << 16, "b").is_ok(),
            2 => reader.text(1 << 16, "t").is_ok(),
            3 => reader.array(1 << 10, "a").is_ok(),
            4 => reader.digests(16, "d").is_ok(),
            _ => reader.boolean("f").is_ok(),
        };
        taken += usize::from(ok);
    }
    drop(reader.finish());
    taken > 0
}

fn header(bytes: &[u8]) -> bool {
    let Ok(header) = Header::decode(bytes) else {
        return false;
    };
    assert_eq!(header.bytes(), bytes, "a header has one encoding");
    true
}

/// A frame is its length and its payload; what is accepted says its length truly.
fn frames(bytes: &[u8]) -> bool {
    use formats::frame::{Control, PREFIX_BYTES, Transfer, payload_bytes};
    let Some((prefix, payload)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
        return false;
    };
    let announced = payload_bytes(*prefix);
    let (control, transfer) = (Control::decode(payload), Transfer::decode(payload));
    if let Ok(control) = &control {
        // Keys that a later version may add are not kept.
        let again = control.encode().expect("what was read can be written");
        let again = Control::decode(again.get(PREFIX_BYTES..).unwrap_or_default());
        assert_eq!(again.as_ref(), Ok(control));
    }
    if let Ok(transfer) = &transfer {
        let again = transfer.encode().expect("what was read can be written");
        let again = Transfer::decode(again.get(PREFIX_BYTES..).unwrap_or_default());
        assert_eq!(again.as_ref(), Ok(transfer));
    }
    (control.is_ok() || transfer.is_ok()) && announced.is_ok_and(|length| length == payload.len())
}

fn receipt(bytes: &[u8]) -> bool {
    let Ok(bundle) = formats::receipt::ReceiptBundle::decode(bytes) else {
        return false;
    };
    assert_eq!(bundle.encode(), bytes, "a bundle has one encoding");
    drop(bundle.statements());
    true
}

fn recall(bytes: &[u8]) -> bool {
    let Ok(recall) = formats::recall::Recall::decode(bytes) else {
        return false;
    };
    assert_eq!(recall.encode(), bytes, "a recall has one encoding");
    true
}

fn signed_checkpoint(bytes: &[u8]) -> bool {
    let Ok(signed) = formats::checkpoint::SignedCheckpoint::decode(bytes) else {
        return false;
    };
    assert_eq!(signed.encode(), bytes, "a checkpoint has one encoding");
    drop(signed.parsed());
    true
}

fn note(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let checkpoint = formats::checkpoint::Checkpoint::parse(text);
    if let Ok(checkpoint) = &checkpoint {
        assert_eq!(checkpoint.body(), text);
    }
    let note = formats::checkpoint::Note::parse(text);
    if let Ok(note) = &note {
        assert_eq!(note.to_text(), text);
    }
    checkpoint.is_ok() || note.is_ok()
}

fn statement(bytes: &[u8]) -> bool {
    let opened = formats::statement::LogOpened::parse(bytes).is_ok();
    formats::statement::Statement::parse(bytes).is_ok() || opened
}

fn record(bytes: &[u8]) -> bool {
    formats::record::Record::parse(bytes).is_ok()
}

fn inclusion(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let read = formats::proof::Inclusion::parse(text);
    read.is_some_and(|read| {
        assert_eq!(read.to_text(), text);
        true
    })
}

fn proof(bytes: &[u8]) -> bool {
    let Ok(mut package) = formats::proof::ProofReader::open(Cursor::new(bytes)) else {
        return false;
    };
    let members: Vec<_> = package.members().cloned().collect();
    for member in members {
        drop(package.read(&member));
    }
    true
}

fn certificate(bytes: &[u8]) -> bool {
    let Ok(certificate) = Certificate::parse(bytes) else {
        return false;
    };
    drop((
        certificate.subject(),
        certificate.issuer(),
        certificate.public_key().ok(),
    ));
    assert_eq!(certificate.der(), bytes);
    true
}

fn crl(bytes: &[u8]) -> bool {
    let Ok(crl) = pki::revoke::Crl::parse_any(bytes) else {
        return false;
    };
    drop((crl.issuer(), crl.number(), crl.revoked()));
    true
}

fn ocsp(bytes: &[u8]) -> bool {
    if let Ok(request) = pki::ocsp::Request::parse(bytes) {
        assert!(!request.items().is_empty());
        return true;
    }
    let Ok(response) = pki::ocsp::Response::parse(bytes) else {
        return false;
    };
    let mut said = response.answers().iter();
    let _read = (
        response.produced_at(),
        response.nonce(),
        said.all(|one| one.id().serial().len() < bytes.len()),
    );
    true
}

fn request(bytes: &[u8]) -> bool {
    pki::csr::requested_key(bytes).is_ok()
}

fn cms(bytes: &[u8]) -> bool {
    let Ok(parsed) = pki::sign::Parsed::parse(bytes) else {
        return false;
    };
    let _said = (
        parsed.signing_time(),
        parsed.timestamp_token(),
        parsed.content(),
    );
    drop(parsed.embedded_certificates());
    true
}

fn record_file(bytes: &[u8]) -> bool {
    pki::record::open(bytes).is_ok()
}

fn token(bytes: &[u8]) -> bool {
    let imprint = Digest::of(b"x");
    drop(pki::stamp::token_from_response(bytes, &imprint, 7));
    pki::stamp::claimed_time(bytes).is_ok()
}

/// A fresh key in the place of the key of a certificate of the corpus: the seeds name it as a recipient, so they
/// are looked through down to the wrapped key, which does not open. That much counts as accepted.
fn capsule(bytes: &[u8]) -> bool {
    static READER: LazyLock<(DecryptionKey, Certificate)> = LazyLock::new(|| {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        let der = std::fs::read(corpus.join("certificate/leaf.der"));
        let mut der = der.expect("the certificate lies there");
        let key = DecryptionKey::generate().expect("a key");
        let certificate = Certificate::parse(&der).expect("a certificate");
        let old = certificate.spki_der();
        let at = der.windows(old.len()).position(|window| window == old);
        let at = at.expect("a certificate holds its key");
        der[at..at + old.len()].copy_from_slice(key.spki_der());
        (key, Certificate::parse(&der).expect("only the key changed"))
    });
    let (key, certificate) = &*READER;
    let opened = pki::seal::open_capsule(bytes, key, certificate, Digest::of(b"context"));
    matches!(opened, Err(OpenError::Decryption | OpenError::NotForUs))
}

fn plan(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    pki::plan::Plan::parse("plan.toml", text.to_owned()).is_ok()
}

/// Accepts what has a signature that is read to its digest; nobody is trusted here, so none is valid.
fn pdf(bytes: &[u8]) -> bool {
    use pki::pdf::{Anchors, Verdict, check};
    let length = u64::try_from(bytes.len()).unwrap_or(0);
    let now = formats::time::Timestamp::from_unix_s(1_795_316_400);
    let report = check(Cursor::new(bytes), length, &Anchors::default(), now);
    let mut signatures = report.signatures.iter();
    assert!(!signatures.clone().any(|one| one.verdict == Verdict::Valid));
    signatures.any(|one| one.digest.is_some())
}
