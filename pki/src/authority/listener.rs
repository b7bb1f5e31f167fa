//! The TLS listener of the authority: handshakes run beside each other, bounded in number and time.
//!
//! Owns: accepting connections and shaking hands; a slow or broken stranger never holds up the next
//! caller. What a caller showed is handed to the routes as [`Caller`]. Fails silently towards
//! strangers and in the log at debug level. Must not know routes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::cert::Certificate;

/// Who calls: the address, and the certificate that it showed (its chain and key were checked in
/// the handshake; whether it is good *now* is for the route to ask).
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) address: SocketAddr,
    pub(super) certificate: Option<Certificate>,
}

/// Accepted, encrypted connections.
pub(super) struct TlsPort {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
    /// The accepting task; it ends with this value.
    _task: JoinSet<()>,
}

impl TlsPort {
    /// Starts to accept. `settings` is asked for each connection, so that a renewed certificate
    /// counts from the next one on.
    pub(super) fn new(
        listener: TcpListener,
        settings: Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let (sender, ready) = mpsc::channel(READY_MAX);
        let mut task = JoinSet::new();
        task.spawn(accept(listener, settings, sender));
        Ok(Self {
            ready,
            address,
            _task: task,
        })
    }
}

async fn accept(
    listener: TcpListener,
    settings: Arc<dyn Fn() -> Arc<ServerConfig> + Send + Sync>,
    ready: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
) {
    let mut handshakes = JoinSet::new();
    loop {
        while handshakes.try_join_next().is_some() {}
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, mostly: others end, then it goes on.
                tracing::warn!(code = "TRAM-703", %error, "connection not accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if handshakes.len() >= HANDSHAKES_MAX {
            continue;
        }
        let (acceptor, ready) = (TlsAcceptor::from(settings()), ready.clone());
        handshakes.spawn(async move {
            match tokio::time::timeout(HANDSHAKE_TIME, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    // Nobody takes it any more only when the server stops.
                    let _stopped = ready.send((stream, address)).await;
                }
                Ok(Err(error)) => tracing::debug!(%address, %error, "handshake"),
                Err(_late) => tracing::debug!(%address, "handshake took too long"),
            }
        });
    }
}

impl Listener for TlsPort {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The accepting task never ends before this value does.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, TlsPort>> for Caller {
    fn connect_info(stream: IncomingStream<'_, TlsPort>) -> Self {
        let (_, session) = stream.io().get_ref();
        let shown = session.peer_certificates().and_then(<[_]>::first);
        Self {
            address: *stream.remote_addr(),
            certificate: shown.and_then(|der| Certificate::parse(der).ok()),
        }
    }
}

/// Handshakes at once; each is about a millisecond of work.
const HANDSHAKES_MAX: usize = 256;
/// Connections that wait for the routes.
const READY_MAX: usize = 64;
/// A round trip round the world takes 0.4 s.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);
