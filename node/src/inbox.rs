//! The inbox: lists, leases, hand-over. An acknowledgement is one commit of the item's state, the
//! statement ContentHandover and the owed receipt; repeating it gives the first answer. Items in quarantine
//! are shown and never handed out.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use formats::id::{AgencyCode, EnvelopeId};
use formats::reason::Reason;
use formats::statement::Event;
use formats::time::Timestamp;
use relay::store::{
    Change, CommitError, DeskRefusal, LegId, LegState, Move, Outcome, StatementDraft,
};

use crate::desk::Topic;
use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::packet::{self, PacketError};
use crate::store::commit::desk_write;
use crate::store::inbox::{self, InboxQuery, Standing, expect_moved};
use crate::view::{Acknowledged, Claim, FileView, InboxRow, InboxState, Page};

pub(crate) async fn list(
    core: &Core,
    owner: &AgencyCode,
    states: &[InboxState],
    kind: Option<&str>,
    text: Option<&str>,
    cursor: Option<&str>,
    limit: u32,
) -> Result<Page<InboxRow>, DeskError> {
    let limit = limit.clamp(1, PAGE_MAX);
    let before = cursor.map(place).transpose()?;
    let query = InboxQuery {
        owner,
        states,
        kind,
        text,
        before,
        limit: limit + 1,
        now: core.now(),
    };
    let rows = inbox::list(&core.reader(), &query).await?;
    Ok(page(rows, limit))
}

/// Cuts a list that was read with one row more than asked for.
pub(crate) fn page<T>(mut rows: Vec<(i64, T)>, limit: u32) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(seq, _)| cursor_of(*seq));
    Page {
        items: rows.into_iter().map(|(_, row)| row).collect(),
        next,
    }
}

/// A cursor says its place and nothing else; the prefix lets the form change.
fn cursor_of(seq: i64) -> String {
    format!("s{seq:x}")
}

pub(crate) fn place(cursor: &str) -> Result<i64, DeskError> {
    cursor
        .strip_prefix('s')
        .and_then(|hex| i64::from_str_radix(hex, 16).ok())
        .filter(|seq| *seq > 0)
        .ok_or(DeskError::BadCursor)
}

/// Leases items. A look that finds nothing writes nothing, and is not made where another has just found
/// nothing; what another claim is leasing at this moment is left to it. So many waiting workers neither
/// read nor write for the same item.
pub(crate) async fn claim(
    core: &Core,
    owner: &AgencyCode,
    count: u32,
    lease_s: u32,
) -> Result<Claim, DeskError> {
    let now = core.now();
    let lease_ms = i64::from(lease_s.clamp(5, 3600)) * 1000;
    let until = now.plus_ms(lease_ms);
    let word = format!("{:032x}", rand::random::<u128>());
    let count = usize::try_from(count.clamp(1, PAGE_MAX)).unwrap_or(1);
    let (mut rows, _turn) = look(core, owner, count, now).await?;
    if rows.is_empty() {
        let items = Vec::new();
        return Ok(Claim {
            claim: word,
            until,
            items,
        });
    }
    let wanted: Vec<i64> = rows.iter().map(|(seq, _)| *seq).collect();
    let (given, taken) = (word.clone(), Arc::new(Mutex::new(Vec::new())));
    let leased = Arc::clone(&taken);
    let write = desk_write(move |desk, _| {
        async move {
            let seqs = inbox::lease(desk, &wanted, &given, now, until).await?;
            *leased.lock().unwrap_or_else(PoisonError::into_inner) = seqs;
            Ok(())
        }
        .boxed()
    });
    core.station()
        .commit(Change::with_desk(Vec::new(), write))
        .await?;
    let taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
    rows.retain(|(seq, _)| taken.contains(seq));
    let claimed = |(_, row)| InboxRow {
        state: InboxState::Claimed,
        ..row
    };
    Ok(Claim {
        claim: word,
        until,
        items: rows.into_iter().map(claimed).collect(),
    })
}

