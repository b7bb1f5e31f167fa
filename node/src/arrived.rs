//! Status 01 by itself: what was stored and verified here is reported to its sender by a status packet,
//! as systems expect that do not read receipts [edxml-model 4.3].
//!
//! The receipt of delivery is the proof and goes first; this repeats it in the words of edXML. What is
//! owed lies in the inbox's rows, so nothing is lost or said twice over a restart. Nothing here delays a
//! delivery. Fails by waiting; what can never be sent is given up with a word in the log.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use formats::edxml::StatusCode;
use relay::store::Change;

use crate::answers;
use crate::desk::Submission;
use crate::desk::core::Core;
use crate::fault::SubmitError;
use crate::outbox;
use crate::store::commit::desk_rows;
use crate::store::inbox::{self, Owing};

/// Reports arrivals until told to stop.
pub(crate) async fn report(core: Weak<Core>, stop: CancellationToken) {
    loop {
        let Some(held) = core.upgrade() else { return };
        let done = report_all(&held).await;
        tokio::select! {
            () = held.arrived.notified(), if done => {}
            () = tokio::time::sleep(AGAIN) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Reports what is owed; `false`: something has to wait, and nothing behind it does.
async fn report_all(core: &Arc<Core>) -> bool {
    let (mut place, mut all_told) = (0, true);
    loop {
        let owed = match inbox::owing(&core.reader(), place, BATCH).await {
            Ok(owed) => owed,
            Err(error) => {
                tracing::warn!(%error, "arrivals cannot be reported now");
                return false;
            }
        };
        let Some(last) = owed.last() else {
            return all_told;
        };
        place = last.seq;
        let told = futures_util::stream::iter(owed)
            .map(|one| tell(core, one))
            .buffer_unordered(AT_ONCE);
        all_told &= told
            .fold(true, |all, told| std::future::ready(all && told))
            .await;
    }
}

async fn tell(core: &Arc<Core>, owed: Owing) -> bool {
    let packet = answers::status_packet(&owed, StatusCode::Arrived, owed.received, core);
    let body = match answers::write_status(core, &packet) {
        Ok(body) => body,
        Err(error) => return give_up(core, &owed, &error.to_string()).await,
    };
    let submission = Submission {
        reports: Some(owed.id),
        ..Submission::of(body)
    };
    match outbox::submit(core, &owed.agency, submission).await {
        // A duplicate commits no row of ours: the mark goes by itself.
        Ok(accepted) if accepted.duplicate => clear(core, &owed).await,
        Ok(_) => true,
        Err(SubmitError::Faults(faults)) => {
            let why: Vec<&str> = faults.iter().map(|one| one.text.en.as_str()).collect();
            give_up(core, &owed, &why.join("; ")).await
        }
        Err(error) => {
            tracing::info!(envelope = %owed.id, %error, "status 01 waits");
            false
        }
    }
}

async fn give_up(core: &Core, owed: &Owing, why: &str) -> bool {
    tracing::warn!(
        code = "TRAM-327",
        envelope = %owed.id,
        sender = %owed.sender,
        why,
        "status 01 cannot be sent; the receipt of delivery says the same"
    );
    clear(core, owed).await
}

async fn clear(core: &Core, owed: &Owing) -> bool {
    let (agency, id) = (owed.agency.clone(), owed.id);
    let write = desk_rows(move |desk, _| {
        inbox::reported(desk, &agency, id);
        Ok(())
    });
    let change = Change::with_desk(Vec::new(), write);
    core.station().commit(change).await.is_ok()
}

/// After trouble, and when no arrival was told of.
const AGAIN: Duration = Duration::from_secs(30);
const BATCH: u32 = 64;
/// Sealed at once: arrivals and submissions of people come first.
const AT_ONCE: usize = 4;
