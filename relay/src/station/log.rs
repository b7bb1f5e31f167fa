//! The station's log as a whole: its epochs, how well it is proven, what was found about others'.

use formats::checkpoint::{LogOrigin, SignedCheckpoint};
use formats::id::StationName;
use formats::statement::PreviousHead;
use formats::witness::WitnessPolicy;
use pki::witness::Level;
use serde_json::{Value, json};

use super::core::{self, Core};
use super::{StartError, Station};
use crate::clock::Clock;
use crate::config::StationConfig;
use crate::evidence::heads::conflict_json;
use crate::store::ReadError;

/// An epoch that was opened.
#[derive(Debug, Clone)]
pub struct NewEpoch {
    /// The log that begins.
    pub origin: LogOrigin,
    /// The last known head of the logs before it, which its first leaf names.
    pub previous: Option<PreviousHead>,
    /// Why, as its first leaf says.
    pub why: String,
}

impl NewEpoch {
    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let previous = self.previous.as_ref().map(|head| {
            json!({
                "log": head.origin.to_string(), "size": head.size, "root": head.root.to_string(),
            })
        });
        json!({ "log": self.origin.to_string(), "previous": previous, "why": self.why })
    }
}

/// Opens the next epoch of the log of a station that does not run: after a restore from an older copy, or when its
/// log is damaged. `why` is a short word: `restored`, `damaged`. `desk_schema` is the desk's, if there is one.
///
/// # Errors
/// As at a start; [`crate::store::OpenError::InUse`] while the station runs.
pub async fn open_epoch(
    config: StationConfig,
    desk_schema: &'static [&'static str],
    why: &str,
) -> Result<NewEpoch, StartError> {
    let short = (1..=32).contains(&why.len())
        && why
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit());
    if !short {
        let fix = "`--why` is one short word in small letters, for example restored";
        return Err(StartError::Listen(fix.to_owned()));
    }
    let why = Some(why.to_owned());
    let store = core::prepare(config, desk_schema, Clock::system(), why).await?;
    let opened = store
        .log_opened()
        .await
        .map_err(|error| StartError::Listen(error.to_string()));
    store.close().await;
    let opened = opened?;
    Ok(NewEpoch {
        origin: opened.origin,
        previous: opened.previous,
        why: opened.why,
    })
}

impl Core {
    /// The witnesses that the trust list names.
    pub(crate) fn witnesses(&self) -> Option<WitnessPolicy> {
        self.directory.snapshot().trust_list().witnesses.clone()
    }

    /// The newest checkpoint's size at each level that was reached.
    pub(crate) async fn levels(&self) -> Result<Vec<(Level, u64)>, ReadError> {
        let mut levels = vec![(Level::Signed, self.store.head().borrow().size)];
        let size = |signed: SignedCheckpoint| Some(signed.parsed().ok()?.checkpoint.size);
        let stamped = self.store.stamped().await?;
        let stamped = stamped.filter(|one| one.token.is_some()).and_then(size);
        levels.extend(stamped.map(|size| (Level::Stamped, size)));
        if let Some(policy) = self.witnesses() {
            let witnessed = self.store.witnessed(policy.needed).await?.and_then(size);
            levels.extend(witnessed.map(|size| (Level::Witnessed, size)));
        }
        Ok(levels)
    }
}

impl Station {
    /// The newest checkpoint's size at each level that was reached, the weakest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn levels(&self) -> Result<Vec<(Level, u64)>, ReadError> {
        self.core.levels().await
    }

    /// The level of a checkpoint whose signatures and token were verified, by the trust list of now.
    #[must_use]
    pub fn level_of(&self, checkpoint: &SignedCheckpoint) -> Level {
        Level::of_checkpoint(checkpoint, self.core.witnesses().as_ref())
    }

    /// A checkpoint of another station came by a way that the station does not see (a receipt), and both its signatures
    /// were verified: it is compared with what others show of that log.
    pub fn saw_checkpoint(&self, from: &StationName, checkpoint: &SignedCheckpoint) {
        self.core.heads.verified(from, checkpoint);
    }

    /// Every pair of heads that convicts a log, with both signed notes.
    ///
    /// # Errors
    /// The store's.
    pub async fn log_conflicts(&self) -> Result<Vec<Value>, ReadError> {
        let all = self.core.store.log_conflicts().await?;
        Ok(all.iter().map(conflict_json).collect())
    }
}
