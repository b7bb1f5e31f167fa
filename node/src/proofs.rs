//! The receipts of a sent document as its sender's system takes them: every statement that came about its
//! envelopes, with its proof, and what opens the commitment in them. Whoever does not believe this desk
//! checks the bytes; nothing here is needed for that but the packet.
//!
//! A bundle as it came covers a commit of its station and so may speak of other documents: it is cut down
//! to this one's statements, whose paths stay valid. Fails when a stored thing is damaged.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use formats::id::{AgencyCode, Digest, EnvelopeId};
use formats::receipt::ReceiptBundle;
use formats::statement::Statement;
use pki::sign::Parsed;

use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::store::proofs::places;
use crate::store::receipts;
use crate::view::{EnvelopeOpening, ReceiptEvent, ReceiptView, ReceiptsView};

/// The receipts about a document; `complete` is left to whoever asks for a goal.
pub(crate) async fn of_document(
    core: &Core,
    agency: &AgencyCode,
    id: EnvelopeId,
) -> Result<ReceiptsView, DeskError> {
    let pool = core.reader();
    let found = places(&pool, agency, id).await?;
    let signature = Parsed::parse(&found.packet_signature).map_err(|error| internal(&error))?;
    let envelopes: Vec<EnvelopeOpening> = found
        .openings
        .into_iter()
        .map(|(id, salt)| EnvelopeOpening { id, salt })
        .collect();
    let mut told = Vec::new();
    for (bundle, positions) in found.bundles {
        let bundle = match core.recent_bundles.find(bundle) {
            Some(bundle) => bundle,
            None => Arc::new(receipts::bundle(&pool, bundle).await?),
        };
        told.extend(cut(&bundle, &positions)?);
    }
    Ok(ReceiptsView {
        id,
        complete: false,
        state: found.counts.worst(),
        recipients: found.counts.total(),
        packet_digest: found.packet_digest,
        salt: envelopes
            .first()
            .map(|one| one.salt.clone())
            .unwrap_or_default(),
        signature_value: signature.signature_value().to_vec(),
        envelopes,
        receipts: told,
    })
}

/// The bundle with the statements at these positions only; nothing if it has none of them.
fn cut(bundle: &ReceiptBundle, positions: &[usize]) -> Result<Option<ReceiptView>, DeskError> {
    let mut proven = Vec::with_capacity(positions.len());
    let mut events = Vec::with_capacity(positions.len());
    for one in positions.iter().filter_map(|at| bundle.proven.get(*at)) {
        let statement = Statement::parse(&one.statement).map_err(|error| internal(&error))?;
        events.push(ReceiptEvent {
            event: statement.event.name(),
            envelope: statement.envelope,
            recipient: statement.recipient.to_string(),
            station: statement.station.to_string(),
            at: statement.time,
            reason: statement.reason.map(|reason| reason.code()),
        });
        proven.push(one.clone());
    }
    if proven.is_empty() {
        return Ok(None);
    }
    let bundle = ReceiptBundle {
        proven,
        checkpoint: bundle.checkpoint.clone(),
    };
    Ok(Some(ReceiptView {
        bundle: bundle.encode(),
        events,
    }))
}

fn internal(error: &dyn std::fmt::Display) -> DeskError {
    DeskError::Internal(format!("receipts: {error}"))
}

/// Bundles that have just arrived: the senders of their documents ask for them at once, and one bundle
/// serves hundreds of documents.
#[derive(Debug, Default)]
pub(crate) struct RecentBundles(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    bundles: HashMap<Digest, Arc<ReceiptBundle>>,
    order: VecDeque<Digest>,
}

impl RecentBundles {
    /// Remembers a bundle under the digest of its bytes.
    pub(crate) fn keep(&self, digest: Digest, bundle: &Arc<ReceiptBundle>) {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.bundles.insert(digest, Arc::clone(bundle)).is_none() {
            recent.order.push_back(digest);
        }
        while recent.order.len() > RECENT_MAX {
            if let Some(oldest) = recent.order.pop_front() {
                recent.bundles.remove(&oldest);
            }
        }
    }

