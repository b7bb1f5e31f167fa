//! Whether two values of two states of a document are the same for whoever looks at it.
//!
//! Owns: the walk over both object graphs at once, bounded and without recursion over references.
//! References may differ if what they lead to does not. Objects that have their own rules (pages,
//! fields) are compared by number only. Fails with [`Fault`]. Must not know which differences are
//! allowed.

use std::collections::HashSet;

use super::document::Document;
use super::object::{Dictionary, Id, Object};
use super::source::{Fault, Source};
use super::xref::Place;

/// Two states of one file.
pub(super) struct Pair<'p, 'f> {
    pub(super) source: &'p mut Source<'f>,
    pub(super) old: &'p mut Document,
    pub(super) new: &'p mut Document,
    /// Objects that are compared elsewhere.
    pub(super) apart: HashSet<u32>,
    same: HashSet<(u32, u32)>,
    /// Objects that may still be read.
    left: &'p mut u32,
}

impl<'p, 'f> Pair<'p, 'f> {
    pub(super) fn new(
        source: &'p mut Source<'f>,
        old: &'p mut Document,
        new: &'p mut Document,
        left: &'p mut u32,
    ) -> Self {
        Self {
            source,
            old,
            new,
            apart: HashSet::new(),
            same: HashSet::new(),
            left,
        }
    }

    /// Counts one object against the budget.
    pub(super) fn spend(&mut self) -> Result<(), Fault> {
        *self.left = self
            .left
            .checked_sub(1)
            .ok_or(Fault::Limit("objects compared"))?;
        Ok(())
    }

    /// Whether two values are the same to their last leaf.
    pub(super) fn equal(
        &mut self,
        old: Option<&Object>,
        new: Option<&Object>,
    ) -> Result<bool, Fault> {
        let mut open = Vec::new();
        let null = Object::Null;
        if !self.step(old.unwrap_or(&null), new.unwrap_or(&null), &mut open)? {
            return Ok(false);
        }
        while let Some((a, b)) = open.pop() {
            if self.apart.contains(&a.number) {
                if a == b {
                    continue;
                }
                return Ok(false);
            }
            if !self.same.insert((a.number, b.number)) {
                continue;
            }
            if !self.follow(a, b, &mut open)? {
                // What was found on the way may rest on this pair.
                self.same.clear();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether two dictionaries are the same but for some keys.
    pub(super) fn equal_but(
        &mut self,
        old: &Dictionary,
        new: &Dictionary,
        free: &[&str],
    ) -> Result<bool, Fault> {
        let keys: HashSet<&Vec<u8>> = old.0.keys().chain(new.0.keys()).collect();
        for key in keys {
            if free.iter().any(|name| name.as_bytes() == key.as_slice()) {
                continue;
            }
            if !self.equal(old.0.get(key), new.0.get(key))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether an object lies where it lay.
    pub(super) fn untouched(&self, number: u32) -> bool {
        let place = self.old.place(number);
        place == self.new.place(number) && place.0 != Place::Free
    }

    fn follow(&mut self, a: Id, b: Id, open: &mut Vec<(Id, Id)>) -> Result<bool, Fault> {
        self.spend()?;
        let old = self.old.fetch(self.source, a)?;
        if a == b && self.untouched(a.number) {
            // The same bytes, so only what they refer to may differ. A stream's data is the same
            // when its length is, and that is looked at with the dictionary.
            references(&old, open);
            return Ok(true);
        }
        self.spend()?;
        let new = self.new.fetch(self.source, b)?;
        self.step(&old, &new, open)
    }

    /// Compares what stands directly in two values; references are left for later.
    fn step(
        &mut self,
        old: &Object,
        new: &Object,
        open: &mut Vec<(Id, Id)>,
    ) -> Result<bool, Fault> {
        match (old, new) {
            (Object::Reference(a), Object::Reference(b)) => {
                open.push((*a, *b));
                Ok(true)
            }
            (Object::Reference(a), direct) => {
                self.spend()?;
                if self.apart.contains(&a.number) {
                    return Ok(false);
                }
                let found = self.old.resolve(self.source, &Object::Reference(*a))?;
                self.step(&found, direct, open)
            }
            (direct, Object::Reference(b)) => {
                self.spend()?;
                let found = self.new.resolve(self.source, &Object::Reference(*b))?;
                self.step(direct, &found, open)
            }
            (Object::Array(a), Object::Array(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (old, new) in a.iter().zip(b) {
                    if !self.step(old, new, open)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Object::Dictionary(a), Object::Dictionary(b)) => self.entries(a, b, open),
            (Object::Stream(a, old_at), Object::Stream(b, new_at)) => {
                Ok(self.entries(a, b, open)? && self.same_data((a, *old_at), (b, *new_at))?)
            }
            // Where a string stands in the file is no part of it.
            (Object::Text(a), Object::Text(b)) => Ok(a.bytes == b.bytes),
            (a, b) => Ok(a == b),
        }
    }

    fn entries(
        &mut self,
        old: &Dictionary,
        new: &Dictionary,
        open: &mut Vec<(Id, Id)>,
    ) -> Result<bool, Fault> {
        let keys: HashSet<&Vec<u8>> = old.0.keys().chain(new.0.keys()).collect();
        let null = Object::Null;
        for key in keys {
            let (a, b) = (
                old.0.get(key).unwrap_or(&null),
                new.0.get(key).unwrap_or(&null),
            );
            if !self.step(a, b, open)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Compares raw data in pieces, without holding it.
    fn same_data(
        &mut self,
        old: (&Dictionary, u64),
        new: (&Dictionary, u64),
    ) -> Result<bool, Fault> {
        let (old_from, old_to) = self.old.extent(self.source, old.0, old.1)?;
        let (new_from, new_to) = self.new.extent(self.source, new.0, new.1)?;
        if old_to.saturating_sub(old_from) != new_to.saturating_sub(new_from) {
            return Ok(false);
        }
        if old_from == new_from {
            return Ok(true);
        }
        let digest = |source: &mut Source<'_>, from, to| {
            let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
            source.stream(from, to, |piece| context.update(piece))?;
            Ok::<_, Fault>(context.finish())
        };
        let a = digest(self.source, old_from, old_to)?;
        let b = digest(self.source, new_from, new_to)?;
        Ok(a.as_ref() == b.as_ref())
    }
}

/// All references directly in a value, each to itself.
fn references(object: &Object, open: &mut Vec<(Id, Id)>) {
    match object {
        Object::Reference(id) => open.push((*id, *id)),
        Object::Array(all) => all.iter().for_each(|one| references(one, open)),
        Object::Dictionary(dictionary) | Object::Stream(dictionary, _) => {
            dictionary.0.values().for_each(|one| references(one, open));
        }
        Object::Boolean(_)
        | Object::Integer(_)
        | Object::Name(_)
        | Object::Null
        | Object::Real(_)
        | Object::Text(_) => {}
    }
}
