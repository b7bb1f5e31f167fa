//! Writes a proof package from what was gathered: fixed names, fixed order, the same bytes each time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use formats::id::Digest;
use formats::limits;
use formats::proof::asic::{Asic, Checksum};
use formats::proof::{Inclusion, Member, ProofError, ProofWriter, Sums};
use formats::time::Timestamp;

use super::{Gathered, page};
use crate::body::{Body, TemporaryDirectory};
use crate::fault::DeskError;

/// Writes the zip into a temporary file. Blocking.
pub(super) fn package(
    gathered: &Gathered,
    tmp: &Arc<TemporaryDirectory>,
    now: Timestamp,
) -> Result<Body, DeskError> {
    let (file, finish) = tmp.file()?;
    let mut package = Package {
        zip: ProofWriter::new(file),
        sums: BTreeMap::new(),
    };
    let done = package.members(gathered, now);
    let failed = |error: ProofError| DeskError::Internal(format!("evidence: {error}"));
    done.map_err(failed)?;
    let mut file = package.zip.finish().map_err(failed)?;
    file.flush()?;
    Ok(finish(file)?)
}

/// A package being written, and the digests of its members.
struct Package {
    zip: ProofWriter<File>,
    sums: BTreeMap<Member, Digest>,
}

impl Package {
    fn add(&mut self, member: &Member, content: &[u8]) -> Result<(), ProofError> {
        self.sums.insert(member.clone(), Digest::of(content));
        self.zip.add(member, content)
    }

    fn add_from(&mut self, member: &Member, content: impl Read) -> Result<(), ProofError> {
        let mut hashing = Hashing {
            inner: content,
            hash: Sha256::new(),
        };
        self.zip.add_from(member, &mut hashing)?;
        let digest = Digest::from_bytes(hashing.hash.finalize().into());
        self.sums.insert(member.clone(), digest);
        Ok(())
    }

    fn members(&mut self, gathered: &Gathered, now: Timestamp) -> Result<(), ProofError> {
        self.add(&Member::Readme, README.as_bytes())?;
        self.add(&Member::VerifyScript, VERIFY.as_bytes())?;
        self.add(&Member::Page, page::html(gathered, now).as_bytes())?;
        self.document(gathered)?;
        self.receipts(gathered)?;
        for (number, record) in numbered(&gathered.records) {
            self.add(&Member::Record(number), record)?;
        }
        for certificate in &gathered.certificates {
            let member = Member::Certificate(certificate.sha256());
            self.add(&member, certificate.der())?;
        }
        let mut anchors = String::new();
        for authority in &gathered.authorities {
            anchors.push_str(&authority.pem());
            if !anchors.ends_with('\n') {
                anchors.push('\n');
            }
        }
        for crl in &gathered.crls {
            self.add(&Member::Crl(Digest::of(crl)), crl)?;
        }
        self.add(&Member::Anchors, anchors.as_bytes())?;
        let sums = Sums(std::mem::take(&mut self.sums)).to_text();
        self.zip.add(&Member::Sums, sums.as_bytes())
    }

    fn document(&mut self, gathered: &Gathered) -> Result<(), ProofError> {
        let signature = &gathered.document.packet_signature;
        if let Some(packet) = &gathered.packet {
            self.add_from(&Member::Packet, BufReader::new(packet.reader()?))?;
            self.asic(packet, signature)?;
        }
        let digest = format!("{}\n", gathered.document.packet);
        self.add(&Member::PacketDigest, digest.as_bytes())?;
        self.add(&Member::Signature, signature)?;
        for (id, envelope) in &gathered.envelopes {
            self.add(&Member::Header(*id), &envelope.header)?;
            self.add(&Member::HeaderSignature(*id), &envelope.header_signature)?;
            self.add(
                &Member::ContentSalt(*id),
                hex_line(&envelope.salt).as_bytes(),
            )?;
        }
        Ok(())
    }

    /// Left out where packet and form together would not leave room for the evidence.
    fn asic(&mut self, packet: &Body, signature: &[u8]) -> Result<(), ProofError> {
        if packet.bytes() > limits::PROOF_TOTAL_BYTES_MAX / 2 - EVIDENCE_BYTES {
            return Ok(());
        }
        let mut sum = Checksum::default();
        let mut reader = packet.reader()?;
        let mut buffer = vec![0; READ_BYTES];
        loop {
            match reader.read(&mut buffer)? {
                0 => break,
                count => sum.update(buffer.get(..count).unwrap_or_default()),
            }
        }
        let Some(form) = Asic::of(packet.bytes(), sum.value(), signature) else {
            return Ok(());
        };
        let content = BufReader::new(packet.reader()?);
        let whole = form.before.as_slice().chain(content);
        self.add_from(&Member::Asic, whole.chain(form.after.as_slice()))
    }

    fn receipts(&mut self, gathered: &Gathered) -> Result<(), ProofError> {
        for (number, receipt) in numbered(&gathered.receipts) {
            self.add(&Member::Statement(number), &receipt.proven.statement)?;
            self.add(
                &Member::StatementSalt(number),
                hex_line(&receipt.proven.salt).as_bytes(),
            )?;
            let inclusion = Inclusion {
                checkpoint: receipt.checkpoint,
                index: receipt.proven.index,
                size: receipt.size,
                path: receipt.proven.path.clone(),
            };
            self.add(&Member::Inclusion(number), inclusion.to_text().as_bytes())?;
        }
        for (number, checkpoint) in numbered(&gathered.checkpoints) {
            self.add(&Member::Note(number), checkpoint.note.as_bytes())?;
            let body = checkpoint
                .parsed()
                .map(|note| note.checkpoint.body())
                .unwrap_or_default();
            self.add(&Member::CheckpointBody(number), body.as_bytes())?;
            self.add(&Member::CheckpointSignature(number), &checkpoint.cms)?;
            if let Some(token) = &checkpoint.token {
                self.add(&Member::Token(number), token)?;
            }
        }
        Ok(())
    }
}

/// Hashes what is read.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(into)?;
        self.hash.update(into.get(..count).unwrap_or_default());
        Ok(count)
    }
}

fn numbered<T>(all: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (1..).zip(all)
}

fn hex_line(bytes: &[u8]) -> String {
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    text
}

const READ_BYTES: usize = 64 * 1024;
/// Room for everything but packet and ASiC form.
const EVIDENCE_BYTES: u64 = 200_000_000;
const VERIFY: &str = include_str!("../../assets/verify.sh");
const README: &str = include_str!("../../assets/proof-readme.txt");
