//! How a leg's change at the own station shows at the sender's desk: custody of a neighbour, a refusal no
//! road can cure, a try that waits. Joins the station's commit. The verified statements of the neighbour
//! are kept as evidence; final states come from the recipient's home station (`receipts`), except refusals
//! that are permanent for every road.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use formats::header::Class;
use formats::id::StationName;
use formats::reason::Reason;
use formats::receipt::ReceiptBundle;
use formats::time::Timestamp;
use relay::desk::{LegChange, What};
use relay::store::{DeskRefusal, DeskRows, DeskWrite, Outcome};

use crate::store::commit::desk_rows;
use crate::store::receipts::{self, NewBundle};

/// The desk's part of the commit, or nothing for envelopes that are not documents.
pub(crate) fn write(change: &LegChange, now: Timestamp) -> Option<Box<dyn DeskWrite>> {
    let context = change.header.context();
    if !matches!(context.class, Class::Document | Class::Status) {
        return None;
    }
    let envelope = context.id.to_string();
    let recipients: Vec<String> = change
        .legs
        .iter()
        .map(|(_, party)| party.to_string())
        .collect();
    let rows = match &change.what {
        What::PassedOn { to, bundle } => passed_on(envelope, recipients, to, bundle.clone(), now),
        What::Refused { reason, .. } => refused(envelope, recipients, *reason, now),
        What::Retry {
            reason,
            next_at,
            attempt,
        } => retry(envelope, recipients, *reason, *next_at, *attempt, now),
        // Stated in our own log; the state follows a day after `expires`, for a proof of delivery may be on
        // its way.
        What::Expired => return None,
    };
    Some(Box::new(IfMoved(rows)))
}

/// Rows that are written only if a leg really moved: a second verdict about legs that are settled
/// (offered twice over two links) must not show as a wait or a refusal.
struct IfMoved(Box<dyn DeskWrite>);

impl DeskWrite for IfMoved {
    fn apply<'c>(
        self: Box<Self>,
        desk: &'c mut DeskRows<'_>,
        outcomes: &'c [Outcome],
    ) -> BoxFuture<'c, Result<(), DeskRefusal>> {
        if outcomes.contains(&Outcome::Moved) {
            self.0.apply(desk, outcomes)
        } else {
            async { Ok(()) }.boxed()
        }
    }
}

fn passed_on(
    envelope: String,
    recipients: Vec<String>,
    to: &StationName,
    bundle: Option<Arc<ReceiptBundle>>,
    now: Timestamp,
) -> Box<dyn DeskWrite> {
    let to = to.clone();
    // The station has verified it; here it is only read.
    let bundle = bundle.and_then(|bundle| {
        let statements = bundle.statements().ok()?;
        Some(NewBundle::of(&bundle, statements, to.as_str()))
    });
    desk_rows(move |desk, _| {
        receipts::relayed(desk, &envelope, &recipients, now);
        if let Some(bundle) = &bundle {
            receipts::keep_bundle(desk, bundle, now);
        }
        Ok(())
    })
}

fn refused(
    envelope: String,
    recipients: Vec<String>,
    reason: Reason,
    now: Timestamp,
) -> Box<dyn DeskWrite> {
    desk_rows(move |desk, _| {
        for recipient in &recipients {
            if reason.permanent() {
                receipts::refused(desk, &envelope, recipient, reason, now);
            }
        }
        Ok(())
    })
}

fn retry(
    envelope: String,
    recipients: Vec<String>,
    reason: Reason,
    next_at: Timestamp,
    attempt: u32,
    now: Timestamp,
) -> Box<dyn DeskWrite> {
    desk_rows(move |desk, _| {
        for recipient in &recipients {
            receipts::waits(desk, &envelope, recipient, reason, next_at, attempt, now);
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use relay::store::{EnvelopeKey, LegId};
    use sqlx::Row;

    use super::*;
    use crate::store::sample::{NOW, header, tables};

    #[tokio::test]
    async fn a_verdict_about_a_leg_that_was_settled_before_leaves_no_mark() {
        let pool = tables().await;
        let own: StationName = "node-a.tram.test".parse().unwrap();
        let change = LegChange {
            header: Arc::new(header("H01.36", 1)),
            envelope: EnvelopeKey(1),
            legs: vec![(LegId(1), "H01.36.04".parse().unwrap())],
            what: What::Refused {
                reason: Reason::UnknownAgency,
                by: own.clone(),
            },
        };
        let put = "INSERT INTO desk_recipient (envelope, recipient, document, position, name, state,
            accepted_at, expires, updated) VALUES (?, 'H01.36.04', 'd', 0, 'n', 'accepted', 0, 1, 0)";
        sqlx::query(put)
            .bind(change.header.context().id.to_string())
            .execute(&pool)
            .await
            .unwrap();
        for (outcome, state) in [(Outcome::Stale, "accepted"), (Outcome::Moved, "refused")] {
            let mut conn = pool.acquire().await.unwrap();
            let rows = write(&change, NOW).unwrap();
            let mut desk = DeskRows::new(&mut conn, true);
            rows.apply(&mut desk, &[outcome]).await.unwrap();
            desk.finish().await.unwrap();
            let row = sqlx::query("SELECT state FROM desk_recipient")
                .fetch_one(&mut *conn)
                .await;
            assert_eq!(row.unwrap().get::<String, _>("state"), state);
        }
    }
}
