//! Opened → inbox: one commit of packet, inbox row, acts, the leg's final state, its statement and the
//! owed receipt.

use std::sync::Arc;

use futures_util::FutureExt;

use formats::header::Header;
use formats::id::{AgencyCode, Digest};
use formats::statement::Event;
use formats::time::Timestamp;
use relay::desk::Arrival;
use relay::store::{DeskRefusal, DeskRows, LegId, LegState, StatementDraft};

use super::{Opened, commit};
use crate::acts::{self, Acts};
use crate::deadlines::Facts;
use crate::desk::Topic;
use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::intake::{local_id, search_words};
use crate::life::{Side, Times};
use crate::packet;
use crate::store::acts::{Thread, refresh};
use crate::store::commit::desk_write;
use crate::store::inbox::{self, NewItem};
use crate::store::packets::{self, Kept};
use crate::view::{FaultView, PacketFacts};

/// What the commit writes.
struct Delivery {
    leg: LegId,
    header: Arc<Header>,
    header_signature: Arc<[u8]>,
    agency: AgencyCode,
    from: AgencyCode,
    digest: Digest,
    kept: Kept,
    item: NewItem,
    acts: Acts,
    now: Timestamp,
}

/// Delivers what was opened and verified. The error is for the log: try again later.
pub(super) async fn deliver(core: &Core, arrival: &Arrival, opened: Opened) -> Result<(), String> {
    let delivery = delivery(core, arrival, opened)
        .await
        .map_err(|error| error.to_string())?;
    let about = delivery.acts.about.clone();
    let reports = delivery.item.owes_arrived;
    let write = desk_write(move |desk, outcomes| {
        async move {
            inbox::expect_moved(outcomes)?;
            delivery.write(desk).await
        }
        .boxed()
    });
    let draft = StatementDraft {
        event: Event::ContentConsignment,
        reason: None,
        next_station: None,
    };
    commit(core, arrival, LegState::PassedOn, draft, Some(write)).await?;
    for id in about {
        core.changed(Topic::document(id));
    }
    if reports {
        core.arrived.notify_one();
    }
    Ok(())
}

async fn delivery(core: &Core, arrival: &Arrival, opened: Opened) -> Result<Delivery, DeskError> {
    let now = core.now();
    let (Some(agency), Some(from)) = (
        arrival.recipient.agency().cloned(),
        arrival.header.context().sender.agency().cloned(),
    ) else {
        let why = "a document between stations".to_owned();
        return Err(DeskError::Internal(why));
    };
    let kept = core.keep(&opened.body).await?;
    let facts = packet::facts(&opened.read.packet);
    let natural = packet::natural_key(&opened.read.packet);
    let mut warnings = judged(&opened, now);
    let sender = from.as_str();
    let mut acts = acts::incoming(core, &agency, &from, &opened.read.packet, now).await?;
    warnings.append(&mut acts.warnings);
    let document = acts::is_document(&opened.read.packet, &acts);
    let told = core.agencies.of(&agency);
    let number = local_id(&opened.read.packet);
    let words = search_words(&facts, &number);
    let item = NewItem {
        natural,
        search_text: crate::fold::fold(&format!("{words} {sender} {}", facts.sender_name)),
        local_id: number,
        attachments: opened.read.attachments,
        warnings,
        due: document.then(|| first_due(core, &facts, now)).flatten(),
        facts,
        packet: Some((
            opened.digest,
            opened.signature,
            opened.certificate,
            opened.salt,
        )),
        packet_bytes: opened.body.bytes(),
        signed_at: Some(opened.signed_at),
        stamped_at: opened.stamped_at,
        trouble: None,
        owes_arrived: document && told.is_some_and(|one| one.automatic_01),
    };
    Ok(Delivery {
        leg: arrival.leg,
        header: Arc::clone(&arrival.header),
        header_signature: Arc::clone(&arrival.header_signature),
        agency,
        from,
        digest: opened.digest,
        kept,
        item,
        acts,
        now,
    })
}

/// What the packet itself shows; its faults are no reason to refuse what arrived.
fn judged(opened: &Opened, now: Timestamp) -> Vec<FaultView> {
    let found = packet::judge(&opened.read.packet, now);
    let warnings = found.warnings.iter().map(packet::warning_view);
    warnings
        .chain(found.faults.iter().map(packet::fault_view))
        .collect()
}

/// When the first clock of a document ends that arrived now.
fn first_due(core: &Core, packet: &PacketFacts, now: Timestamp) -> Option<Timestamp> {
    let facts = Facts {
        side: Side::Received,
        packet,
        times: Times {
            arrived: Some(now),
            ..Times::default()
        },
        taken: now,
        relayed: None,
        ended: None,
    };
    facts.next(now, &core.calendar)
}

impl Delivery {
    async fn write(self, desk: &mut DeskRows<'_>) -> Result<(), DeskRefusal> {
        let (item, owner, now) = (&self.item, self.agency.as_str(), self.now);
        packets::put(desk, self.digest, item.packet_bytes, &self.kept);
        let (header, signature) = (&self.header, &self.header_signature);
        let waited = inbox::put(desk, self.leg, owner, header, signature, item, now).await?;
        if waited {
            // A recall or update overtook it: it counts from now on.
            let thread = Thread {
                agency: owner,
                side: Side::Received,
                peer: self.from.as_str(),
                local_id: &item.local_id,
            };
            refresh(desk, &thread, now, self.acts.calendar()).await?;
        }
        let packet = header.context().id.to_string();
        let acts = &self.acts;
        acts.write(desk, &self.agency, &self.from, &packet, now)
            .await
    }
}
