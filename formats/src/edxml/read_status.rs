//! The header of a status packet, from elements to fields [edxml-model 3].
//!
//! Must not know: the document it speaks about.

use super::fields::{Fields, Notes, Parts};
use super::model::{Dialect, RawSignature, StatusPacket};
use super::order;
use super::read_document::{org, response_for, staff};
use super::status::StatusCode;

// [spec:edxml-26]
pub(super) fn read(parts: &Parts<'_>, dialect: Dialect, mut notes: Notes) -> StatusPacket {
    let notes = &mut notes;
    let mut packet = StatusPacket {
        dialect,
        code: StatusCode::Other(String::new()),
        ..StatusPacket::default()
    };
    if let Some(message) = parts.message {
        order::status(message, notes);
        let mut message = Fields::new(message, "MessageHeader");
        packet.from = message
            .child(&["From"], notes)
            .map(|f| org(f, notes))
            .unwrap_or_default();
        packet.response_for = message
            .child(&["ResponseFor"], notes)
            .map(|f| response_for(f, notes))
            .unwrap_or_default();
        let (code, padded) =
            StatusCode::parse(&message.text(&["StatusCode"], notes).unwrap_or_default());
        if padded {
            notes.warn(
                "W-TYPE",
                &message.at("StatusCode"),
                "Mã trạng thái thiếu số 0 ở đầu, đã được bổ sung",
                "the status code lacked its leading zero",
            );
        }
        packet.code = code;
        packet.description = message.text(&["Description"], notes);
        packet.at = message.timestamp(&["Timestamp"], notes);
        packet.staff = message
            .child(&["StaffInfo"], notes)
            .map(|f| staff(f, notes));
        message.close(notes);
    }
    // A status packet has none of these; what somebody put there is kept in sight.
    if let Some(trace) = parts.trace {
        Fields::new(trace, "TraceHeaderList").close(notes);
    }
    if let RawSignature::Present(xml) = &parts.signature {
        notes.extensions.push(super::model::Extension {
            place: "edXMLHeader".to_owned(),
            xml: xml.clone(),
        });
    }
    packet.extensions = std::mem::take(&mut notes.extensions);
    packet.faults = std::mem::take(&mut notes.faults);
    packet.warnings = std::mem::take(&mut notes.warnings);
    packet
}
