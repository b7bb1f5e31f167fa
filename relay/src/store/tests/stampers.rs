//! Several time-stamp authorities in order: real ones and stand-ins that fail in every way.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use formats::id::Digest;
use pki::chain::Validator;
use pki::role::Role;
use pki::sign::HashAlgorithm;
use pki::stamp::{TimeStampRequest, TokenIssuer};

use super::world::*;
use crate::clock::Clock;
use crate::evidence::tsa::{Authorities, Patience, Stamped, TokenCheck, Unstamped, Wanted};

/// How a stand-in behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    /// Takes the request and says nothing.
    Slow,
    Status(StatusCode),
    /// A good token for another request's nonce.
    OtherNonce,
    /// A good token over another digest.
    OtherImprint,
    /// A token of an authority that nobody trusts.
    Stranger,
    /// A good token of a clock that is this wrong, milliseconds.
    Off(i64),
    /// More bytes than any token has.
    Huge,
    Rubbish,
    /// Sends the asker somewhere else.
    Redirect,
    /// Says that it is right to an hour only.
    Vague,
}

/// A stand-in and how often it was asked.
struct StandIn {
    url: String,
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<usize>>,
}

impl StandIn {
    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> usize {
        *self.asked.lock().unwrap()
    }
}

struct Scene {
    first: StandIn,
    second: StandIn,
    check: TokenCheck,
    clock: Clock,
    _tasks: tokio::task::JoinSet<()>,
    _folder: tempfile::TempDir,
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    let mut authority = Authority::new(folder.path());
    let issuer = |name: &str, authority: &mut Authority| {
        let (key, certificate) = authority.issue(Role::TimeStamping, name);
        TokenIssuer::new(key, certificate, Vec::new())
    };
    let (one, two) = (
        issuer("tsa-1", &mut authority),
        issuer("tsa-2", &mut authority),
    );
    let other = tempfile::tempdir().unwrap();
    let stranger = issuer("tsa-9", &mut Authority::new(other.path()));
    let first = stand_in(one, stranger.clone(), &mut tasks).await;
    let second = stand_in(two, stranger, &mut tasks).await;
    let validator: Validator = authority.validator();
    Scene {
        first,
        second,
        check: Arc::new(move |token: &[u8], hash, imprint: &[u8], now| {
            let verified = pki::stamp::verify_token_over(token, hash, imprint, &validator, now);
            verified.map_err(|error| error.to_string())
        }),
        clock: Clock::manual(NOW),
        _tasks: tasks,
        _folder: folder,
    }
}

