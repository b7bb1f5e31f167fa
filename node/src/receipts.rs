//! Receipts that arrive: verify who speaks and that it is proven, then move the recipients' states.
//!
//! A bundle counts when its checkpoint carries both signatures of the station that sent it, every statement
//! leads to the checkpoint's root, and each statement is about one of our headers and, for final states,
//! comes from the recipient's home station of that time (architecture 9). What does not verify is set
//! aside, stated by nobody, and shown in the log.

use std::collections::BTreeSet;
use std::sync::Arc;

use formats::body::Layout;
use formats::header::Header;
use formats::id::{AgencyCode, Digest, EnvelopeId, Party, StationName};
use formats::limits;
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::record;
use formats::statement::Statement;
use formats::time::Timestamp;
use pki::chain::VerifiedCert;
use pki::note::{verify_by_record, verify_stamp};
use pki::role::Role;
use pki::sign::Parsed;
use relay::desk::Arrival;
use relay::directory::{Snapshot, UnknownSigner};
use relay::store::{Change, CommitError, DeskRefusal, LegState, Move, Write};

use crate::desk::Topic;
use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::mend;
use crate::open::Verdict;
use crate::store::commit::desk_rows;
use crate::store::inbox::expect_moved;
use crate::store::receipts::{self, KeptReceipt, NewBundle, SentEnvelope};

/// Takes an envelope of class receipt to its final state.
pub(crate) async fn take(core: &Core, arrival: &Arrival) -> Verdict {
    let bundle = match read(core, arrival).await {
        Ok(bundle) => bundle,
        Err(Trouble::Later(why)) => return Verdict::Later(why),
        Err(Trouble::Aside(reason, why)) => return aside(core, arrival, reason, &why).await,
    };
    let directory = core.station().directory().snapshot();
    let context = arrival.header.context();
    let Some(station) = context.sender.station() else {
        return aside(
            core,
            arrival,
            Reason::SenderMismatch,
            "sender is no station",
        )
        .await;
    };
    let statements = match verify(&directory, station, &bundle, context.created) {
        Ok(statements) => statements,
        Err(Trouble::Later(why)) => return Verdict::Later(why),
        Err(Trouble::Aside(reason, why)) => return aside(core, arrival, reason, &why).await,
    };
    core.station().saw_checkpoint(station, &bundle.checkpoint);
    let bundle = believed(&directory, station, bundle, core.now());
    let mut good = Vec::with_capacity(statements.len());
    let mut said = Vec::new();
    let mut documents = BTreeSet::new();
    let named = statements.iter().map(|one| one.envelope).collect();
    let sent = match receipts::sent(&core.reader(), &named).await {
        Ok(sent) => sent,
        Err(error) => return Verdict::Later(error.to_string()),
    };
    for statement in &statements {
        let ours = sent.get(&statement.envelope);
        match ours.map(|sent| about_ours(&directory, station, statement, sent)) {
            Some(Ok(Some((document, moves)))) => {
                documents.insert(document);
                said.push(statement);
                good.push(moves);
            }
            Some(Ok(None)) | None => {
                good.push(false);
                tracing::warn!(
                    code = "TRAM-322",
                    %station,
                    envelope = %statement.envelope,
                    event = statement.event.name(),
                    "receipt does not speak of what was sent, or its station may not say it"
                );
            }
            Some(Err(why)) => return Verdict::Later(why),
        }
    }
    // Any station on the road may say that its copy is damaged, though that moves no state.
    let offers = mend::offers(core, &said).await;
    let verdict = settle(core, arrival, station, bundle, (statements, good), offers).await;
    for document in documents {
        core.changed(Topic::document(document));
    }
    verdict
}

enum Trouble {
    Aside(Reason, String),
    Later(String),
}

async fn read(core: &Core, arrival: &Arrival) -> Result<ReceiptBundle, Trouble> {
    let bytes = open_body(core, arrival).await.map_err(Trouble::Later)?;
    ReceiptBundle::decode(&bytes)
        .map_err(|error| Trouble::Aside(Reason::BodyMismatch, error.to_string()))
}

