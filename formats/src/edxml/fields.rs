//! Fields of an element by name, with everything left over kept as extensions.
//!
//! Matching: our namespaces (or an undeclared prefix), local name; `Business*` reads as
//! `Bussiness*`; letter case is ignored only when nothing matches exactly [edxml-model 1]. Wrong
//! values become faults, repaired ones warnings. Must not know: which fields exist.

use super::date::{self, Date};
use super::finding::{Fault, Warning, shortened};
use super::model::{Extension, RawSignature};
use super::node::Node;
use crate::time::Timestamp;

/// What reading notes beside the values.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) extensions: Vec<Extension>,
    pub(super) faults: Vec<Fault>,
    pub(super) warnings: Vec<Warning>,
}

impl Notes {
    pub(super) fn warn(&mut self, code: &'static str, path: &str, vi: &str, en: &str) {
        self.warnings.push(Warning::new(code, path, vi, en));
    }

    fn keep(&mut self, place: &str, node: &Node) {
        let outside = place == "edXML" || place.starts_with("AttachmentEncoded");
        self.extensions.push(Extension {
            place: place.to_owned(),
            xml: node.to_xml(!outside),
        });
    }
}

/// The elements of a packet that hold fields.
#[derive(Debug, Default)]
pub(super) struct Parts<'n> {
    pub(super) message: Option<&'n Node>,
    pub(super) trace: Option<&'n Node>,
    pub(super) manifest: Option<&'n Node>,
    pub(super) encoded: Option<&'n Node>,
    pub(super) signature: RawSignature,
}

/// Finds the parts below a root of any known form; the rest becomes extensions.
pub(super) fn split<'n>(root: &'n Node, notes: &mut Notes) -> Parts<'n> {
    let mut parts = Parts::default();
    let envelope = if same(root, "edXML") {
        let mut outer = Fields::new(root, "edXML");
        let envelope = outer.child_as(&["edXMLEnvelope", "Envelope"], notes);
        parts.encoded = outer.child_as(&["AttachmentEncoded"], notes);
        outer.close(notes);
        envelope
    } else {
        Some(root)
    };
    let Some(envelope) = envelope else {
        return parts;
    };
    let mut envelope = Fields::new(envelope, "edXMLEnvelope");
    let header = envelope.child_as(&["edXMLHeader", "Header"], notes);
    let body = envelope.child_as(&["edXMLBody", "Body"], notes);
    if let Some(encoded) = envelope.child_as(&["AttachmentEncoded"], notes) {
        parts.encoded.get_or_insert(encoded);
    }
    envelope.close(notes);
    if let Some(header) = header {
        let mut header = Fields::new(header, "edXMLHeader");
        parts.message = header.child_as(&["MessageHeader", "Status"], notes);
        parts.trace = header.child_as(&["TraceHeaderList"], notes);
        parts.signature = header.signature();
        header.close(notes);
    }
    if let Some(body) = body {
        let mut body = Fields::new(body, "edXMLBody");
        parts.manifest = body.child_as(&["edXMLManifest", "Manifest"], notes);
        if let Some(encoded) = body.child_as(&["AttachmentEncoded"], notes) {
            parts.encoded.get_or_insert(encoded);
        }
        body.close(notes);
    }
    parts
}

