//! Time-stamps of the newest checkpoint, from an authority on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use pki::clock::Sample;
use pki::role::Role;
use pki::stamp::TokenIssuer;
use tokio_util::sync::CancellationToken;

use super::world::*;
use crate::clock::Clock;
use crate::evidence::stamp::{self, StampError, Stamping, Timekeeper};
use crate::evidence::tsa::{Authorities, TokenCheck, Unstamped};
use crate::store::Store;

/// An authority that answers while `up`, and counts.
struct Tsa {
    url: String,
    up: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    keeper: Arc<Keeper>,
    stamping: Stamping,
}

/// Counts what it is told of the time, and is unsure as long as the test says.
#[derive(Default)]
struct Keeper {
    told: AtomicUsize,
    unsure: AtomicBool,
}

impl Timekeeper for Keeper {
    fn told(&self, _authority: &str, _sample: Sample) {
        self.told.fetch_add(1, Ordering::SeqCst);
    }

    fn is_unsure(&self) -> bool {
        self.unsure.load(Ordering::SeqCst)
    }
}

async fn tsa(folder: &std::path::Path, tasks: &mut tokio::task::JoinSet<()>) -> Tsa {
    let mut authority = Authority::new(folder);
    let (key, certificate) = authority.issue(Role::TimeStamping, "tsa-1");
    let issuer = Arc::new(TokenIssuer::new(key, certificate, Vec::new()));
    let (up, asked) = (
        Arc::new(AtomicBool::new(true)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (is_up, count) = (up.clone(), asked.clone());
    let answer = move |request: Bytes| {
        count.fetch_add(1, Ordering::SeqCst);
        let answer = issuer.respond(&request, NOW).unwrap();
        let up = is_up.load(Ordering::SeqCst);
        std::future::ready(if up {
            Ok(answer)
        } else {
            Err(StatusCode::BAD_GATEWAY)
        })
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(answer));
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let validator = authority.validator();
    let keeper = Arc::new(Keeper::default());
    let stamping = Stamping {
        authorities: authorities(std::slice::from_ref(&url)),
        check: check(validator),
        clock: Clock::manual(NOW),
        keeper: keeper.clone(),
        pause_max: Duration::from_millis(10),
    };
    Tsa {
        url,
        up,
        asked,
        keeper,
        stamping,
    }
}

fn authorities(urls: &[String]) -> Arc<Authorities> {
    let patience = stamp::patience(Duration::from_millis(10));
    Arc::new(Authorities::new(urls, &[], patience))
}

fn check(validator: pki::chain::Validator) -> TokenCheck {
    Arc::new(move |token: &[u8], hash, imprint: &[u8], now| {
        let verified = pki::stamp::verify_token_over(token, hash, imprint, &validator, now);
        verified.map_err(|error| error.to_string())
    })
}

#[tokio::test]
async fn a_clock_in_doubt_is_asked_about_and_stamps_nothing_until_it_is_right() {
    let (world, mut tasks) = (World::new(), tokio::task::JoinSet::new());
    let store = world.open().await;
    let folder = tempfile::tempdir().unwrap();
    let tsa = tsa(folder.path(), &mut tasks).await;
    tsa.keeper.unsure.store(true, Ordering::SeqCst);
    let head = store.head().borrow().clone();
    let refused = stamp::stamp(&store, &tsa.stamping, &head).await;
    assert!(matches!(refused, Err(StampError::Clock)), "{refused:?}");
    let stop = CancellationToken::new();
    tasks.spawn(stamp::run(
        store.clone(),
        tsa.stamping.clone(),
        stop.clone(),
    ));
    while tsa.keeper.told.load(Ordering::SeqCst) < 3 {
        tokio::task::yield_now().await;
    }
    assert!(store.stamped().await.unwrap().is_none());
    tsa.keeper.unsure.store(false, Ordering::SeqCst);
    assert!(until_stamped(&store).await.token.is_some());
    stop.cancel();
}

#[tokio::test]
async fn the_newest_head_gets_one_token_that_covers_all_before_it() {
    let (world, mut tasks) = (World::new(), tokio::task::JoinSet::new());
    let store = world.open().await;
    let folder = tempfile::tempdir().unwrap();
    let tsa = tsa(folder.path(), &mut tasks).await;
    for number in 0..3 {
        accept(&store, letter(number).accept(1, None)).await;
    }
    let stop = CancellationToken::new();
    tasks.spawn(stamp::run(
        store.clone(),
        tsa.stamping.clone(),
        stop.clone(),
    ));
    let stamped = until_stamped(&store).await;
    assert!(stamped.token.is_some());
    assert_eq!(stamped.parsed().unwrap().checkpoint.size, 4);
    assert_eq!(tsa.asked.load(Ordering::SeqCst), 1);
    stop.cancel();
}

async fn until_stamped(store: &Store) -> formats::checkpoint::SignedCheckpoint {
    loop {
        if let Some(stamped) = store.stamped().await.unwrap() {
            return stamped;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_authority_that_is_down_or_not_trusted_delays_nothing_and_leaves_no_token() {
    let (world, mut tasks) = (World::new(), tokio::task::JoinSet::new());
    let store = world.open().await;
    let folder = tempfile::tempdir().unwrap();
    let tsa = tsa(folder.path(), &mut tasks).await;
    let head = store.head().borrow().clone();
    // Each with authorities of its own, or the one that failed would be left alone.
    let with = |urls: &[String], check: Option<TokenCheck>| Stamping {
        authorities: authorities(urls),
        check: check.unwrap_or_else(|| tsa.stamping.check.clone()),
        ..tsa.stamping.clone()
    };
    let told = |outcome: Result<(), StampError>| match outcome {
        Err(StampError::None(Unstamped::Failed(failures))) => failures[0].1.clone(),
        other => panic!("{other:?}"),
    };
    tsa.up.store(false, Ordering::SeqCst);
    let own = [tsa.url.clone()];
    let down = stamp::stamp(&store, &with(&own, None), &head).await;
    assert!(told(down).contains("502"));
    tsa.up.store(true, Ordering::SeqCst);
    let stranger = check(world.validator.clone());
    let refused = stamp::stamp(&store, &with(&own, Some(stranger)), &head).await;
    assert!(told(refused).contains("tsa-1"));
    let nobody = ["http://127.0.0.1:1/".to_owned()];
    let refused = stamp::stamp(&store, &with(&nobody, None), &head).await;
    assert!(told(refused).contains("refused"));
    assert!(store.stamped().await.unwrap().is_none());
    accept(&store, letter(1).accept(1, None)).await;
    stamp::stamp(&store, &with(&own, None), &head)
        .await
        .unwrap();
    assert!(store.stamped().await.unwrap().is_some());
}
