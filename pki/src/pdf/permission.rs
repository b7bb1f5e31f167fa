//! What signers allowed to be added: DocMDP and FieldMDP (ISO 32000-2 sections 12.8.2.2, 12.8.2.4).
//!
//! Owns: reading them from the signed state, and the verdict over a kind of change. Fails with
//! [`Fault`]. Must not know how changes are found.

use super::document::Document;
use super::form::{Form, decode_text};
use super::limits;
use super::object::{Dictionary, Object};
use super::report::Changes;
use super::source::{Fault, Source};

/// What may come after a signature.
#[derive(Debug)]
pub(super) struct Permission {
    most: Changes,
    locks: Vec<Lock>,
}

#[derive(Debug)]
enum Lock {
    All,
    Except(Vec<String>),
    Only(Vec<String>),
}

impl Permission {
    /// Reads what this signature, and the certification of the document if there is one, allow.
    pub(super) fn read(
        document: &mut Document,
        source: &mut Source<'_>,
        signature: &Dictionary,
    ) -> Result<Self, Fault> {
        // Without a certification: fill in and sign (section 12.8.2.1).
        let mut permission = Self {
            most: Changes::FormFilling,
            locks: Vec::new(),
        };
        let catalog = document.catalog(source)?;
        let certification = match document.dictionary(source, &catalog, "Perms")? {
            Some(permissions) => document.dictionary(source, &permissions, "DocMDP")?,
            None => None,
        };
        let mut level = None;
        for signed in [Some(signature.clone()), certification]
            .into_iter()
            .flatten()
        {
            let found = permission.references(document, source, &signed)?;
            level = match (level, found) {
                (Some(one), Some(other)) => Some(std::cmp::min::<i64>(one, other)),
                (one, other) => one.or(other),
            };
        }
        permission.locks_of_earlier(document, source)?;
        if let Some(level) = level {
            permission.most = match level {
                // Data for later verification never counts as a change of the document.
                1 => Changes::LongTerm,
                3 => Changes::Annotations,
                _ => Changes::FormFilling,
            };
        }
        Ok(permission)
    }

    /// Every signature of the signed state may have locked fields.
    fn locks_of_earlier(
        &mut self,
        document: &mut Document,
        source: &mut Source<'_>,
    ) -> Result<(), Fault> {
        let form = Form::read(document, source)?;
        let signatures = form.nodes.iter().filter(|node| node.kind == b"Sig");
        for node in signatures.take(limits::SIGNATURES_MAX) {
            if let Some(signed) = document.dictionary(source, &node.dictionary, "V")? {
                self.references(document, source, &signed)?;
            }
        }
        Ok(())
    }

    /// Takes the transforms of a signature; the DocMDP level if it has one.
    fn references(
        &mut self,
        document: &mut Document,
        source: &mut Source<'_>,
        signature: &Dictionary,
    ) -> Result<Option<i64>, Fault> {
        let mut level = None;
        let all = document.array(source, signature, "Reference")?;
        for reference in all.iter().take(limits::SIGNATURES_MAX) {
            let Object::Dictionary(reference) = document.resolve(source, reference)? else {
                continue;
            };
            let parameters = document
                .dictionary(source, &reference, "TransformParams")?
                .unwrap_or_default();
            match document.value(source, &reference, "TransformMethod")? {
                Some(Object::Name(name)) if name == b"DocMDP" => {
                    level = match document.value(source, &parameters, "P")? {
                        Some(Object::Integer(level)) => Some(level),
                        _ => Some(2),
                    };
                }
                Some(Object::Name(name)) if name == b"FieldMDP" => {
                    let lock = Lock::read(document, source, &parameters)?;
                    self.locks.push(lock);
                }
                _ => {}
            }
        }
        Ok(level)
    }

    /// Whether a field is locked.
    pub(super) fn locks(&self, field: &str) -> bool {
        // A name stands for everything below it.
        let named = |names: &[String]| {
            names.iter().any(|name| {
                let rest = field.strip_prefix(name.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        self.locks.iter().any(|lock| match lock {
            Lock::All => true,
            Lock::Except(names) => !named(names),
            Lock::Only(names) => named(names),
        })
    }

    /// The kind of change if it is allowed.
    pub(super) fn judge(&self, found: Changes) -> Changes {
        if found > self.most && found != Changes::Unclear {
            Changes::Changed
        } else {
            found
        }
    }
}

impl Lock {
    fn read(
        document: &mut Document,
        source: &mut Source<'_>,
        parameters: &Dictionary,
    ) -> Result<Self, Fault> {
        let mut names = Vec::new();
        for field in document.array(source, parameters, "Fields")? {
            if let Object::Text(text) = document.resolve(source, &field)? {
                names.push(decode_text(&text.bytes));
            }
        }
        Ok(match document.value(source, parameters, "Action")? {
            Some(Object::Name(action)) if action == b"Include" => Self::Only(names),
            Some(Object::Name(action)) if action == b"Exclude" => Self::Except(names),
            // Not said or not known: the strictest.
            _ => Self::All,
        })
    }
}
