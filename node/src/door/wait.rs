//! Long polls: a request that is answered when something it waits for has happened.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Doors;
use crate::desk::Topic;

/// Seconds that a request may wait at most; proxies commonly cut at 60.
pub const WAIT_S_MAX: u32 = 55;

/// Calls `look` until it answers with something ready or the time is over. Woken by changes of the topic;
/// what no signal tells (custody of a neighbour, a lease that ends) is found by looking now and then.
/// Answers with the last look, which must be cheap.
pub(crate) async fn until<T, E, Look, Ready>(
    doors: &Doors,
    topic: Topic,
    wait_s: u32,
    mut look: Look,
    ready: impl Fn(&T) -> bool,
) -> Result<T, E>
where
    Look: FnMut() -> Ready,
    Ready: Future<Output = Result<T, E>>,
{
    let end = Instant::now() + Duration::from_secs(u64::from(wait_s.min(WAIT_S_MAX)));
    let mut changes = doors.desk().changes(topic);
    loop {
        // Marked before looking: a change during the look wakes the next wait.
        changes.mark_unchanged();
        let found = look().await?;
        if wait_s == 0 || ready(&found) || Instant::now() >= end {
            return Ok(found);
        }
        let next = end.min(Instant::now() + LOOK_AGAIN);
        if let Ok(Err(_desk_stops)) = timeout_at(next, changes.changed()).await {
            return Ok(found);
        }
    }
}

/// Longest time between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
