//! Any file of public-key infrastructure in words, in Vietnamese or English, or as JSON.
//!
//! Owns: telling what bytes are (certificates, lists, requests, keys, CMS, time-stamps, OCSP,
//! PKCS#12, our records and checkpoints) and what they say. It reads and never judges; whether to
//! believe something is [`verify`]'s. Private keys are named by their kind and never shown.
//! Hostile input costs bounded time and memory: nothing nests deeper than a few levels, lists are
//! cut, texts are cleaned. Fails: never; what is not understood is said so.
//! Must not know: files, trust, clocks.

mod certificate;
mod cms;
mod form;
mod key;
mod names;
mod ocsp;
mod ours;
mod stamp;
mod store;
pub mod verify;

use std::fmt::Write as _;

use formats::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::cert::hex;
use crate::pdf::Language;

pub use form::{Form, forms};

/// One thing that was found, with what it says and what is inside.
#[derive(Clone, Debug)]
pub struct Found {
    kind: &'static str,
    title: (&'static str, &'static str),
    facts: Vec<Fact>,
    parts: Vec<Self>,
}

#[derive(Clone, Debug)]
struct Fact {
    key: &'static str,
    label: (&'static str, &'static str),
    value: Said,
}

#[derive(Clone, Debug)]
enum Said {
    Both(String, String),
    Many(Vec<String>),
    Text(String),
    Time(Timestamp),
}

impl Found {
    fn new(kind: &'static str, english: &'static str, vietnamese: &'static str) -> Self {
        Self {
            kind,
            title: (english, vietnamese),
            facts: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn say(mut self, key: &'static str, label: (&'static str, &'static str), value: Said) -> Self {
        self.facts.push(Fact { key, label, value });
        self
    }

    /// Adds a text.
    fn text(
        self,
        key: &'static str,
        english: &'static str,
        vietnamese: &'static str,
        value: impl AsRef<str>,
    ) -> Self {
        let value = Said::Text(clean(value.as_ref()));
        self.say(key, (english, vietnamese), value)
    }

    /// Adds bytes as hexadecimal.
    fn bytes(
        self,
        key: &'static str,
        english: &'static str,
        vietnamese: &'static str,
        value: &[u8],
    ) -> Self {
        let cut = value
            .get(..value.len().min(BYTES_SHOWN))
            .unwrap_or_default();
        let mut text = hex(cut);
        if cut.len() < value.len() {
            let _written = write!(text, "… ({} bytes)", value.len());
        }
        self.text(key, english, vietnamese, text)
    }

    /// Adds a sentence that exists in both languages.
    fn sentence(
        self,
        key: &'static str,
        label: (&'static str, &'static str),
        english: impl AsRef<str>,
        vietnamese: impl AsRef<str>,
    ) -> Self {
        let value = Said::Both(clean(english.as_ref()), clean(vietnamese.as_ref()));
        self.say(key, label, value)
    }

    /// Adds a moment.
    fn time(
        self,
        key: &'static str,
        english: &'static str,
        vietnamese: &'static str,
        at: Timestamp,
    ) -> Self {
        self.say(key, (english, vietnamese), Said::Time(at))
    }

    /// Adds a list, cut to what people read.
    fn many(
        self,
        key: &'static str,
        english: &'static str,
        vietnamese: &'static str,
        values: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut all: Vec<String> = Vec::new();
        let mut more = 0_usize;
        for value in values {
            if all.len() < LIST_SHOWN {
                all.push(clean(&value));
            } else {
                more += 1;
            }
        }
        if more > 0 {
            all.push(format!("… +{more}"));
        }
        if all.is_empty() {
            return self;
        }
        self.say(key, (english, vietnamese), Said::Many(all))
    }

    /// Adds something that lies inside.
    fn part(mut self, part: Self) -> Self {
        self.parts.push(part);
        self
    }

    /// What it is, as a stable word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The value of a fact as a program reads it.
    #[must_use]
    pub fn fact(&self, key: &str) -> Option<Value> {
        let fact = self.facts.iter().find(|fact| fact.key == key)?;
        Some(fact.value.json())
    }

    /// What lies inside.
    #[must_use]
    pub fn parts(&self) -> &[Self] {
        &self.parts
    }

    /// In words, one line a fact.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        let mut text = String::new();
        self.write(&mut text, language, 0);
        text
    }

    fn write(&self, text: &mut String, language: Language, depth: usize) {
        let pick = |both: (&'static str, &'static str)| match language {
            Language::English => both.0,
            Language::Vietnamese => both.1,
        };
        let indent = "  ".repeat(depth);
        // Writing into a String cannot fail.
        let _written = writeln!(text, "{indent}{}", pick(self.title));
        for fact in &self.facts {
            let label = pick(fact.label);
            match &fact.value {
                Said::Both(english, vietnamese) => {
                    let said = match language {
                        Language::English => english,
                        Language::Vietnamese => vietnamese,
                    };
                    let _written = writeln!(text, "{indent}  {label}: {said}");
                }
                Said::Text(said) => {
                    let _written = writeln!(text, "{indent}  {label}: {said}");
                }
                Said::Time(at) => {
                    let (local, exact) = (at.vietnam(), at.rfc3339());
                    let _written = writeln!(text, "{indent}  {label}: {local} ({exact})");
                }
                Said::Many(all) => {
                    let _written = writeln!(text, "{indent}  {label}:");
                    for one in all {
                        let _written = writeln!(text, "{indent}    - {one}");
                    }
                }
            }
        }
        for part in &self.parts {
            part.write(text, language, depth + 1);
        }
    }

    /// The same for programs; sentences in English.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut map = Map::new();
        map.insert("kind".to_owned(), json!(self.kind));
        for fact in &self.facts {
            map.insert(fact.key.to_owned(), fact.value.json());
        }
        if !self.parts.is_empty() {
            let parts: Vec<Value> = self.parts.iter().map(Self::json).collect();
            map.insert("parts".to_owned(), Value::Array(parts));
        }
        Value::Object(map)
    }
}

