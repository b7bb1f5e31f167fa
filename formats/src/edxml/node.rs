//! One XML element of a packet's metadata, kept so exactly that it can be written back.
//!
//! Must not know: which elements exist, limits (kept where nodes are made).

use std::fmt::Write as _;

use super::NAMESPACE;
use super::model::Dialect;

/// An element with its content in order.
#[derive(Debug)]
pub(super) struct Node {
    /// Qualified name as written.
    pub(super) name: String,
    /// Namespace the name is bound to.
    pub(super) namespace: Namespace,
    /// The start tag between `<` and `>` (or `/>`), as written.
    pub(super) tag: String,
    /// Attributes except namespace declarations.
    pub(super) attributes: Vec<Attribute>,
    /// Prefixes declared here, "" for the default namespace.
    pub(super) declared: Vec<String>,
    /// Whether it was written `<a/>`.
    pub(super) self_closed: bool,
    /// Content in order.
    pub(super) items: Vec<Item>,
    /// The attachment whose bytes stood here.
    pub(super) encoded: Option<Encoded>,
}

#[derive(Debug)]
pub(super) struct Attribute {
    pub(super) name: String,
    /// As written, escaped.
    pub(super) raw: String,
    /// Unescaped.
    pub(super) value: String,
    /// Namespace of a prefixed name.
    pub(super) namespace: Option<String>,
}

#[derive(Debug)]
pub(super) enum Item {
    /// Content of a CDATA section.
    CData(String),
    Child(Node),
    Comment(String),
    /// Escaped text.
    Text(String),
}

/// What came of the base64 text of an attachment.
#[derive(Clone, Debug)]
pub(super) enum Encoded {
    Decoded {
        index: usize,
        size: u64,
        sha256: crate::id::Digest,
        /// First bytes of the file, enough to tell its kind.
        head: Vec<u8>,
    },
    Undecodable {
        why: String,
    },
}

/// Namespace of an element, as far as packets are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Namespace {
    Foreign(String),
    Known(Dialect),
    /// The prefix is declared nowhere; tolerated, because peers match the literal prefix.
    Undeclared,
}

impl Namespace {
    pub(super) fn of(uri: &str) -> Self {
        match uri {
            NAMESPACE => Self::Known(Dialect::Qcvn102),
            E_DOC_VN => Self::Known(Dialect::EDocVn),
            GO_VN => Self::Known(Dialect::GoVn),
            SOAP_11 => Self::Known(Dialect::Soap),
            "" => Self::Known(Dialect::Unqualified),
            other => Self::Foreign(other.to_owned()),
        }
    }

    fn uri(&self) -> Option<&str> {
        match self {
            Self::Foreign(uri) => Some(uri),
            Self::Known(Dialect::EDocVn) => Some(E_DOC_VN),
            Self::Known(Dialect::GoVn) => Some(GO_VN),
            Self::Known(Dialect::Qcvn102) => Some(NAMESPACE),
            Self::Known(Dialect::Soap) => Some(SOAP_11),
            Self::Known(Dialect::Unqualified) | Self::Undeclared => None,
        }
    }
}

impl Node {
    /// Name without prefix.
    pub(super) fn local(&self) -> &str {
        self.name.rsplit(':').next().unwrap_or_default()
    }

    fn prefix(&self) -> &str {
        self.name.split_once(':').map_or("", |(prefix, _)| prefix)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Self> {
        self.items.iter().filter_map(|item| match item {
            Item::Child(node) => Some(node),
            Item::CData(_) | Item::Comment(_) | Item::Text(_) => None,
        })
    }

    /// Whether the element may be one of ours.
    pub(super) const fn is_ours(&self) -> bool {
        matches!(self.namespace, Namespace::Known(_) | Namespace::Undeclared)
    }

    /// Direct text, unescaped and trimmed.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for item in &self.items {
            match item {
                Item::CData(content) => text.push_str(&one_line_ends(content)),
                // Checked when the node was made, so the fallback is never used.
                Item::Text(raw) => match quick_xml::escape::unescape(&one_line_ends(raw)) {
                    Ok(plain) => text.push_str(&plain),
                    Err(_) => text.push_str(raw),
                },
                Item::Child(_) | Item::Comment(_) => {}
            }
        }
        text.trim().to_owned()
    }

    /// The element as XML text, with the namespace declarations it inherited, unless the packet we
    /// write declares the same ones around it (`prefix_declared`: `edXML:` is in scope there).
    pub(super) fn to_xml(&self, prefix_declared: bool) -> String {
        let mut inherited: Vec<(String, String)> = Vec::new();
        self.inherited(&mut Vec::new(), &mut inherited);
        let mut declarations = String::new();
        for (prefix, uri) in inherited {
            let ambient =
                uri == NAMESPACE && (prefix.is_empty() || (prefix_declared && prefix == "edXML"));
            if !ambient {
                let colon = if prefix.is_empty() { "" } else { ":" };
                let uri = quick_xml::escape::escape(&uri);
                // Writing to a String cannot fail.
                write!(declarations, " xmlns{colon}{prefix}=\"{uri}\"").ok();
            }
        }
        let mut out = String::new();
        self.push_xml(&declarations, &mut out);
        out
    }

    /// Prefixes used in this subtree but declared above it.
    fn inherited<'n>(&'n self, scope: &mut Vec<&'n str>, out: &mut Vec<(String, String)>) {
        let outer = scope.len();
        scope.extend(self.declared.iter().map(String::as_str));
        if let Some(uri) = self.namespace.uri() {
            note_inherited(self.prefix(), uri, scope, out);
        }
        for attribute in &self.attributes {
            if let (Some(uri), Some((prefix, _))) =
                (&attribute.namespace, attribute.name.split_once(':'))
            {
                note_inherited(prefix, uri, scope, out);
            }
        }
        for child in self.children() {
            child.inherited(scope, out);
        }
        scope.truncate(outer);
    }

    fn push_xml(&self, declarations: &str, out: &mut String) {
        out.push('<');
        out.push_str(self.tag.trim_end());
        out.push_str(declarations);
        if self.self_closed {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for item in &self.items {
            match item {
                Item::CData(content) => {
                    out.push_str("<![CDATA[");
                    out.push_str(content);
                    out.push_str("]]>");
                }
                Item::Child(node) => node.push_xml("", out),
                Item::Comment(content) => {
                    out.push_str("<!--");
                    out.push_str(content);
                    out.push_str("-->");
                }
                Item::Text(raw) => out.push_str(raw),
            }
        }
        out.push_str("</");
        out.push_str(&self.name);
        out.push('>');
    }
}

fn note_inherited(prefix: &str, uri: &str, scope: &[&str], out: &mut Vec<(String, String)>) {
    if prefix != "xml" && !scope.contains(&prefix) && !out.iter().any(|(known, _)| known == prefix)
    {
        out.push((prefix.to_owned(), uri.to_owned()));
    }
}

/// Line ends as XML hands them to applications [XML 1.0 2.11].
fn one_line_ends(text: &str) -> std::borrow::Cow<'_, str> {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n").into()
    } else {
        text.into()
    }
}

const E_DOC_VN: &str = "http://www.e-doc.vn/Schema/";
const GO_VN: &str = "http://www.go.vn/eDoc";
const SOAP_11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
