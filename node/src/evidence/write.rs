//! Writes a proof package from what was gathered: fixed names, fixed order, the same bytes each time.

use std::fs::File;
use std::io::{BufReader, Write};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use formats::id::Digest;
use formats::proof::{Inclusion, Member, ProofError, ProofWriter};
use formats::time::Timestamp;

use super::{Gathered, Receipt};
use crate::body::{Body, TemporaryDirectory};
use crate::fault::DeskError;

/// Writes the zip into a temporary file. Blocking.
pub(super) fn package(
    gathered: &Gathered,
    tmp: &Arc<TemporaryDirectory>,
    now: Timestamp,
) -> Result<Body, DeskError> {
    let (file, finish) = tmp.file()?;
    let mut zip = ProofWriter::new(file);
    let done = members(&mut zip, gathered, now);
    done.map_err(|error| DeskError::Internal(format!("evidence: {error}")))?;
    let mut file = zip
        .finish()
        .map_err(|error| DeskError::Internal(format!("evidence: {error}")))?;
    file.flush()?;
    Ok(finish(file)?)
}

fn members(
    zip: &mut ProofWriter<File>,
    gathered: &Gathered,
    now: Timestamp,
) -> Result<(), ProofError> {
    zip.add(&Member::Readme, README.as_bytes())?;
    zip.add(&Member::VerifyScript, VERIFY.as_bytes())?;
    zip.add(&Member::Summary, summary(gathered, now).as_bytes())?;
    zip.add_from(&Member::Packet, BufReader::new(gathered.packet.reader()?))?;
    let digest = format!("{}\n", gathered.packet.digest());
    zip.add(&Member::PacketDigest, digest.as_bytes())?;
    zip.add(&Member::Signature, &gathered.document.packet_signature)?;
    for (id, envelope) in &gathered.envelopes {
        zip.add(&Member::Header(*id), &envelope.header)?;
        zip.add(&Member::HeaderSignature(*id), &envelope.header_signature)?;
        zip.add(
            &Member::ContentSalt(*id),
            hex_line(&envelope.salt).as_bytes(),
        )?;
    }
    for (number, receipt) in numbered(&gathered.receipts) {
        zip.add(&Member::Statement(number), &receipt.proven.statement)?;
        zip.add(
            &Member::StatementSalt(number),
            hex_line(&receipt.proven.salt).as_bytes(),
        )?;
        let inclusion = Inclusion {
            checkpoint: receipt.checkpoint,
            index: receipt.proven.index,
            size: receipt.size,
            path: receipt.proven.path.clone(),
        };
        zip.add(&Member::Inclusion(number), inclusion.to_text().as_bytes())?;
    }
    for (number, checkpoint) in numbered(&gathered.checkpoints) {
        zip.add(&Member::Note(number), checkpoint.note.as_bytes())?;
        let body = checkpoint
            .parsed()
            .map(|note| note.checkpoint.body())
            .unwrap_or_default();
        zip.add(&Member::CheckpointBody(number), body.as_bytes())?;
        zip.add(&Member::CheckpointSignature(number), &checkpoint.cms)?;
        if let Some(token) = &checkpoint.token {
            zip.add(&Member::Token(number), token)?;
        }
    }
    for (number, record) in numbered(&gathered.records) {
        zip.add(&Member::Record(number), record)?;
    }
    for certificate in &gathered.certificates {
        zip.add(
            &Member::Certificate(certificate.sha256()),
            certificate.der(),
        )?;
    }
    let mut anchors = String::new();
    for authority in &gathered.authorities {
        anchors.push_str(&authority.pem());
        if !anchors.ends_with('\n') {
            anchors.push('\n');
        }
    }
    for crl in &gathered.crls {
        zip.add(&Member::Crl(Digest::of(crl)), crl)?;
        anchors.push_str(&crl_pem(crl));
    }
    zip.add(&Member::Anchors, anchors.as_bytes())
}

fn numbered<T>(all: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (1..).zip(all)
}

fn hex_line(bytes: &[u8]) -> String {
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    text
}

fn crl_pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = String::from("-----BEGIN X509 CRL-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END X509 CRL-----\n");
    pem
}

/// The page for people: what was sent, and the receipts in their order.
fn summary(gathered: &Gathered, now: Timestamp) -> String {
    let view = &gathered.document.view;
    let mut rows = String::new();
    for (number, receipt) in numbered(&gathered.receipts) {
        rows.push_str(&receipt_row(number, receipt));
    }
    format!(
        "<!doctype html>\n<html lang=\"vi\"><meta charset=\"utf-8\">\n\
         <title>Gói bằng chứng {id}</title>\n<style>body{{font:15px/1.5 system-ui,sans-serif;\
         max-width:60rem;margin:2rem auto;padding:0 1rem}}table{{border-collapse:collapse;\
         width:100%}}td,th{{border-bottom:1px solid #ccc;padding:.3rem .5rem;text-align:left;\
         vertical-align:top}}code{{word-break:break-all}}</style>\n\
         <h1>Gói bằng chứng · Proof package</h1>\n<table>\n\
         <tr><th>Trích yếu · Subject<td>{subject}\n<tr><th>Số ký hiệu · Code<td>{code}\n\
         <tr><th>Bên gửi · Sender<td>{sender_name} ({sender})\n\
         <tr><th>Mã gói tin · Id<td><code>{id}</code>\n\
         <tr><th>SHA-256<td><code>{digest}</code>\n\
         <tr><th>Ký lúc · Signed<td>{signed}\n<tr><th>Dấu thời gian · Time-stamp<td>{stamped}\n\
         </table>\n<h2>Biên nhận · Receipts</h2>\n<table>\n\
         <tr><th>#<th>Sự kiện · Event<th>Bên nhận · Recipient<th>Lúc · At<th>Trạm · Station\n\
         {rows}</table>\n<p>Trang này chỉ để đọc; bằng chứng nằm trong các tệp bên cạnh, kiểm tra \
         bằng <code>sh verify.sh</code>. This page is for reading only; run \
         <code>sh verify.sh</code> to check. {made}\n</html>\n",
        id = view.row.id,
        subject = escaped(&view.row.subject),
        code = escaped(&view.row.code),
        sender = view.sender,
        sender_name = escaped(&view.facts.sender_name),
        digest = view.packet_digest,
        signed = view.signature.signed_at.vietnam(),
        stamped = view
            .signature
            .stamped_at
            .map_or_else(|| "chưa có · none".to_owned(), Timestamp::vietnam),
        made = now.vietnam(),
    )
}

fn receipt_row(number: u32, receipt: &Receipt) -> String {
    let statement = &receipt.statement;
    format!(
        "<tr><td>{number}<td>{}<td>{}<td>{}<td>{}\n",
        statement.event.name(),
        statement.recipient,
        statement.time.vietnam(),
        statement.station
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

const VERIFY: &str = include_str!("../../assets/verify.sh");
const README: &str = include_str!("../../assets/proof-readme.txt");
