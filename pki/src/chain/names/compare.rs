//! Comparing distinguished names (RFC 5280 section 7.1).
//!
//! Owns: the text of attribute values and its preparation (RFC 4518: mapped, normalised to NFKC,
//! without case, white space as one), so that a name written as PrintableString, UTF8String or
//! BMPString, composed or decomposed, is the same name. Fails: not at all; what is no text compares
//! by its bytes. Must not know: constraints, certificates.

use der::asn1::{Any, BmpString, Ia5StringRef, PrintableStringRef};
use der::{Decode, Encode, Tag, Tagged};
use unicode_normalization::UnicodeNormalization;
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};

/// Whether two distinguished names are the same.
pub(crate) fn same_name(a: &Name, b: &Name) -> bool {
    a == b || (a.len() == b.len() && starts_with(a, b))
}

/// A canonical form for use as a map key: names that are the same have the same key, others not.
pub(crate) fn name_key(name: &Name) -> String {
    sequence_key(name.as_ref())
}

/// The same of a sequence that is not yet a name.
pub(crate) fn sequence_key(sequence: &RdnSequence) -> String {
    let mut key = String::new();
    for rdn in sequence.iter() {
        // The number of parts and the length of each stand before them: no value can look like a
        // boundary.
        let parts = rdn_key(rdn);
        key.push_str(&format!("{}/", parts.len()));
        for part in parts {
            key.push_str(&format!("{}:{part}", part.len()));
        }
    }
    key
}

/// Whether `prefix` is the upper part of `long`: a directory subtree.
pub(super) fn starts_with(long: &Name, prefix: &Name) -> bool {
    long.len() >= prefix.len()
        && long
            .iter_rdn()
            .zip(prefix.iter_rdn())
            .all(|(a, b)| a == b || rdn_key(a) == rdn_key(b))
}

fn rdn_key(rdn: &RelativeDistinguishedName) -> Vec<String> {
    let mut parts: Vec<String> = rdn
        .iter()
        .map(|part| format!("{}={}", part.oid, value_key(&part.value)))
        .collect();
    parts.sort();
    parts
}

/// The text of an attribute value, if it is one of the string types.
pub(crate) fn attribute_text(value: &Any) -> Option<String> {
    match value.tag() {
        Tag::Utf8String => value.decode_as::<String>().ok(),
        Tag::PrintableString => {
            let der = value.to_der().ok()?;
            PrintableStringRef::from_der(&der)
                .ok()
                .map(|text| text.as_str().to_owned())
        }
        Tag::Ia5String => {
            let der = value.to_der().ok()?;
            Ia5StringRef::from_der(&der)
                .ok()
                .map(|text| text.as_str().to_owned())
        }
        Tag::BmpString => value
            .decode_as::<BmpString>()
            .ok()
            .map(|text| text.to_string()),
        // In practice Latin-1, whatever T.61 says.
        Tag::TeletexString => Some(value.value().iter().copied().map(char::from).collect()),
        Tag::NumericString | Tag::VisibleString => {
            let text = std::str::from_utf8(value.value()).ok()?;
            text.is_ascii().then(|| text.to_owned())
        }
        _ => None,
    }
}

fn value_key(value: &Any) -> String {
    match attribute_text(value) {
        Some(text) => prepared(&text),
        None => format!("#{:?}:{}", value.tag(), crate::cert::hex(value.value())),
    }
}

/// RFC 4518 section 2: map, normalise, and treat white space as insignificant.
fn prepared(text: &str) -> String {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_control()) {
        return joined(&text.to_ascii_lowercase());
    }
    let mapped = text.chars().filter_map(|one| match one {
        // Section 2.2: these control line and page; they stand for a space.
        '\t'..='\r' | '\u{85}' => Some(' '),
        // Other controls, joiners, marks of direction and variation stand for nothing.
        '\u{ad}'
        | '\u{34f}'
        | '\u{1806}'
        | '\u{180b}'..='\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffc}' => None,
        one if one.is_control() => None,
        one => Some(one),
    });
    let plain: String = mapped.nfkc().collect();
    // Upper case first: letters that differ only there (final sigma, sharp s) become one.
    let folded: String = plain.to_uppercase().to_lowercase().nfkc().collect();
    joined(&folded)
}

fn joined(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use x509_cert::attr::AttributeTypeAndValue;

    use super::*;

    fn value(tag: Tag, bytes: &[u8]) -> Any {
        Any::new(tag, bytes).unwrap()
    }

    #[test]
    fn texts_are_the_same_however_they_are_written() {
        let wanted = value_key(&value(Tag::Utf8String, "Sở Nội vụ".as_bytes()));
        let bmp: Vec<u8> = "SỞ NỘI VỤ"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        let decomposed: String = "Sở Nội vụ".nfd().collect();
        for (tag, bytes) in [
            (Tag::BmpString, bmp),
            (Tag::Utf8String, decomposed.into_bytes()),
            (Tag::Utf8String, "  sở\tNỘI \u{a0} vụ ".as_bytes().to_vec()),
            (
                Tag::Utf8String,
                "Sở N\u{200b}ội v\u{ad}ụ".as_bytes().to_vec(),
            ),
        ] {
            assert_eq!(value_key(&value(tag, &bytes)), wanted, "{tag:?} {bytes:?}");
        }
        for other in ["Sở Nội", "Sơ Nội vụ", "SởNội vụ", ""] {
            let other = value_key(&value(Tag::Utf8String, other.as_bytes()));
            assert_ne!(other, wanted);
        }
        let printable = value_key(&value(Tag::PrintableString, b"Good  CA"));
        assert_eq!(printable, value_key(&value(Tag::Utf8String, b"good ca ")));
        assert_eq!(printable, value_key(&value(Tag::TeletexString, b"GOOD CA")));
        // Full-width letters and ligatures are compatible forms; sharp s is folded.
        let key = |text: &str| value_key(&value(Tag::Utf8String, text.as_bytes()));
        assert_eq!(key("ＣＡ ﬁle"), key("ca file"));
        assert_eq!(key("Straße ΣΑΣ"), key("STRASSE σας"));
    }

    #[test]
    fn no_value_can_look_like_a_boundary() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let two = name("CN=a,O=b");
        // What the second part of `two` looks like in its key, inside a value.
        let key = name_key(&two);
        let (_, tail) = key.split_once('a').unwrap();
        let value = Any::new(Tag::Utf8String, format!("a{tail}").into_bytes()).unwrap();
        let part = AttributeTypeAndValue {
            oid: const_oid::ObjectIdentifier::new_unwrap("2.5.4.3"),
            value,
        };
        let rdn = RelativeDistinguishedName::try_from(vec![part]).unwrap();
        let mut one = RdnSequence::default();
        one.push(rdn);
        assert_ne!(sequence_key(&one), key);
        assert_ne!(name_key(&name("CN=a+O=b")), name_key(&two));
        assert_eq!(name_key(&name("CN=A,O=B")), name_key(&two));
        assert!(same_name(&name("CN=A,O=B"), &two));
    }
}
