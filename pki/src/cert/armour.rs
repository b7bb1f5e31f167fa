//! PEM around certificates (RFC 7468).
//!
//! Owns: finding the blocks in a text. Fails with [`CertError::Pem`]. Must not know what is inside.

use der::pem;

use super::CertError;

/// The content of every `CERTIFICATE` block, in order; other text is skipped.
pub(super) fn blocks(text: &[u8]) -> Result<Vec<Vec<u8>>, CertError> {
    let text = std::str::from_utf8(text).map_err(|_| CertError::Pem("not text"))?;
    let mut all = Vec::new();
    let mut rest = text;
    while let Some((_, from)) = rest.split_once(PEM_BEGIN) {
        let (body, after) = from
            .split_once(PEM_END)
            .ok_or(CertError::Pem("block is not closed"))?;
        let (_, der) = pem::decode_vec(wrapped(body).as_bytes())
            .map_err(|_| CertError::Pem("block is not base64"))?;
        all.push(der);
        rest = after;
    }
    Ok(all)
}

/// A block with lines of 64 characters: white space inside means nothing (RFC 7468 section 2), but
/// the decoder wants it there and nowhere else.
fn wrapped(body: &str) -> String {
    let characters = body.chars().filter(|one| !one.is_whitespace());
    let mut block = format!("{PEM_BEGIN}\n");
    for (place, one) in characters.enumerate() {
        if place > 0 && place % 64 == 0 {
            block.push('\n');
        }
        block.push(one);
    }
    block.push('\n');
    block.push_str(PEM_END);
    block.push('\n');
    block
}

const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";
