//! The public page that checks packages: what it says to good, spoilt and hostile ones, and to too many.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use formats::id::Digest;
use formats::proof::{Member, ProofWriter};
use node::evidence::Contents;
use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};

use crate::evidence::handed_over;
use crate::proof::Proof;
use crate::world::World;

/// The doors of node A, as its daemon serves them.
async fn serve(world: &World) -> (String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let address = listener.local_addr().unwrap();
    let router = node::door::router(world.a.clone());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let task = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    (format!("http://{address}/verify"), task)
}

async fn drop_in(url: &str, package: Vec<u8>) -> (StatusCode, String) {
    let part = Part::bytes(package).file_name("bang-chung.zip");
    let form = Form::new().part("package", part);
    let answer = reqwest::Client::new()
        .post(url)
        .multipart(form)
        .send()
        .await
        .unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Every place where these bytes stand becomes others of the same length.
fn replaced(zip: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut zip = zip.to_vec();
    let mut found = 0;
    for at in 0..zip.len() - from.len() {
        if zip[at..].starts_with(from) {
            zip[at..at + from.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found >= 2, "local and central name");
    zip
}

/// Local and central header of the first entry say that it is encrypted.
fn encrypted(zip: &[u8]) -> Vec<u8> {
    let mut zip = zip.to_vec();
    zip[6] |= 1;
    let central = zip.windows(4).rposition(|part| part == b"PK\x01\x02");
    let first = zip.windows(4).position(|part| part == b"PK\x01\x02");
    assert!(central.is_some());
    zip[first.unwrap() + 8] |= 1;
    zip
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn anybody_may_drop_a_package_and_reads_what_holds() {
    let world = World::start().await;
    let id = handed_over(&world, "95").await;
    let (url, task) = serve(&world).await;
    let page = reqwest::get(&url).await.unwrap();
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.unwrap();
    assert!(
        page.contains("type=\"file\"") && page.contains("Kiểm tra gói bằng chứng"),
        "{page}"
    );

    let proof = Proof::of(&world, id, Contents::Packet).await;
    let good = proof.zip();
    let (status, text) = drop_in(&url, good.clone()).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    assert!(
        text.contains("HỢP LỆ") && !text.contains("KHÔNG HỢP LỆ"),
        "{text}"
    );
    assert!(text.contains("node-b.tram.test"), "the stations are named");

    // What does not hold is named: the statement, its station, its place in the log.
    let mut spoilt = proof.clone();
    let salt = spoilt.members.get_mut("receipts/0001/salt.hex").unwrap();
    salt[0] = if salt[0] == b'0' { b'1' } else { b'0' };
    let (status, text) = drop_in(&url, spoilt.with_new_sums().zip()).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        text.contains("KHÔNG HỢP LỆ") && text.contains("receipts/0001, node-a.tram.test, index"),
        "{text}"
    );

    let mut large = ProofWriter::new(std::io::Cursor::new(Vec::new()));
    for number in 1..=3 {
        large
            .add(&Member::Record(number), &vec![0; 16 << 20])
            .unwrap();
    }
    large
        .add(&Member::Anchors, &proof.members["ca.pem"])
        .unwrap();
    let hostile = [
        ("no zip", b"PK\x03\x04 and then nothing".to_vec()),
        ("nothing", Vec::new()),
        ("traversal", replaced(&good, b"README.txt", b"../ADM.txt")),
        ("duplicate", replaced(&good, b"index.html", b"README.txt")),
        ("encrypted", encrypted(&good)),
        ("bytes before", [b"MZ".as_slice(), &good].concat()),
        ("bytes after", [good.as_slice(), b"more"].concat()),
        ("cut", good[..good.len() / 2].to_vec()),
        ("inflates", large.finish().unwrap().into_inner()),
    ];
    for (what, package) in hostile {
        let began = Instant::now();
        let (status, text) = drop_in(&url, package).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{what}: {text}");
        assert!(text.contains("KHÔNG HỢP LỆ"), "{what}: {text}");
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
    }
    let form = Form::new().text("other", "x");
    let answer = reqwest::Client::new()
        .post(&url)
        .multipart(form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    let foreign = reqwest::Client::new()
        .post(&url)
        .header("sec-fetch-site", "cross-site");
    assert_eq!(
        foreign.send().await.unwrap().status(),
        StatusCode::FORBIDDEN
    );

    // One address gets tired of it before we do.
    let mut last = StatusCode::OK;
    for _ in 0..25 {
        (last, _) = drop_in(&url, b"x".to_vec()).await;
        if last == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    // Nothing of what was sent stays.
    let kept = std::fs::read_dir(world.dir.path().join("node-a/tmp")).unwrap();
    let kept: Vec<_> = kept
        .flatten()
        .filter_map(|file| std::fs::read(file.path()).ok())
        .collect();
    assert!(
        kept.iter()
            .all(|bytes| Digest::of(bytes) != Digest::of(&good))
    );
    task.abort();
    world.stop().await;
}
