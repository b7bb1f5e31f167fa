//! What a packet says about other documents, seen from one of the two desks. A recall, an update and a
//! replacement speak of a document that their sender sent; a status speaks of one that its sender
//! received, except the take-back (13), which the sender of the document says [edxml-model 2.2, 3].

use formats::edxml::{Business, Date, OrganId, Packet, ResponseFor, StatusCode, StatusPacket};
use formats::time::Timestamp;

use super::{ActKind, Side};

/// The document that an act is about, as the act names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// DocumentId.
    pub(crate) local_id: Option<String>,
    /// `number/notation`; empty when the act names the DocumentId only.
    pub(crate) code: String,
    /// Day of issue.
    pub(crate) date: Option<Date>,
}

impl Target {
    fn id(text: &str) -> Self {
        Self {
            local_id: Some(text.to_owned()),
            code: String::new(),
            date: None,
        }
    }
}

impl From<&ResponseFor> for Target {
    fn from(response: &ResponseFor) -> Self {
        Self {
            local_id: response
                .document_id
                .clone()
                .filter(|text| !text.trim().is_empty()),
            code: response.code.clone(),
            date: response.date,
        }
    }
}

/// An act as a packet says it, not yet stored.
#[derive(Clone, Debug)]
pub(crate) struct NewAct {
    /// What the document is to the desk that asks.
    pub(crate) side: Side,
    pub(crate) target: Target,
    pub(crate) kind: ActKind,
    pub(crate) at: Timestamp,
    pub(crate) reason: Option<String>,
    pub(crate) staff: Option<String>,
}

/// The acts of a packet between its sender and one recipient. `outgoing`: this is the sender's desk.
/// `recipient` is who the packet goes to, `names` whether a code written in the packet means it. `now`
/// stands in for a time that the packet does not say.
pub(crate) fn acts_of(
    packet: &Packet,
    outgoing: bool,
    names: impl Fn(&OrganId) -> bool,
    now: Timestamp,
) -> Vec<NewAct> {
    match packet {
        Packet::Status(status) => vec![of_status(status, outgoing, now)],
        Packet::Document(document) => {
            let staff = document.staff.as_ref().and_then(|staff| staff.name.clone());
            // The sender of the acting packet is the sender of the document it acts on.
            let side = if outgoing { Side::Sent } else { Side::Received };
            let at = document
                .trace
                .hops
                .first()
                .and_then(|hop| hop.at)
                .filter(|at| *at <= now)
                .unwrap_or(now);
            let act = |target: &str, kind: ActKind, reason: &str| NewAct {
                side,
                target: Target::id(target),
                kind,
                at,
                reason: Some(reason.to_owned()).filter(|text| !text.is_empty()),
                staff: staff.clone(),
            };
            match &document.business {
                Business::New | Business::Other { .. } => Vec::new(),
                Business::Recall { target, reason } => vec![act(target, ActKind::Recall, reason)],
                Business::Update {
                    target,
                    reason,
                    receivers_added,
                    receivers_removed,
                    ..
                } => {
                    if receivers_removed.iter().any(&names) {
                        vec![act(target, ActKind::Removed, reason)]
                    } else if receivers_added.iter().any(&names) {
                        // For it the update is the document itself.
                        Vec::new()
                    } else {
                        vec![act(target, ActKind::Update, reason)]
                    }
                }
                Business::Replace { reason, replaced } => replaced
                    .iter()
                    .filter(|old| old.holders.is_empty() || old.holders.iter().any(&names))
                    .map(|old| {
                        let by = document.document_id.clone();
                        act(&old.document_id, ActKind::Replace { by }, reason)
                    })
                    .collect(),
            }
        }
    }
}

fn of_status(status: &StatusPacket, outgoing: bool, now: Timestamp) -> NewAct {
    let take_back = status.code == StatusCode::TakeBack;
    NewAct {
        side: if outgoing == take_back {
            Side::Sent
        } else {
            Side::Received
        },
        target: Target::from(&status.response_for),
        kind: ActKind::Status(status.code.clone()),
        at: status.at.unwrap_or(now),
        reason: status.description.clone(),
        staff: status.staff.as_ref().and_then(|staff| staff.name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use formats::edxml::{DocumentPacket, Replaced};
    use formats::id::AgencyCode;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_795_318_262_114);

    fn found(packet: &Packet, outgoing: bool) -> Vec<(Side, &'static str, String)> {
        let us = AgencyCode::parse("H01.36.04").unwrap();
        let names = |written: &OrganId| written.normalised() == us.as_str();
        acts_of(packet, outgoing, names, NOW)
            .into_iter()
            .map(|act| {
                let target = act.target.local_id.unwrap_or(act.target.code);
                (act.side, act.kind.code(), target)
            })
            .collect()
    }

    fn document(business: Business) -> Packet {
        Packet::Document(Box::new(DocumentPacket {
            document_id: "new".to_owned(),
            business,
            ..DocumentPacket::default()
        }))
    }

    fn status(code: StatusCode) -> Packet {
        Packet::Status(Box::new(StatusPacket {
            code,
            response_for: ResponseFor {
                code: "5/UBND".to_owned(),
                ..ResponseFor::default()
            },
            ..StatusPacket::default()
        }))
    }

    #[test]
    fn a_status_is_about_what_its_sender_received_and_13_about_what_it_sent() {
        let target = "5/UBND".to_owned();
        let cases = [
            (StatusCode::Accepted, true, Side::Received),
            (StatusCode::Accepted, false, Side::Sent),
            (StatusCode::TakeBack, true, Side::Sent),
            (StatusCode::TakeBack, false, Side::Received),
        ];
        for (code, outgoing, side) in cases {
            let expected = [(side, "status", target.clone())];
            assert_eq!(found(&status(code), outgoing), expected);
        }
    }

    #[test]
    fn an_update_is_an_update_a_removal_or_nothing_by_whom_it_names() {
        let update = |added: &[&str], removed: &[&str]| {
            let codes = |texts: &[&str]| texts.iter().map(|text| OrganId::new(text)).collect();
            document(Business::Update {
                target: "old".to_owned(),
                reason: "r".to_owned(),
                content_changed: false,
                receivers_added: codes(added),
                receivers_removed: codes(removed),
            })
        };
        let old = || "old".to_owned();
        let plain = found(&update(&["H77"], &["H78"]), false);
        assert_eq!(plain, [(Side::Received, "update", old())]);
        let removed = found(&update(&[], &["h01.36.04"]), true);
        assert_eq!(removed, [(Side::Sent, "removed", old())]);
        assert!(found(&update(&["H01.36.04"], &[]), false).is_empty());
    }

    #[test]
    fn a_replacement_speaks_to_the_holders_it_names() {
        let one = |id: &str, holder: &str| Replaced {
            document_id: id.to_owned(),
            holders: vec![OrganId::new(holder)],
        };
        let packet = document(Business::Replace {
            reason: "r".to_owned(),
            replaced: vec![one("a", "H01.36.04"), one("b", "H77")],
        });
        let expected = [(Side::Received, "replace", "a".to_owned())];
        assert_eq!(found(&packet, false), expected);
    }
}
