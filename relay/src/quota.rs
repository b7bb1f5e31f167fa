//! Quota: what one sender (agency or station) may take up at its first relay, so that one broken or hostile
//! system does not fill the spool that all agencies share.
//!
//! Two buckets per agency (bytes and legs, refilled evenly) and a count of transfers in flight.
//! Later hops do not count again: the first relay vouches. A refusal is never permanent; it says
//! when there will be room. Accounts that are full again are forgotten, so memory is bounded by the
//! agencies active within one refill. Must not know: sockets, the store; time is given.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use formats::id::Party;
use formats::time::Timestamp;

/// What one sender may use.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Body bytes: the size of the bucket, refilled within an hour. At least the largest body.
    pub bytes_per_hour: u64,
    /// Legs: the size of the bucket, refilled within an hour.
    pub legs_per_hour: u64,
    /// Transfers in flight at once.
    pub open_transfers: u32,
}

impl Default for Allowance {
    /// A large ministry sends some ten thousand legs on its busiest hour; ten times that is still
    /// refused to nobody honest. 32 GiB an hour is a 75 Mbit/s line used to the full.
    fn default() -> Self {
        Self {
            bytes_per_hour: 32 << 30,
            legs_per_hour: 400_000,
            open_transfers: 64,
        }
    }
}

/// The accounts of all senders. Clones share them.
#[derive(Clone, Debug)]
pub struct Quotas {
    allowance: Allowance,
    accounts: Arc<Mutex<HashMap<Party, Account>>>,
}

#[derive(Debug)]
struct Account {
    bytes: u64,
    legs: u64,
    open: u32,
    at: Timestamp,
}

/// No room now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// When there will be, milliseconds from now.
    pub retry_after_ms: u64,
}

/// A transfer in flight; ends when dropped.
#[derive(Debug)]
pub struct OpenTransfer {
    quotas: Quotas,
    sender: Party,
}

impl Quotas {
    /// Empty accounts.
    #[must_use]
    pub fn new(allowance: Allowance) -> Self {
        Self {
            allowance,
            accounts: Arc::default(),
        }
    }

    /// Takes `bytes` and `legs` from the sender's account and counts a transfer until the guard is
    /// dropped.
    pub fn open(
        &self,
        sender: &Party,
        bytes: u64,
        legs: u64,
        now: Timestamp,
    ) -> Result<OpenTransfer, Exhausted> {
        let allowance = self.allowance;
        // Poisoned: another thread panicked between two plain assignments; the numbers are still
        // usable.
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= SWEEP_ABOVE {
            accounts.retain(|_, account| {
                account.refill(allowance, now);
                account.open > 0 || account.bytes < allowance.bytes_per_hour
            });
        }
        let account = accounts.entry(sender.clone()).or_insert(Account {
            bytes: allowance.bytes_per_hour,
            legs: allowance.legs_per_hour,
            open: 0,
            at: now,
        });
        account.refill(allowance, now);
        if account.open >= allowance.open_transfers {
            return Err(Exhausted {
                retry_after_ms: BUSY_MS,
            });
        }
        let missing = |wanted: u64, left: u64, per_hour: u64| {
            let lack = wanted.saturating_sub(left);
            u64::try_from(u128::from(lack) * u128::from(HOUR_MS) / u128::from(per_hour.max(1)))
                .unwrap_or(HOUR_MS)
        };
        let wait = missing(bytes, account.bytes, allowance.bytes_per_hour).max(missing(
            legs,
            account.legs,
            allowance.legs_per_hour,
        ));
        if wait > 0 {
            return Err(Exhausted {
                retry_after_ms: wait.max(BUSY_MS),
            });
        }
        account.bytes = account.bytes.saturating_sub(bytes);
        account.legs = account.legs.saturating_sub(legs);
        account.open += 1;
        Ok(OpenTransfer {
            quotas: self.clone(),
            sender: sender.clone(),
        })
    }
}

impl Account {
    fn refill(&mut self, allowance: Allowance, now: Timestamp) {
        let passed = u64::try_from(now.unix_ms().saturating_sub(self.at.unix_ms())).unwrap_or(0);
        let share = |per_hour: u64| {
            u64::try_from(u128::from(per_hour) * u128::from(passed) / u128::from(HOUR_MS))
                .unwrap_or(per_hour)
        };
        let (bytes, legs) = (
            share(allowance.bytes_per_hour),
            share(allowance.legs_per_hour),
        );
        // Too little time for a whole leg: leave the clock, or frequent calls would never refill.
        if legs == 0 && self.legs < allowance.legs_per_hour {
            return;
        }
        self.bytes = self
            .bytes
            .saturating_add(bytes)
            .min(allowance.bytes_per_hour);
        self.legs = self.legs.saturating_add(legs).min(allowance.legs_per_hour);
        self.at = now;
    }
}

impl Drop for OpenTransfer {
    fn drop(&mut self) {
        let mut accounts = self
            .quotas
            .accounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get_mut(&self.sender) {
            account.open = account.open.saturating_sub(1);
        }
    }
}

const HOUR_MS: u64 = 3_600_000;
/// Shortest wait we ask for.
const BUSY_MS: u64 = 500;
/// Accounts kept before idle ones are swept out.
const SWEEP_ABOVE: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(1_795_000_000_000 + ms)
    }

    fn code(text: &str) -> Party {
        text.parse().expect("code")
    }

    #[test]
    fn an_agency_is_held_back_until_its_bucket_refills_and_others_are_not() {
        let quotas = Quotas::new(Allowance {
            bytes_per_hour: 1_000,
            legs_per_hour: 3_600,
            open_transfers: 8,
        });
        let (one, other) = (code("H01.36"), code("H02"));
        drop(quotas.open(&one, 1_000, 1, at(0)).expect("full bucket"));
        let refused = quotas.open(&one, 500, 1, at(0)).expect_err("empty bucket");
        assert_eq!(refused.retry_after_ms, 1_800_000);
        assert!(quotas.open(&other, 1_000, 1, at(0)).is_ok());
        assert!(quotas.open(&one, 500, 1, at(1_800_001)).is_ok());
    }

    #[test]
    fn open_transfers_are_counted_until_their_guard_is_dropped() {
        let quotas = Quotas::new(Allowance {
            open_transfers: 2,
            ..Allowance::default()
        });
        let agency = code("H01.36");
        let first = quotas.open(&agency, 1, 1, at(0)).expect("first");
        let _second = quotas.open(&agency, 1, 1, at(0)).expect("second");
        assert!(quotas.open(&agency, 1, 1, at(0)).is_err());
        drop(first);
        assert!(quotas.open(&agency, 1, 1, at(0)).is_ok());
    }
}
