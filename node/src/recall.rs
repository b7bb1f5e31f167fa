//! Recall before delivery (architecture 5): the sender's desk asks the recipients' home stations not to
//! deliver what is still on its way; the recipient's desk buries it, or leaves standing what was delivered.
//!
//! The request travels as a control message of the station, in the commit of the packet that recalls.
//! Only the home station's statement `Recalled` makes `withdrawn` final at the sender; whoever stops a leg
//! before shows it, not more. What was delivered is recalled by the edXML packet and its answer 15 or 16.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sqlx::Row;

use formats::header::Header;
use formats::id::{AgencyCode, EnvelopeId, Party, StationName};
use formats::query::StatusQuery;
use formats::reason::Reason;
use formats::recall::Recall;
use formats::statement::Event;
use formats::time::Timestamp;
use relay::desk::Arrival;
use relay::recall::Judged;
use relay::store::{
    Change, CommitError, DeskRows, LegState, Move, StatementDraft, Withdraw, Write,
};

use crate::acts::Acts;
use crate::desk::Topic;
use crate::desk::core::Core;
use crate::fault::{DeskError, SubmitError};
use crate::open::Verdict;
use crate::receipts::open_body;
use crate::store::acts::naturals;
use crate::store::receipts::{Step, put_steps as write_steps};

/// What a recalling packet adds to its own commit.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    /// Control messages, and legs of our own that are stopped.
    pub(crate) station: Vec<Write>,
    /// Whom the recipients' histories show as asked.
    pub(crate) steps: Vec<Asked>,
}

/// One recipient whose home station was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    envelope: String,
    recipient: String,
    station: String,
}

/// An envelope that is still on its way to some of its recipients.
struct Moving {
    header: Header,
    signature: Vec<u8>,
    recipients: Vec<AgencyCode>,
}

/// The writes for what `acts` take back and has not been delivered yet.
pub(crate) async fn writes(
    core: &Core,
    agency: &AgencyCode,
    acts: &Acts,
) -> Result<Writes, SubmitError> {
    let mut wanted: BTreeMap<&str, BTreeSet<&AgencyCode>> = BTreeMap::new();
    for (document, recipient) in acts.taken_back() {
        wanted.entry(document).or_default().insert(recipient);
    }
    let mut all = Writes::default();
    for (document, recipients) in wanted {
        for moving in moving(core, agency, document, &recipients).await? {
            ask(core, moving, &mut all).await?;
        }
    }
    Ok(all)
}

/// Envelopes of the document that some of these recipients have not got.
async fn moving(
    core: &Core,
    agency: &AgencyCode,
    document: &str,
    recipients: &BTreeSet<&AgencyCode>,
) -> Result<Vec<Moving>, DeskError> {
    let [new, update, replacement] = naturals(document);
    let rows = sqlx::query(
        "SELECT e.id AS id, e.header AS header, e.header_signature AS signature,
           r.recipient AS recipient
         FROM desk_document d JOIN desk_recipient r ON r.document = d.id
         JOIN desk_envelope e ON e.id = r.envelope
         WHERE d.agency = ? AND d.natural IN (?, ?, ?) AND r.replaced = 0
           AND r.state IN ('accepted', 'relayed')",
    )
    .bind(agency.as_str())
    .bind(new)
    .bind(update)
    .bind(replacement)
    .fetch_all(&core.reader())
    .await?;
    let mut found: BTreeMap<String, Moving> = BTreeMap::new();
    for row in &rows {
        let recipient = crate::store::documents::code(row, "recipient")?;
        if !recipients.contains(&recipient) {
            continue;
        }
        let id: String = row.try_get("id")?;
        if let Some(known) = found.get_mut(&id) {
            known.recipients.push(recipient);
            continue;
        }
        let bytes: Vec<u8> = row.try_get("header")?;
        let header =
            Header::decode(&bytes).map_err(|error| crate::store::documents::damaged(&error))?;
        let moving = Moving {
            header,
            signature: row.try_get("signature")?,
            recipients: vec![recipient],
        };
        found.insert(id, moving);
    }
    Ok(found.into_values().collect())
}

async fn ask(core: &Core, moving: Moving, all: &mut Writes) -> Result<(), SubmitError> {
    let station = core.station();
    let directory = station.directory().snapshot();
    let now = core.now();
    let mut homes: BTreeMap<StationName, Vec<Party>> = BTreeMap::new();
    for recipient in &moving.recipients {
        if let Some(home) = directory.home_station(recipient, now) {
            let party = Party::Agency(recipient.clone());
            homes.entry(home).or_default().push(party);
        }
    }
    let envelope = moving.header.context().id;
    for (home, recipients) in homes {
        let asked = recipients.iter().map(|recipient| Asked {
            envelope: envelope.to_string(),
            recipient: recipient.to_string(),
            station: home.to_string(),
        });
        let asked: Vec<Asked> = asked.collect();
        let message = Recall {
            header: moving.header.clone(),
            header_signature: moving.signature.clone(),
            recipients,
        };
        let to = std::slice::from_ref(&home);
        match station.control(to, message.encode()).await {
            Ok(accept) => {
                all.station.push(accept.into());
                all.steps.extend(asked);
            }
            Err(error) => {
                // The recall itself goes on as a packet and waits for the road like any other.
                tracing::warn!(code = "TRAM-325", %envelope, %error, "home station is not asked");
            }
        }
    }
    for stopped in own_legs(core, &moving, now).await? {
        all.station.push(stopped);
    }
    Ok(())
}

