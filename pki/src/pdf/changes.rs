//! What was added to a document after it was signed, and whether that is allowed.
//!
//! Owns: the rules. The signed state and the present one are compared as a viewer sees them, from
//! the catalog down; only named places may differ: new signatures and their fields, verification
//! data, file properties, and what the signers permitted (ISO 32000-2 sections 12.8.2.2 and
//! 12.8.2.4: DocMDP and FieldMDP). An object that is replaced for a signature's look but also used
//! elsewhere differs elsewhere too, and is found there. Fails with [`Fault`]. Must not know CMS.

use std::collections::HashSet;

use super::compare::Pair;
use super::document::Document;
use super::form::{Form, Node};
use super::object::{Dictionary, Id, Object};
use super::permission::Permission;
use super::report::Changes;
use super::source::{Fault, Source};

/// Compares the signed state with the present one.
pub(super) fn find(
    source: &mut Source<'_>,
    old: &mut Document,
    new: &mut Document,
    permission: &Permission,
    left: &mut u32,
) -> Result<Changes, Fault> {
    let forms = (Form::read(old, source)?, Form::read(new, source)?);
    let catalogs = (old.catalog(source)?, new.catalog(source)?);
    let trailers = (old.trailer().clone(), new.trailer().clone());
    let mut comparison = Comparison {
        pair: Pair::new(source, old, new, left),
        forms: &forms,
        permission,
        found: Changes::None,
    };
    comparison.set_apart(&catalogs.0, trailers.0.get("Root"))?;
    // An `Err(Forbidden)` inside would only be an early way out; a plain flag serves.
    let allowed = comparison.trailers(&trailers)?
        && comparison.catalogs(&catalogs)?
        && comparison.pages(&catalogs)?
        && comparison.form(&catalogs)?;
    let found = if allowed {
        comparison.found
    } else {
        Changes::Changed
    };
    Ok(permission.judge(found))
}

struct Comparison<'c, 'p, 'f> {
    pair: Pair<'p, 'f>,
    forms: &'c (Form, Form),
    permission: &'c Permission,
    found: Changes,
}

