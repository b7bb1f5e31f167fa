//! Certificate policies along a path (RFC 5280 section 6.1, as a graph after RFC 9618).
//!
//! Owns: the valid policy graph. The tree of RFC 5280 can grow exponentially; the graph has at most
//! one node per policy and level and gives the same answer. Fails with `()`: the path validator
//! names the certificate. Must not know: anything else about the path.

use std::collections::{BTreeMap, BTreeSet};

use der::asn1::ObjectIdentifier;

use crate::cert::{Certificate, Extensions};

/// Initial settings (section 6.1.1 (c) to (g)).
#[derive(Clone, Debug)]
pub(crate) struct PolicyInput {
    /// user-initial-policy-set; `None` means any-policy.
    pub(crate) acceptable: Option<BTreeSet<ObjectIdentifier>>,
    /// initial-explicit-policy.
    pub(crate) explicit: Flag,
    /// initial-any-policy-inhibit.
    pub(crate) inhibit_any: Flag,
    /// initial-policy-mapping-inhibit.
    pub(crate) inhibit_mapping: Flag,
}

/// Whether a restriction is in force from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flag {
    /// Only once a certificate asks for it.
    #[default]
    Later,
    /// From the start.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "our profile never asks; the suites do")
    )]
    Now,
}

impl Default for PolicyInput {
    /// Any policy, nothing required: our profile decides by role, not by policy.
    fn default() -> Self {
        Self {
            acceptable: None,
            explicit: Flag::Later,
            inhibit_any: Flag::Later,
            inhibit_mapping: Flag::Later,
        }
    }
}

/// One policy at one level: which policies of the level above led to it, and what the next
/// certificate may call it.
#[derive(Clone, Debug, Default)]
struct Node {
    parents: BTreeSet<ObjectIdentifier>,
    expected: BTreeSet<ObjectIdentifier>,
}

type Level = BTreeMap<ObjectIdentifier, Node>;

/// The state while walking from the root down.
#[derive(Debug)]
pub(crate) struct PolicyState<'a> {
    input: &'a PolicyInput,
    /// Level 0 is the root's any-policy; `None` once no policy is valid any more.
    levels: Option<Vec<Level>>,
    explicit: usize,
    inhibit_any: usize,
    mapping: usize,
}

impl<'a> PolicyState<'a> {
    /// `length` is the number of certificates below the root.
    pub(crate) fn new(length: usize, input: &'a PolicyInput) -> Self {
        let start = |flag| match flag {
            Flag::Now => 0,
            Flag::Later => length.saturating_add(1),
        };
        let any = Node {
            parents: BTreeSet::new(),
            expected: BTreeSet::from([ANY_POLICY]),
        };
        Self {
            input,
            levels: Some(vec![Level::from([(ANY_POLICY, any)])]),
            explicit: start(input.explicit),
            inhibit_any: start(input.inhibit_any),
            mapping: start(input.inhibit_mapping),
        }
    }

    /// Policies of the root bind as RFC 5937 says: as if the root were the first certificate,
    /// when it names policies at all; its counters bind in any case.
    pub(crate) fn anchor(&mut self, root: &Certificate) -> Result<(), ()> {
        let extensions = root.extensions();
        if extensions.certificate_policies.is_some() {
            self.grow(extensions, false, true);
            self.map(extensions)?;
        }
        self.lower(extensions);
        Ok(())
    }

    /// Section 6.1.3 (d) to (f), then 6.1.4 (a), (b), (h) to (j) or 6.1.5 (a), (b).
    pub(crate) fn certificate(&mut self, cert: &Certificate, last: bool) -> Result<(), ()> {
        let extensions = cert.extensions();
        let self_issued = cert.is_self_issued();
        self.grow(extensions, last, self_issued);
        if self.explicit == 0 && self.levels.is_none() {
            return Err(());
        }
        if last {
            self.explicit = self.explicit.saturating_sub(1);
            let constraints = extensions
                .policy_constraints
                .as_ref()
                .map(|known| &known.value);
            if constraints.and_then(|value| value.require_explicit_policy) == Some(0) {
                self.explicit = 0;
            }
            return Ok(());
        }
        self.map(extensions)?;
        if !self_issued {
            self.explicit = self.explicit.saturating_sub(1);
            self.mapping = self.mapping.saturating_sub(1);
            self.inhibit_any = self.inhibit_any.saturating_sub(1);
        }
        self.lower(extensions);
        Ok(())
    }

