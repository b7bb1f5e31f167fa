//! XML events to a bounded tree, with attachments streamed past it.
//!
//! Refuses whatever the packet format does not need and an attacker would like: document types,
//! entities, processing instructions, encodings other than UTF-8. Checks what the event parser
//! leaves open: names, characters, attribute syntax, one root, text outside it. Must not know:
//! which fields a packet has, except where attachment bytes stand.

use std::io::{BufRead, Read};

use quick_xml::XmlVersion;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{NamespaceResolver, PrefixDeclaration, ResolveResult};
use quick_xml::reader::Reader;

use super::attachment::AttachmentSink;
use super::attachment_text;
use super::guard::{Guard, Spent};
use super::limits::Limits;
use super::node::{Attribute, Encoded, Item, Namespace, Node};
use super::read::ReadError;

/// Parses the whole input into its root element.
// [spec:edxml-1]
pub(super) fn build(
    mut input: impl BufRead,
    sink: &mut dyn AttachmentSink,
    limits: &Limits,
) -> Result<Node, ReadError> {
    let mut head = Vec::with_capacity(BOM.len());
    input
        .by_ref()
        .take(3)
        .read_to_end(&mut head)
        .map_err(ReadError::Input)?;
    if head == BOM {
        head.clear();
    }
    let mut builder = Builder::new(
        Guard::new(head.as_slice().chain(input), limits),
        sink,
        limits,
    );
    builder.run()
}

pub(super) struct Builder<'a, R> {
    pub(super) reader: Reader<Guard<R>>,
    pub(super) sink: &'a mut dyn AttachmentSink,
    pub(super) limits: &'a Limits,
    pub(super) attachments: usize,
    pub(super) attachments_bytes: u64,
    resolver: NamespaceResolver,
    open: Vec<Node>,
    root: Option<Node>,
    elements: usize,
    started: bool,
}

impl<'a, R: BufRead> Builder<'a, R> {
    fn new(guard: Guard<R>, sink: &'a mut dyn AttachmentSink, limits: &'a Limits) -> Self {
        let mut reader = Reader::from_reader(guard);
        reader.config_mut().check_comments = true;
        Self {
            reader,
            sink,
            limits,
            attachments: 0,
            attachments_bytes: 0,
            resolver: NamespaceResolver::default(),
            open: Vec::new(),
            root: None,
            elements: 0,
            started: false,
        }
    }