/// What has not left this station yet stays here: the writes that stop its legs, stated in our log.
async fn own_legs(core: &Core, moving: &Moving, now: Timestamp) -> Result<Vec<Write>, SubmitError> {
    let internal = |error: relay::store::ReadError| SubmitError::Internal(error.to_string());
    let store = core.station().store();
    let context = moving.header.context();
    let found = store
        .find(&context.sender, &context.id)
        .await
        .map_err(internal)?;
    let Some(found) = found else {
        return Ok(Vec::new());
    };
    let legs = store.legs(found.key).await.map_err(internal)?;
    let stays = legs.into_iter().filter(|leg| {
        leg.next_hop.is_some()
            && !leg.state.is_final()
            && leg
                .recipient
                .agency()
                .is_some_and(|code| moving.recipients.contains(code))
    });
    Ok(stays
        .map(|leg| {
            let stop = Move {
                leg: leg.leg,
                expect: Vec::new(),
                to: LegState::Withdrawn,
                at: now,
                statement: Some(StatementDraft {
                    event: Event::RelayFailure,
                    reason: Some(Reason::Withdrawn),
                    next_station: None,
                }),
                owe_receipt: false,
                evidence: None,
            };
            stop.into()
        })
        .collect())
}

/// Shows in the recipients' histories what was done.
pub(crate) fn put_steps(desk: &mut DeskRows<'_>, asked: &[Asked], now: Timestamp) {
    let steps: Vec<Step<'_>> = asked
        .iter()
        .map(|one| Step {
            envelope: &one.envelope,
            recipient: &one.recipient,
            event: ASKED,
            at: now,
            who: &one.station,
        })
        .collect();
    write_steps(desk, &steps, now);
}

/// A step's word: the home station was asked not to deliver. Not a state of the recipient.
pub(crate) const ASKED: &str = "recall_sent";

/// Takes an envelope of class control to its final state.
pub(crate) async fn take(core: &Core, arrival: &Arrival) -> Verdict {
    let body = match open_body(core, arrival).await {
        Ok(body) => body,
        Err(why) => return Verdict::Later(why),
    };
    let directory = core.station().directory().snapshot();
    let asks = &arrival.header.context().sender;
    if StatusQuery::is_one(&body) {
        let told = core.station().query(asks, &body).await;
        return settle(core, arrival, told, None).await;
    }
    let recall = match relay::recall::judge(&directory, asks, &body) {
        Judged::Good(recall) => *recall,
        Judged::Later(why) => return Verdict::Later(why),
        Judged::Refused(why) => {
            tracing::warn!(code = "TRAM-326", %asks, why, "control message is kept, not acted on");
            return settle(core, arrival, Vec::new(), None).await;
        }
    };
    let now = core.now();
    let own = core.station().name();
    let ours = |party: &Party| {
        let served = party
            .agency()
            .filter(|code| core.agencies.of(code).is_some());
        served.is_some_and(|code| directory.home_station(code, now).as_ref() == Some(own))
    };
    let recipients: Vec<Party> = recall.recipients.into_iter().filter(ours).collect();
    let withdraw = (!recipients.is_empty()).then(|| Withdraw {
        header: Arc::new(recall.header),
        header_signature: recall.header_signature,
        recipients,
        at: now,
    });
    settle(core, arrival, Vec::new(), withdraw).await
}

/// Ends the message's leg, with what it asks for: statements told again, or a withdrawal.
async fn settle(
    core: &Core,
    arrival: &Arrival,
    told: Vec<Write>,
    withdraw: Option<Withdraw>,
) -> Verdict {
    let taken = Move {
        leg: arrival.leg,
        expect: Vec::new(),
        to: LegState::PassedOn,
        at: core.now(),
        statement: None,
        owe_receipt: false,
        evidence: None,
    };
    let about: Option<(EnvelopeId, Vec<Party>)> = withdraw
        .as_ref()
        .map(|one| (one.header.context().id, one.recipients.clone()));
    let mut writes: Vec<Write> = vec![taken.into()];
    writes.extend(withdraw.map(Write::from));
    writes.extend(told);
    match core.station().commit(Change::of(writes)).await {
        Ok(committed) => {
            if let Some((envelope, recipients)) = about {
                let outcome = committed.outcomes.get(1);
                tracing::info!(%envelope, ?outcome, "its sender takes it back");
                for code in recipients.iter().filter_map(Party::agency) {
                    core.changed(Topic::inbox(code));
                }
            }
            Verdict::Done
        }
        Err(CommitError::Desk(_)) => Verdict::Done,
        Err(error) => Verdict::Later(error.to_string()),
    }
}