/// Up to `count` items that are free, reserved for this claim.
async fn look<'a>(
    core: &'a Core,
    owner: &AgencyCode,
    count: usize,
    now: Timestamp,
) -> Result<(Vec<(i64, InboxRow)>, LeaseTurn<'a>), DeskError> {
    let leasing = &core.leasing;
    let _one_at_a_time = leasing.looking.lock().await;
    let version = core.topics.version(Topic::inbox(owner));
    if leasing.is_empty(owner, version) {
        return Ok(leasing.take(Vec::new(), count));
    }
    let most = count + leasing.in_work();
    let free = inbox::free(&core.reader(), owner, now, most).await?;
    // All there are were found, and this claim takes what the others leave.
    let emptied = free.len() < most && leasing.left(&free) <= count;
    let taken = leasing.take(free, count);
    if emptied {
        leasing.found_empty(owner, version);
    }
    Ok(taken)
}

/// What claims at work know of each other.
#[derive(Debug, Default)]
pub(crate) struct Leasing {
    looking: tokio::sync::Mutex<()>,
    /// Rows whose lease is being written now.
    taken: Mutex<HashSet<i64>>,
    /// Inboxes in which nothing was free: at which version of their topic, and when.
    empty: Mutex<HashMap<AgencyCode, (u64, Instant)>>,
}

/// Ends with the claim that holds it.
#[derive(Debug)]
struct LeaseTurn<'a> {
    all: &'a Mutex<HashSet<i64>>,
    seqs: Vec<i64>,
}

impl Leasing {
    fn in_work(&self) -> usize {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.len()
    }

    fn is_empty(&self, owner: &AgencyCode, version: u64) -> bool {
        let empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        let found = empty.get(owner);
        found.is_some_and(|(at, when)| *at == version && when.elapsed() < EMPTY_FOR)
    }

    fn found_empty(&self, owner: &AgencyCode, version: u64) {
        let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        empty.insert(owner.clone(), (version, Instant::now()));
    }

    /// How many of the rows no other claim is leasing.
    fn left<T>(&self, rows: &[(i64, T)]) -> usize {
        let all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        rows.iter().filter(|(seq, _)| !all.contains(seq)).count()
    }

    /// The first `count` rows that no other claim is leasing.
    fn take<T>(&self, mut rows: Vec<(i64, T)>, count: usize) -> (Vec<(i64, T)>, LeaseTurn<'_>) {
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        rows.retain(|(seq, _)| !all.contains(seq));
        rows.truncate(count);
        let seqs: Vec<i64> = rows.iter().map(|(seq, _)| *seq).collect();
        all.extend(&seqs);
        let all = &self.taken;
        (rows, LeaseTurn { all, seqs })
    }
}

impl Drop for LeaseTurn<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        for seq in &self.seqs {
            all.remove(seq);
        }
    }
}

/// How long an inbox counts as empty without a change: leases that end are seen after this.
const EMPTY_FOR: Duration = Duration::from_secs(1);

