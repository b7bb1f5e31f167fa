//! Base64 of attachments, streamed: strict alphabet and canonical padding in, one unbroken line out
//! [RFC 4648 4].
//!
//! White space is allowed anywhere on reading because writers wrap lines. Missing padding, stray
//! bits after the last byte and text after the padding are refused: two spellings of one file would
//! have two digests. Holds 64 KiB, whatever the size of the file. Must not know: XML.

use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Why pushing stopped.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not base64: the symbol, the padding or the length is wrong.
    #[error("not canonical base64 near symbol {at}")]
    Invalid {
        /// Symbols accepted before the bad block.
        at: u64,
    },
    /// A byte stands there that no ASCII text has, or `>`: the file is damaged or hides something.
    #[error("byte that cannot stand in base64 text after symbol {at}")]
    NotText {
        /// Symbols accepted before the bad block.
        at: u64,
    },
    /// The receiver of the bytes failed.
    #[error(transparent)]
    Output(#[from] io::Error),
}

/// Decodes base64 text pushed in pieces.
#[derive(Debug)]
pub struct Decoder {
    symbols: Vec<u8>,
    bytes: Vec<u8>,
    symbols_done: u64,
    padded: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder at the start of a text.
    #[must_use]
    pub fn new() -> Self {
        Self {
            symbols: Vec::with_capacity(BLOCK_SYMBOLS),
            bytes: vec![0; BLOCK_BYTES],
            symbols_done: 0,
            padded: false,
        }
    }

    /// Takes a piece of text; decoded bytes go to `output` in blocks of at most 48 KiB.
    // [spec:edxml-20]
    pub fn push(
        &mut self,
        text: &[u8],
        output: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), DecodeError> {
        let mut rest = text;
        while !rest.is_empty() {
            let room = BLOCK_SYMBOLS
                .saturating_sub(self.symbols.len())
                .min(SCAN_BYTES);
            let (reach, _) = rest.split_at(rest.len().min(room));
            // `contains` is many times faster than a search for any of four, and most pieces
            // hold no blank at all.
            let blank = if BLANKS.iter().any(|blank| reach.contains(blank)) {
                reach.iter().position(|symbol| BLANKS.contains(symbol))
            } else {
                None
            };
            let length = blank.unwrap_or(reach.len());
            self.symbols
                .extend_from_slice(reach.get(..length).unwrap_or_default());
            let skipped = length + usize::from(blank.is_some());
            rest = rest.get(skipped..).unwrap_or_default();
            if self.symbols.len() == BLOCK_SYMBOLS {
                self.flush(output)?;
            }
        }
        Ok(())
    }

    /// The text is over: decodes the rest.
    pub fn finish(
        mut self,
        output: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), DecodeError> {
        self.flush(output)
    }

    fn flush(
        &mut self,
        output: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), DecodeError> {
        if self.symbols.is_empty() {
            return Ok(());
        }
        // A block that ended in padding was the last one.
        if self.padded {
            return Err(self.refusal());
        }
        self.padded = self.symbols.last() == Some(&b'=');
        let Ok(length) = STANDARD.decode_slice(&self.symbols, &mut self.bytes) else {
            return Err(self.refusal());
        };
        self.symbols_done += u64::try_from(self.symbols.len()).unwrap_or(u64::MAX);
        self.symbols.clear();
        output(self.bytes.get(..length).unwrap_or_default())?;
        Ok(())
    }

    /// Looks for the reason only after decoding failed: every byte of the text passes here.
    fn refusal(&self) -> DecodeError {
        let at = self.symbols_done;
        if is_text(&self.symbols) {
            DecodeError::Invalid { at }
        } else {
            DecodeError::NotText { at }
        }
    }
}

/// Whether these bytes could stand in the text of an attachment at all, base64 or not.
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|b| matches!(b, b'\t' | b'\r' | b'\n' | b' '..=0x7E) && *b != b'>')
}

/// Encodes everything `input` gives, showing each block to `seen` on the way (for a digest).
pub fn encode(
    input: &mut dyn Read,
    output: &mut dyn Write,
    seen: &mut dyn FnMut(&[u8]),
) -> Result<(), EncodeError> {
    let mut bytes = vec![0; BLOCK_BYTES];
    let mut symbols = vec![0; BLOCK_SYMBOLS];
    loop {
        let filled = fill(input, &mut bytes).map_err(EncodeError::Input)?;
        let block = bytes.get(..filled).unwrap_or_default();
        seen(block);
        // The buffer holds exactly the symbols of a full block, so this cannot be too small.
        let length = STANDARD.encode_slice(block, &mut symbols).unwrap_or(0);
        output
            .write_all(symbols.get(..length).unwrap_or_default())
            .map_err(EncodeError::Output)?;
        if filled < BLOCK_BYTES {
            return Ok(());
        }
    }
}

/// Whose side of an encoding failed.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Reading the attachment.
    #[error("reading the attachment: {0}")]
    Input(io::Error),
    /// Writing the packet.
    #[error("writing the packet: {0}")]
    Output(io::Error),
}

/// Reads until the buffer is full or the input is over.
fn fill(input: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

const BLANKS: [u8; 4] = *b" \t\r\n";
const SCAN_BYTES: usize = 1024;
const BLOCK_SYMBOLS: usize = 64 * 1024;
const BLOCK_BYTES: usize = BLOCK_SYMBOLS / 4 * 3;
