//! Legal deadlines of documents at this desk [edxml-model 4.4]: which clocks run for one document and one
//! other agency, and the lists of what is overdue and what is due soon.
//!
//! The rows keep when the next clock ends, so that lists find candidates by an index; what is shown is
//! computed again from the facts and the calendar of today.

use formats::edxml::Date;
use formats::edxml::deadline::{Calendar, Course, Deadline, Side as End, Standing, next_due};
use formats::header::Priority;
use formats::id::AgencyCode;
use formats::time::Timestamp;

use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::life::{Life, Side, Times};
use crate::store::deadlines::{self, Candidate};
use crate::view::{
    ActView, BusinessView, DeadlineRow, DeadlineView, DocumentView, InboxView, PacketFacts,
    RecipientState, RecipientView,
};

/// What the clocks of one document and one other agency run from.
#[derive(Clone, Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) side: Side,
    pub(crate) packet: &'a PacketFacts,
    pub(crate) times: Times,
    /// When this desk took the document: handed in by its own system, or received.
    pub(crate) taken: Timestamp,
    /// When the first neighbour had it; sent documents only.
    pub(crate) relayed: Option<Timestamp>,
    /// The exchange ended: withdrawn, refused by the network, expired.
    pub(crate) ended: Option<Timestamp>,
}

impl Facts<'_> {
    /// The clocks, in the order of a document's life.
    pub(crate) fn deadlines(&self, now: Timestamp, calendar: &Calendar) -> Vec<Deadline> {
        let day = |text: &Option<String>| {
            let parsed = text.as_deref().and_then(Date::parse)?;
            Some(parsed.value)
        };
        let sent = self.side == Side::Sent;
        let times = &self.times;
        let course = Course {
            priority: Priority::from_number(self.packet.priority.into()).unwrap_or_default(),
            signed: None,
            issued: day(&self.packet.promulgated),
            handed_in: sent.then_some(self.taken),
            // A station that delivers to its own agency passes nothing on.
            sent: self.relayed.or(times.arrived).filter(|_| sent),
            arrived: times.arrived,
            refused: times.refused,
            accepted: times.accepted,
            assigned: times.assigned,
            in_progress: times.in_progress,
            completed: times.completed,
            due_date: day(&self.packet.due),
            asked: times.asked,
            answered: times.answered,
            ended: self.ended,
        };
        let end = if sent { End::Sender } else { End::Receiver };
        course.deadlines(end, now, calendar)
    }

    /// When the next clock ends that somebody still owes.
    pub(crate) fn next(&self, now: Timestamp, calendar: &Calendar) -> Option<Timestamp> {
        let all = self.deadlines(now, calendar);
        let owed = all.iter().filter(|deadline| deadline.is_owed());
        owed.map(|deadline| deadline.due).min()
    }
}

/// Whether a document ended for another reason than what its recipient said.
pub(crate) fn ended(
    state: RecipientState,
    withdrawn: bool,
    changed: Timestamp,
) -> Option<Timestamp> {
    let over = match state {
        RecipientState::Refused | RecipientState::Expired | RecipientState::Withdrawn => true,
        RecipientState::Accepted
        | RecipientState::Relayed
        | RecipientState::Delivered
        | RecipientState::HandedOver => false,
    };
    (over || withdrawn).then_some(changed)
}

/// Views of deadlines.
pub(crate) fn views(deadlines: &[Deadline]) -> Vec<DeadlineView> {
    deadlines.iter().map(DeadlineView::from).collect()
}

/// Fills in the deadlines of a sent document's recipients.
pub(crate) fn of_recipients(
    core: &Core,
    document: &DocumentView,
    recipients: &mut [RecipientView],
) {
    let now = core.now();
    if document.row.kind == "status" || document.facts.business == RECALL {
        return;
    }
    for one in recipients {
        if document.facts.business == UPDATE && is_updated(&one.business) {
            continue;
        }
        let gone = one.business.state == "withdrawn";
        let facts = Facts {
            side: Side::Sent,
            packet: &document.facts,
            times: one.business.times,
            taken: document.row.created,
            relayed: one.relayed_at,
            ended: ended(one.state, gone, one.updated),
        };
        one.deadlines = views(&facts.deadlines(now, &core.calendar));
    }
}

/// An update is a document of its own only for those who did not have the document before.
fn is_updated(business: &BusinessView) -> bool {
    let about = |act: &ActView| matches!(act.kind, "update" | "removed");
    business.acts.iter().any(about)
}

/// Fills in the deadlines of a received document.
pub(crate) fn of_item(core: &Core, item: &mut InboxView) {
    let Some(business) = &item.business else {
        return;
    };
    let business_type = item.facts.business;
    if business_type == RECALL || (business_type == UPDATE && is_updated(business)) {
        return;
    }
    let gone = business.state == "withdrawn";
    let facts = Facts {
        side: Side::Received,
        packet: &item.facts,
        times: business.times,
        taken: item.row.received,
        relayed: None,
        ended: business.times.answered.filter(|_| gone),
    };
    item.deadlines = views(&facts.deadlines(core.now(), &core.calendar));
}

/// Documents with a clock that runs, the most pressing first; `standings` empty = overdue and due soon.
pub(crate) async fn list(
    core: &Core,
    agency: &AgencyCode,
    side: Side,
    standings: &[Standing],
    limit: u32,
) -> Result<Vec<DeadlineRow>, DeskError> {
    let pressing = [Standing::Overdue, Standing::DueSoon];
    let wanted = if standings.is_empty() {
        &pressing[..]
    } else {
        standings
    };
    let now = core.now();
    // Warnings begin three days before the end at the earliest; other standings may be any time ahead.
    let until = wanted
        .iter()
        .all(|standing| pressing.contains(standing))
        .then(|| now.plus_ms(SOON_MS));
    let pool = core.reader();
    let found = deadlines::candidates(&pool, agency, side, until, CANDIDATES).await?;
    let mut rows: Vec<DeadlineRow> = Vec::new();
    for one in found {
        let all = facts(&one, side).deadlines(now, &core.calendar);
        let Some(next) = next_due(&all).filter(|next| wanted.contains(&next.standing)) else {
            continue;
        };
        rows.push(row(one, side, DeadlineView::from(next)));
    }
    rows.sort_by_key(|row| (row.next.order, row.next.due));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(rows)
}

fn facts(one: &Candidate, side: Side) -> Facts<'_> {
    Facts {
        side,
        packet: &one.facts,
        times: one.life.times,
        taken: one.taken,
        relayed: one.relayed,
        ended: one.ended,
    }
}

fn row(one: Candidate, side: Side, next: DeadlineView) -> DeadlineRow {
    DeadlineRow {
        side: side.code(),
        id: one.id,
        local_id: one.local_id,
        business_state: Life::state(&one.life).to_owned(),
        code: one.facts.code,
        subject: one.facts.subject,
        priority: one.facts.priority,
        peer: one.peer,
        peer_name: one.peer_name,
        next,
    }
}

/// BussinessDocType of a recall.
const RECALL: u8 = 1;
/// BussinessDocType of an update.
const UPDATE: u8 = 2;
/// Three days and an evening.
const SOON_MS: i64 = 4 * 24 * 3_600_000;
/// Rows looked at for one list: a desk with more than this overdue has another problem.
const CANDIDATES: u32 = 2_000;
