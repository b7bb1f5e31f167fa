//! The byte budget between the input and the XML parser.
//!
//! The parser buffers one text or tag whole; this reader stops giving bytes when one of them, or
//! all metadata together, grows past the limit. Attachment text is not counted while `attachment`
//! is set: it is streamed, and its own limits are kept where it is decoded. Must not know: XML.

use std::io::{self, BufRead, Read};

use super::limits::Limits;

/// Which budget ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spent {
    Attachment,
    Event,
    Metadata,
}

#[derive(Debug)]
pub(super) struct Guard<R> {
    input: R,
    event_max: u64,
    event_left: u64,
    metadata_left: u64,
    attachment_left: u64,
    attachment: bool,
    spent: Option<Spent>,
}

impl<R: BufRead> Guard<R> {
    pub(super) fn new(input: R, limits: &Limits) -> Self {
        // A little more than the limit: the markup around a text counts here, the exact length is
        // checked on the text itself.
        let event_max = u64::try_from(limits.text_bytes)
            .unwrap_or(u64::MAX)
            .saturating_add(64);
        Self {
            input,
            event_max,
            event_left: event_max,
            metadata_left: limits.metadata_bytes,
            // Wrapped base64 with escaped line ends stays below twice its bytes; three times ends a
            // file that is blank for ever.
            attachment_left: limits
                .attachments_bytes
                .saturating_mul(3)
                .saturating_add(1 << 20),
            attachment: false,
            spent: None,
        }
    }

    /// A new text or tag begins.
    pub(super) const fn next_event(&mut self) {
        self.event_left = self.event_max;
        self.attachment = false;
    }

    /// The bytes up to the next markup are an attachment's.
    pub(super) const fn attachment_text(&mut self) {
        self.attachment = true;
    }

    /// The budget that stopped the reading, if one did.
    pub(super) const fn spent(&self) -> Option<Spent> {
        self.spent
    }

    fn left(&self) -> (u64, Spent) {
        if self.attachment {
            (self.attachment_left, Spent::Attachment)
        } else if self.event_left < self.metadata_left {
            (self.event_left, Spent::Event)
        } else {
            (self.metadata_left, Spent::Metadata)
        }
    }
}

impl<R: BufRead> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        if let (Some(from), Some(to)) = (available.get(..count), buffer.get_mut(..count)) {
            to.copy_from_slice(from);
        }
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Guard<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let (left, kind) = self.left();
        let available = self.input.fill_buf()?;
        if left == 0 && !available.is_empty() {
            self.spent = Some(kind);
            return Err(io::Error::other("limit"));
        }
        let visible = available
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        Ok(available.get(..visible).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        self.input.consume(count);
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if self.attachment {
            self.attachment_left = self.attachment_left.saturating_sub(count);
        } else {
            self.event_left = self.event_left.saturating_sub(count);
            self.metadata_left = self.metadata_left.saturating_sub(count);
        }
    }
}