    fn run(&mut self) -> Result<Node, ReadError> {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let event = self.next(&mut buffer)?;
            let first = !std::mem::replace(&mut self.started, true);
            match event {
                Event::Start(tag) => self.start(&tag)?,
                Event::Empty(tag) => self.empty(&tag)?,
                Event::End(_) => self.end(),
                Event::Text(text) => self.text(&text)?,
                Event::CData(text) => self.cdata(&text)?,
                Event::GeneralRef(reference) => self.reference(&reference)?,
                Event::Comment(text) => self.comment(&text)?,
                Event::Decl(declaration) if first => self.declaration(&declaration)?,
                Event::Decl(_) => return Err(self.xml("xml declaration not at the start")),
                Event::PI(_) => return Err(self.xml("processing instruction")),
                Event::DocType(_) => return Err(ReadError::Doctype { at: self.at() }),
                Event::Eof => break,
            }
        }
        if !self.open.is_empty() {
            return Err(self.xml("the file ends inside an element"));
        }
        self.root.take().ok_or_else(|| self.xml("no root element"))
    }

    /// Next event; the parser's errors in our words.
    pub(super) fn next<'b>(&mut self, buffer: &'b mut Vec<u8>) -> Result<Event<'b>, ReadError> {
        self.reader.get_mut().next_event();
        match self.reader.read_event_into(buffer) {
            Ok(event) => Ok(event),
            Err(error) => Err(self.parser_error(error)),
        }
    }

    fn parser_error(&mut self, error: quick_xml::Error) -> ReadError {
        if let Some(spent) = self.reader.get_mut().spent() {
            return self.spent(spent);
        }
        match error {
            quick_xml::Error::Io(error) => {
                ReadError::Input(std::sync::Arc::try_unwrap(error).unwrap_or_else(|shared| {
                    std::io::Error::new(shared.kind(), shared.to_string())
                }))
            }
            other => self.xml(&other.to_string()),
        }
    }

    pub(super) fn spent(&self, spent: Spent) -> ReadError {
        match spent {
            Spent::Attachment => self.limit("attachments_bytes", self.limits.attachments_bytes),
            Spent::Event => self.limit_of("text_bytes", self.limits.text_bytes),
            Spent::Metadata => self.limit("metadata_bytes", self.limits.metadata_bytes),
        }
    }

    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), ReadError> {
        let mut node = self.node(tag, false)?;
        if self.is_encoded(&node) {
            node.encoded = Some(attachment_text::stream(self)?);
            self.resolver.pop();
            self.place(node);
        } else {
            self.open.push(node);
        }
        Ok(())
    }

    fn empty(&mut self, tag: &BytesStart<'_>) -> Result<(), ReadError> {
        let mut node = self.node(tag, true)?;
        self.resolver.pop();
        if self.is_encoded(&node) {
            node.encoded = Some(Encoded::Undecodable {
                why: "empty".to_owned(),
            });
        }
        self.place(node);
        Ok(())
    }

    fn end(&mut self) {
        self.resolver.pop();
        // The parser has matched the end tag with a start tag, so there is one.
        if let Some(node) = self.open.pop() {
            self.place(node);
        }
    }

    fn place(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(parent) => parent.items.push(Item::Child(node)),
            None => self.root = Some(node),
        }
    }

    /// `AttachmentEncoded/Attachment/ContentTransferEncoded`, whatever stands around it.
    fn is_encoded(&self, node: &Node) -> bool {
        let named =
            |node: &Node, name: &str| node.is_ours() && node.local().eq_ignore_ascii_case(name);
        let mut around = self.open.iter().rev();
        named(node, "ContentTransferEncoded")
            && around
                .next()
                .is_some_and(|parent| named(parent, "Attachment"))
            && around
                .next()
                .is_some_and(|parent| named(parent, "AttachmentEncoded"))
    }

    fn node(&mut self, tag: &BytesStart<'_>, self_closed: bool) -> Result<Node, ReadError> {
        self.elements += 1;
        if self.elements > self.limits.elements {
            return Err(self.limit_of("elements", self.limits.elements));
        }
        if self.open.len() >= self.limits.depth {
            return Err(self.limit_of("depth", self.limits.depth));
        }
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.xml("a second root element"));
        }
        if tag.len() > self.limits.text_bytes {
            return Err(self.limit_of("text_bytes", self.limits.text_bytes));
        }
        self.check_characters(tag)?;
        let qualified = tag.name();
        let name = qualified.as_ref().to_owned();
        if !is_qualified_name(&name) {
            return Err(self.xml("bad element name"));
        }
        self.resolver
            .push(tag)
            .map_err(|error| self.xml(&error.to_string()))?;
        let namespace = match self.resolver.resolve_element(qualified).0 {
            ResolveResult::Bound(uri) => Namespace::of(uri.as_ref()),
            ResolveResult::Unbound => Namespace::of(""),
            ResolveResult::Unknown(_) => Namespace::Undeclared,
        };
        let (attributes, declared) = self.attributes(tag)?;
        Ok(Node {
            name,
            namespace,
            tag: (**tag).to_owned(),
            attributes,
            declared,
            self_closed,
            items: Vec::new(),
            encoded: None,
        })
    }

    fn attributes(&self, tag: &BytesStart<'_>) -> Result<(Vec<Attribute>, Vec<String>), ReadError> {
        self.check_attribute_spacing(tag.attributes_raw())?;
        let (mut attributes, mut declared) = (Vec::new(), Vec::new());
        for (count, attribute) in tag.attributes().enumerate() {
            if count >= self.limits.attributes {
                return Err(self.limit_of("attributes", self.limits.attributes));
            }
            let attribute = attribute.map_err(|error| self.xml(&error.to_string()))?;
            let name = attribute.key.as_ref();
            if !is_qualified_name(name) || attribute.value.contains('<') {
                return Err(self.xml("bad attribute"));
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|error| self.xml(&error.to_string()))?;
            self.check_characters(&value)?;
            match attribute.key.as_namespace_binding() {
                Some(PrefixDeclaration::Default) => declared.push(String::new()),
                Some(PrefixDeclaration::Named(prefix)) => declared.push(prefix.to_owned()),
                None => attributes.push(Attribute {
                    name: name.to_owned(),
                    raw: attribute.value.to_string(),
                    value: value.into_owned(),
                    namespace: match self.resolver.resolve_attribute(attribute.key).0 {
                        ResolveResult::Bound(uri) => Some(uri.as_ref().to_owned()),
                        ResolveResult::Unbound | ResolveResult::Unknown(_) => None,
                    },
                }),
            }
        }
        Ok((attributes, declared))
    }

    /// Attributes are set apart by white space [XML 1.0 3.1]; the event parser does not mind.
    fn check_attribute_spacing(&self, raw: &str) -> Result<(), ReadError> {
        let mut quote: Option<char> = None;
        let mut closed = false;
        for character in raw.chars() {
            if closed && !character.is_ascii_whitespace() {
                return Err(self.xml("no space between attributes"));
            }
            closed = false;
            match quote {
                Some(open) if character == open => {
                    quote = None;
                    closed = true;
                }
                None if matches!(character, '"' | '\'') => quote = Some(character),
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), ReadError> {
        self.check_characters(text)?;
        if text.contains("]]>") {
            return Err(self.xml("\"]]>\" in text"));
        }
        if self.open.is_empty() {
            if text.bytes().all(|b| b.is_ascii_whitespace()) {
                return Ok(());
            }
            return Err(self.xml("text outside the root element"));
        }
        self.append(text.to_owned())
    }

    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), ReadError> {
        if self.open.is_empty() {
            return Err(self.xml("reference outside the root element"));
        }
        self.resolved(reference)?;
        self.append(format!("&{};", &**reference))
    }

    /// The character a reference stands for; entities of a document type do not exist here.
    pub(super) fn resolved(&self, reference: &BytesRef<'_>) -> Result<char, ReadError> {
        let plain = match reference.resolve_char_ref() {
            Ok(Some(character)) => character,
            Ok(None) => quick_xml::escape::resolve_predefined_entity(reference)
                .and_then(|text| text.chars().next())
                .ok_or_else(|| self.xml("entity reference"))?,
            Err(error) => return Err(self.xml(&error.to_string())),
        };
        if !is_xml_character(plain) {
            return Err(self.xml("reference to a forbidden character"));
        }
        Ok(plain)
    }

    /// Adds escaped text to the open element, joined with the text before it.
    fn append(&mut self, text: String) -> Result<(), ReadError> {
        let limit = self.limits.text_bytes;
        let too_long = self.limit_of("text_bytes", limit);
        let Some(node) = self.open.last_mut() else {
            return Ok(());
        };
        if let Some(Item::Text(before)) = node.items.last_mut() {
            before.push_str(&text);
            return if before.len() > limit {
                Err(too_long)
            } else {
                Ok(())
            };
        }
        if text.len() > limit {
            return Err(too_long);
        }
        node.items.push(Item::Text(text));
        Ok(())
    }

    fn cdata(&mut self, text: &str) -> Result<(), ReadError> {
        self.check_characters(text)?;
        let Some(node) = self.open.last_mut() else {
            return Err(self.xml("text outside the root element"));
        };
        node.items.push(Item::CData(text.to_owned()));
        Ok(())
    }

    fn comment(&mut self, text: &str) -> Result<(), ReadError> {
        self.check_comment(text)?;
        if let Some(node) = self.open.last_mut() {
            node.items.push(Item::Comment(text.to_owned()));
        }
        Ok(())
    }

    pub(super) fn check_comment(&self, text: &str) -> Result<(), ReadError> {
        self.check_characters(text)?;
        if text.ends_with('-') {
            return Err(self.xml("comment ends in \"--->\""));
        }
        Ok(())
    }

    fn declaration(&self, declaration: &BytesDecl<'_>) -> Result<(), ReadError> {
        check_declaration(declaration).map_err(|what| self.xml(what))
    }

    pub(super) fn check_characters(&self, text: &str) -> Result<(), ReadError> {
        if text.chars().all(is_xml_character) {
            Ok(())
        } else {
            Err(self.xml("forbidden character"))
        }
    }

    pub(super) fn at(&self) -> u64 {
        self.reader.buffer_position()
    }

    pub(super) fn xml(&self, what: &str) -> ReadError {
        ReadError::Xml {
            at: self.at(),
            what: what.to_owned(),
        }
    }

    pub(super) fn limit(&self, what: &'static str, max: u64) -> ReadError {
        ReadError::Limit {
            what,
            max,
            at: self.at(),
        }
    }

    fn limit_of(&self, what: &'static str, max: usize) -> ReadError {
        self.limit(what, u64::try_from(max).unwrap_or(u64::MAX))
    }
}

