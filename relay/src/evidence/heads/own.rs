//! Our own log as others hold it: when they hold more than is here, this folder is an older copy.

use formats::checkpoint::SignedCheckpoint;

use super::super::judge::{Verdict, judge_own};
use super::view;
use crate::alarm::watch;
use crate::station::Core;
use crate::store::{ConflictKind, LogConflict, SeenHead};

/// A verified head of our own log. When it is not in the log here, the log is closed to statements.
pub(super) async fn own_head(core: &Core, head: SeenHead) {
    let here = core.store.log_identity().origin.clone();
    let root = match core.store.root_at(head.size).await {
        Ok(root) => root,
        Err(error) => {
            tracing::error!(code = "TRAM-331", %error, "own log cannot be read");
            return;
        }
    };
    let Ok(note) = head.signed.parsed() else {
        return;
    };
    let verdict = judge_own(&here, &note.checkpoint, root.as_ref());
    let kind = match verdict {
        Verdict::Fork => ConflictKind::Fork,
        Verdict::Rewind => ConflictKind::Rewind,
        Verdict::Same
        | Verdict::Grows
        | Verdict::Older
        | Verdict::Unproven
        | Verdict::Ask { .. }
        | Verdict::OtherLog => return,
    };
    let first = !core.store.stating_stopped();
    core.store.stop_stating();
    let held = newest(core);
    if first {
        tracing::error!(
            code = "TRAM-373",
            log = %head.origin,
            here = view::head(&held),
            elsewhere = view::head(&head),
            "this log is an older copy: nothing is stated until `log epoch` opens the next one"
        );
    }
    if greater_is_known(core, &held, &head) {
        return;
    }
    let one = LogConflict {
        kind,
        held,
        shown: head.clone(),
        found: core.clock.now(),
    };
    {
        let mut state = core.heads.lock();
        let known =
            |known: &LogConflict| known.kind == one.kind && known.held.origin == one.held.origin;
        if !state.conflicts.iter().any(known) {
            state.conflicts.push(one.clone());
        }
    }
    // At once, not with the next sweep: a restart must know it.
    if let Err(error) = core.store.keep_heads(vec![head], vec![one]).await {
        tracing::error!(code = "TRAM-373", %error, "the head of our own log is not kept");
    }
    watch::look(core);
}

/// Only the greatest is kept: it is what the next epoch names.
fn greater_is_known(core: &Core, held: &SeenHead, head: &SeenHead) -> bool {
    let rank = |head: &SeenHead| (head.origin.epoch(), head.size);
    let state = core.heads.lock();
    let mut conflicts = state.conflicts.iter();
    conflicts.any(|one| one.held.origin == held.origin && rank(&one.shown) > rank(head))
}

/// The newest head here.
fn newest(core: &Core) -> SeenHead {
    let newest = core.store.head().borrow().clone();
    SeenHead {
        origin: core.store.log_identity().origin.clone(),
        size: newest.size,
        root: newest.root,
        signed: SignedCheckpoint {
            token: None,
            ..newest.signed.clone()
        },
        source: core.name.clone(),
        seen: core.clock.now(),
    }
}
