//! The text of one `ContentTransferEncoded`, from the XML stream through base64 into the sink.
//!
//! Text up to the next markup is taken raw from the parser's input; escaped line ends (`&#13;`, as
//! one widespread serialiser writes them), CDATA and comments come as events. Undecodable text is
//! skipped and reported, not an error: the clerk has to see the rest of the packet. Must not know:
//! names, types, files.

use std::io::{self, BufRead};

use quick_xml::events::Event;
use sha2::{Digest as _, Sha256};

use super::attachment::{AttachmentSink, Ended};
use super::base64_stream::{DecodeError, Decoder, is_text};
use super::node::Encoded;
use super::read::ReadError;
use super::tree::Builder;
use crate::id::Digest;

/// Streams up to and including the end tag.
pub(super) fn stream<R: BufRead>(builder: &mut Builder<'_, R>) -> Result<Encoded, ReadError> {
    let index = builder.attachments;
    if index >= builder.limits.attachments {
        let max = u64::try_from(builder.limits.attachments).unwrap_or(u64::MAX);
        return Err(builder.limit("attachments", max));
    }
    builder.attachments += 1;
    sunk(index, builder.sink.begin(index))?;
    let mut attachment = Attachment::new(index, builder);
    let mut buffer = Vec::new();
    loop {
        raw_text(builder, &mut attachment)?;
        buffer.clear();
        match builder.next(&mut buffer)? {
            Event::End(_) => return attachment.end(builder),
            Event::CData(text) => {
                builder.check_characters(&text)?;
                attachment.push(text.as_bytes(), builder)?;
            }
            Event::GeneralRef(reference) => {
                // Anything but white space is no base64 symbol there and fails on decoding.
                let character = builder.resolved(&reference)?;
                let mut utf8 = [0; 4];
                attachment.push(character.encode_utf8(&mut utf8).as_bytes(), builder)?;
            }
            // The raw reading stops only at markup, so an event text is empty.
            Event::Text(text) => attachment.push(text.as_bytes(), builder)?,
            Event::Comment(text) => builder.check_comment(&text)?,
            Event::DocType(_) => return Err(ReadError::Doctype { at: builder.at() }),
            Event::Eof => return Err(builder.xml("the file ends inside an attachment")),
            Event::Start(_) | Event::Empty(_) => {
                return Err(builder.xml("element inside an attachment"));
            }
            Event::Decl(_) | Event::PI(_) => return Err(builder.xml("processing instruction")),
        }
    }
}

/// Feeds everything before the next `<` or `&`.
fn raw_text<R: BufRead>(
    builder: &mut Builder<'_, R>,
    attachment: &mut Attachment,
) -> Result<(), ReadError> {
    builder.reader.get_mut().attachment_text();
    loop {
        let mut input = builder.reader.stream();
        let available = match input.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let spent = builder.reader.get_mut().spent();
                return Err(spent.map_or(ReadError::Input(error), |spent| builder.spent(spent)));
            }
        };
        let markup = available.contains(&b'<') || available.contains(&b'&');
        let stop = if markup {
            available.iter().position(|b| matches!(b, b'<' | b'&'))
        } else {
            None
        };
        let length = stop.unwrap_or(available.len());
        let text = available.get(..length).unwrap_or_default();
        let outcome = attachment.feed(text, builder.sink);
        builder.reader.stream().consume(length);
        attachment.settle(outcome, builder)?;
        if stop.is_some() || length == 0 {
            return Ok(());
        }
    }
}

/// One attachment on its way.
struct Attachment {
    index: usize,
    decoder: Option<Decoder>,
    why: String,
    hasher: Sha256,
    size: u64,
    size_max: u64,
    head: Vec<u8>,
}

impl Attachment {
    fn new<R: BufRead>(index: usize, builder: &Builder<'_, R>) -> Self {
        let left = builder
            .limits
            .attachments_bytes
            .saturating_sub(builder.attachments_bytes);
        Self {
            index,
            decoder: Some(Decoder::new()),
            why: String::new(),
            hasher: Sha256::new(),
            size: 0,
            size_max: left.min(builder.limits.attachment_bytes),
            head: Vec::new(),
        }
    }

