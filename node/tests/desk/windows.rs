//! Trust data past its window at the desk: nothing new is taken, the caller hears the remedy, and it goes on
//! when the data is there again.

use std::path::PathBuf;

use node::door::problem::Problem;
use node::fault::SubmitError;
use node::screen::words::Lang;
use node::view::RecipientState;
use relay::alarm::Alarm;

use crate::world::{SENDER, World, draft, run, sender, tram_pki};

/// What a submission is refused with.
async fn stopped(world: &World, number: &str) -> Alarm {
    let packet = world
        .a
        .compose(&sender(), draft(number, &["H01.36.04"]), vec![])
        .await
        .unwrap();
    let submission = node::desk::Submission::of(packet);
    match world.a.submit(&sender(), submission).await {
        Err(SubmitError::Stopped(alarm)) => *alarm,
        other => panic!("not stopped: {other:?}"),
    }
}

async fn until_alarms(world: &World, what: &str, codes: &[(&str, &str)]) {
    world
        .until(what, async |world| {
            let view = world.a.station_view().await.unwrap();
            let up: Vec<_> = view.alarms.iter().map(|up| (up.code, up.level)).collect();
            (up == codes).then_some(())
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_revocation_lists_nothing_is_taken_and_the_remedy_is_named() {
    let world = World::start().await;
    let first = world.send(draft("1", &["H01.36.04"]), vec![]).await;
    world.until_state(first.id, RecipientState::Delivered).await;
    let records = world.dir.path().join("pki/records");
    let lists: Vec<PathBuf> = std::fs::read_dir(&records)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "crl"))
        .collect();
    assert_eq!(lists.len(), 2);
    let away = |path: &PathBuf| world.dir.path().join(path.file_name().unwrap());
    for list in &lists {
        std::fs::rename(list, away(list)).unwrap();
    }
    until_alarms(&world, "alarms", &[("TRAM-350", "stopped"); 2]).await;
    let alarm = stopped(&world, "2").await;
    let problem = Problem::from(SubmitError::Stopped(Box::new(alarm)));
    let vi = problem.json(Lang::Vi, "r");
    assert_eq!(
        (&vi["code"], &vi["status"]),
        (&"trust_data_stale".into(), &503.into())
    );
    assert_eq!(vi["alarm"], "TRAM-350");
    let remedy = vi["remedy"].as_str().unwrap();
    assert!(remedy.contains("Lấy CRL mới") && vi["detail"].as_str().unwrap().contains(remedy));
    let en = problem.json(Lang::En, "r");
    assert!(
        en["detail"].as_str().unwrap().contains("newest list"),
        "{en}"
    );
    // What was sent before is shown as before, and what was refused has left nothing.
    let counts = world.a.counts(&sender()).await.unwrap();
    assert_eq!(counts.sent, 1);
    for list in &lists {
        std::fs::rename(away(list), list).unwrap();
    }
    until_alarms(&world, "end of the alarms", &[]).await;
    let second = world.send(draft("2", &["H01.36.04"]), vec![]).await;
    world
        .until_state(second.id, RecipientState::Delivered)
        .await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agency_whose_certificate_is_revoked_hears_it_at_once() {
    let world = World::start().await;
    let pki = world.dir.path().join("pki");
    let certificate = pki.join("agencies").join(SENDER).join("signature.crt");
    let certificate = pki::cert::Certificate::load(&certificate).unwrap();
    let dir = pki.to_str().unwrap();
    let serial = certificate.serial_hex();
    run(
        &tram_pki(),
        &["revoke", "--dir", dir, &serial, "--reason", "superseded"],
    );
    run(&tram_pki(), &["crl", "publish", "--dir", dir]);
    until_alarms(&world, "alarm", &[("TRAM-355", "stopped")]).await;
    let alarm = stopped(&world, "1").await;
    assert_eq!(alarm.found.code.number(), "TRAM-355");
    assert!(alarm.found.subject.starts_with(SENDER), "{alarm:?}");
    world.stop().await;
}