    /// Section 6.1.4 (i), (j).
    fn lower(&mut self, extensions: &Extensions) {
        let lower = |counter: &mut usize, limit: Option<u32>| {
            let limit = limit.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(usize::MAX));
            *counter = (*counter).min(limit);
        };
        if let Some(constraints) = &extensions.policy_constraints {
            lower(
                &mut self.explicit,
                constraints.value.require_explicit_policy,
            );
            lower(&mut self.mapping, constraints.value.inhibit_policy_mapping);
        }
        lower(
            &mut self.inhibit_any,
            extensions.inhibit_any_policy.as_ref().map(|k| k.value),
        );
    }

    /// Section 6.1.3 (d), (e): the next level from this certificate's policies.
    fn grow(&mut self, extensions: &Extensions, last: bool, self_issued: bool) {
        let Some(levels) = &mut self.levels else {
            return;
        };
        let Some(policies) = &extensions.certificate_policies else {
            self.levels = None;
            return;
        };
        let Some(above) = levels.last() else { return };
        let mut level = Level::new();
        let mut any = false;
        for policy in policies
            .value
            .0
            .iter()
            .map(|information| information.policy_identifier)
        {
            if policy == ANY_POLICY {
                any = true;
                continue;
            }
            let mut parents = expecting(above, policy);
            if parents.is_empty() && above.contains_key(&ANY_POLICY) {
                parents.insert(ANY_POLICY);
            }
            if !parents.is_empty() {
                level.insert(
                    policy,
                    Node {
                        parents,
                        expected: BTreeSet::from([policy]),
                    },
                );
            }
        }
        if any && (self.inhibit_any > 0 || (!last && self_issued)) {
            let wanted: BTreeSet<ObjectIdentifier> = above
                .values()
                .flat_map(|node| node.expected.iter().copied())
                .collect();
            for policy in wanted {
                let parents = expecting(above, policy);
                level.entry(policy).or_insert_with(|| Node {
                    parents,
                    expected: BTreeSet::from([policy]),
                });
            }
        }
        if level.is_empty() {
            self.levels = None;
        } else {
            levels.push(level);
        }
    }

    /// Section 6.1.4 (a), (b).
    fn map(&mut self, extensions: &Extensions) -> Result<(), ()> {
        let Some(mappings) = &extensions.policy_mappings else {
            return Ok(());
        };
        let mut by_issuer: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>> = BTreeMap::new();
        for mapping in &mappings.value.0 {
            let (from, to) = (mapping.issuer_domain_policy, mapping.subject_domain_policy);
            if from == ANY_POLICY || to == ANY_POLICY {
                return Err(());
            }
            by_issuer.entry(from).or_default().insert(to);
        }
        let Some(level) = self.levels.as_mut().and_then(|levels| levels.last_mut()) else {
            return Ok(());
        };
        for (from, to) in by_issuer {
            if self.mapping == 0 {
                level.remove(&from);
            } else if let Some(node) = level.get_mut(&from) {
                node.expected = to;
            } else if level.contains_key(&ANY_POLICY) {
                let parents = BTreeSet::from([ANY_POLICY]);
                level.insert(
                    from,
                    Node {
                        parents,
                        expected: to,
                    },
                );
            }
        }
        if level.is_empty() {
            self.levels = None;
        }
        Ok(())
    }

    /// Section 6.1.5 (g): is anything left that the user accepts, where that is required?
    pub(crate) fn finish(&self) -> Result<(), ()> {
        if self.explicit > 0 || self.has_acceptable() {
            Ok(())
        } else {
            Err(())
        }
    }

    fn has_acceptable(&self) -> bool {
        let Some(levels) = &self.levels else {
            return false;
        };
        let Some(bottom) = levels.last() else {
            return false;
        };
        let Some(acceptable) = &self.input.acceptable else {
            return !bottom.is_empty();
        };
        if bottom.contains_key(&ANY_POLICY) && !acceptable.is_empty() {
            return true;
        }
        // Walk up from the end certificate; a policy whose parent is any-policy is one of the
        // root's own domain, the only ones that the user's set speaks about.
        let mut reached: BTreeSet<ObjectIdentifier> = bottom.keys().copied().collect();
        for level in levels.iter().rev() {
            let mut above = BTreeSet::new();
            for policy in &reached {
                let Some(node) = level.get(policy) else {
                    continue;
                };
                if node.parents.contains(&ANY_POLICY)
                    && *policy != ANY_POLICY
                    && acceptable.contains(policy)
                {
                    return true;
                }
                above.extend(node.parents.iter().copied());
            }
            reached = above;
        }
        false
    }
}

fn expecting(level: &Level, policy: ObjectIdentifier) -> BTreeSet<ObjectIdentifier> {
    level
        .iter()
        .filter(|(_, node)| node.expected.contains(&policy))
        .map(|(name, _)| *name)
        .collect()
}

const ANY_POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.32.0");