pub(crate) async fn acknowledge(
    core: &Core,
    owner: &AgencyCode,
    id: EnvelopeId,
    claim: Option<&str>,
) -> Result<Acknowledged, DeskError> {
    let now = core.now();
    let item = inbox::standing(&core.reader(), owner, id, now).await?;
    if let Some(first) = first_answer(&item, id, claim, now)? {
        return Ok(first);
    }
    let one = stating(
        item.leg,
        LegState::PassedOn,
        Event::ContentHandover,
        None,
        now,
    );
    let (code, word) = (owner.to_string(), claim.map(str::to_owned));
    let write = desk_write(move |desk, outcomes| {
        async move {
            expect_moved(outcomes)?;
            if inbox::acknowledge(desk, &code, &id.to_string(), word.as_deref(), now).await? {
                Ok(())
            } else {
                Err(DeskRefusal::refused("acknowledged before"))
            }
        }
        .boxed()
    });
    match core
        .station()
        .commit(Change::with_desk(vec![one.into()], write))
        .await
    {
        Ok(_) => Ok(Acknowledged {
            id,
            at: now,
            duplicate: false,
        }),
        // Two acknowledgements at once: the other one was first.
        Err(CommitError::Desk(DeskRefusal::Refused(_))) => {
            let item = inbox::standing(&core.reader(), owner, id, now).await?;
            if let Some(first) = first_answer(&item, id, claim, now)? {
                return Ok(first);
            }
            match core.station().store().leg(item.leg).await {
                Ok(None) => acknowledge_late(core, owner, id, claim, now).await,
                Ok(Some(_)) => Err(DeskError::NotClaimed),
                Err(error) => Err(DeskError::Internal(error.to_string())),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// A person looks at a document for the first time: stated once, and told to its sender. Nothing waits for it
/// and nothing fails by it.
pub(crate) async fn looked(core: &Core, owner: &AgencyCode, id: EnvelopeId) {
    let leg = match inbox::open(&core.reader(), owner, id).await {
        Ok(Some(leg)) => leg,
        Ok(None) => return,
        Err(error) => {
            tracing::warn!(envelope = %id, %error, "that it was opened is not stated");
            return;
        }
    };
    let now = core.now();
    let one = stating(leg, LegState::PassedOn, Event::Opened, None, now);
    let owner = owner.clone();
    let write = desk_write(move |desk, outcomes| {
        async move {
            // 30 days after it expired the station has forgotten the leg: nobody is told any more.
            if !matches!(outcomes, [Outcome::Moved | Outcome::Stale]) {
                return Err(DeskRefusal::refused("no leg"));
            }
            inbox::opened(desk, &owner, id, now).await
        }
        .boxed()
    });
    let change = Change::with_desk(vec![one.into()], write);
    match core.station().commit(change).await {
        Ok(_) | Err(CommitError::Desk(DeskRefusal::Refused(_))) => {}
        Err(error) => {
            tracing::warn!(envelope = %id, %error, "that it was opened is not stated");
        }
    }
}

/// The agency's system cannot take a delivered document: it is set aside here, and its sender gets the
/// statement. `why` stays at this desk; what is to be said to people goes in a status packet.
pub(crate) async fn refuse(
    core: &Core,
    owner: &AgencyCode,
    id: EnvelopeId,
    claim: Option<&str>,
    why: &str,
) -> Result<Timestamp, DeskError> {
    let now = core.now();
    let item = inbox::standing(&core.reader(), owner, id, now).await?;
    if first_answer(&item, id, claim, now)?.is_some() {
        return Err(DeskError::NotClaimed);
    }
    let reason = Reason::RefusedByRecipient;
    let to = LegState::Refused(reason);
    let one = stating(
        item.leg,
        to,
        Event::ContentHandoverFailure,
        Some(reason),
        now,
    );
    let (code, why) = (owner.clone(), why.trim().to_owned());
    let write = desk_write(move |desk, outcomes| {
        async move {
            expect_moved(outcomes)?;
            inbox::refuse(desk, &code, id, &why).await
        }
        .boxed()
    });
    let change = Change::with_desk(vec![one.into()], write);
    match core.station().commit(change).await {
        Ok(_) => {
            core.changed(Topic::inbox(owner));
            Ok(now)
        }
        Err(CommitError::Desk(DeskRefusal::Refused(_))) => Err(DeskError::NotClaimed),
        Err(error) => Err(error.into()),
    }
}

/// A statement about a leg that the desk has, owed to its sender.
fn stating(leg: LegId, to: LegState, event: Event, reason: Option<Reason>, at: Timestamp) -> Move {
    Move {
        leg,
        expect: vec![LegState::PassedOn],
        to,
        at,
        statement: Some(StatementDraft {
            event,
            reason,
            next_station: None,
        }),
        owe_receipt: true,
        evidence: None,
    }
}

/// Hands over an item whose leg is retired: 30 days after it expired the station has forgotten the
/// envelope, so there is nobody to tell, and the document is the recipient's all the same.
async fn acknowledge_late(
    core: &Core,
    owner: &AgencyCode,
    id: EnvelopeId,
    claim: Option<&str>,
    now: Timestamp,
) -> Result<Acknowledged, DeskError> {
    let (code, word) = (owner.to_string(), claim.map(str::to_owned));
    let write = desk_write(move |desk, _| {
        async move {
            if inbox::acknowledge(desk, &code, &id.to_string(), word.as_deref(), now).await? {
                Ok(())
            } else {
                Err(DeskRefusal::refused("acknowledged before"))
            }
        }
        .boxed()
    });
    let change = Change::with_desk(Vec::new(), write);
    let (at, duplicate) = match core.station().commit(change).await {
        Ok(_) => (now, false),
        Err(CommitError::Desk(DeskRefusal::Refused(_))) => {
            let item = inbox::standing(&core.reader(), owner, id, now).await?;
            (item.acknowledged.unwrap_or(now), true)
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Acknowledged { id, at, duplicate })
}

/// The answer for an item that is not simply ours to acknowledge now.
fn first_answer(
    item: &Standing,
    id: EnvelopeId,
    claim: Option<&str>,
    now: Timestamp,
) -> Result<Option<Acknowledged>, DeskError> {
    match item.state {
        // A worker whose lease ran out, and whose item another took, must not believe that it was the one.
        InboxState::Acknowledged if claim.is_some() && item.claim.as_deref() != claim => {
            Err(DeskError::NotClaimed)
        }
        InboxState::Acknowledged => {
            let at = item.acknowledged.unwrap_or(now);
            Ok(Some(Acknowledged {
                id,
                at,
                duplicate: true,
            }))
        }
        InboxState::Quarantined => Err(DeskError::Quarantined),
        InboxState::New | InboxState::Claimed => {
            let leased = item.lease_until.is_some_and(|until| until > now);
            let ours = match claim {
                Some(word) => item.claim.as_deref() == Some(word),
                None => !leased,
            };
            if ours {
                Ok(None)
            } else {
                Err(DeskError::NotClaimed)
            }
        }
    }
}

/// The verified packet.
pub(crate) async fn package(
    core: &Core,
    owner: &AgencyCode,
    id: EnvelopeId,
) -> Result<FileView, DeskError> {
    let (digest, code) = inbox::packet(&core.reader(), owner, id).await?;
    core.packet_file(digest.ok_or(DeskError::Quarantined)?, &code)
        .await
}

/// One attachment, unzipped.
pub(crate) async fn file(
    core: &Core,
    owner: &AgencyCode,
    id: EnvelopeId,
    n: u32,
) -> Result<FileView, DeskError> {
    let package = package(core, owner, id).await?;
    extract(core, package, n).await
}

/// Attachment `n` of a packet.
pub(crate) async fn extract(core: &Core, package: FileView, n: u32) -> Result<FileView, DeskError> {
    let tmp = core.tmp.clone();
    let found = tokio::task::spawn_blocking(move || packet::extract(&package.body, n, &tmp))
        .await
        .map_err(|error| DeskError::Internal(error.to_string()))?;
    let found = found.map_err(|error| match error {
        PacketError::Faults(faults) => {
            let first = faults
                .first()
                .map(|fault| fault.text.en.clone())
                .unwrap_or_default();
            DeskError::Attachment(first)
        }
        PacketError::Disk(error) => error.into(),
    })?;
    let (view, body) = found.ok_or(DeskError::NotFound)?;
    let digest = body.digest();
    Ok(FileView {
        body,
        file_name: view.file_name,
        mime: view.mime,
        digest,
    })
}

const PAGE_MAX: u32 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_others_are_refused() {
        assert_eq!(place(&cursor_of(4711)).unwrap(), 4711);
        for wrong in ["", "s", "s0", "s-1", "x12", "sz"] {
            assert!(matches!(place(wrong), Err(DeskError::BadCursor)), "{wrong}");
        }
    }

    #[test]
    fn two_claims_at_once_get_different_rows_and_an_ended_claim_gives_its_rows_free() {
        let leasing = Leasing::default();
        let rows = || vec![(1, 'a'), (2, 'b'), (3, 'c')];
        let (first, turn) = leasing.take(rows(), 2);
        assert_eq!(first, [(1, 'a'), (2, 'b')]);
        assert_eq!(leasing.in_work(), 2);
        let (second, _other) = leasing.take(rows(), 2);
        assert_eq!(second, [(3, 'c')]);
        drop(turn);
        assert_eq!(leasing.take(rows(), 9).0, [(1, 'a'), (2, 'b')]);
    }

    #[test]
    fn a_page_has_a_cursor_only_when_more_follows() {
        let rows: Vec<(i64, u8)> = (1..=4).rev().map(|at| (at, 0)).collect();
        let cut = page(rows.clone(), 3);
        assert_eq!((cut.items.len(), cut.next.as_deref()), (3, Some("s2")));
        assert_eq!(page(rows, 4).next, None);
    }
}
