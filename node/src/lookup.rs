//! Look-up: agencies of the directory as the doors and screens show them.
//!
//! Everything comes from one snapshot, so an answer never mixes two states of the directory.

use formats::record::{Agency, AgencyState, Alias};
use formats::time::Timestamp;
use relay::directory::{AgencyEntry, Snapshot, matched_alias};

use crate::view::{AgencyView, AliasPeriod};

/// The agency that somebody means now by a code or an alias.
pub(crate) fn agency(directory: &Snapshot, written: &str, now: Timestamp) -> Option<AgencyView> {
    let entry = directory.resolve(written, now)?;
    Some(view(directory, &entry, now))
}

/// The agencies that somebody looks for, best first; at most 50.
pub(crate) fn search(
    directory: &Snapshot,
    written: &str,
    limit: usize,
    now: Timestamp,
) -> Vec<AgencyView> {
    let found = directory.search(written, limit.min(FOUND_MAX), now);
    let views = found.iter().map(|entry| AgencyView {
        matched_alias: matched_alias(&entry.agency, written).map(|alias| alias.text.clone()),
        ..view(directory, entry, now)
    });
    views.collect()
}

/// Why nothing is addressed to this agency now although the directory has it, in both languages.
pub(crate) fn out_of_time(agency: &Agency, now: Timestamp) -> Option<(String, String)> {
    let name = &agency.name;
    match (agency.state_at(now), agency.valid_to) {
        (AgencyState::Future, _) => {
            let day = agency.valid_from.vietnam_day();
            Some((
                format!("{name} chỉ hoạt động từ ngày {day}; gửi lại từ ngày đó"),
                format!("{name} exists only from {day}; send it again then"),
            ))
        }
        (AgencyState::Ended, Some(end)) => {
            let day = end.minus_ms(1).vietnam_day();
            Some((
                format!(
                    "{name} đã ngừng hoạt động sau ngày {day}, danh bạ không ghi cơ quan kế thừa; hỏi \
                     cơ quan cấp trên của cơ quan đó"
                ),
                format!(
                    "{name} ended after {day} and the directory names no successor; ask the agency \
                     above it"
                ),
            ))
        }
        (AgencyState::Active | AgencyState::Ended, _) => None,
    }
}

fn view(directory: &Snapshot, entry: &AgencyEntry, now: Timestamp) -> AgencyView {
    let agency = &entry.agency;
    let state = agency.state_at(now);
    let station = directory.home_station(&agency.code, now);
    let sealable = || directory.encryption_certificate(&agency.code, now).is_ok();
    let name_of = |code| {
        directory
            .agency(code)
            .map(|entry| entry.agency.name.clone())
    };
    let receiver = match state {
        AgencyState::Ended => directory
            .resolve(agency.code.as_str(), now)
            .filter(|receiver| receiver.agency.code != agency.code),
        AgencyState::Active | AgencyState::Future => None,
    };
    let dated = agency
        .aliases
        .iter()
        .filter(|alias| alias.from.is_some() || alias.to.is_some());
    let period = |alias: &Alias| AliasPeriod {
        text: alias.text.clone(),
        from: alias.from,
        to: alias.to,
        holds: alias.holds_at(now),
    };
    AgencyView {
        code: agency.code.clone(),
        name: agency.name.clone(),
        aliases: agency
            .aliases
            .iter()
            .map(|alias| alias.text.clone())
            .collect(),
        alias_periods: dated.map(period).collect(),
        matched_alias: None,
        parent: agency.parent.clone(),
        parent_name: agency.parent.as_ref().and_then(name_of),
        state,
        valid_from: agency.valid_from,
        valid_to: agency.valid_to,
        successor: agency.successor.clone(),
        receiver_name: receiver.as_ref().map(|entry| entry.agency.name.clone()),
        receiver: receiver.map(|entry| entry.agency.code.clone()),
        reachable: state == AgencyState::Active && station.is_some() && sealable(),
        station: station.map(|name| name.to_string()),
    }
}

/// More than a person reads; who wants others types another word.
const FOUND_MAX: usize = 50;
