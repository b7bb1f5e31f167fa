//! `[time_stamp]`: one authority as it always was, or several in their order, and the policies whose tokens count.

use serde::Deserialize;

use super::{ConfigError, optional};

/// Takes the section out of the table: addresses and policies; nothing without it.
pub(super) fn take(table: &mut toml::Table) -> Result<(Vec<String>, Vec<String>), ConfigError> {
    let section: Option<TimeStampSection> = optional(table, "time_stamp", EXAMPLE)?;
    let lists = section.map(TimeStampSection::lists).transpose();
    let lists = lists.map_err(|why| ConfigError::Value {
        key: "time_stamp",
        why,
        example: EXAMPLE,
    })?;
    Ok(lists.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeStampSection {
    /// One address, or several in their order.
    url: OneOrMore,
    #[serde(default)]
    policy: OneOrMore,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        Self::More(Vec::new())
    }
}

impl OneOrMore {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(all) => all,
        }
    }
}

impl TimeStampSection {
    fn lists(self) -> Result<(Vec<String>, Vec<String>), String> {
        let (urls, policies) = (self.url.list(), self.policy.list());
        if urls.is_empty() || urls.len() > AUTHORITIES_MAX {
            return Err(format!("one to {AUTHORITIES_MAX} addresses"));
        }
        let mut known = std::collections::BTreeSet::new();
        for url in &urls {
            let scheme = ["http://", "https://"]
                .iter()
                .any(|one| url.starts_with(one));
            if !scheme || url.chars().any(char::is_whitespace) {
                return Err(format!("{url:?} is no http address"));
            }
            if !known.insert(url) {
                return Err(format!("{url} stands there twice"));
            }
        }
        let number = |one: &String| {
            let parts = one.split('.');
            one.contains('.') && parts.into_iter().all(|part| part.parse::<u64>().is_ok())
        };
        match policies.iter().find(|one| !number(one)) {
            Some(odd) => Err(format!("policy {odd:?} is no object identifier")),
            None => Ok((urls, policies)),
        }
    }
}

const EXAMPLE: &str =
    "[time_stamp]\nurl = [\"http://127.0.0.1:3180/\", \"http://127.0.0.1:3181/\"]";
/// Authorities that a station may ask.
const AUTHORITIES_MAX: usize = 8;
