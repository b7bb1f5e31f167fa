//! The check of PDF signatures against documents by others, by openssl, and by nobody in good faith.

mod containers;
mod hostile;
mod made;
mod maker;
mod tokens;
mod vectors;

use std::io::Cursor;

use super::*;

fn checked(bytes: &[u8], anchors: &Anchors, now: Timestamp) -> PdfReport {
    let length = u64::try_from(bytes.len()).unwrap();
    check(Cursor::new(bytes), length, anchors, now)
}
