//! The door over real loopback HTTP: what it grants, what it refuses, and that it stops.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use formats::id::Digest;

use super::*;
use crate::fixture::Authority;
use crate::key::Algorithm;
use crate::role::Role;
use crate::stamp::{TimeStampRequest, verify_token};

async fn ask(to: std::net::SocketAddr, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let head = format!(
        "{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // A refusal may come, and the door close, before a large body is written.
    let _written = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _read = stream.read_to_end(&mut answer).await;
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let status = String::from_utf8_lossy(&answer[9..12]).parse().unwrap();
    (status, answer.split_off(end + 4))
}

#[tokio::test]
async fn the_door_stamps_and_refuses() {
    let authority = Authority::new();
    let tsa = authority.signer(Role::TimeStamping, "tsa-1", Algorithm::EcdsaP256);
    let issuer = TokenIssuer::new(tsa.key, tsa.certificate, Vec::new());
    let now = authority.now();
    let sure = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let clock = {
        let sure = Arc::clone(&sure);
        let read = move || {
            sure.load(std::sync::atomic::Ordering::SeqCst)
                .then_some(now)
        };
        Arc::new(read) as Clock
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(serve(listener, issuer, clock, async {
        let _dropped_is_stop_too = stopped.await;
    }));

    let imprint = Digest::of(b"content");
    let request = TimeStampRequest::new(imprint, 3);
    let body = request.build().unwrap();
    let query = "POST / HTTP/1.1\r\nContent-Type: application/timestamp-query";
    let (status, response) = ask(to, query, &body).await;
    assert_eq!(status, 200);
    let token = request.token_from_response(&response).unwrap();
    assert_eq!(
        verify_token(&token, &imprint, &authority.validator(), now)
            .unwrap()
            .time,
        now
    );

    let (status, response) = ask(to, query, b"nonsense").await;
    assert_eq!(status, 200, "a refusal is an answer");
    assert!(request.token_from_response(&response).is_err());
    let json = "POST / HTTP/1.1\r\nContent-Type: application/json";
    assert_eq!(ask(to, json, &body).await.0, 415);
    assert_eq!(ask(to, "POST / HTTP/1.1", &body).await.0, 415);
    assert_eq!(ask(to, query, &[0; 5000]).await.0, 413);
    assert_eq!(ask(to, "GET / HTTP/1.1", b"").await.0, 405);
    let alive = ask(to, "GET /livez HTTP/1.1", b"").await;
    assert_eq!(alive, (200, b"ok\n".to_vec()));

    sure.store(false, std::sync::atomic::Ordering::SeqCst);
    let (_, response) = ask(to, query, &body).await;
    let refused = request
        .token_from_response(&response)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("time not available"), "{refused}");

    stop.send(()).unwrap();
    tasks.join_next().await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(to).await.is_err(), "the door is closed");
}
