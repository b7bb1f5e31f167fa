//! W-ORDER: components stand in an order that no known writer uses [edxml-model 1, row Order].
//!
//! Any order is read; consumers that read in sequence may not. Elements that are not components
//! stand anywhere. Must not know: what the components hold.

use super::fields::{Notes, same};
use super::node::Node;

/// Notes W-ORDER for the header of a document packet.
pub(super) fn document(message: &Node, notes: &mut Notes) {
    check(message, &[DOCUMENT_DOTNET, DOCUMENT_JAVA], notes);
}

/// Notes W-ORDER for the header of a status packet.
pub(super) fn status(message: &Node, notes: &mut Notes) {
    check(message, &[STATUS_DOTNET, STATUS_JAVA], notes);
}

// [spec:edxml-31]
fn check(message: &Node, orders: &[&[&str]], notes: &mut Notes) {
    if !orders.iter().any(|order| follows(message, order)) {
        notes.warn(
            "W-ORDER",
            "MessageHeader",
            "Các thành phần không theo thứ tự quen dùng; hệ thống khác có thể không đọc được",
            "the components stand in an unusual order that other systems may not read",
        );
    }
}

/// Whether the components of `message` come in this order, repeated ones side by side.
fn follows(message: &Node, order: &[&str]) -> bool {
    let mut reached = 0;
    let components = message.children().filter(|child| child.is_ours());
    for child in components {
        let Some(at) = order.iter().position(|name| same(child, name)) else {
            continue;
        };
        if at < reached {
            return false;
        }
        reached = at;
    }
    true
}

/// 1.1 to 1.14, then the extensions of the libraries.
const DOCUMENT_DOTNET: &[&str] = &[
    "From",
    "To",
    "Code",
    "PromulgationInfo",
    "DocumentType",
    "Subject",
    "Content",
    "SignerInfo",
    "DueDate",
    "ToPlaces",
    "OtherInfo",
    "ResponseFor",
    "SteeringType",
    "DocumentId",
    "ResponseForTask",
    "ApplicationType",
];
const DOCUMENT_JAVA: &[&str] = &[
    "From",
    "To",
    "DocumentId",
    "Code",
    "PromulgationInfo",
    "DocumentType",
    "Subject",
    "Content",
    "SignerInfo",
    "DueDate",
    "OtherInfo",
    "ResponseFor",
    "SteeringType",
    "ResponseForTask",
    "ApplicationType",
    "ToPlaces",
];
const STATUS_DOTNET: &[&str] = &[
    "ResponseFor",
    "From",
    "StatusCode",
    "Description",
    "Timestamp",
    "StaffInfo",
];
const STATUS_JAVA: &[&str] = &[
    "From",
    "ResponseFor",
    "StaffInfo",
    "StatusCode",
    "Description",
    "Timestamp",
];
