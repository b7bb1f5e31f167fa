//! Joining a running network: a token, one command, and the new node exchanges documents.

use std::time::Duration;

use tests::samples::Letter;
use tests::world::{Topology, World, agency, node};

const A: &str = "H01.36";
const B: &str = "H01.36.04";
const NEW: &str = "G09";
const SOON: Duration = Duration::from_secs(60);

fn letter(from: &str, to: &[&str], number: &str) -> Vec<u8> {
    Letter::new(from, to, number, "Về việc kết nối liên thông")
        .with_file(
            "cong-van.pdf",
            "application/pdf",
            tests::office::pdf(&["Về việc kết nối liên thông"]),
        )
        .packet()
}

#[tokio::test]
async fn an_agency_joins_by_one_line_and_exchanges_documents() {
    let mut world = World::start(&Topology::one_relay());
    let spec = node("node-moi", &["relay-bac"], vec![agency(NEW, "Bộ Nội vụ")]);
    world.join(&spec);

    // Outgoing: its own key signs, the others' stations believe it from the directory alone.
    let own = world.client(NEW);
    let out = own.submit(letter(NEW, &[A, B], "21"), "k-1").await;
    let out = out.expect("an answer").id();
    own.wait_recipients(&out, &["delivered", "handed_over"], SOON)
        .await;
    let taken = world.client(B).receive(1, SOON).await;
    assert_eq!(taken.len(), 1);

    // Incoming: the stations of before have heard of it without a restart.
    let sender = world.client(A);
    let back = sender.submit(letter(A, &[NEW], "1284"), "k-2").await;
    let back = back.expect("an answer").id();
    sender
        .wait_recipients(&back, &["delivered", "handed_over"], SOON)
        .await;
    assert_eq!(own.receive(1, SOON).await.len(), 1);

    let list = world.tram_pki(&["list", "node-moi"]);
    let issued = list["certificates"].as_array().expect("certificates");
    assert_eq!(issued.len(), 2, "one for links, one for evidence");
    world.tram_pki(&["audit", "verify"]);
}
