//! What a packet does to other documents, at the desk where it is sent and at the desk where it arrives:
//! finds the documents that it names, says what does not fit, and writes the acts in the packet's commit
//! [edxml-model 3, 4.3, 6].
//!
//! An act never changes what was sent or received; it is kept beside it and moves where it stands. An
//! act about a document that has not come yet waits for it.

use std::sync::Arc;

use formats::edxml::deadline::Calendar;
use formats::edxml::status::Outcome as LadderOutcome;
use formats::edxml::{Business, Fault, Packet, StatusCode, Warning, validate};
use formats::id::{AgencyCode, EnvelopeId};
use formats::time::Timestamp;
use relay::directory::Snapshot;
use relay::store::{DeskRefusal, DeskRows};

use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::life::{ActKind, Life, NewAct, Side, acts_of};
use crate::packet::{fault_view, warning_view};
use crate::store::acts::{self, ActPlace};
use crate::view::FaultView;

/// The acts of one packet at this desk.
#[derive(Debug, Default)]
pub(crate) struct Acts {
    /// With the other agency of each.
    all: Vec<(AgencyCode, NewAct)>,
    /// Sent documents that they are about: who waits for them is woken.
    pub(crate) about: Vec<EnvelopeId>,
    /// What does not fit and is no reason to refuse.
    pub(crate) warnings: Vec<FaultView>,
    calendar: Arc<Calendar>,
}

impl Acts {
    /// The working calendar that deadlines follow.
    pub(crate) fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Writes them, in the commit of the packet `packet` that `who` sent.
    pub(crate) async fn write(
        &self,
        desk: &mut DeskRows<'_>,
        agency: &AgencyCode,
        who: &AgencyCode,
        packet: &str,
        now: Timestamp,
    ) -> Result<(), DeskRefusal> {
        for (peer, act) in &self.all {
            let place = ActPlace {
                agency: agency.to_string(),
                peer: peer.to_string(),
                who: who.to_string(),
                packet: packet.to_owned(),
            };
            acts::record(desk, &place, act, now, &self.calendar).await?;
        }
        Ok(())
    }

    /// Recipients from whom a document is taken back, by its DocumentId.
    pub(crate) fn taken_back(&self) -> impl Iterator<Item = (&str, &AgencyCode)> {
        self.all.iter().filter_map(|(peer, act)| match act.kind {
            ActKind::Recall | ActKind::Removed | ActKind::Status(StatusCode::TakeBack)
                if act.side == Side::Sent =>
            {
                Some((act.target.local_id.as_deref()?, peer))
            }
            _ => None,
        })
    }
}

/// The acts of a packet that this desk sends, per recipient. The faults say why it may not go.
pub(crate) async fn outgoing(
    core: &Core,
    agency: &AgencyCode,
    packet: &Packet,
    recipients: &[AgencyCode],
    now: Timestamp,
) -> Result<Result<Acts, Vec<FaultView>>, DeskError> {
    let directory = core.station().directory().snapshot();
    let mut found = Acts {
        calendar: Arc::clone(&core.calendar),
        ..Acts::default()
    };
    for recipient in recipients {
        let names = |written: &_| names(&directory, written, recipient, now);
        for act in acts_of(packet, true, names, now) {
            let act = settle(core, agency, recipient, packet, act, &mut found).await?;
            found
                .warnings
                .extend(fit(core, agency, recipient, &act).await?);
            found.all.push((recipient.clone(), act));
        }
    }
    if let Packet::Status(status) = packet
        && found.about.is_empty()
    {
        let (vi, en) = if status.code == StatusCode::TakeBack {
            (
                "cơ quan chưa gửi văn bản này qua trạm; kiểm tra DocumentId, số ký hiệu và ngày",
                "this agency has not sent that document here; check DocumentId, code and date",
            )
        } else {
            (
                "không có văn bản đến này của cơ quan đó; kiểm tra DocumentId, số ký hiệu và ngày",
                "no such document was received from that agency; check DocumentId, code and date",
            )
        };
        let fault = Fault::status("MessageHeader/ResponseFor", vi, en);
        return Ok(Err(vec![fault_view(&fault)]));
    }
    found.warnings.dedup();
    Ok(Ok(found))
}