    fn push<R: BufRead>(
        &mut self,
        text: &[u8],
        builder: &mut Builder<'_, R>,
    ) -> Result<(), ReadError> {
        let outcome = self.feed(text, builder.sink);
        self.settle(outcome, builder)
    }

    /// Decodes text into the sink; does nothing once the attachment is known to be undecodable.
    fn feed(&mut self, text: &[u8], sink: &mut dyn AttachmentSink) -> Result<(), DecodeError> {
        let Some(mut decoder) = self.decoder.take() else {
            let at = self.size;
            return if is_text(text) {
                Ok(())
            } else {
                Err(DecodeError::NotText { at })
            };
        };
        match decoder.push(text, &mut |bytes| self.decoded(bytes, sink)) {
            Ok(()) => {
                self.decoder = Some(decoder);
                Ok(())
            }
            // The piece goes on behind the block that failed.
            Err(DecodeError::Invalid { at }) if !is_text(text) => Err(DecodeError::NotText { at }),
            Err(error) => Err(error),
        }
    }

    fn decoded(&mut self, bytes: &[u8], sink: &mut dyn AttachmentSink) -> io::Result<()> {
        if self.size == 0 {
            let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
            self.head.extend_from_slice(head);
        }
        self.size = self
            .size
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        // The size is judged by `settle`; what is too large must not reach the disk first.
        if self.size > self.size_max {
            return Ok(());
        }
        self.hasher.update(bytes);
        sink.write(bytes)
    }

    /// Turns what happened into an error, or into a note that the rest is to be skipped.
    fn settle<R: BufRead>(
        &mut self,
        outcome: Result<(), DecodeError>,
        builder: &mut Builder<'_, R>,
    ) -> Result<(), ReadError> {
        match outcome {
            Ok(()) => {}
            Err(DecodeError::Output(error)) => return sunk(self.index, Err(error)),
            Err(damaged @ DecodeError::NotText { .. }) => {
                return Err(builder.xml(&damaged.to_string()));
            }
            Err(invalid @ DecodeError::Invalid { .. }) => {
                self.why = invalid.to_string();
                sunk(self.index, builder.sink.discard(self.index))?;
            }
        }
        if self.size <= self.size_max {
            return Ok(());
        }
        if self.size > builder.limits.attachment_bytes {
            return Err(builder.limit("attachment_bytes", builder.limits.attachment_bytes));
        }
        Err(builder.limit("attachments_bytes", builder.limits.attachments_bytes))
    }

    fn end<R: BufRead>(mut self, builder: &mut Builder<'_, R>) -> Result<Encoded, ReadError> {
        if let Some(decoder) = self.decoder.take() {
            let outcome = decoder.finish(&mut |bytes| self.decoded(bytes, builder.sink));
            self.settle(outcome, builder)?;
        }
        builder.attachments_bytes = builder.attachments_bytes.saturating_add(self.size);
        if self.why.is_empty() && self.size == 0 {
            "no bytes".clone_into(&mut self.why);
            sunk(self.index, builder.sink.discard(self.index))?;
        }
        if !self.why.is_empty() {
            return Ok(Encoded::Undecodable { why: self.why });
        }
        let sha256 = Digest::from_bytes(self.hasher.finalize().into());
        let ended = Ended {
            index: self.index,
            size: self.size,
            sha256,
        };
        sunk(self.index, builder.sink.end(ended))?;
        Ok(Encoded::Decoded {
            index: self.index,
            size: self.size,
            sha256,
            head: self.head,
        })
    }
}

fn sunk(index: usize, outcome: io::Result<()>) -> Result<(), ReadError> {
    outcome.map_err(|source| ReadError::Sink { index, source })
}

/// What telling a file's kind takes; the first piece of a file is larger or all of it.
const HEAD_BYTES: usize = 1024;