impl Said {
    fn json(&self) -> Value {
        match self {
            Self::Both(english, _) => json!(english),
            Self::Many(all) => json!(all),
            Self::Text(text) => json!(text),
            Self::Time(at) => json!(at.rfc3339()),
        }
    }
}

/// What a file holds, in order. The passphrase opens PKCS#12 bags and nothing else.
#[must_use]
pub fn inspect(bytes: &[u8], passphrase: Option<&str>) -> Vec<Found> {
    if let Some(found) = ours::text(bytes) {
        return vec![found];
    }
    let forms = forms(bytes);
    forms.iter().map(|form| one(form, passphrase)).collect()
}

fn one(form: &Form, passphrase: Option<&str>) -> Found {
    let der = form.der();
    let by_label = match form.label() {
        "" => None,
        "CERTIFICATE" | "X509 CERTIFICATE" => certificate::certificate(der),
        "TRUSTED CERTIFICATE" => certificate::certificate(der),
        "X509 CRL" => certificate::list(der),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => certificate::request(der),
        "CMS" | "PKCS7" => cms::content_info(der, DEPTH_MAX),
        label => key::labelled(label, form),
    };
    by_label
        .or_else(|| guess(der, passphrase))
        .unwrap_or_else(|| unknown(form))
}

/// DER without a label, or with a wrong one. The order matters little: the shapes differ.
fn guess(der: &[u8], passphrase: Option<&str>) -> Option<Found> {
    certificate::certificate(der)
        .or_else(|| certificate::list(der))
        .or_else(|| ours::signed(der))
        .or_else(|| cms::content_info(der, DEPTH_MAX))
        .or_else(|| store::pkcs12(der, passphrase))
        .or_else(|| stamp::response(der))
        .or_else(|| stamp::request(der))
        .or_else(|| ocsp::response(der))
        .or_else(|| ocsp::request(der))
        .or_else(|| certificate::request(der))
        .or_else(|| key::bare(der))
}

fn unknown(form: &Form) -> Found {
    let found = Found::new("unknown", "Not understood", "Không nhận dạng được");
    let found = if form.label().is_empty() {
        found
    } else {
        found.text("label", "label", "nhãn", form.label())
    };
    found
        .text("bytes", "bytes", "số byte", form.der().len().to_string())
        .sentence(
            "next",
            ("next", "việc cần làm"),
            "openssl asn1parse shows its structure",
            "dùng openssl asn1parse để xem cấu trúc",
        )
}

/// Text of others, fit for a terminal: one line, no control characters, no endless length.
fn clean(text: &str) -> String {
    let plain = text
        .chars()
        .filter(|one| !one.is_control() && !is_direction(*one));
    let mut cut: String = plain.take(TEXT_CHARACTERS_MAX).collect();
    if text.len() > cut.len() && text.chars().count() > TEXT_CHARACTERS_MAX {
        cut.push('…');
    }
    cut
}

/// Marks that turn the direction of writing could make a name read as another.
fn is_direction(one: char) -> bool {
    matches!(one, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

const BYTES_SHOWN: usize = 64;
/// CMS in CMS: a token in a signature in a response.
const DEPTH_MAX: usize = 4;
const LIST_SHOWN: usize = 50;
const TEXT_CHARACTERS_MAX: usize = 400;

#[cfg(test)]
mod tests;