async fn stand_in(
    issuer: TokenIssuer,
    stranger: TokenIssuer,
    tasks: &mut tokio::task::JoinSet<()>,
) -> StandIn {
    let (mood, asked) = (Arc::new(Mutex::new(Mood::Well)), Arc::new(Mutex::new(0)));
    let (now, count) = (mood.clone(), asked.clone());
    let answer = move |request: Bytes| {
        *count.lock().unwrap() += 1;
        let mood = *now.lock().unwrap();
        let said = said(mood, &issuer, &stranger, &request);
        async move {
            if mood == Mood::Slow {
                std::future::pending::<()>().await;
            }
            said
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(answer));
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    StandIn { url, mood, asked }
}

fn said(mood: Mood, issuer: &TokenIssuer, stranger: &TokenIssuer, request: &Bytes) -> Response {
    let over = |text: &[u8], nonce| {
        let other = TimeStampRequest::new(Digest::of(text), nonce);
        issuer.respond(&other.build().unwrap(), NOW).unwrap()
    };
    match mood {
        Mood::Well | Mood::Slow => issuer.respond(request, NOW).unwrap().into_response(),
        Mood::Status(code) => code.into_response(),
        Mood::OtherNonce => over(IMPRINT, 5).into_response(),
        Mood::OtherImprint => over(b"something else", 5).into_response(),
        Mood::Stranger => stranger.respond(request, NOW).unwrap().into_response(),
        Mood::Off(ms) => issuer
            .respond(request, NOW.plus_ms(ms))
            .unwrap()
            .into_response(),
        Mood::Huge => Body::from(vec![0x30; 4 * 1024 * 1024]).into_response(),
        Mood::Rubbish => "<html>welcome</html>".into_response(),
        Mood::Redirect => {
            axum::response::Redirect::temporary("http://127.0.0.1:1/").into_response()
        }
        Mood::Vague => {
            let vague = issuer.clone().with_accuracy_ms(3_600_000);
            vague.respond(request, NOW).unwrap().into_response()
        }
    }
}

const IMPRINT: &[u8] = b"what is stamped";

impl Scene {
    fn authorities(&self, pause: Duration) -> Authorities {
        let urls = [self.first.url.clone(), self.second.url.clone()];
        Authorities::new(&urls, &[], patience(pause))
    }

    async fn token(&self, authorities: &Authorities) -> Result<Stamped, Unstamped> {
        let imprint = Digest::of(IMPRINT);
        let wanted = Wanted {
            hash: HashAlgorithm::Sha256,
            imprint: imprint.as_bytes(),
            clock: &self.clock,
            check: &self.check,
        };
        authorities.token(&wanted).await
    }
}

fn patience(pause: Duration) -> Patience {
    Patience {
        one: Duration::from_millis(300),
        last: Duration::from_secs(5),
        pause,
        pause_max: pause * 4,
    }
}

const LONG: Duration = Duration::from_secs(1_000);

#[tokio::test]
async fn the_first_that_answers_well_is_used_and_one_that_fails_is_named_and_left_alone() {
    let scene = scene().await;
    for (mood, words) in [
        (Mood::Status(StatusCode::INTERNAL_SERVER_ERROR), "HTTP 500"),
        (Mood::Slow, "no answer within 300 ms"),
        (Mood::OtherNonce, "another nonce"),
        (Mood::OtherImprint, "another imprint"),
        (Mood::Stranger, "tsa-9"),
        (Mood::Off(3_600_000), "3599 s off"),
        (Mood::Off(-3_600_000), "-3599 s off"),
        (Mood::Huge, "too long"),
        (Mood::Rubbish, "DER"),
        (Mood::Redirect, "HTTP 307"),
        (Mood::Vague, "right to 3600000 ms only"),
    ] {
        let authorities = scene.authorities(LONG);
        let used = |found: &Stamped| found.url == scene.first.url;
        scene.first.set(Mood::Well);
        assert!(used(&scene.token(&authorities).await.unwrap()), "{mood:?}");
        scene.first.set(mood);
        for _ in 0..3 {
            let asked = scene.first.asked();
            assert!(!used(&scene.token(&authorities).await.unwrap()), "{mood:?}");
            let states = authorities.states();
            let why = states[0].last_error.clone().unwrap();
            assert!(why.contains(words), "{mood:?}: {why}");
            assert_eq!(
                (states[0].failing, states[0].tokens, states[1].tokens > 0),
                (1, 1, true)
            );
            assert!(states[0].asked_again_s > Some(900));
            // Asked once, then left alone.
            assert!(scene.first.asked() <= asked + 1);
        }
        assert_eq!(authorities.states()[0].failures, 1, "{mood:?}");
    }
}

#[tokio::test]
async fn one_that_recovers_is_used_again_and_tried_by_one_asker_alone() {
    let scene = scene().await;
    let authorities = scene.authorities(Duration::from_millis(1));
    scene.first.set(Mood::Rubbish);
    for _ in 0..3 {
        assert_eq!(
            scene.token(&authorities).await.unwrap().url,
            scene.second.url
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(authorities.states()[0].failures > 1);
    // While it is slow, one asker waits for it and the others do not.
    scene.first.set(Mood::Slow);
    let before = scene.first.asked();
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (one, two, three, four) = tokio::join!(
        scene.token(&authorities),
        scene.token(&authorities),
        scene.token(&authorities),
        scene.token(&authorities),
    );
    for found in [one, two, three, four] {
        assert_eq!(found.unwrap().url, scene.second.url);
    }
    assert_eq!(scene.first.asked(), before + 1);
    scene.first.set(Mood::Well);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(
        scene.token(&authorities).await.unwrap().url,
        scene.first.url
    );
    let states = authorities.states();
    assert_eq!((states[0].failing, &states[0].last_error), (0, &None));
}

#[tokio::test]
async fn when_all_that_answer_contradict_the_clock_it_is_the_clock() {
    let scene = scene().await;
    let authorities = scene.authorities(LONG);
    scene.clock.set_wrong(7_200_000);
    let error = scene.token(&authorities).await.unwrap_err();
    let Unstamped::Clock(samples) = error else {
        panic!("{error:?}");
    };
    assert_eq!(samples.len(), 2);
    // Nobody is blamed, so both are asked again at once when the clock is right.
    scene.clock.set_wrong(-7_200_000);
    assert_eq!(
        scene.token(&authorities).await.unwrap().url,
        scene.first.url
    );
}

#[tokio::test]
async fn none_that_answers_gives_every_reason_and_then_silence_until_the_pause_is_over() {
    let scene = scene().await;
    let authorities = scene.authorities(LONG);
    scene.first.set(Mood::Rubbish);
    scene.second.set(Mood::Status(StatusCode::BAD_GATEWAY));
    let error = scene.token(&authorities).await.unwrap_err().to_string();
    assert!(
        error.contains(&scene.first.url) && error.contains("502"),
        "{error}"
    );
    let asked = scene.first.asked() + scene.second.asked();
    assert!(matches!(
        scene.token(&authorities).await,
        Err(Unstamped::Quiet)
    ));
    assert_eq!(scene.first.asked() + scene.second.asked(), asked);
    assert!(authorities.quiet() > LONG / 2);
}

#[tokio::test]
async fn where_policies_are_set_a_token_of_another_does_not_count() {
    let scene = scene().await;
    let urls = [scene.first.url.clone()];
    let ours = scene
        .token(&Authorities::new(&urls, &[], patience(LONG)))
        .await
        .unwrap();
    let policy = ours.stamp.policy.to_string();
    let named = Authorities::new(&urls, &[policy], patience(LONG));
    assert!(scene.token(&named).await.is_ok());
    let other = Authorities::new(&urls, &["1.2.3.4".to_owned()], patience(LONG));
    let error = scene.token(&other).await.unwrap_err().to_string();
    assert!(error.contains("of policy"), "{error}");
}
