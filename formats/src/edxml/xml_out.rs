//! Writing elements in place: prefixes, escaping, and the extensions that belong to each place.
//!
//! Fails when a text holds a character XML cannot carry, when an extension is not well-formed or
//! finds no place, or when the output fails. Must not know: which fields a packet has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::attachment::NullSink;
use super::limits::Limits;
use super::model::Extension;
use super::tree;
use super::write::WriteError;

pub(super) struct XmlOut<'x, W> {
    out: W,
    extensions: BTreeMap<&'x str, Vec<&'x str>>,
    written: BTreeSet<String>,
    open: Vec<Open>,
    prefixed: bool,
}

struct Open {
    name: String,
    place: String,
    has_elements: bool,
}

impl<'x, W: Write> XmlOut<'x, W> {
    pub(super) fn new(out: W, extensions: &'x [Extension]) -> Result<Self, WriteError> {
        let mut by_place: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for extension in extensions {
            check_extension(extension)?;
            by_place
                .entry(&extension.place)
                .or_default()
                .push(&extension.xml);
        }
        Ok(Self {
            out,
            extensions: by_place,
            written: BTreeSet::new(),
            open: Vec::new(),
            prefixed: false,
        })
    }

    /// The XML declaration.
    pub(super) fn declaration(&mut self) -> Result<(), WriteError> {
        self.raw(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
    }

    /// Whether the following elements carry `edXML:`.
    pub(super) const fn prefixed(&mut self, prefixed: bool) {
        self.prefixed = prefixed;
    }

    /// Whether an extension stands at or below this place of the open element.
    pub(super) fn has_extensions(&self, name: &str) -> bool {
        let place = self.place_of(name);
        self.extensions
            .range(place.as_str()..)
            .take_while(|(at, _)| at.starts_with(&place))
            .any(|(at, _)| {
                let rest = at.get(place.len()..).unwrap_or_default();
                rest.is_empty() || rest.starts_with(['/', '['])
            })
    }

    pub(super) fn open(&mut self, name: &str) -> Result<(), WriteError> {
        self.open_with(name, &[])
    }

    /// Opens the `position`-th (from 1) of several elements of one name.
    pub(super) fn open_nth(&mut self, name: &str, position: usize) -> Result<(), WriteError> {
        self.open_nth_with(name, position, &[])
    }

    pub(super) fn open_nth_with(
        &mut self,
        name: &str,
        position: usize,
        attributes: &[(&str, &str)],
    ) -> Result<(), WriteError> {
        let place = format!("{}[{position}]", self.place_of(name));
        self.start(name, place, attributes)
    }

    pub(super) fn open_with(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
    ) -> Result<(), WriteError> {
        let place = self.place_of(name);
        self.start(name, place, attributes)
    }

    fn start(
        &mut self,
        name: &str,
        place: String,
        attributes: &[(&str, &str)],
    ) -> Result<(), WriteError> {
        self.line(self.open.len())?;
        if let Some(parent) = self.open.last_mut() {
            parent.has_elements = true;
        }
        let name = if self.prefixed {
            format!("edXML:{name}")
        } else {
            name.to_owned()
        };
        let mut tag = format!("<{name}");
        for (attribute, value) in attributes {
            check_text(&place, value)?;
            tag.push_str(&format!(" {attribute}=\"{}\"", escaped(value)));
        }
        let at_sign = format!("{place}/@");
        let own: Vec<(&str, &[&str])> = self
            .extensions
            .range(at_sign.as_str()..)
            .take_while(|(at, _)| at.starts_with(&at_sign))
            .map(|(at, values)| (*at, values.as_slice()))
            .collect();
        for (at, values) in own {
            let attribute = at.get(at_sign.len()..).unwrap_or_default();
            if let Some(value) = values.first() {
                tag.push_str(&format!(
                    " {attribute}=\"{}\"",
                    value.replace('"', "&quot;")
                ));
            }
            self.written.insert(at.to_owned());
        }
        tag.push('>');
        self.open.push(Open {
            name,
            place,
            has_elements: false,
        });
        self.raw(tag.as_bytes())
    }

    /// Closes the innermost open element, after the extensions that belong into it.
    pub(super) fn close(&mut self) -> Result<(), WriteError> {
        let Some(mut element) = self.open.pop() else {
            return Ok(());
        };
        if let Some(extensions) = self.extensions.get(element.place.as_str()) {
            for xml in extensions.clone() {
                self.line(self.open.len() + 1)?;
                self.raw(xml.as_bytes())?;
                element.has_elements = true;
            }
            self.written.insert(element.place);
        }
        if element.has_elements {
            self.line(self.open.len())?;
        }
        self.raw(format!("</{}>", element.name).as_bytes())
    }

    /// An element with text; nothing when the text is empty and no extension needs the element.
    pub(super) fn leaf(&mut self, name: &str, text: &str) -> Result<(), WriteError> {
        if text.is_empty() && !self.has_extensions(name) {
            return Ok(());
        }
        self.open(name)?;
        self.text(text)?;
        self.close()
    }

    pub(super) fn leaf_nth(
        &mut self,
        name: &str,
        position: usize,
        text: &str,
    ) -> Result<(), WriteError> {
        self.open_nth(name, position)?;
        self.text(text)?;
        self.close()
    }

    pub(super) fn leaf_if(&mut self, name: &str, text: Option<&str>) -> Result<(), WriteError> {
        self.leaf(name, text.unwrap_or_default())
    }

    pub(super) fn number_if(&mut self, name: &str, value: Option<u32>) -> Result<(), WriteError> {
        self.leaf(
            name,
            &value.map_or_else(String::new, |value| value.to_string()),
        )
    }

    /// Escaped text into the open element.
    pub(super) fn text(&mut self, text: &str) -> Result<(), WriteError> {
        if let Some(element) = self.open.last() {
            check_text(&element.place, text)?;
        }
        self.raw(escaped(text).as_bytes())
    }

    /// XML text of a whole element that was read earlier.
    pub(super) fn element(&mut self, place: &str, xml: &str) -> Result<(), WriteError> {
        check_fragment(place, xml)?;
        self.line(self.open.len())?;
        if let Some(parent) = self.open.last_mut() {
            parent.has_elements = true;
        }
        self.raw(xml.as_bytes())
    }

    /// The output, for bytes that are not text of ours.
    pub(super) const fn output(&mut self) -> &mut W {
        &mut self.out
    }

    /// Ends the file. Every extension must have found its place.
    pub(super) fn finish(mut self) -> Result<(), WriteError> {
        self.raw(b"\n")?;
        self.out.flush().map_err(WriteError::Output)?;
        match self
            .extensions
            .keys()
            .find(|place| !self.written.contains(**place))
        {
            Some(place) => Err(WriteError::Unplaced {
                place: (*place).to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn place_of(&self, name: &str) -> String {
        match self.open.last() {
            Some(parent) if !ANCHORS.contains(&name) => format!("{}/{name}", parent.place),
            Some(_) | None => name.to_owned(),
        }
    }

    fn line(&mut self, depth: usize) -> Result<(), WriteError> {
        self.raw(b"\n")?;
        for _ in 0..depth {
            self.raw(b"  ")?;
        }
        Ok(())
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        self.out.write_all(bytes).map_err(WriteError::Output)
    }
}

/// Text with everything escaped that XML reads as markup or changes: also CR, which would become
/// LF.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
    out
}

fn check_text(place: &str, text: &str) -> Result<(), WriteError> {
    match text.chars().find(|c| !tree::is_xml_character(*c)) {
        Some(character) => Err(WriteError::Character {
            place: place.to_owned(),
            code_point: u32::from(character),
        }),
        None => Ok(()),
    }
}

fn check_extension(extension: &Extension) -> Result<(), WriteError> {
    let Some((_, attribute)) = extension.place.rsplit_once("/@") else {
        return check_fragment(&extension.place, &extension.xml);
    };
    // Tried as the attribute of an element: only then can it break nothing.
    let value = extension.xml.replace('"', "&quot;");
    check_fragment(&extension.place, &format!("<x {attribute}=\"{value}\"/>"))
}

/// One well-formed element, or several, in the scope of the prefixes we declare.
fn check_fragment(place: &str, xml: &str) -> Result<(), WriteError> {
    let wrapped = format!("<x xmlns:edXML=\"{}\">{xml}</x>", super::NAMESPACE);
    match tree::build(wrapped.as_bytes(), &mut NullSink, &Limits::default()) {
        Ok(_) => Ok(()),
        Err(error) => Err(WriteError::Extension {
            place: place.to_owned(),
            what: error.to_string(),
        }),
    }
}

/// Elements whose place is their own name.
const ANCHORS: [&str; 8] = [
    "AttachmentEncoded",
    "MessageHeader",
    "TraceHeaderList",
    "edXML",
    "edXMLBody",
    "edXMLEnvelope",
    "edXMLHeader",
    "edXMLManifest",
];
