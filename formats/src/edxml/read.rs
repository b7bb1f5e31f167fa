//! Reading a packet: one pass, bounded memory [edxml-model 1, 2, 3].
//!
//! Fails ([`ReadError`]) when the file is not acceptable XML, is not a packet, passes a limit, or
//! when the input or the sink fails. Everything a clerk could correct (missing fields, bad dates,
//! bad base64) is not an error here: it comes back inside the packet as faults and warnings. Must
//! not know: who sent it, the directory, the clock.

use std::io::{self, BufRead};

use super::attachment::AttachmentSink;
use super::fields::{self, Notes};
use super::limits::Limits;
use super::model::{Dialect, Packet};
use super::node::{Namespace, Node};
use super::{read_document, read_status, tree};

/// Why a file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It contains a document type declaration; entities could be hidden in it. E-DOCTYPE.
    #[error("document type declaration at byte {at}")]
    Doctype {
        /// Byte offset.
        at: u64,
    },
    /// The input failed.
    #[error("reading the packet: {0}")]
    Input(#[source] io::Error),
    /// A limit was passed. E-LIMIT.
    #[error("more than {max} {what}, at byte {at}")]
    Limit {
        /// Field of [`Limits`].
        what: &'static str,
        /// The limit.
        max: u64,
        /// Byte offset.
        at: u64,
    },
    /// The root element is none of ours. E-NS.
    #[error("not a packet: root element {name} in namespace \"{namespace}\"")]
    Root {
        /// Name as written.
        name: String,
        /// Its namespace.
        namespace: String,
    },
    /// The receiver of attachment bytes failed.
    #[error("storing attachment {index}: {source}")]
    Sink {
        /// Index in file order.
        index: usize,
        /// What it said.
        source: io::Error,
    },
    /// Not well-formed XML 1.0 in UTF-8, or something we refuse in XML. E-XML.
    #[error("not acceptable xml at byte {at}: {what}")]
    Xml {
        /// Byte offset.
        at: u64,
        /// What is wrong.
        what: String,
    },
}

impl ReadError {
    /// Stable code of [edxml-model 6]; `None` when the file is not to blame.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Doctype { .. } => Some("E-DOCTYPE"),
            Self::Limit { .. } => Some("E-LIMIT"),
            Self::Root { .. } => Some("E-NS"),
            Self::Xml { .. } => Some("E-XML"),
            Self::Input(_) | Self::Sink { .. } => None,
        }
    }

    /// One line in Vietnamese.
    #[must_use]
    pub fn vi(&self) -> String {
        match self {
            Self::Doctype { .. } => "Tệp chứa khai báo DOCTYPE, không được phép".to_owned(),
            Self::Input(_) => "Không đọc được tệp".to_owned(),
            Self::Limit { max, .. } => format!("Tệp vượt giới hạn cho phép ({max})"),
            Self::Root { name, .. } => format!("Không phải gói tin edXML (phần tử gốc {name})"),
            Self::Sink { .. } => "Không lưu được tệp đính kèm".to_owned(),
            Self::Xml { at, .. } => format!("Tệp XML không hợp lệ tại vị trí {at}"),
        }
    }
}

/// Reads one packet. Attachment bytes go to `sink` in file order; the packet holds their digests.
///
/// # Errors
/// See [`ReadError`]. After an error the sink may hold complete and one incomplete attachment: drop
/// all of them.
pub fn read(
    input: impl BufRead,
    sink: &mut dyn AttachmentSink,
    limits: &Limits,
) -> Result<Packet, ReadError> {
    let root = tree::build(input, sink, limits)?;
    let dialect = dialect_of(&root)?;
    let mut notes = Notes::default();
    if dialect != Dialect::Qcvn102 {
        notes.warn(
            "W-NS",
            "edXML",
            "Gói tin dùng không gian tên XML cũ hoặc không có",
            "the packet uses an old xml namespace or none",
        );
    }
    if has_undeclared_prefix(&root) {
        notes.warn(
            "W-NS",
            "edXML",
            "Gói tin dùng tiền tố XML chưa khai báo",
            "the packet uses an xml prefix that is not declared",
        );
    }
    let parts = fields::split(&root, &mut notes);
    let status = parts.message.is_some_and(|message| {
        message
            .children()
            .any(|child| child.is_ours() && fields::same(child, "StatusCode"))
    });
    if status {
        Ok(Packet::Status(Box::new(read_status::read(
            &parts, dialect, notes,
        ))))
    } else {
        read_document::read(&parts, dialect, notes, limits)
            .map(|packet| Packet::Document(Box::new(packet)))
    }
}

/// Accepts the known roots and says which dialect it is.
// [spec:edxml-3]
fn dialect_of(root: &Node) -> Result<Dialect, ReadError> {
    let name = root.local().to_ascii_lowercase();
    let refused = |namespace: &str| {
        Err(ReadError::Root {
            name: root.name.clone(),
            namespace: namespace.to_owned(),
        })
    };
    let known_name = matches!(name.as_str(), "edxml" | "edxmlenvelope" | "envelope");
    match &root.namespace {
        Namespace::Foreign(uri) => refused(uri),
        Namespace::Known(_) | Namespace::Undeclared if !known_name => refused(""),
        Namespace::Known(dialect) => Ok(*dialect),
        Namespace::Undeclared => Ok(Dialect::Unqualified),
    }
}

fn has_undeclared_prefix(node: &Node) -> bool {
    node.namespace == Namespace::Undeclared || node.children().any(has_undeclared_prefix)
}
