//! Long polls: a request that is answered when something it waits for has happened.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::Doors;

/// Seconds that a request may wait at most; proxies commonly cut at 60.
pub const WAIT_S_MAX: u32 = 55;

/// Calls `look` until it answers with something or the time is over, woken by changes of the desk.
/// Answers with the last look.
pub(crate) async fn until<T, E, Look, Ready>(
    doors: &Doors,
    wait_s: u32,
    mut look: Look,
    ready: impl Fn(&T) -> bool,
) -> Result<T, E>
where
    Look: FnMut() -> Ready,
    Ready: Future<Output = Result<T, E>>,
{
    let end = Instant::now() + Duration::from_secs(u64::from(wait_s.min(WAIT_S_MAX)));
    let mut changes = doors.desk().changes();
    loop {
        // Marked before looking: a change during the look wakes the next wait.
        changes.mark_unchanged();
        let found = look().await?;
        if wait_s == 0 || ready(&found) || Instant::now() >= end {
            return Ok(found);
        }
        match timeout_at(end, changes.changed()).await {
            Ok(Ok(())) => {}
            // The time is over, or the desk stops: the last look is the answer.
            Ok(Err(_)) | Err(_) => return Ok(found),
        }
    }
}
