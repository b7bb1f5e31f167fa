//! The authority's server: both listeners and the work that goes on by itself.
//!
//! Owns: order of start and stop; a list of revocations now and one every hour; news of the folder
//! within two seconds; own certificates renewed. What fails is logged and tried again; the rest
//! goes on. Must not know the command line.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use formats::time::Timestamp;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::sync::CancellationToken;

use super::audit::Actor;
use super::clock_guard::ClockGuard;
use super::listener::{Caller, TlsPort};
use super::office::{Office, OfficeError, Settings};
use super::public::{self, Answers};
use super::service::Service;
use super::tsa::{self, Clock};
use super::{api, published};
use crate::cert::{CertError, Certificate};
use crate::clock::State;
use crate::key::{KeyError, SigningKey};
use crate::stamp::TokenIssuer;
use crate::tls::{StationIdentity, TlsError, open_server_config};

/// Why the server does not start or stopped.
#[derive(Debug, Error)]
pub enum ServerError {
    /// An address is taken or not ours.
    #[error("listening on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Certificates of the server.
    #[error(transparent)]
    Certificate(#[from] CertError),
    /// Serving ended.
    #[error("serving")]
    Io(#[from] std::io::Error),
    /// Keys of the server.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The folder.
    #[error(transparent)]
    Office(#[from] OfficeError),
    /// The published folder.
    #[error(transparent)]
    Published(#[from] published::PublishError),
    /// The trust domain is too long for the server's own name.
    #[error("the trust domain is too long for the authority's own name")]
    Name,
    /// TLS settings.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A server that listens and does not serve yet.
pub struct Server {
    service: Service,
    answers: Arc<Answers>,
    stamps: TokenIssuer,
    public: TcpListener,
    api: Option<TcpListener>,
    clock: Clock,
    guard: Option<(ClockGuard, Vec<String>)>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({:?}, {:?})", self.public, self.api)
    }
}

impl Server {
    /// Opens the folder and binds both addresses; `api` is for stations, `public` for everybody.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn bind(
        dir: &Path,
        public: SocketAddr,
        api: Option<SocketAddr>,
        clock: Clock,
        now: Timestamp,
    ) -> Result<Self, ServerError> {
        let office = Office::open(dir, now).await?;
        for warning in office.warnings(now) {
            tracing::warn!(code = "TRAM-711", warning, "certificate of the authority");
        }
        office.issuer("ca", now)?;
        let made = office.keep_own(&Actor::itself(), now).await?;
        if !made.is_empty() {
            tracing::info!(?made, "own certificates made");
        }
        let settings = Settings::load(dir)?.clock;
        let stamps = TokenIssuer::new(
            SigningKey::load(&office.file("tsa.key"), None)?,
            Certificate::load(&office.file("tsa.crt"))?,
            vec![office.authority("ca")?],
        )
        .with_accuracy_ms(settings.accuracy_ms);
        let answers = Arc::new(Answers::new(office.responders()?, office.log_signer()?));
        let service = Service::new(office, Arc::clone(&clock))?;
        let listen = |address: SocketAddr| async move {
            let bound = TcpListener::bind(address).await;
            bound.map_err(|source| ServerError::Listen { address, source })
        };
        let public = listen(public).await?;
        let api = match api {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        Ok(Self {
            service,
            answers,
            stamps,
            public,
            api,
            clock,
            guard: None,
        })
    }

    /// Watches the clock that `guard` tells (given to [`Server::bind`] as its clock): compares it with
    /// the references of the settings and says loudly when it is in doubt.
    ///
    /// # Errors
    /// [`ServerError::Office`] when the settings cannot be read.
    pub fn watching(mut self, guard: ClockGuard) -> Result<Self, ServerError> {
        let settings = Settings::load(&self.service.office().dir)?.clock;
        self.guard = Some((guard, settings.references));
        Ok(self)
    }

    /// Where everybody asks.
    ///
    /// # Errors
    /// The system's.
    pub fn public_address(&self) -> std::io::Result<SocketAddr> {
        self.public.local_addr()
    }

    /// Where stations ask.
    ///
    /// # Errors
    /// The system's.
    pub fn api_address(&self) -> std::io::Result<Option<SocketAddr>> {
        self.api.as_ref().map(TcpListener::local_addr).transpose()
    }

    /// Serves until `stop`; open requests are answered first.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServerError> {
        let mut tasks = JoinSet::new();
        self.service.publish(api::system_now()).await?;
        tasks.spawn(lists(
            self.service.clone(),
            Arc::clone(&self.clock),
            stop.clone(),
        ));
        tasks.spawn(news(
            self.service.clone(),
            Arc::clone(&self.answers),
            stop.clone(),
        ));
        let lists = Settings::load(&self.service.office().dir)?.foreign.lists;
        tasks.spawn(foreign(self.service.clone(), lists, stop.clone()));
        if let Some((guard, references)) = self.guard {
            tasks.spawn(watch(self.service.clone(), guard, references, stop.clone()));
        }
        let everybody = Router::new()
            .merge(tsa::router(self.stamps, Arc::clone(&self.clock)))
            .merge(public::router(self.service.clone(), self.answers));
        let everybody = everybody.into_make_service_with_connect_info::<SocketAddr>();
        let stopped = stop.clone().cancelled_owned();
        let public = axum::serve(self.public, everybody).with_graceful_shutdown(stopped);
        let outcome = match self.api {
            None => public.await,
            Some(listener) => {
                let settings = Arc::new(RwLock::new(settings(&self.service, &self.clock)?));
                let (service, clock) = (self.service.clone(), Arc::clone(&self.clock));
                let held = Arc::clone(&settings);
                tasks.spawn(own(service, clock, held, stop.clone()));
                let current = move || {
                    let held = settings.read().unwrap_or_else(PoisonError::into_inner);
                    Arc::clone(&held)
                };
                let port = TlsPort::new(listener, Arc::new(current))?;
                let stations = api::router(self.service.clone());
                let stations = stations.into_make_service_with_connect_info::<Caller>();
                let stopped = stop.clone().cancelled_owned();
                let api = axum::serve(port, stations).with_graceful_shutdown(stopped);
                tokio::try_join!(public, api).map(|_| ())
            }
        };
        stop.cancel();
        tasks.shutdown().await;
        Ok(outcome?)
    }
}

/// TLS settings with the newest own certificate; the root goes along, so that a station which knows
/// only its fingerprint can find it.
fn settings(service: &Service, clock: &Clock) -> Result<Arc<ServerConfig>, ServerError> {
    let office = service.office();
    let name = office.server_name().ok_or(ServerError::Name)?;
    let mut chain = vec![Certificate::load(&office.file("api.crt"))?];
    chain.push(office.authority("ca")?);
    chain.push(office.authority("root")?);
    let key = SigningKey::load(&office.file("api.key"), None)?;
    let identity = StationIdentity::new(name, chain, key, office.domain())?;
    let judge = service.clone();
    let config = open_server_config(
        &identity,
        Arc::new(move || judge.validator()),
        Arc::clone(clock),
    )?;
    Ok(Arc::new(config))
}

/// Says when the clock comes into doubt and when it is right again, and asks the references.
async fn watch(
    service: Service,
    guard: ClockGuard,
    references: Vec<String>,
    stop: CancellationToken,
) {
    let (mut doubted, mut round) = (false, 0_u32);
    loop {
        if round.is_multiple_of(ASK_EVERY) {
            for url in &references {
                let mut nonce = [0; 8];
                if aws_lc_rs::rand::fill(&mut nonce).is_err() {
                    continue;
                }
                let nonce = u64::from_be_bytes(nonce) >> 1;
                if let Err(error) = guard.ask(url, nonce, &service.validator()).await {
                    let cause = causes(&error);
                    tracing::warn!(code = "TRAM-713", url, cause, "reference of the clock");
                }
            }
        }
        round = round.wrapping_add(1);
        match guard.state() {
            State::Unsure(doubt) if !doubted => {
                doubted = true;
                tracing::error!(
                    code = "TRAM-714",
                    %doubt,
                    "the clock is in doubt: nothing is stamped and nothing is issued; set it right \
                     (NTP) and restart"
                );
            }
            State::Unsure(_) => {}
            State::Differs { off_ms, .. } => {
                tracing::warn!(
                    code = "TRAM-715",
                    off_ms,
                    "the clock differs from its references"
                );
            }
            State::Sure { .. } if doubted => {
                doubted = false;
                tracing::info!(code = "TRAM-714", "the clock is right again");
            }
            State::Sure { .. } => {}
        }
        if stopped(&stop, CLOCK_LOOK).await {
            return;
        }
    }
}

/// A list now, because the last may be old, and one every hour.
async fn lists(service: Service, clock: Clock, stop: CancellationToken) {
    loop {
        let pause = match clock() {
            None => {
                tracing::error!(code = "TRAM-701", "no lists: the clock is not sure");
                RETRY
            }
            Some(now) => match service.office().publish_crls(&Actor::itself(), now).await {
                Ok(made) => {
                    tracing::info!(lists = made.len(), "revocation lists published");
                    HOUR
                }
                Err(error) => {
                    let cause = causes(&error);
                    tracing::error!(code = "TRAM-701", cause, "revocation lists not published");
                    RETRY
                }
            },
        };
        if stopped(&stop, pause).await {
            return;
        }
    }
}

/// The lists of other authorities whose certificates are published here: now, when one is published, and
/// every hour.
async fn foreign(service: Service, named: Vec<String>, stop: CancellationToken) {
    let client = match reqwest::Client::builder().build() {
        Ok(client) => client,
        Err(error) => {
            tracing::error!(
                code = "TRAM-716",
                cause = causes(&error),
                "no foreign lists"
            );
            return;
        }
    };
    let mut failing = BTreeSet::new();
    loop {
        match service.office().fetch_foreign(&client, &named).await {
            Ok(fetched) => {
                for (url, reason) in &fetched.failed {
                    if failing.insert(url.clone()) {
                        tracing::warn!(
                            code = "TRAM-716",
                            url,
                            reason,
                            "a foreign authority's list did not come; its certificates stop being believed \
                             when the window of the last one is over"
                        );
                    }
                }
                failing.retain(|url| fetched.failed.contains_key(url));
                if fetched.new > 0 {
                    tracing::info!(lists = fetched.new, "lists of foreign authorities");
                    api::published(&service).await;
                }
            }
            Err(error) => {
                tracing::error!(
                    code = "TRAM-716",
                    cause = causes(&error),
                    "no foreign lists"
                );
            }
        }
        let pause = if failing.is_empty() { HOUR } else { RETRY };
        tokio::select! {
            () = stop.cancelled() => return,
            () = service.0.foreign.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// News of the folder, whoever wrote into it.
async fn news(service: Service, answers: Arc<Answers>, stop: CancellationToken) {
    let mut seen = service.0.news.clone();
    let mut passes = 0_u32;
    while !stopped(&stop, LOOK).await {
        if let Err(error) = service.publish(api::system_now()).await {
            tracing::error!(code = "TRAM-708", cause = causes(&error), "news not listed");
        }
        if seen.has_changed().unwrap_or_default() {
            seen.mark_unchanged();
            answers.forget();
        }
        passes = passes.wrapping_add(1);
        if passes.is_multiple_of(TIDY_EVERY) {
            service.tidy();
        }
    }
}

/// Renews the server's own certificates and uses them from the next connection on.
async fn own(
    service: Service,
    clock: Clock,
    held: Arc<RwLock<Arc<ServerConfig>>>,
    stop: CancellationToken,
) {
    while !stopped(&stop, HOUR).await {
        let Some(now) = clock() else { continue };
        let made = match service.office().keep_own(&Actor::itself(), now).await {
            Ok(made) => made,
            Err(error) => {
                tracing::error!(
                    code = "TRAM-712",
                    cause = causes(&error),
                    "own certificates"
                );
                continue;
            }
        };
        if made.is_empty() {
            continue;
        }
        match settings(&service, &clock) {
            Ok(fresh) => *held.write().unwrap_or_else(PoisonError::into_inner) = fresh,
            Err(error) => {
                tracing::error!(
                    code = "TRAM-712",
                    cause = causes(&error),
                    "own certificates"
                );
            }
        }
    }
}

/// Waits; true when the server stops.
async fn stopped(stop: &CancellationToken, pause: Duration) -> bool {
    tokio::time::timeout(pause, stop.cancelled()).await.is_ok()
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut lower = error.source();
    while let Some(cause) = lower {
        text = format!("{text}: {cause}");
        lower = cause.source();
    }
    text
}

/// Rounds of looking at the clock between two questions to the references: five minutes.
const ASK_EVERY: u32 = 30;
const CLOCK_LOOK: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);
/// The folder is looked at this often for what others wrote into it.
const LOOK: Duration = Duration::from_secs(2);
const RETRY: Duration = Duration::from_secs(60);
/// Passes between two tidyings of the rates' table.
const TIDY_EVERY: u32 = 150;
