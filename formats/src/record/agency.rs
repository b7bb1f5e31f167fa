//! One agency of the directory: what it is called, when, and who comes after it.
//!
//! An alias is any other code or name that people write for the agency, old codes of thirteen
//! characters among them, and may hold for a time only. Whether two agencies claim one alias is
//! seen only over the whole directory: whoever resolves gives an alias with two claims to nobody.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{RecordError, distinct, rule};
use crate::id::AgencyCode;
use crate::limits;
use crate::text;
use crate::time::Timestamp;

/// One agency of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agency {
    /// Canonical code.
    pub code: AgencyCode,
    /// Name in Vietnamese.
    pub name: String,
    /// Other codes and names that people write for it, old codes among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<Alias>,
    /// The agency above it; need not be the code one level up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AgencyCode>,
    /// From when on it exists.
    pub valid_from: Timestamp,
    /// When it ceased or will cease to exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_to: Option<Timestamp>,
    /// Who receives what is addressed to it after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<AgencyCode>,
}

/// Whether an agency exists at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgencyState {
    /// It exists.
    Active,
    /// It will exist.
    Future,
    /// It does not exist any more.
    Ended,
}

impl Agency {
    /// Whether it exists at `at`.
    #[must_use]
    pub fn state_at(&self, at: Timestamp) -> AgencyState {
        if self.valid_to.is_some_and(|end| end <= at) {
            AgencyState::Ended
        } else if self.valid_from > at {
            AgencyState::Future
        } else {
            AgencyState::Active
        }
    }

    pub(super) fn check(&self) -> Result<(), RecordError> {
        rule(text::check(&self.name).is_ok(), "name is plain text")?;
        rule(
            self.aliases.len() <= limits::RECORD_LIST_MAX,
            "at most 64 aliases",
        )?;
        let texts: Vec<&str> = self
            .aliases
            .iter()
            .map(|alias| alias.text.as_str())
            .collect();
        rule(distinct(&texts), "no alias twice")?;
        self.aliases.iter().try_for_each(Alias::check)?;
        let others = [&self.parent, &self.successor];
        rule(
            others
                .iter()
                .all(|other| other.as_ref() != Some(&self.code)),
            "not its own parent",
        )?;
        let ends_later = self.valid_to.is_none_or(|end| end > self.valid_from);
        rule(ends_later, "valid_to lies after valid_from")
    }
}

/// Another code or name of an agency. In JSON a text when it always holds, otherwise an object with
/// its dates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Alias {
    /// The code or name.
    pub text: String,
    /// From when on it means this agency; always, if `None`.
    pub from: Option<Timestamp>,
    /// When it stops to mean this agency; never, if `None`.
    pub to: Option<Timestamp>,
}

impl Alias {
    /// An alias that always holds.
    pub fn always(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            from: None,
            to: None,
        }
    }

    /// Whether it means its agency at `at`.
    #[must_use]
    pub fn holds_at(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.to.is_none_or(|to| at < to)
    }

    /// Whether there is a time at which both hold.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let begins_before_end = |one: &Self, two: &Self| match (one.from, two.to) {
            (Some(from), Some(to)) => from < to,
            _ => true,
        };
        begins_before_end(self, other) && begins_before_end(other, self)
    }

    fn check(&self) -> Result<(), RecordError> {
        rule(text::check(&self.text).is_ok(), "aliases are plain text")?;
        let period = self.from.zip(self.to);
        rule(
            period.is_none_or(|(from, to)| from < to),
            "an alias ends after it begins",
        )
    }
}

/// The form of an alias with dates.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dated {
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Timestamp>,
}

impl Serialize for Alias {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.from.is_none() && self.to.is_none() {
            return serializer.serialize_str(&self.text);
        }
        let dated = Dated {
            text: self.text.clone(),
            from: self.from,
            to: self.to,
        };
        dated.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Alias {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrObject;
        impl<'de> Visitor<'de> for TextOrObject {
            type Value = Alias;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an alias: a text, or an object with text, from and to")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Alias, E> {
                Ok(Alias::always(text))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Alias, E> {
                Ok(Alias::always(text))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Alias, A::Error> {
                let Dated { text, from, to } = Dated::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Alias { text, from, to })
            }
        }
        deserializer.deserialize_any(TextOrObject)
    }
}
