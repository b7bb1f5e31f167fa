//! Names of the members of a proof package.

use std::fmt;
use std::str::FromStr;

use super::ProofError;
use crate::id::{Digest, EnvelopeId};

/// A member, by what it is. Numbers count from 1 and are written with four digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// `README.txt`: what this is, in Vietnamese and English.
    Readme,
    /// `verify.sh`: checks everything with `openssl`.
    VerifyScript,
    /// `SHA256SUMS`: digest of every other member, as `sha256sum -c` reads it. Finds damage; proves nothing.
    Sums,
    /// `index.html`: for people.
    Page,
    /// `document/packet.edxml`: the packet; absent where only its digest is shown.
    Packet,
    /// `document/packet.sha256`: its SHA-256 in hexadecimal.
    PacketDigest,
    /// `document/signature.p7s`: CMS signature over the packet.
    Signature,
    /// `document/document.asics`: ASiC-S form of packet and signature.
    Asic,
    /// `envelopes/ID/header.cbor`: header as signed.
    Header(EnvelopeId),
    /// `envelopes/ID/header.p7s`: CMS signature over the header.
    HeaderSignature(EnvelopeId),
    /// `envelopes/ID/salt.hex`: the salt that opens the commitment.
    ContentSalt(EnvelopeId),
    /// `receipts/NNNN/statement.json`: a statement, verbatim.
    Statement(u32),
    /// `receipts/NNNN/salt.hex`: its leaf's salt.
    StatementSalt(u32),
    /// `receipts/NNNN/inclusion.txt`: see [`super::Inclusion`].
    Inclusion(u32),
    /// `checkpoints/NNNN/note.txt`: the signed note.
    Note(u32),
    /// `checkpoints/NNNN/body.txt`: the three lines that are signed.
    CheckpointBody(u32),
    /// `checkpoints/NNNN/signature.p7s`: CMS signature over the body.
    CheckpointSignature(u32),
    /// `checkpoints/NNNN/token.der`: RFC 3161 token over the signature value.
    Token(u32),
    /// `records/NNNN.rec`: a signed record that shows who may speak.
    Record(u32),
    /// `certificates/SHA256.crt`: a certificate in DER.
    Certificate(Digest),
    /// `crls/SHA256.crl`: a CRL in DER, in force when something of the package was signed, or later.
    Crl(Digest),
    /// `ca.pem`: roots and intermediates in PEM, for `openssl -CAfile`.
    Anchors,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Readme => f.write_str("README.txt"),
            Self::VerifyScript => f.write_str("verify.sh"),
            Self::Sums => f.write_str("SHA256SUMS"),
            Self::Page => f.write_str("index.html"),
            Self::Packet => f.write_str("document/packet.edxml"),
            Self::PacketDigest => f.write_str("document/packet.sha256"),
            Self::Signature => f.write_str("document/signature.p7s"),
            Self::Asic => f.write_str("document/document.asics"),
            Self::Header(id) => write!(f, "envelopes/{id}/header.cbor"),
            Self::HeaderSignature(id) => write!(f, "envelopes/{id}/header.p7s"),
            Self::ContentSalt(id) => write!(f, "envelopes/{id}/salt.hex"),
            Self::Statement(n) => write!(f, "receipts/{n:04}/statement.json"),
            Self::StatementSalt(n) => write!(f, "receipts/{n:04}/salt.hex"),
            Self::Inclusion(n) => write!(f, "receipts/{n:04}/inclusion.txt"),
            Self::Note(n) => write!(f, "checkpoints/{n:04}/note.txt"),
            Self::CheckpointBody(n) => write!(f, "checkpoints/{n:04}/body.txt"),
            Self::CheckpointSignature(n) => write!(f, "checkpoints/{n:04}/signature.p7s"),
            Self::Token(n) => write!(f, "checkpoints/{n:04}/token.der"),
            Self::Record(n) => write!(f, "records/{n:04}.rec"),
            Self::Certificate(digest) => write!(f, "certificates/{digest}.crt"),
            Self::Crl(digest) => write!(f, "crls/{digest}.crl"),
            Self::Anchors => f.write_str("ca.pem"),
        }
    }
}

impl FromStr for Member {
    type Err = ProofError;

    fn from_str(name: &str) -> Result<Self, ProofError> {
        // Numbers and digests have one spelling only if the member writes the same name again.
        read(name)
            .filter(|member| member.to_string() == name)
            .ok_or_else(|| ProofError::Name(name.chars().take(80).collect()))
    }
}

fn read(name: &str) -> Option<Member> {
    let parts: Vec<&str> = name.splitn(4, '/').collect();
    Some(match *parts.as_slice() {
        ["README.txt"] => Member::Readme,
        ["verify.sh"] => Member::VerifyScript,
        ["SHA256SUMS"] => Member::Sums,
        ["index.html"] => Member::Page,
        ["ca.pem"] => Member::Anchors,
        ["document", "packet.edxml"] => Member::Packet,
        ["document", "packet.sha256"] => Member::PacketDigest,
        ["document", "signature.p7s"] => Member::Signature,
        ["document", "document.asics"] => Member::Asic,
        ["envelopes", id, "header.cbor"] => Member::Header(id.parse().ok()?),
        ["envelopes", id, "header.p7s"] => Member::HeaderSignature(id.parse().ok()?),
        ["envelopes", id, "salt.hex"] => Member::ContentSalt(id.parse().ok()?),
        ["receipts", n, "statement.json"] => Member::Statement(n.parse().ok()?),
        ["receipts", n, "salt.hex"] => Member::StatementSalt(n.parse().ok()?),
        ["receipts", n, "inclusion.txt"] => Member::Inclusion(n.parse().ok()?),
        ["checkpoints", n, "note.txt"] => Member::Note(n.parse().ok()?),
        ["checkpoints", n, "body.txt"] => Member::CheckpointBody(n.parse().ok()?),
        ["checkpoints", n, "signature.p7s"] => Member::CheckpointSignature(n.parse().ok()?),
        ["checkpoints", n, "token.der"] => Member::Token(n.parse().ok()?),
        ["records", file] => Member::Record(file.strip_suffix(".rec")?.parse().ok()?),
        ["certificates", file] => Member::Certificate(file.strip_suffix(".crt")?.parse().ok()?),
        ["crls", file] => Member::Crl(file.strip_suffix(".crl")?.parse().ok()?),
        _ => return None,
    })
}