/// `XMLDecl` of [XML 1.0 2.8] between `<?` and `?>`: version 1.0, UTF-8 or nothing, standalone.
fn check_declaration(declaration: &str) -> Result<(), &'static str> {
    const MALFORMED: &str = "malformed xml declaration";
    let rest = declaration.strip_prefix("xml").ok_or(MALFORMED)?;
    let (version, mut rest) = pseudo_attribute(rest, "version").ok_or(MALFORMED)?;
    if version != "1.0" {
        return Err("xml version other than 1.0");
    }
    if let Some((encoding, after)) = pseudo_attribute(rest, "encoding") {
        if !encoding.eq_ignore_ascii_case("utf-8") {
            return Err("encoding other than utf-8");
        }
        rest = after;
    }
    if let Some((standalone, after)) = pseudo_attribute(rest, "standalone") {
        if !matches!(standalone, "yes" | "no") {
            return Err(MALFORMED);
        }
        rest = after;
    }
    if rest.trim_matches(BLANKS).is_empty() {
        Ok(())
    } else {
        Err(MALFORMED)
    }
}

/// Blank, `name`, `=`, quoted value: the value and what follows.
fn pseudo_attribute<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    let text = text.strip_prefix(BLANKS)?.trim_start_matches(BLANKS);
    let text = text.strip_prefix(name)?.trim_start_matches(BLANKS);
    let text = text.strip_prefix('=')?.trim_start_matches(BLANKS);
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    text.strip_prefix(quote)?.split_once(quote)
}

/// `Char` of [XML 1.0 2.2].
pub(super) const fn is_xml_character(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// `QName` of [Namespaces in XML 4]: one or two names joined by a colon.
fn is_qualified_name(name: &str) -> bool {
    let mut parts = name.split(':');
    let ok = parts.next().is_some_and(is_name) && parts.next().is_none_or(is_name);
    ok && parts.next().is_none()
}

fn is_name(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(is_name_start) && characters.all(is_name_character)
}

/// `NameChar` of [XML 1.0 2.3] without the colon.
const fn is_name_character(character: char) -> bool {
    is_name_start(character)
        || matches!(character,
            '-' | '.' | '0'..='9' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

/// `NameStartChar` of [XML 1.0 2.3] without the colon.
const fn is_name_start(character: char) -> bool {
    matches!(character,
        'A'..='Z' | '_' | 'a'..='z' | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}'
        | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}' | '\u{37F}'..='\u{1FFF}'
        | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}' | '\u{2C00}'..='\u{2FEF}'
        | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}' | '\u{FDF0}'..='\u{FFFD}'
        | '\u{10000}'..='\u{EFFFF}')
}

/// `S` of [XML 1.0 2.3].
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];
const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];
