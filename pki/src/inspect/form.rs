//! What a file is made of: PEM blocks, or one DER value, or base64 alone.
//!
//! Owns: taking PEM apart tolerantly (text around blocks, any line length, old encryption headers).
//! Fails: never; what is no block is left out. Must not know: what the bytes mean.

/// One thing in a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Form {
    label: String,
    der: Vec<u8>,
    headers: bool,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The bytes may be a private key.
        write!(f, "Form({:?}, {} bytes)", self.label, self.der.len())
    }
}

impl Form {
    /// The PEM label; empty for DER.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The bytes.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether the block has headers of its own, as keys in OpenSSL's old encryption have.
    #[must_use]
    pub fn has_headers(&self) -> bool {
        self.headers
    }
}

/// The things in a file, in order: its PEM blocks, or the whole of it as one.
#[must_use]
pub fn forms(bytes: &[u8]) -> Vec<Form> {
    let text = std::str::from_utf8(bytes).ok();
    let blocks = text.map(blocks).unwrap_or_default();
    if !blocks.is_empty() {
        return blocks;
    }
    // Some tools write base64 without the lines around it.
    let bare = text.and_then(base64).filter(|der| der.starts_with(&[0x30]));
    vec![Form {
        label: String::new(),
        der: bare.unwrap_or_else(|| bytes.to_vec()),
        headers: false,
    }]
}

fn blocks(text: &str) -> Vec<Form> {
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((_, from)) = rest.split_once(BEGIN) {
        rest = from;
        let Some((label, body)) = from.split_once(DASHES) else {
            break;
        };
        if label.len() > LABEL_BYTES_MAX || label.contains(['\n', '\r']) {
            continue;
        }
        let Some((body, after)) = body.split_once(&format!("{END}{label}{DASHES}")) else {
            continue;
        };
        rest = after;
        let headers = body.contains(':');
        // Headers end with an empty line (RFC 1421 section 4.4).
        let body = match headers.then(|| split_headers(body)).flatten() {
            Some(body) => body,
            None => body,
        };
        if let Some(der) = base64(body) {
            all.push(Form {
                label: label.to_owned(),
                der,
                headers,
            });
        }
        if all.len() >= BLOCKS_MAX {
            break;
        }
    }
    all
}

fn split_headers(body: &str) -> Option<&str> {
    let ends = ["\n\n", "\r\n\r\n"];
    ends.into_iter()
        .find_map(|end| body.split_once(end))
        .map(|(_, data)| data)
}

/// Base64 with white space anywhere (RFC 4648 section 4).
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut padded = false;
    for one in text.bytes().filter(|one| !one.is_ascii_whitespace()) {
        let value = match one {
            b'A'..=b'Z' => one - b'A',
            b'a'..=b'z' => one - b'a' + 26,
            b'0'..=b'9' => one - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padded = true;
                continue;
            }
            _ => return None,
        };
        if padded {
            return None;
        }
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";
const END: &str = "-----END ";
/// A bundle of all the world's roots has about 150.
const BLOCKS_MAX: usize = 1000;
const LABEL_BYTES_MAX: usize = 64;