impl Comparison<'_, '_, '_> {
    fn note(&mut self, change: Changes) {
        self.found = self.found.max(change);
    }

    /// Pages, fields and the catalog have their own rules and are not walked through from
    /// elsewhere (a bookmark leads to a page, a widget to its page).
    fn set_apart(&mut self, catalog: &Dictionary, root: Option<&Object>) -> Result<(), Fault> {
        if let Some(Object::Reference(id)) = root {
            self.pair.apart.insert(id.number);
        }
        for node in &self.forms.0.nodes {
            self.pair.apart.extend(node.id.map(|id| id.number));
        }
        let mut open: Vec<Object> = catalog.get("Pages").cloned().into_iter().collect();
        while let Some(page) = open.pop() {
            if let Object::Reference(id) = page
                && !self.pair.apart.insert(id.number)
            {
                continue;
            }
            self.pair.spend()?;
            let pair = &mut self.pair;
            let found = pair.old.resolve(pair.source, &page)?;
            if let Object::Dictionary(found) = found {
                open.extend(pair.old.array(pair.source, &found, "Kids")?);
            }
        }
        Ok(())
    }

    fn trailers(&mut self, (old, new): &(Dictionary, Dictionary)) -> Result<bool, Fault> {
        if !self.pair.equal(old.get("Encrypt"), new.get("Encrypt"))? {
            return Ok(false);
        }
        // File properties (title, producer) are not shown on a page.
        if !self.pair.equal(old.get("Info"), new.get("Info"))? {
            self.note(Changes::LongTerm);
        }
        Ok(true)
    }

    fn catalogs(&mut self, (old, new): &(Dictionary, Dictionary)) -> Result<bool, Fault> {
        for key in PROPERTIES {
            if !self.pair.equal(old.get(key), new.get(key))? {
                self.note(Changes::LongTerm);
            }
        }
        self.structure(old, new, &STRUCTURE)?;
        let own = ["Pages", "AcroForm"];
        let free: Vec<&str> = PROPERTIES.into_iter().chain(STRUCTURE).chain(own).collect();
        self.pair.equal_but(old, new, &free)
    }

    /// The structure tree is for reading aloud and shows nothing; signing tools add to it. Whether
    /// they only added is not looked at, so the answer is "unclear".
    fn structure(
        &mut self,
        old: &Dictionary,
        new: &Dictionary,
        keys: &[&str],
    ) -> Result<(), Fault> {
        for key in keys {
            if !self.pair.equal(old.get(key), new.get(key))? {
                self.note(Changes::Unclear);
            }
        }
        Ok(())
    }

    fn pages(&mut self, (old, new): &(Dictionary, Dictionary)) -> Result<bool, Fault> {
        let mut seen: HashSet<u32> = HashSet::new();
        let mut open = vec![(old.get("Pages").cloned(), new.get("Pages").cloned())];
        while let Some((old, new)) = open.pop() {
            let (Some(old), Some(new)) = (&old, &new) else {
                if old.is_some() || new.is_some() {
                    return Ok(false);
                }
                continue;
            };
            if let (Object::Reference(a), Object::Reference(b)) = (old, new) {
                // A page that moved to another object is a change of the page tree.
                if a != b {
                    return Ok(false);
                }
                if !seen.insert(a.number) {
                    continue;
                }
            }
            self.pair.spend()?;
            let pair = &mut self.pair;
            let (old, new) = (
                pair.old.resolve(pair.source, old)?,
                pair.new.resolve(pair.source, new)?,
            );
            let (Object::Dictionary(old), Object::Dictionary(new)) = (&old, &new) else {
                if self.pair.equal(Some(&old), Some(&new))? {
                    continue;
                }
                return Ok(false);
            };
            if !self.page(old, new, &mut open)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// One node of the page tree: everything but its children and annotations is strict.
    fn page(
        &mut self,
        old: &Dictionary,
        new: &Dictionary,
        open: &mut Vec<(Option<Object>, Option<Object>)>,
    ) -> Result<bool, Fault> {
        self.structure(old, new, &PAGE_STRUCTURE)?;
        let own = ["Kids", "Parent", "Annots"];
        let free: Vec<&str> = PAGE_STRUCTURE.into_iter().chain(own).collect();
        if old.get("Parent") != new.get("Parent") || !self.pair.equal_but(old, new, &free)? {
            return Ok(false);
        }
        let pair = &mut self.pair;
        let (old_kids, new_kids) = (
            pair.old.array(pair.source, old, "Kids")?,
            pair.new.array(pair.source, new, "Kids")?,
        );
        if old_kids.len() != new_kids.len() {
            return Ok(false);
        }
        open.extend(
            old_kids
                .into_iter()
                .map(Some)
                .zip(new_kids.into_iter().map(Some)),
        );
        let (old, new) = (
            pair.old.array(pair.source, old, "Annots")?,
            pair.new.array(pair.source, new, "Annots")?,
        );
        self.annotations(&old, &new)
    }

    /// Old annotations stay and stay the same; new ones show new signatures, or are comments.
    fn annotations(&mut self, old: &[Object], new: &[Object]) -> Result<bool, Fault> {
        let kept: HashSet<u32> = new.iter().filter_map(number).collect();
        let known: HashSet<u32> = old.iter().filter_map(number).collect();
        let direct = |all: &[Object]| -> Vec<Object> {
            all.iter()
                .filter(|one| number(one).is_none())
                .cloned()
                .collect()
        };
        if !known.iter().all(|number| kept.contains(number)) {
            return Ok(false);
        }
        if !self.pair.equal(
            Some(&Object::Array(direct(old))),
            Some(&Object::Array(direct(new))),
        )? {
            return Ok(false);
        }
        for one in old.iter().filter(|one| number(one).is_some()) {
            // Widgets of fields are looked at with the form.
            if !self.pair.equal(Some(one), Some(one))? {
                return Ok(false);
            }
        }
        for added in kept.difference(&known) {
            match self.forms.1.by_number(*added) {
                Some(node) if self.may_appear(node) => {}
                Some(_) => return Ok(false),
                None => {
                    let forms = &self.forms.0;
                    if forms.by_number(*added).is_some() || !self.is_comment(*added)? {
                        return Ok(false);
                    }
                    self.note(Changes::Annotations);
                }
            }
        }
        Ok(true)
    }

    /// Whether a widget may be put on a page: it shows a signature field that is new or was empty.
    fn may_appear(&self, node: &Node) -> bool {
        let field = self.forms.1.field(node);
        let before = field
            .id
            .and_then(|id| self.forms.0.by_number(id.number))
            .map(|node| self.forms.0.field(node));
        field.kind == SIGNATURE && before.is_none_or(|before| before.dictionary.get("V").is_none())
    }

    /// Comments are annotations that are no form field, no link and nothing that acts by itself.
    fn is_comment(&mut self, number: u32) -> Result<bool, Fault> {
        self.pair.spend()?;
        let id = Id {
            number,
            generation: 0,
        };
        let pair = &mut self.pair;
        let found = pair.new.fetch(pair.source, id)?;
        let kind = found.dictionary().and_then(|found| found.name("Subtype"));
        Ok(kind.is_some_and(|kind| COMMENTS.iter().any(|known| known.as_bytes() == kind)))
    }

    fn form(&mut self, (old, new): &(Dictionary, Dictionary)) -> Result<bool, Fault> {
        let pair = &mut self.pair;
        let (old, new) = (
            pair.old.dictionary(pair.source, old, "AcroForm")?,
            pair.new.dictionary(pair.source, new, "AcroForm")?,
        );
        let had_form = old.is_some();
        let Some(new) = new else {
            return Ok(!had_form);
        };
        let old = old.unwrap_or_default();
        if !self.form_settings(&old, &new, had_form)? {
            return Ok(false);
        }
        for index in 0..self.forms.0.nodes.len() {
            if !self.old_node(index)? {
                return Ok(false);
            }
        }
        for index in 0..self.forms.1.nodes.len() {
            if !self.new_node(index)? {
                return Ok(false);
            }
        }
        // The order of fields without an object number cannot be told apart; they must be equal.
        let pair = &mut self.pair;
        let (before, after) = (
            pair.old.array(pair.source, &old, "Fields")?,
            pair.new.array(pair.source, &new, "Fields")?,
        );
        let direct = |all: Vec<Object>| {
            let kept: Vec<Object> = all
                .into_iter()
                .filter(|one| number(one).is_none())
                .collect();
            Object::Array(kept)
        };
        self.pair.equal(Some(&direct(before)), Some(&direct(after)))
    }

    fn form_settings(
        &mut self,
        old: &Dictionary,
        new: &Dictionary,
        had_form: bool,
    ) -> Result<bool, Fault> {
        let free = ["Fields", "SigFlags", "DR", "DA", "NeedAppearances"];
        if !self.pair.equal_but(old, new, &free)? {
            return Ok(false);
        }
        // Asking viewers to draw fields anew may change what is shown.
        if new.get("NeedAppearances") == Some(&Object::Boolean(true))
            && old.get("NeedAppearances") != Some(&Object::Boolean(true))
            && had_form
        {
            return Ok(false);
        }
        if old.get("DA").is_some() && !self.pair.equal(old.get("DA"), new.get("DA"))? {
            return Ok(false);
        }
        // Fonts for new signatures may be added; none may be replaced.
        let pair = &mut self.pair;
        let (before, after) = (
            pair.old
                .dictionary(pair.source, old, "DR")?
                .unwrap_or_default(),
            pair.new
                .dictionary(pair.source, new, "DR")?
                .unwrap_or_default(),
        );
        for key in before.0.keys() {
            let key = String::from_utf8_lossy(key);
            let pair = &mut self.pair;
            let (one, other) = (
                pair.old.value(pair.source, &before, &key)?,
                pair.new.value(pair.source, &after, &key)?,
            );
            let (Some(Object::Dictionary(one)), Some(Object::Dictionary(other))) = (&one, &other)
            else {
                if self.pair.equal(one.as_ref(), other.as_ref())? {
                    continue;
                }
                return Ok(false);
            };
            for (name, resource) in &one.0 {
                if !self.pair.equal(Some(resource), other.0.get(name))? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// A field or widget of the signed state must still be there, and differ only where it may.
    fn old_node(&mut self, index: usize) -> Result<bool, Fault> {
        let forms = self.forms;
        let Some(old) = forms.0.nodes.get(index) else {
            return Ok(true);
        };
        let Some(id) = old.id else {
            return Ok(true);
        };
        let Some(new) = forms.1.by_number(id.number) else {
            return Ok(false);
        };
        let moved = old.name != new.name || old.kind != new.kind || old.widget != new.widget;
        if moved || old.dictionary.get("Parent") != new.dictionary.get("Parent") {
            return Ok(false);
        }
        let (before, after) = (forms.0.field(old), forms.1.field(new));
        let had_value = before.dictionary.get("V").is_some();
        let free: &[&str] = if old.inner {
            &[]
        } else if old.kind != SIGNATURE {
            FILLED
        } else if !had_value && after.dictionary.get("V").is_some() {
            SIGNED
        } else {
            &[]
        };
        let own = ["Kids", "Parent", "P"];
        let all: Vec<&str> = free.iter().copied().chain(own).collect();
        if !self
            .pair
            .equal_but(&old.dictionary, &new.dictionary, &all)?
            || !same_or_added(&old.dictionary, &new.dictionary, "P")
        {
            return Ok(false);
        }
        let mut touched = false;
        for key in free {
            touched |= !self
                .pair
                .equal(old.dictionary.get(key), new.dictionary.get(key))?;
        }
        if touched {
            if self.permission.locks(&old.name) {
                return Ok(false);
            }
            let change = if old.kind == SIGNATURE {
                self.kind_of_signature(after)?
            } else {
                Changes::FormFilling
            };
            self.note(change);
        }
        Ok(true)
    }

    /// A node that was not there must belong to a signature field, and show nothing unless signed.
    fn new_node(&mut self, index: usize) -> Result<bool, Fault> {
        let forms = self.forms;
        let Some(new) = forms.1.nodes.get(index) else {
            return Ok(true);
        };
        if new
            .id
            .is_none_or(|id| forms.0.by_number(id.number).is_some())
        {
            return Ok(true);
        }
        if new.inner {
            // A group shows nothing by itself.
            return Ok(new.dictionary.get("AP").is_none());
        }
        let field = forms.1.field(new);
        let before = field.id.and_then(|id| forms.0.by_number(id.number));
        let was_empty = before.is_none_or(|before| before.dictionary.get("V").is_none());
        if field.kind != SIGNATURE || !was_empty {
            return Ok(false);
        }
        if field.dictionary.get("V").is_none() {
            self.note(Changes::Signatures);
            return Ok(new.dictionary.get("AP").is_none());
        }
        let kind = self.kind_of_signature(field)?;
        self.note(kind);
        Ok(true)
    }

    /// A document time-stamp without a look is verification data; all else is a signature.
    fn kind_of_signature(&mut self, field: &Node) -> Result<Changes, Fault> {
        self.pair.spend()?;
        let pair = &mut self.pair;
        let value = pair.new.dictionary(pair.source, &field.dictionary, "V")?;
        let stamp = value.is_some_and(|value| value.name("SubFilter") == Some(b"ETSI.RFC3161"));
        if stamp && field.dictionary.get("AP").is_none() {
            Ok(Changes::LongTerm)
        } else {
            Ok(Changes::Signatures)
        }
    }
}

fn number(object: &Object) -> Option<u32> {
    match object {
        Object::Reference(id) => Some(id.number),
        _ => None,
    }
}

fn same_or_added(old: &Dictionary, new: &Dictionary, key: &str) -> bool {
    old.get(key).is_none() || old.get(key) == new.get(key)
}

/// Keys of the catalog that describe the file and show nothing.
const PROPERTIES: [&str; 4] = ["DSS", "Extensions", "Metadata", "Version"];
/// Keys of the catalog and of pages for structure and order of reading.
const STRUCTURE: [&str; 2] = ["MarkInfo", "StructTreeRoot"];
const PAGE_STRUCTURE: [&str; 2] = ["StructParents", "Tabs"];
const SIGNATURE: &[u8] = b"Sig";
/// What filling in a field changes.
const FILLED: &[&str] = &["V", "AP", "AS", "I", "TI", "RV", "DA", "Q", "M"];
/// What signing an empty field changes.
const SIGNED: &[&str] = &["V", "AP", "AS", "F", "Ff", "DA", "Q", "MK", "M"];
/// Subtypes of annotations that people comment with (section 12.5.6).
const COMMENTS: [&str; 14] = [
    "Caret",
    "Circle",
    "FreeText",
    "Highlight",
    "Ink",
    "Line",
    "PolyLine",
    "Polygon",
    "Popup",
    "Square",
    "Squiggly",
    "StrikeOut",
    "Text",
    "Underline",
];
