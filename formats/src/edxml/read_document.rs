//! `MessageHeader` and `TraceHeaderList` of a document packet, from elements to fields [edxml-model
//! 2].
//!
//! Must not know: XML syntax, limits on bytes, rules of validity.

use super::fields::{Fields, Notes, Parts};
use super::limits::Limits;
use super::model::{
    Code, Dialect, DocumentPacket, DocumentType, Hop, Issued, OtherInfo, ResponseFor, Signer,
    Staff, Trace,
};
use super::organ::{Org, OrganId};
use super::read::ReadError;
use super::{order, read_body, read_business};

pub(super) fn read(
    parts: &Parts<'_>,
    dialect: Dialect,
    mut notes: Notes,
    limits: &Limits,
) -> Result<DocumentPacket, ReadError> {
    let mut packet = DocumentPacket {
        dialect,
        signature: parts.signature.clone(),
        ..DocumentPacket::default()
    };
    if let Some(message) = parts.message {
        order::document(message, &mut notes);
        header(
            &mut packet,
            Fields::new(message, "MessageHeader"),
            &mut notes,
        );
    }
    if packet.to.len() > limits.receivers {
        let max = u64::try_from(limits.receivers).unwrap_or(u64::MAX);
        return Err(ReadError::Limit {
            what: "receivers",
            max,
            at: 0,
        });
    }
    if let Some(trace) = parts.trace {
        trace_list(
            &mut packet,
            Fields::new(trace, "TraceHeaderList"),
            &mut notes,
        );
    }
    packet.attachments = read_body::read(parts, &packet.business, &mut notes);
    packet.extensions = notes.extensions;
    packet.faults = notes.faults;
    packet.warnings = notes.warnings;
    Ok(packet)
}

// [spec:edxml-10]
fn header(packet: &mut DocumentPacket, mut message: Fields<'_>, notes: &mut Notes) {
    packet.from = message
        .child(&["From"], notes)
        .map(|f| org(f, notes))
        .unwrap_or_default();
    packet.to = message
        .children("To")
        .into_iter()
        .map(|f| org(f, notes))
        .collect();
    packet.code = message
        .child(&["Code"], notes)
        .map(|f| code(f, notes))
        .unwrap_or_default();
    packet.issued = message
        .child(&["PromulgationInfo"], notes)
        .map(|f| issued(f, notes))
        .unwrap_or_default();
    packet.doc_type = message
        .child(&["DocumentType"], notes)
        .map(|f| doc_type(f, notes))
        .unwrap_or_default();
    packet.subject = message.text(&["Subject"], notes).unwrap_or_default();
    packet.summary = message.text(&["Content"], notes);
    packet.signer = message
        .child(&["SignerInfo"], notes)
        .map(|f| signer(f, notes))
        .unwrap_or_default();
    packet.due = message.date(&["DueDate"], notes);
    if let Some(mut places) = message.child(&["ToPlaces"], notes) {
        packet.to_places = places.texts("Place", notes);
        places.close(notes);
    }
    packet.other = message
        .child(&["OtherInfo"], notes)
        .map(|f| other_info(f, notes))
        .unwrap_or_default();
    packet.response_for = message
        .children("ResponseFor")
        .into_iter()
        .map(|f| response_for(f, notes))
        .collect();
    packet.steering = message.number(&["SteeringType"], notes);
    packet.document_id = message.text(&["DocumentId"], notes).unwrap_or_default();
    for mut task in message.children("ResponseForTask") {
        packet.tasks.extend(task.texts("TaskCode", notes));
        task.close(notes);
    }
    packet.application_type = message.text(&["ApplicationType"], notes);
    message.close(notes);
}

pub(super) fn org(mut fields: Fields<'_>, notes: &mut Notes) -> Org {
    let org = Org {
        organ_id: organ_id(&mut fields, notes),
        in_charge: fields.text(&["OrganizationInCharge"], notes),
        name: fields.text(&["OrganName"], notes).unwrap_or_default(),
        address: fields.text(&["OrganAdd"], notes),
        email: fields.text(&["Email"], notes),
        telephone: fields.text(&["Telephone"], notes),
        fax: fields.text(&["Fax"], notes),
        website: fields.text(&["Website"], notes),
    };
    fields.close(notes);
    org
}

