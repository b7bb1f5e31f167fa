//! The document packet a document-management system means: the `.edxml` file of QCVN 102
//! [edxml-model].
//!
//! Owns the shape of both packets, their code lists, reading, writing and validation. Reading is
//! one pass in bounded memory: metadata becomes a small tree, attachments flow through
//! [`AttachmentSink`]. A file that is not acceptable XML fails as a whole ([`ReadError`]); a packet
//! with wrong fields is still returned, with its [`Fault`]s, because a clerk has to see what was
//! refused. Must not know: envelopes, links, certificates, the directory, clocks, files.

pub mod attachment;
pub mod attachment_name;
pub mod base64_stream;
pub mod codes;
pub mod date;
pub mod deadline;
pub mod document_id;
pub mod finding;
pub mod implicit_zip;
pub mod limits;
pub mod model;
pub mod organ;
pub mod read;
pub mod rulebook;
pub mod secrecy;
pub mod signature;
pub mod sniff;
pub mod status;
pub mod text;
pub mod validate;
pub mod write;

mod attachment_text;
mod check;
mod fields;
mod guard;
mod labels;
mod node;
mod order;
mod read_body;
mod read_business;
mod read_document;
mod read_status;
mod tree;
mod validate_business;
mod write_body;
mod write_business;
mod xml_out;

#[cfg(test)]
mod tests;

pub use attachment::{AttachmentSink, Ended, NullSink};
pub use attachment_name::{safe_file_name, safe_file_names};
pub use codes::DocumentClass;
pub use date::Date;
pub use document_id::DocumentIdParts;
pub use finding::{Fault, Validation, Warning};
pub use limits::Limits;
pub use model::{
    AttachmentRef, Business, Code, Dialect, DocumentPacket, DocumentType, Extension, Hop, Issued,
    OtherInfo, Packet, RawSignature, Replaced, ResponseFor, Signer, Staff, StatusPacket, Trace,
};
pub use organ::{Org, OrganId, OrganIdKind};
pub use read::{ReadError, read};
pub use signature::SignatureResult;
pub use sniff::Content;
pub use status::{StatusCode, StatusLadder};
pub use write::{Form, WriteError, write, write_status};

/// The namespace of QCVN 102:2016, which every packet we write carries.
pub const NAMESPACE: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";
