//! How much of a file the reader will look at before it stops [edxml-model 1, row Limits].
//!
//! Every number bounds memory or time spent on a hostile file; none of them is a rule of the
//! standard.

/// Limits enforced while the file streams by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nested elements; real packets use 8.
    pub depth: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Elements in the file.
    pub elements: usize,
    /// Bytes of one text, comment or tag outside attachments.
    pub text_bytes: usize,
    /// Bytes of everything outside attachments: bounds the memory of one reading.
    pub metadata_bytes: u64,
    /// Receivers.
    pub receivers: usize,
    /// Attachments.
    pub attachments: usize,
    /// Decoded bytes of one attachment, and of one inflated file.
    pub attachment_bytes: u64,
    /// Decoded bytes of all attachments.
    pub attachments_bytes: u64,
    /// How many times larger than its archive an inflated file may be.
    pub inflate_ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        // [spec:edxml-2]
        Self {
            depth: 32,
            attributes: 200,
            elements: 50_000,
            text_bytes: 1 << 20,
            metadata_bytes: 16 << 20,
            receivers: 2_000,
            attachments: 200,
            attachment_bytes: 200 << 20,
            attachments_bytes: 200 << 20,
            inflate_ratio: 200,
        }
    }
}
