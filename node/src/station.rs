//! How the station under the desk is, in one view: links, clock, log, what waits.

use formats::time::Timestamp;
use relay::station::{Authority, Station};
use relay::store::ReadError;

use crate::desk::core::Core;
use crate::fault::DeskError;
use crate::view::{AlarmView, AuthorityView, CertificateView, LinkView, StationView};

pub(crate) async fn view(core: &Core) -> Result<StationView, DeskError> {
    let now = core.now();
    let station = core.station();
    let store = station.store();
    let shape = store.shape(now).await.map_err(internal)?;
    let stamped = store.stamped().await.map_err(internal)?;
    let token = stamped.and_then(|checkpoint| checkpoint.token);
    let mut links: Vec<LinkView> = station
        .links()
        .into_iter()
        .map(|link| LinkView {
            peer: link.station.to_string(),
            up: link.up,
        })
        .collect();
    links.sort_by(|a, b| a.peer.cmp(&b.peer));
    Ok(StationView {
        name: station.name().to_string(),
        links,
        clock_unsure: station.clock_unsure(),
        alarms: station.alarms().into_iter().map(AlarmView::from).collect(),
        log_origin: store.log_identity().origin.to_string(),
        log_entries: store.head().borrow().size,
        stamped_at: token.and_then(|token| pki::stamp::claimed_time(&token).ok()),
        waiting: shape
            .destinations
            .iter()
            .map(|destination| destination.legs)
            .sum(),
        oldest: shape
            .destinations
            .iter()
            .map(|destination| destination.oldest)
            .min(),
        certificates: certificates(station, now),
        authority: station.authority().map(authority),
        at: now,
    })
}

fn certificates(station: &Station, now: Timestamp) -> Vec<CertificateView> {
    let all = station.certificates().all().into_iter();
    all.map(|one| CertificateView {
        role: one.role.to_string(),
        party: one.party.to_string(),
        not_after: one.not_after,
        days_left: one.days_left(now),
        renewal: one.renewal.as_str(),
        warning_days: one.warning(now),
    })
    .collect()
}

fn authority(authority: &Authority) -> AuthorityView {
    let state = authority.pull_state();
    AuthorityView {
        url: authority.client().endpoint().to_string(),
        last_success: state.last_success,
        error: state.error,
        next_try: state.next_try,
    }
}

fn internal(error: ReadError) -> DeskError {
    DeskError::Internal(error.to_string())
}