/// The body of an envelope that travels in clear (class receipt and control); its layout was checked when
/// it was accepted. The error is for the log: try again later.
pub(crate) async fn open_body(core: &Core, arrival: &Arrival) -> Result<Vec<u8>, String> {
    let header = &arrival.header;
    let layout = Layout::new(header.context().class, 0, header.body_bytes())
        .map_err(|error| error.to_string())?;
    let bodies = core.station().store().bodies();
    let reader = bodies
        .reader(&arrival.body, header.body_digest(), layout)
        .await
        .map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    for piece in 1..layout.piece_count() {
        let piece = reader
            .piece(piece)
            .await
            .map_err(|error| error.to_string())?;
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Checkpoint signatures by the station's record, then every inclusion proof.
fn verify(
    directory: &Snapshot,
    station: &StationName,
    bundle: &ReceiptBundle,
    at: Timestamp,
) -> Result<Vec<Statement>, Trouble> {
    let entry = directory
        .station(station)
        .ok_or_else(|| Trouble::Later(format!("station {station} is not in the directory")))?;
    let record = entry.record();
    let evidence = evidence_signer(directory, record, &bundle.checkpoint.cms, at)?;
    verify_by_record(&bundle.checkpoint, record, &evidence)
        .map_err(|error| Trouble::Aside(Reason::SignatureInvalid, error.to_string()))?;
    bundle
        .statements()
        .map_err(|error| Trouble::Aside(Reason::SignatureInvalid, error.to_string()))
}

/// Of the station's evidence certificates, the one that signed.
fn evidence_signer(
    directory: &Snapshot,
    station: &record::Station,
    cms: &[u8],
    at: Timestamp,
) -> Result<VerifiedCert, Trouble> {
    let parsed = Parsed::parse(cms)
        .map_err(|error| Trouble::Aside(Reason::SignatureInvalid, error.to_string()))?;
    for sha256 in &station.evidence_sha256 {
        let why = match directory.signer(sha256, Role::StationEvidence, at) {
            Ok(signer) if parsed.signer_matches(signer.certificate()) => return Ok(signer),
            Ok(_) | Err(UnknownSigner::Absent) => continue,
            Err(UnknownSigner::Refused(why)) => why,
        };
        // Only what is wrong with the signer's own certificate counts: while a station renews, its
        // record names the one that ended beside the one that signs.
        let own = directory
            .certificate(sha256)
            .is_some_and(|one| parsed.signer_matches(&one));
        match why.reason() {
            _ if !own => {}
            reason if reason.permanent() => return Err(Trouble::Aside(reason, why.to_string())),
            _ => return Err(Trouble::Later(why.to_string())),
        }
    }
    Err(Trouble::Later(format!(
        "evidence certificate of {} is not here",
        station.name
    )))
}

/// The bundle, without a token that does not hold: the statements are good all the same, and no more than
/// signed.
fn believed(
    directory: &Snapshot,
    station: &StationName,
    mut bundle: ReceiptBundle,
    now: Timestamp,
) -> ReceiptBundle {
    let latest = now.plus_ms(TOKEN_AHEAD_MS);
    if let Err(error) = verify_stamp(&bundle.checkpoint, &directory.validator(), latest) {
        tracing::warn!(code = "TRAM-328", %station, %error, "time-stamp of a checkpoint does not hold");
        bundle.checkpoint.token = None;
    }
    bundle
}

/// The document of the header that the statement is about, if this station may say it, and whether it moves
/// the recipient's state: what is final counts from the home station only.
fn about_ours(
    directory: &Snapshot,
    station: &StationName,
    statement: &Statement,
    sent: &SentEnvelope,
) -> Result<Option<(EnvelopeId, bool)>, String> {
    if statement.station != *station {
        return Ok(None);
    }
    let header = Header::decode(&sent.header).map_err(|error| error.to_string())?;
    let context = header.context();
    let agrees = statement.header_digest == sent.header_digest
        && statement.commitment == context.commitment
        && statement.sender == context.sender
        && context.recipients.contains(&statement.recipient);
    let Party::Agency(recipient) = &statement.recipient else {
        return Ok(None);
    };
    // A station whose agency moved away could otherwise speak for ever by dating back.
    let in_time = statement.time >= context.created.minus_ms(limits::CREATED_AHEAD_MS_MAX);
    let at_home = is_home(directory, statement, recipient);
    let may_say = in_time && (at_home || !statement.event.only_home_says());
    Ok((agrees && may_say).then_some((sent.document, at_home)))
}

/// It is the recipient's home station, by the attachment in force at that time.
fn is_home(directory: &Snapshot, statement: &Statement, recipient: &AgencyCode) -> bool {
    directory.home_station(recipient, statement.time).as_ref() == Some(&statement.station)
}

async fn settle(
    core: &Core,
    arrival: &Arrival,
    station: &StationName,
    bundle: ReceiptBundle,
    (statements, good): (Vec<Statement>, Vec<bool>),
    offers: Vec<Write>,
) -> Verdict {
    let now = core.now();
    let new = NewBundle::of(&bundle, statements, station.as_str());
    let known = match told_again(core, &bundle, &new).await {
        Ok(known) => known,
        Err(error) => return Verdict::Later(error.to_string()),
    };
    let calendar = Arc::clone(&core.calendar);
    core.recent_bundles.keep(new.digest(), &Arc::new(bundle));
    let write = desk_rows(move |desk, outcomes| {
        expect_moved(outcomes.get(..1).unwrap_or_default())?;
        receipts::keep_bundle(desk, &new, now);
        let receipts: Vec<&KeptReceipt> = new
            .receipts()
            .iter()
            .zip(&good)
            .filter_map(|(one, good)| good.then_some(one))
            .filter(|one| !known.contains(&one.leaf))
            .collect();
        receipts::moved(desk, &receipts, now, &calendar);
        Ok(())
    });
    commit(core, arrival, LegState::PassedOn, Some(write), offers).await
}

/// What was told before and comes again because its log is stamped now moves nothing.
async fn told_again(
    core: &Core,
    bundle: &ReceiptBundle,
    new: &NewBundle,
) -> Result<BTreeSet<Digest>, DeskError> {
    if bundle.checkpoint.token.is_none() {
        return Ok(BTreeSet::new());
    }
    let leaves = new.receipts().iter().map(|one| one.leaf);
    receipts::known_leaves(&core.reader(), leaves).await
}

async fn aside(core: &Core, arrival: &Arrival, reason: Reason, why: &str) -> Verdict {
    tracing::warn!(
        code = "TRAM-323",
        envelope = %arrival.header.context().id,
        sender = %arrival.header.context().sender,
        reason = reason.code(),
        why,
        "receipt does not verify and is set aside"
    );
    commit(
        core,
        arrival,
        LegState::Quarantined(reason),
        None,
        Vec::new(),
    )
    .await
}

async fn commit(
    core: &Core,
    arrival: &Arrival,
    to: LegState,
    desk: Option<Box<dyn relay::store::DeskWrite>>,
    offers: Vec<Write>,
) -> Verdict {
    let one = Move {
        leg: arrival.leg,
        expect: Vec::new(),
        to,
        at: core.now(),
        statement: None,
        owe_receipt: false,
        evidence: None,
    };
    match core
        .station()
        .commit(Change {
            station: std::iter::once(one.into()).chain(offers).collect(),
            desk,
        })
        .await
    {
        Ok(_) | Err(CommitError::Desk(DeskRefusal::Refused(_))) => Verdict::Done,
        Err(error) => Verdict::Later(error.to_string()),
    }
}

/// The authority's clock and ours may differ a little.
const TOKEN_AHEAD_MS: i64 = 60_000;
