//! `TraceHeaderList`: hops and what the packet does [edxml-model 2.0-2.2].
//!
//! Must not know: the rest of the packet.

use std::io::Write;

use super::model::{Business, DocumentPacket, Hop, Replaced};
use super::organ::OrganId;
use super::write::{WriteError, staff_info, timestamp};
use super::xml_out::XmlOut;

pub(super) fn trace_header_list<W: Write>(
    xml: &mut XmlOut<'_, W>,
    packet: &DocumentPacket,
) -> Result<(), WriteError> {
    let mut attributes = vec![("version", "1.0")];
    if !packet.trace.id.is_empty() {
        attributes.insert(0, ("id", packet.trace.id.as_str()));
    }
    xml.open_with("TraceHeaderList", &attributes)?;
    for (position, Hop { organ_id, at }) in (1..).zip(&packet.trace.hops) {
        xml.open_nth("TraceHeader", position)?;
        xml.leaf("OrganId", organ_id.as_str())?;
        timestamp(xml, *at)?;
        xml.close()?;
    }
    xml.open("Bussiness")?;
    xml.number_if("BussinessDocType", Some(packet.business.code()))?;
    business(xml, &packet.business)?;
    xml.number_if("Paper", Some(packet.paper))?;
    staff_info(xml, packet.staff.as_ref())?;
    xml.close()?;
    xml.close()
}

fn business<W: Write>(xml: &mut XmlOut<'_, W>, business: &Business) -> Result<(), WriteError> {
    match business {
        Business::New => Ok(()),
        Business::Recall { target, reason } => {
            xml.leaf("BussinessDocReason", reason)?;
            xml.leaf("DocumentId", target)
        }
        Business::Update {
            target,
            reason,
            content_changed,
            receivers_added,
            receivers_removed,
        } => {
            xml.leaf("BussinessDocReason", reason)?;
            xml.leaf("DocumentId", target)?;
            changes(xml, *content_changed, receivers_added, receivers_removed)
        }
        Business::Replace { reason, replaced } => {
            xml.leaf("BussinessDocReason", reason)?;
            replacements(xml, replaced)
        }
        Business::Other { reason, target, .. } => {
            xml.leaf_if("BussinessDocReason", reason.as_deref())?;
            xml.leaf_if("DocumentId", target.as_deref())
        }
    }
}

fn changes<W: Write>(
    xml: &mut XmlOut<'_, W>,
    content: bool,
    added: &[OrganId],
    removed: &[OrganId],
) -> Result<(), WriteError> {
    let receivers = !added.is_empty() || !removed.is_empty();
    xml.open("BussinessDocumentInfo")?;
    xml.number_if("DocumentInfo", Some(u32::from(content)))?;
    xml.number_if("DocumentReceiver", Some(u32::from(receivers)))?;
    if receivers {
        xml.open("ReceiverList")?;
        let all = added
            .iter()
            .map(|id| (id, 1))
            .chain(removed.iter().map(|id| (id, 0)));
        for (position, (agency, kind)) in (1..).zip(all) {
            xml.open_nth("Receiver", position)?;
            xml.leaf("OrganId", agency.as_str())?;
            xml.number_if("ReceiverType", Some(kind))?;
            xml.close()?;
        }
        xml.close()?;
    }
    xml.close()
}

fn replacements<W: Write>(
    xml: &mut XmlOut<'_, W>,
    replaced: &[Replaced],
) -> Result<(), WriteError> {
    xml.open("ReplacementInfoList")?;
    for (position, document) in (1..).zip(replaced) {
        xml.open_nth("ReplacementInfo", position)?;
        xml.leaf("DocumentId", &document.document_id)?;
        xml.open("OrganIdList")?;
        for (position, holder) in (1..).zip(&document.holders) {
            xml.leaf_nth("OrganId", position, holder.as_str())?;
        }
        xml.close()?;
        xml.close()?;
    }
    xml.close()
}