pub(super) fn organ_id(fields: &mut Fields<'_>, notes: &mut Notes) -> OrganId {
    OrganId::new(&fields.text(&["OrganId"], notes).unwrap_or_default())
}

fn code(mut fields: Fields<'_>, notes: &mut Notes) -> Code {
    let code = Code {
        number: fields.text(&["CodeNumber"], notes).unwrap_or_default(),
        notation: fields.text(&["CodeNotation"], notes).unwrap_or_default(),
    };
    fields.close(notes);
    code
}

fn issued(mut fields: Fields<'_>, notes: &mut Notes) -> Issued {
    let issued = Issued {
        place: fields.text(&["Place"], notes),
        date: fields.date(&["PromulgationDate", "Date"], notes),
    };
    fields.close(notes);
    issued
}

fn doc_type(mut fields: Fields<'_>, notes: &mut Notes) -> DocumentType {
    let doc_type = DocumentType {
        class: fields.number(&["Type"], notes),
        detail: fields.number(&["TypeDetail"], notes),
        name: fields.text(&["TypeName"], notes).unwrap_or_default(),
    };
    fields.close(notes);
    doc_type
}

fn signer(mut fields: Fields<'_>, notes: &mut Notes) -> Signer {
    let signer = Signer {
        competence: fields.text(&["Competence"], notes),
        position: fields.text(&["Position"], notes),
        full_name: fields
            .text(&["FullName", "Signer"], notes)
            .unwrap_or_default(),
    };
    fields.close(notes);
    signer
}

fn other_info(mut fields: Fields<'_>, notes: &mut Notes) -> OtherInfo {
    let mut other = OtherInfo {
        priority: fields.number(&["Priority"], notes),
        circulation: fields.text(&["SphereOfPromulgation"], notes),
        drafter: fields.text(&["TyperNotation"], notes),
        copies: fields.number(&["PromulgationAmount"], notes),
        pages: fields.number(&["PageAmount"], notes),
        appendixes: Vec::new(),
        reference_codes: fields.text(&["ReferenceCodes"], notes),
        reply_fors: fields.text(&["ReplyFors"], notes),
    };
    if let Some(mut appendixes) = fields.child(&["Appendixes"], notes) {
        other.appendixes = appendixes.texts("Appendix", notes);
        appendixes.close(notes);
    }
    fields.close(notes);
    other
}

pub(super) fn response_for(mut fields: Fields<'_>, notes: &mut Notes) -> ResponseFor {
    let response = ResponseFor {
        organ_id: organ_id(&mut fields, notes),
        code: fields.text(&["Code"], notes).unwrap_or_default(),
        date: fields.date(&["PromulgationDate", "Date"], notes),
        document_id: fields.text(&["DocumentId"], notes),
    };
    fields.close(notes);
    response
}

pub(super) fn staff(mut fields: Fields<'_>, notes: &mut Notes) -> Staff {
    let staff = Staff {
        department: fields.text(&["Department"], notes),
        name: fields.text(&["Staff"], notes),
        email: fields.text(&["Email"], notes),
        mobile: fields.text(&["Mobile"], notes),
    };
    fields.close(notes);
    staff
}

fn trace_list(packet: &mut DocumentPacket, mut list: Fields<'_>, notes: &mut Notes) {
    list.ignore_attribute("version");
    let id = list.attribute("id").unwrap_or_default();
    let hops = list
        .children("TraceHeader")
        .into_iter()
        .map(|f| hop(f, notes))
        .collect();
    packet.trace = Trace { id, hops };
    if let Some(business) = list.child(&["Bussiness"], notes) {
        read_business::read(packet, business, notes);
    }
    list.close(notes);
}

fn hop(mut fields: Fields<'_>, notes: &mut Notes) -> Hop {
    let organ_id = organ_id(&mut fields, notes);
    let at = fields.timestamp(&["Timestamp"], notes);
    fields.close(notes);
    Hop { organ_id, at }
}