/// The acts of a packet that arrived here for `agency` from `sender`.
pub(crate) async fn incoming(
    core: &Core,
    agency: &AgencyCode,
    sender: &AgencyCode,
    packet: &Packet,
    now: Timestamp,
) -> Result<Acts, DeskError> {
    let directory = core.station().directory().snapshot();
    let names = |written: &_| names(&directory, written, agency, now);
    let mut found = Acts {
        calendar: Arc::clone(&core.calendar),
        ..Acts::default()
    };
    for act in acts_of(packet, false, names, now) {
        let about = found.about.len();
        let act = settle(core, agency, sender, packet, act, &mut found).await?;
        let unknown = found.about.len() == about;
        if unknown && act.side == Side::Sent {
            // What was never sent to them cannot be answered by them: shown, and counts nowhere.
            let fault = Fault::status(
                "MessageHeader/ResponseFor",
                "cơ quan này chưa từng gửi văn bản đó cho bên trả lời",
                "that document was never sent to the agency that answers it",
            );
            found.warnings.push(fault_view(&fault));
            continue;
        }
        if unknown {
            found.warnings.push(waits());
        }
        found.all.push((sender.clone(), act));
    }
    Ok(found)
}

/// Puts the DocumentId as this desk knows it into the act.
async fn settle(
    core: &Core,
    agency: &AgencyCode,
    peer: &AgencyCode,
    packet: &Packet,
    mut act: NewAct,
    found: &mut Acts,
) -> Result<NewAct, DeskError> {
    let pool = core.reader();
    let target =
        acts::find_target(&pool, agency, act.side, Some(peer.as_str()), &act.target).await?;
    if let Some(target) = target {
        if let Packet::Status(status) = packet {
            let early = validate::status_time(status, target.sent);
            found.warnings.extend(early.as_ref().map(warning_view));
        }
        act.target.local_id = Some(target.local_id);
        found.about.push(target.id);
    }
    Ok(act)
}

/// A warning when the act comes at the wrong moment: it is sent all the same, and moves nothing.
async fn fit(
    core: &Core,
    agency: &AgencyCode,
    peer: &AgencyCode,
    act: &NewAct,
) -> Result<Option<FaultView>, DeskError> {
    let Some(local_id) = &act.target.local_id else {
        return Ok(None);
    };
    let pool = core.reader();
    let (earlier, arrived) = match act.side {
        Side::Received => {
            let acts = acts::received(&pool, agency, peer.as_str(), local_id).await?;
            (acts, Some(Timestamp::from_unix_ms(0)))
        }
        Side::Sent => {
            let mut all = acts::sent(&pool, agency, local_id).await?;
            (all.remove(peer.as_str()).unwrap_or_default(), None)
        }
    };
    let life = Life::fold(earlier, arrived, None);
    Ok(match life.preview(&act.kind, act.at) {
        Some(LadderOutcome::Early) => Some(step(
            "chưa đến lượt trạng thái này; được gửi và ghi lại, sẽ có hiệu lực khi đủ các bước trước",
            "comes before its turn; it is sent and kept, and counts when the steps before it are there",
        )),
        Some(LadderOutcome::Kept) => Some(step(
            "không còn hợp với tình trạng văn bản; được gửi và ghi lại nhưng không đổi tình trạng",
            "does not fit where the document stands; it is sent and kept and moves nothing",
        )),
        Some(LadderOutcome::Duplicate) => Some(step(
            "đã báo trước đây; được gửi và ghi lại nhưng không đổi tình trạng",
            "was said before; it is sent and kept and moves nothing",
        )),
        Some(LadderOutcome::Moved) | None => None,
    })
}

fn waits() -> FaultView {
    step(
        "văn bản gốc chưa đến đây (bị chặn trước khi giao, hoặc còn trên đường); sẽ áp dụng khi văn bản đến",
        "the document it is about is not here (stopped before delivery, or on its way); it counts when it comes",
    )
}

fn step(vi: &str, en: &str) -> FaultView {
    warning_view(&Warning::new("W-STEP", "", vi, en))
}

fn names(
    directory: &Snapshot,
    written: &formats::edxml::OrganId,
    agency: &AgencyCode,
    now: Timestamp,
) -> bool {
    directory
        .resolve(written.as_str(), now)
        .is_some_and(|entry| entry.agency.code == *agency)
}

/// Whether a packet is a document for its recipient: its arrival is reported (status 01) and its
/// deadlines run. A recall, and an update for those who have the document, speak of another one.
pub(crate) fn is_document(packet: &Packet, acts: &Acts) -> bool {
    match packet {
        Packet::Document(document) => match document.business {
            Business::New | Business::Replace { .. } => true,
            Business::Update { .. } => acts.is_empty(),
            Business::Recall { .. } | Business::Other { .. } => false,
        },
        Packet::Status(_) => false,
    }
}
