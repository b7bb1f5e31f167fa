//! The interactive form: its fields, their widgets, and the signatures in them (ISO 32000-2 section
//! 12.7).
//!
//! Owns: walking the field tree of one state of the document. Fails with [`Fault`]. Must not judge
//! signatures.

use std::collections::{HashMap, HashSet};

use super::document::Document;
use super::limits;
use super::object::{Dictionary, Id, Object};
use super::source::{Fault, Source};

/// A node of the field tree.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: Option<Id>,
    /// The whole name, its parts joined by dots.
    pub(super) name: String,
    /// Field type, inherited if need be: `Sig`, `Tx`, `Btn`, `Ch`.
    pub(super) kind: Vec<u8>,
    pub(super) dictionary: Dictionary,
    /// Whether the node only shows its field on a page.
    pub(super) widget: bool,
    /// Whether other fields hang below it.
    pub(super) inner: bool,
    /// Place of the parent in the list.
    pub(super) parent: Option<usize>,
}

/// All nodes of a form.
#[derive(Debug, Default)]
pub(super) struct Form {
    pub(super) nodes: Vec<Node>,
    by_number: HashMap<u32, usize>,
}

impl Form {
    /// Reads the form of a document; empty when there is none.
    pub(super) fn read(document: &mut Document, source: &mut Source<'_>) -> Result<Self, Fault> {
        let catalog = document.catalog(source)?;
        let Some(form) = document.dictionary(source, &catalog, "AcroForm")? else {
            return Ok(Self::default());
        };
        let mut all = Self::default();
        let mut seen: HashSet<u32> = HashSet::new();
        let roots = document.array(source, &form, "Fields")?;
        let mut open: Vec<(Object, Option<usize>, usize)> = roots
            .into_iter()
            .rev()
            .map(|root| (root, None, 0))
            .collect();
        while let Some((object, parent, depth)) = open.pop() {
            let id = match object {
                Object::Reference(id) => Some(id),
                _ => None,
            };
            if id.is_some_and(|id| !seen.insert(id.number)) {
                // The same field again, or a circle.
                continue;
            }
            if depth > limits::FIELD_DEPTH_MAX || all.nodes.len() >= limits::FIELDS_MAX {
                return Err(Fault::Limit("form fields"));
            }
            let Object::Dictionary(dictionary) = document.resolve(source, &object)? else {
                continue;
            };
            let kids = document.array(source, &dictionary, "Kids")?;
            let place = all.add(id, dictionary, parent);
            let next = depth.saturating_add(1);
            open.extend(kids.into_iter().rev().map(|kid| (kid, Some(place), next)));
        }
        Ok(all)
    }

    fn add(&mut self, id: Option<Id>, dictionary: Dictionary, parent: Option<usize>) -> usize {
        let above = parent.and_then(|parent| self.nodes.get(parent));
        let partial = match dictionary.get("T") {
            Some(Object::Text(text)) => Some(decode_text(&text.bytes)),
            _ => None,
        };
        let inherited = above.map(|above| above.name.clone()).unwrap_or_default();
        let name = match &partial {
            Some(partial) if inherited.is_empty() => partial.clone(),
            Some(partial) => format!("{inherited}.{partial}"),
            None => inherited,
        };
        let kind = dictionary
            .name("FT")
            .map(<[u8]>::to_vec)
            .or_else(|| above.map(|above| above.kind.clone()))
            .unwrap_or_default();
        let widget = parent.is_some() && partial.is_none();
        let place = self.nodes.len();
        self.nodes.push(Node {
            id,
            name: name.chars().take(limits::NAME_CHARACTERS_MAX).collect(),
            kind,
            dictionary,
            widget,
            inner: false,
            parent,
        });
        if let Some(above) = parent.and_then(|parent| self.nodes.get_mut(parent)) {
            above.inner |= !widget;
        }
        if let Some(id) = id {
            self.by_number.insert(id.number, place);
        }
        place
    }

    pub(super) fn by_number(&self, number: u32) -> Option<&Node> {
        self.nodes.get(*self.by_number.get(&number)?)
    }

    /// The field of a node: the node itself, or what its widget shows.
    pub(super) fn field<'n>(&'n self, node: &'n Node) -> &'n Node {
        match node.parent.and_then(|parent| self.nodes.get(parent)) {
            Some(above) if node.widget => above,
            _ => node,
        }
    }
}

/// A text string (section 7.9.2.2): UTF-16 or UTF-8 with mark, else read as Latin 1.
pub(super) fn decode_text(bytes: &[u8]) -> String {
    let text: String = match bytes {
        [0xfe, 0xff, rest @ ..] => {
            let units: Vec<u16> = rest
                .chunks_exact(2)
                .filter_map(|pair| pair.try_into().ok().map(u16::from_be_bytes))
                .collect();
            String::from_utf16_lossy(&units)
        }
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        plain => plain.iter().map(|byte| char::from(*byte)).collect(),
    };
    text.chars()
        .filter(|character| !character.is_control())
        .take(limits::NAME_CHARACTERS_MAX)
        .collect()
}
