//! The tables of `ceremony.toml`, and the rules of each authority.
//!
//! Owns: the words of the file. Collects problems instead of failing. Must not know: certificates.

use std::path::Path;

use formats::id::{AgencyCode, TrustDomain};
use serde::Deserialize;

use super::{Authority, KeyPlace, Participant, Shares};
use crate::key::{Algorithm, TokenUri};
use crate::role::Role;

/// Reads the authorities of the file, collecting problems.
pub(super) struct Reader<'a> {
    pub(super) base: &'a Path,
    pub(super) domain: TrustDomain,
    pub(super) problems: &'a mut Vec<String>,
}

impl Reader<'_> {
    pub(super) fn root(&mut self, organization: &str, root: &RootTable) -> Authority {
        let algorithm = self.algorithm("root", &root.algorithm);
        if algorithm == Algorithm::EcdsaP256 && known(&root.algorithm).is_some() {
            self.problems.push(
                "root: ecdsa-p256 is not allowed for a root: write ecdsa-p384 or rsa-pss-3072"
                    .to_owned(),
            );
        }
        let most = years(Role::Root);
        if !(1..=most).contains(&root.valid_years) {
            self.problems.push(format!(
                "root: valid_years is {}: 1 to {most}",
                root.valid_years
            ));
        }
        if !(1..=LIST_DAYS_MAX).contains(&root.list_days) {
            self.problems.push(format!(
                "root: list_days is {}: 1 to {LIST_DAYS_MAX}",
                root.list_days
            ));
        }
        let place = self.place("root", &root.key);
        if place == KeyPlace::Elsewhere {
            self.problems
                .push("root: its key is made here: write key = \"file\" or an address".to_owned());
        }
        Authority {
            file: "root".to_owned(),
            organization: organization.to_owned(),
            code: None,
            algorithm,
            algorithm_word: root.algorithm.clone(),
            valid_years: root.valid_years,
            place,
            subtrees: Vec::new(),
        }
    }

    pub(super) fn issuing(
        &mut self,
        national: &str,
        one: &IssuingTable,
        root_years: u32,
    ) -> Authority {
        let file = match &one.code {
            None => "ca".to_owned(),
            Some(code) => format!("ca-{code}"),
        };
        let algorithm = self.algorithm(&file, &one.algorithm);
        if one.valid_years == 0 || one.valid_years > root_years {
            self.problems.push(format!(
                "{file}: valid_years is {}: 1 to the root's {root_years}",
                one.valid_years
            ));
        } else if one.valid_years > years(Role::IssuingCa) {
            self.problems.push(format!(
                "{file}: valid_years is {}: the profile of issuing authorities allows {}",
                one.valid_years,
                years(Role::IssuingCa)
            ));
        }
        let own = one.code.as_ref().map_or_else(
            || self.domain.to_string(),
            |code| code.dns_name(&self.domain),
        );
        let subtrees = if one.subtrees.is_empty() {
            vec![own.clone()]
        } else {
            one.subtrees.clone()
        };
        for subtree in &subtrees {
            self.subtree(&file, subtree, &own);
        }
        if one.code.is_none() && !subtrees.contains(&own) {
            self.problems.push(format!(
                "{file}: a national authority certifies all of {own}: remove its subtrees"
            ));
        }
        Authority {
            organization: one.name.clone().unwrap_or_else(|| match &one.code {
                None => national.to_owned(),
                Some(code) => code.to_string(),
            }),
            code: one.code.clone(),
            algorithm,
            algorithm_word: one.algorithm.clone(),
            valid_years: one.valid_years,
            place: self.place(&file, &one.key),
            subtrees,
            file,
        }
    }

    fn subtree(&mut self, file: &str, subtree: &str, own: &str) {
        let below = |name: &str| {
            subtree == name
                || subtree
                    .strip_suffix(name)
                    .is_some_and(|front| front.ends_with('.') && front.len() > 1)
        };
        let plain = TrustDomain::parse(subtree).is_ok();
        if !plain || !below(self.domain.as_str()) {
            self.problems.push(format!(
                "{file}: subtree {subtree:?} is outside the trust domain {}: write {own}",
                self.domain
            ));
        } else if !below(own) {
            self.problems
                .push(format!("{file}: subtree {subtree:?} is outside {own}"));
        }
    }

    fn algorithm(&mut self, file: &str, word: &str) -> Algorithm {
        known(word).unwrap_or_else(|| {
            let words: Vec<&str> = ALGORITHMS.iter().map(|(word, _)| *word).collect();
            self.problems.push(format!(
                "{file}: algorithm {word:?} is not allowed: write {}",
                words.join(", ")
            ));
            Algorithm::default()
        })
    }

    fn place(&mut self, file: &str, key: &str) -> KeyPlace {
        match key {
            "csr" => KeyPlace::Elsewhere,
            "file" => KeyPlace::File,
            line => match TokenUri::parse(line, self.base) {
                Ok(uri) => KeyPlace::Token(Box::new(uri)),
                Err(error) => {
                    self.problems.push(format!(
                        "{file}: key: {error}; or write \"file\" or \"csr\""
                    ));
                    KeyPlace::File
                }
            },
        }
    }
}

fn known(word: &str) -> Option<Algorithm> {
    ALGORITHMS
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, algorithm)| *algorithm)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) ceremony: CeremonyTable,
    pub(super) root: RootTable,
    pub(super) shares: Option<Shares>,
    #[serde(default, rename = "participant")]
    pub(super) participants: Vec<Participant>,
    #[serde(default)]
    pub(super) issuing: Vec<IssuingTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CeremonyTable {
    pub(super) authority: String,
    pub(super) trust_domain: TrustDomain,
    pub(super) place: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootTable {
    pub(super) algorithm: String,
    pub(super) valid_years: u32,
    pub(super) list_days: u32,
    pub(super) key: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuingTable {
    pub(super) code: Option<AgencyCode>,
    pub(super) name: Option<String>,
    pub(super) algorithm: String,
    pub(super) valid_years: u32,
    pub(super) key: String,
    #[serde(default)]
    pub(super) subtrees: Vec<String>,
}

const ALGORITHMS: [(&str, Algorithm); 3] = [
    ("ecdsa-p256", Algorithm::EcdsaP256),
    ("ecdsa-p384", Algorithm::EcdsaP384),
    ("rsa-pss-3072", Algorithm::RsaPss3072),
];
/// An offline root signs a list at each of its yearly sessions, with a month to spare.
const LIST_DAYS_MAX: u32 = 400;

/// Whole years that the profile of an authority allows.
fn years(role: Role) -> u32 {
    role.validity_days() / 365
}