/// One element being read field by field.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    node: &'n Node,
    path: String,
    taken: Vec<bool>,
    attributes_taken: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    pub(super) fn new(node: &'n Node, path: &str) -> Self {
        Self {
            node,
            path: path.to_owned(),
            taken: vec![false; node.children().count()],
            attributes_taken: Vec::new(),
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Path of a field of this element.
    pub(super) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// The one child of this name. `names[0]` is ours, the others are read too.
    pub(super) fn child(&mut self, names: &[&str], notes: &mut Notes) -> Option<Self> {
        let path = self.at(names.first().unwrap_or(&""));
        let node = self.take(names, &path, notes)?;
        Some(Self::new(node, &path))
    }

    /// The same, as an element whose path stands on its own.
    fn child_as(&mut self, names: &[&str], notes: &mut Notes) -> Option<&'n Node> {
        let path = (*names.first().unwrap_or(&"")).to_owned();
        self.take(names, &path, notes)
    }

    /// All children of this name, numbered from 1 in their paths.
    pub(super) fn children(&mut self, name: &str) -> Vec<Self> {
        let exact = self
            .node
            .children()
            .any(|child| child.is_ours() && matches_name(child, name));
        let mut found = Vec::new();
        for (child, taken) in self.node.children().zip(&mut self.taken) {
            let named = if exact {
                matches_name(child, name)
            } else {
                same(child, name)
            };
            if !*taken && child.is_ours() && named {
                *taken = true;
                found.push(Self::new(
                    child,
                    &format!("{}/{name}[{}]", self.path, found.len() + 1),
                ));
            }
        }
        found
    }

    /// Texts of all children of this name that have one.
    pub(super) fn texts(&mut self, name: &str, notes: &mut Notes) -> Vec<String> {
        let children = self.children(name);
        children
            .into_iter()
            .filter_map(|child| child.leaf(notes))
            .collect()
    }

    /// Text of the one child of this name; empty is absent.
    pub(super) fn text(&mut self, names: &[&str], notes: &mut Notes) -> Option<String> {
        self.child(names, notes)?.leaf(notes)
    }

    /// Text of the first child of this name, which stays an extension.
    pub(super) fn seen(&self, name: &str) -> Option<String> {
        let mut children = self.node.children();
        let found = children.find(|child| child.is_ours() && same(child, name))?;
        let text = found.text();
        (!text.is_empty()).then_some(text)
    }

    /// Unsigned number in ASCII digits.
    // [spec:edxml-9]
    pub(super) fn number(&mut self, names: &[&str], notes: &mut Notes) -> Option<u32> {
        let text = self.text(names, notes)?;
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let value = if digits { text.parse().ok() } else { None };
        if value.is_none() {
            let path = self.at(names.first().unwrap_or(&""));
            notes
                .faults
                .push(Fault::wrong_type(&path, &text, "0…4294967295"));
        }
        value
    }

    pub(super) fn date(&mut self, names: &[&str], notes: &mut Notes) -> Option<Date> {
        let text = self.text(names, notes)?;
        self.dated(names, &text, "yyyy/MM/dd", Date::parse(&text), notes)
    }

    pub(super) fn timestamp(&mut self, names: &[&str], notes: &mut Notes) -> Option<Timestamp> {
        let text = self.text(names, notes)?;
        self.dated(
            names,
            &text,
            "yyyy/MM/dd HH:mm:ss",
            date::parse_timestamp(&text),
            notes,
        )
    }

    fn dated<T>(
        &self,
        names: &[&str],
        text: &str,
        form: &str,
        parsed: Option<date::Parsed<T>>,
        notes: &mut Notes,
    ) -> Option<T> {
        let path = self.at(names.first().unwrap_or(&""));
        let Some(parsed) = parsed else {
            notes.faults.push(Fault::wrong_type(&path, text, form));
            return None;
        };
        if parsed.repaired {
            let text = shortened(text);
            notes.warnings.push(Warning::new(
                "W-DATE",
                &path,
                format!("Ngày viết sai mẫu đã được hiểu lại: \"{text}\", mẫu đúng là {form}"),
                format!("the date \"{text}\" is not written as {form} and was repaired"),
            ));
        }
        Some(parsed.value)
    }

    /// An attribute by local name.
    pub(super) fn attribute(&mut self, name: &'static str) -> Option<String> {
        self.attributes_taken.push(name);
        let found = self
            .node
            .attributes
            .iter()
            .find(|attribute| local(&attribute.name) == name)?;
        let value = found.value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// Reads an attribute away that we neither use nor write.
    pub(super) fn ignore_attribute(&mut self, name: &'static str) {
        self.attributes_taken.push(name);
    }

    /// `Signature` in any namespace, or the `DigitalSignature` of one dialect.
    fn signature(&mut self) -> RawSignature {
        let mut signature = RawSignature::Absent;
        for (child, taken) in self.node.children().zip(&mut self.taken) {
            let named = matches!(child.local(), "Signature" | "DigitalSignature");
            if *taken || !named || signature != RawSignature::Absent {
                continue;
            }
            *taken = true;
            let empty = child.children().next().is_none() && child.text().is_empty();
            signature = if empty {
                RawSignature::Empty
            } else {
                RawSignature::Present(child.to_xml(true))
            };
        }
        signature
    }

    /// Keeps what was not read. Text between elements has no place to be kept: it is said.
    pub(super) fn close(self, notes: &mut Notes) {
        let stray = self.node.text();
        if !stray.is_empty() {
            let stray = shortened(&stray);
            notes.warnings.push(Warning::new(
                "W-TYPE",
                &self.path,
                format!("Có chữ \"{stray}\" nằm ngoài các phần tử, không thuộc trường nào"),
                format!("\"{stray}\" stands between elements and belongs to no field"),
            ));
        }
        self.keep_rest(notes);
    }

    // [spec:edxml-5]
    fn keep_rest(self, notes: &mut Notes) {
        let mut declared: Vec<&str> = Vec::new();
        for attribute in &self.node.attributes {
            if self.attributes_taken.contains(&local(&attribute.name)) {
                continue;
            }
            let mut keep = |name: &str, xml: &str| {
                notes.extensions.push(Extension {
                    place: format!("{}/@{name}", self.path),
                    xml: xml.to_owned(),
                });
            };
            keep(&attribute.name, &attribute.raw);
            // The prefix means nothing without its namespace, which may be declared far above.
            let prefix = attribute.name.split_once(':').map(|(prefix, _)| prefix);
            let outer = |prefix: &str| matches!(prefix, "xml" | "edXML" | "xlink");
            if let (Some(uri), Some(prefix)) = (&attribute.namespace, prefix)
                && !outer(prefix)
                && !declared.contains(&prefix)
            {
                declared.push(prefix);
                keep(
                    &format!("xmlns:{prefix}"),
                    &quick_xml::escape::escape(uri.as_str()),
                );
            }
        }
        for (child, taken) in self.node.children().zip(&self.taken) {
            if !taken {
                notes.keep(&self.path, child);
            }
        }
    }

    /// Text of this element; children of a text element are extensions.
    fn leaf(self, notes: &mut Notes) -> Option<String> {
        let text = self.node.text();
        self.keep_rest(notes);
        (!text.is_empty()).then_some(text)
    }

    /// What came of the attachment text in the one child of this name.
    pub(super) fn encoded(
        &mut self,
        name: &str,
        notes: &mut Notes,
    ) -> Option<super::node::Encoded> {
        let path = self.at(name);
        let node = self.take(&[name], &path, notes)?;
        node.encoded.clone()
    }

    /// Takes the first child with an exact name, else one that differs by letter case. A second one
    /// of the same name makes the packet ambiguous: two readers could each believe another one.
    // [spec:edxml-4]
    fn take(&mut self, names: &[&str], path: &str, notes: &mut Notes) -> Option<&'n Node> {
        let exact = |child: &Node| names.iter().any(|name| matches_name(child, name));
        let loose = |child: &Node| names.iter().any(|name| same(child, name));
        let candidates = |wanted: &dyn Fn(&Node) -> bool| -> Vec<usize> {
            let children = self.node.children().enumerate();
            children
                .filter(|(_, c)| c.is_ours() && wanted(c))
                .map(|(at, _)| at)
                .collect()
        };
        let mut found = candidates(&exact);
        if found.is_empty() {
            found = candidates(&loose);
        }
        let first = *found.first()?;
        if found.len() > 1 {
            notes.faults.push(Fault::coded(
                "E-XML",
                path,
                "Phần tử xuất hiện nhiều lần",
                format!("{path} stands more than once"),
            ));
        }
        if let Some(taken) = self.taken.get_mut(first) {
            *taken = true;
        }
        self.node.children().nth(first)
    }
}

/// Exact local name, or the correct spelling of the standard's "Bussiness".
fn matches_name(node: &Node, name: &str) -> bool {
    let found = node.local();
    // The correct spelling is a letter shorter; nothing is built for names that differ anyway.
    found == name
        || (found.len() + 1 == name.len()
            && name.contains("Bussiness")
            && found == name.replace("Bussiness", "Business"))
}

/// Local name without regard to letter case and to the spelling of "Bussiness".
pub(super) fn same(node: &Node, name: &str) -> bool {
    let found = node.local();
    if found.len() == name.len() {
        return found.eq_ignore_ascii_case(name);
    }
    // One of the two is spelt with a letter less.
    if found.len().abs_diff(name.len()) > 1 {
        return false;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace("bussiness", "business");
    plain(found) == plain(name)
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or_default()
}
