//! What can be said about the `Signature` inside a packet without a key [vn-practice 1.7].
//!
//! Most packets have none or an empty one; the widespread library writes one that no verifier
//! accepts (elements outside of the namespace of XML signatures, RSA with SHA-1). This crate holds no
//! keys, so its best answer is `Unverifiable`; but a digest over an attachment that is not the
//! attachment's is wrong whoever signed it. Must not know: keys, certificates, canonical forms.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::attachment::NullSink;
use super::limits::Limits;
use super::model::{AttachmentRef, RawSignature};
use super::node::{Namespace, Node};
use super::tree;

/// Result of looking at the signature inside a packet [edxml-model 2, row 3].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureResult {
    /// No such element.
    Absent,
    /// An element without content.
    Empty,
    /// It contradicts the packet, or a verifier found it wrong.
    Invalid,
    /// Present; old, incomplete or simply not verified.
    Unverifiable,
    /// Verified over the raw bytes by someone with keys; never the answer of this crate.
    Valid,
}

impl SignatureResult {
    /// Stable code for JSON.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Empty => "empty",
            Self::Invalid => "invalid",
            Self::Unverifiable => "unverifiable",
            Self::Valid => "valid",
        }
    }

    /// In Vietnamese.
    #[must_use]
    pub const fn vi(self) -> &'static str {
        match self {
            Self::Absent => "Không có chữ ký trong gói tin",
            Self::Empty => "Chữ ký trong gói tin để trống",
            Self::Invalid => "Chữ ký trong gói tin không hợp lệ",
            Self::Unverifiable => "Chữ ký trong gói tin không kiểm tra được",
            Self::Valid => "Chữ ký trong gói tin hợp lệ",
        }
    }

    /// In English.
    #[must_use]
    pub const fn en(self) -> &'static str {
        match self {
            Self::Absent => "no signature inside the packet",
            Self::Empty => "the signature inside the packet is empty",
            Self::Invalid => "the signature inside the packet is invalid",
            Self::Unverifiable => "the signature inside the packet cannot be verified",
            Self::Valid => "the signature inside the packet is valid",
        }
    }
}

/// Looks at a signature beside the attachments it may cover.
#[must_use]
// [spec:edxml-18]
pub fn examine(signature: &RawSignature, attachments: &[AttachmentRef]) -> SignatureResult {
    let xml = match signature {
        RawSignature::Absent => return SignatureResult::Absent,
        RawSignature::Empty => return SignatureResult::Empty,
        RawSignature::Present(xml) => xml,
    };
    let read = tree::build(xml.as_bytes(), &mut NullSink, &Limits::default());
    let Ok(root) = read else {
        return SignatureResult::Unverifiable;
    };
    let of_xmldsig = matches!(&root.namespace, Namespace::Foreign(uri) if uri == XMLDSIG);
    let references = references(&root);
    let contradicts = |reference: &Node| contradicts(reference, attachments);
    if of_xmldsig && references.into_iter().any(contradicts) {
        return SignatureResult::Invalid;
    }
    SignatureResult::Unverifiable
}

/// Whether the signature names SHA-1 anywhere.
#[must_use]
pub fn uses_sha1(signature: &RawSignature) -> bool {
    let RawSignature::Present(xml) = signature else {
        return false;
    };
    let xml = xml.to_ascii_lowercase();
    xml.contains("rsa-sha1") || xml.contains("xmldsig#sha1")
}

fn references(root: &Node) -> Vec<&Node> {
    let named = |node: &&Node, name: &str| node.local() == name;
    let info = root.children().filter(|child| named(child, "SignedInfo"));
    info.flat_map(Node::children)
        .filter(|child| named(child, "Reference"))
        .collect()
}

/// A SHA-256 over the bytes of an attachment (`cid:`, no transforms) that is not its digest.
fn contradicts(reference: &Node, attachments: &[AttachmentRef]) -> bool {
    let attribute = |node: &Node, name: &str| {
        let found = node.attributes.iter().find(|a| a.name == name);
        found.map(|a| a.value.trim().to_owned()).unwrap_or_default()
    };
    let child = |name: &str| reference.children().find(|child| child.local() == name);
    let uri = attribute(reference, "URI");
    let Some(cid) = uri.strip_prefix("cid:") else {
        return false;
    };
    let sha256 = child("DigestMethod").is_some_and(|m| attribute(m, "Algorithm") == SHA256);
    if !sha256 || child("Transforms").is_some() {
        return false;
    }
    let Some(attachment) = attachments.iter().find(|a| a.cid == cid) else {
        return true;
    };
    let value = child("DigestValue").map(Node::text).unwrap_or_default();
    let value: String = value.split_whitespace().collect();
    STANDARD
        .decode(value)
        .map_or(true, |digest| digest != attachment.sha256.as_bytes())
}

const XMLDSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