    fn find(&self, digest: Digest) -> Option<Arc<ReceiptBundle>> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.bundles.get(&digest).map(Arc::clone)
    }
}

/// Bundles remembered; a large one has about half a megabyte.
const RECENT_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use formats::checkpoint::{Checkpoint, Note, NoteSignature, SignedCheckpoint};
    use formats::receipt::Proven;
    use formats::statement::Event;

    use super::*;
    /// Two statements about one envelope and one about another, in a log of two leaves.
    fn bundle() -> ReceiptBundle {
        let at = formats::time::Timestamp::from_unix_ms(1_795_318_262_114);
        let statement = |n: u8| Statement {
            event: Event::ContentHandover,
            envelope: EnvelopeId::new(at, &[n; 10]),
            header_digest: Digest::of(b"header"),
            commitment: Some(Digest::of(b"commitment")),
            sender: "H01.36".parse().unwrap(),
            recipient: "H01.36.04".parse().unwrap(),
            time: at,
            station: "node-b.tram.test".parse().unwrap(),
            next_station: None,
            reason: None,
            prev: Digest::of(b"header"),
            clock_unsure: false,
        };
        let texts = [statement(1).to_json(), statement(2).to_json()];
        let leaves = [[1; 32], [2; 32]].map(|salt: [u8; 32]| {
            formats::statement::leaf_hash(&salt, &texts[usize::from(salt[0]) - 1])
        });
        let proven = |n: u8| Proven {
            statement: texts[usize::from(n) - 1].clone(),
            salt: [n; 32],
            index: u64::from(n) - 1,
            path: vec![leaves[usize::from(2 - n)]],
        };
        let checkpoint = Checkpoint {
            origin: "node-b.tram.test/log/1".parse().unwrap(),
            size: 2,
            root: formats::merkle::root(&leaves),
        };
        let signature = NoteSignature {
            name: checkpoint.origin.to_string(),
            key_id: [1; 4],
            signature: vec![5; 64],
        };
        let note = Note {
            checkpoint,
            signatures: vec![signature],
        }
        .to_text();
        ReceiptBundle {
            proven: vec![proven(1), proven(2)],
            checkpoint: SignedCheckpoint {
                note,
                cms: vec![0x30, 0],
                token: None,
            },
        }
    }

    #[test]
    fn a_bundle_is_cut_down_to_the_statements_asked_for_and_its_proofs_hold() {
        let whole = bundle();
        assert_eq!(whole.statements().unwrap().len(), 2);
        let told = cut(&whole, &[1]).unwrap().unwrap();
        let part = ReceiptBundle::decode(&told.bundle).unwrap();
        let said = part.statements().unwrap();
        assert_eq!(said.len(), 1);
        assert_eq!(said[0].envelope, told.events[0].envelope);
        assert_eq!(told.events[0].event, "ContentHandover");
        assert_eq!(part.checkpoint, whole.checkpoint);
    }

    #[test]
    fn a_position_that_is_not_there_gives_nothing() {
        assert!(cut(&bundle(), &[7]).unwrap().is_none());
    }

    #[test]
    fn recent_bundles_are_found_and_the_oldest_goes_first() {
        let recent = RecentBundles::default();
        let one = Arc::new(bundle());
        for n in 0..=RECENT_MAX {
            recent.keep(Digest::of(&n.to_be_bytes()), &one);
        }
        assert!(recent.find(Digest::of(&0_usize.to_be_bytes())).is_none());
        assert!(recent.find(Digest::of(&RECENT_MAX.to_be_bytes())).is_some());
        assert_eq!(recent.0.lock().unwrap().bundles.len(), RECENT_MAX);
    }
}
