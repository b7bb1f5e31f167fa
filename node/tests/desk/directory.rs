//! The directory as the desk shows and uses it: agencies that ended, begin later, changed their names.

use formats::record::AgencyState;
use node::desk::Submission;
use node::fault::SubmitError;

use crate::world::{RECIPIENT, World, draft, recipient, run, sender, tram_pki};

const TABLE: &str = "\
mã định danh,tên cơ quan,mã cũ,cơ quan cấp trên,hiệu lực từ,hiệu lực đến,cơ quan kế thừa
H01.36.04,UBND xã Đông Tiến,000.04.36.H01;Xã Đông cũ@..2025-06-30;Xã Đông mới@2025-07-01..,H01.36,,,
H01.36.05,UBND xã Tây Tiến,000.05.36.H01,H01.36,2019-01-01,2025-06-30,H01.36.04
H01.36.06,Phòng Giải thể,,H01.36,2019-01-01,2025-06-30,
H01.36.07,Phòng Sắp lập,,H01.36,2099-01-01,,
";

/// Takes the table into the directory of a running world.
async fn imported() -> World {
    let world = World::start().await;
    let table = world.dir.path().join("agencies.csv");
    std::fs::write(&table, TABLE).unwrap();
    let dir = world.dir.path().join("pki");
    let (table, dir) = (table.to_str().unwrap(), dir.to_str().unwrap());
    run(&tram_pki(), &["directory", "import", table, "--dir", dir]);
    // The station may have seen the folder change before us.
    let now = world.a.now();
    world.a.station().directory().poll(now).unwrap();
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_looks_for_an_agency_sees_whether_it_exists_and_who_receives_now() {
    let world = imported().await;
    let first = |text: &str| {
        world
            .a
            .search_agencies(text, 10)
            .into_iter()
            .next()
            .unwrap()
    };
    let active = first("dong tien");
    assert_eq!(active.code, recipient());
    assert_eq!(
        (active.state, active.reachable),
        (AgencyState::Active, true)
    );
    assert_eq!(active.parent_name.as_deref(), Some("Sở Nội vụ tỉnh A"));
    assert_eq!(active.matched_alias, None);
    let periods: Vec<(&str, bool)> = active
        .alias_periods
        .iter()
        .map(|one| (one.text.as_str(), one.holds))
        .collect();
    assert_eq!(periods, [("Xã Đông cũ", false), ("Xã Đông mới", true)]);
    let ended = first("000.05.36");
    assert_eq!(ended.code.as_str(), "H01.36.05");
    assert_eq!((ended.state, ended.reachable), (AgencyState::Ended, false));
    assert_eq!(ended.receiver, Some(recipient()));
    assert_eq!(ended.receiver_name.as_deref(), Some("UBND xã Đông Tiến"));
    assert_eq!(ended.matched_alias.as_deref(), Some("000.05.36.H01"));
    let json = serde_json::to_value(&ended).unwrap();
    assert_eq!(json["state"], "ended");
    assert_eq!(json["valid_to"], "2025-06-30T17:00:00.000Z");
    assert_eq!(json["aliases"], serde_json::json!(["000.05.36.H01"]));
    assert_eq!(first("giai the").receiver, None);
    assert_eq!(first("sap lap").state, AgencyState::Future);
    // Those that exist stand before those that do not.
    let tien = world.a.search_agencies("tien ubnd", 10);
    let codes: Vec<&str> = tien.iter().map(|one| one.code.as_str()).collect();
    assert_eq!(codes, [RECIPIENT, "H01.36.05"]);
    let means = |text: &str| world.a.agency(text).map(|one| one.code.to_string());
    assert_eq!(means("000.05.36.h01").as_deref(), Some(RECIPIENT));
    assert_eq!(means("xã đông mới").as_deref(), Some(RECIPIENT));
    assert_eq!(means("xã đông cũ"), None);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn documents_go_to_the_successor_and_never_to_nobody() {
    let world = imported().await;
    let to_old = draft("11", &["000.05.36.H01"]);
    let packet = world.a.compose(&sender(), to_old, vec![]).await.unwrap();
    let checked = world.a.validate(&sender(), packet).await.unwrap();
    assert_eq!(checked.recipients[0].code, recipient());
    assert_eq!(
        checked.recipients[0].written_as.as_deref(),
        Some("000.05.36.H01")
    );
    let wrong = draft("12", &["H01.36.06", "H01.36.07", "H01.36.04"]);
    let packet = world.a.compose(&sender(), wrong, vec![]).await.unwrap();
    let refused = world.a.submit(&sender(), Submission::of(packet)).await;
    let Err(SubmitError::Faults(faults)) = refused else {
        panic!("faults expected")
    };
    let told = serde_json::to_string(&faults).unwrap();
    assert_eq!(faults.len(), 2, "{told}");
    for text in [
        "30/06/2025",
        "01/01/2099",
        "đã ngừng hoạt động",
        "exists only from",
    ] {
        assert!(told.contains(text), "{text}: {told}");
    }
    world.stop().await;
}
