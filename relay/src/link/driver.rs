//! Driver: the only file that knows quinn. Sockets, QUIC connections and streams become [`Port`],
//! [`Wire`] and [`Stream`]; everything above speaks of those.
//!
//! Owns: the UDP socket, transport settings, close codes. Every wait has an end: reads and writes
//! take the longest time they may last, and a stream that is dropped half way is reset, so a peer
//! never waits for bytes that will not come. Garbage datagrams never get past quinn's packet
//! protection. Must not know: frames, envelopes, routing, who may speak.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use socket2::{Domain, Protocol, Socket, Type};

/// Why the wire did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    /// The UDP socket could not be opened (operator: port taken or address not ours).
    #[error("cannot listen on {address}")]
    Bind {
        /// The address from the configuration.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// TLS settings that QUIC cannot use (bug).
    #[error("tls settings unusable for quic: {0}")]
    Tls(String),
    /// Dialling failed before a handshake began.
    #[error("cannot dial {address}: {why}")]
    Dial {
        /// Where to.
        address: SocketAddr,
        /// quinn's words.
        why: String,
    },
    /// The connection is gone: closed by either side, timed out, or the handshake was refused.
    #[error("connection ended: {0}")]
    Ended(String),
    /// The peer did nothing for longer than the step may take.
    #[error("peer silent for {0} ms")]
    Timeout(u128),
    /// The peer gave up this stream, or ended it in the middle of a frame.
    #[error("stream ended early: {0}")]
    Stream(String),
}

/// Why we close a connection; the number is what the peer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseCode {
    /// Orderly end, after Bye.
    Done = 0,
    /// Not a neighbour, or no longer one, or its certificate no longer holds.
    NotAuthorised = 1,
    /// It broke the protocol.
    Protocol = 2,
    /// A newer connection of the same station took its place.
    Replaced = 3,
}

impl CloseCode {
    fn number(self) -> quinn::VarInt {
        match self {
            Self::Done => quinn::VarInt::from_u32(0),
            Self::NotAuthorised => quinn::VarInt::from_u32(1),
            Self::Protocol => quinn::VarInt::from_u32(2),
            Self::Replaced => quinn::VarInt::from_u32(3),
        }
    }
}

/// Transport timings that the station chooses (short in tests).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transport {
    /// No packet for this long ends the connection.
    pub(crate) idle: Duration,
    /// QUIC keep-alive interval; well below `idle`.
    pub(crate) keep_alive: Duration,
    /// Streams the peer may have open towards us: its control stream and its transfers.
    pub(crate) peer_streams: u32,
}

/// Resets by a lasting secret. Connection ids are plain random numbers: quinn's usual ones carry a mark of
/// this process, and what is sent to a former life would be dropped before a reset is considered.
fn endpoint_settings(secret: &[u8; 32]) -> quinn::EndpointConfig {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut settings = quinn::EndpointConfig::new(Arc::new(key));
    settings.cid_generator(|| Box::new(RandomIds));
    settings
}

/// Eight random bytes for each connection id.
struct RandomIds;

impl quinn::ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> quinn::ConnectionId {
        quinn::ConnectionId::new(&rand::random::<[u8; 8]>())
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The station's one UDP socket: accepts and dials.
#[derive(Clone, Debug)]
pub(crate) struct Port {
    endpoint: quinn::Endpoint,
    settings: Arc<quinn::TransportConfig>,
}

impl Port {
    /// Binds `address` with the given TLS settings (mutual, TLS 1.3, ALPN set by `pki::tls`). `secret` is the same
    /// at every start: with it a station that was killed answers what peers still send to its former life
    /// with a stateless reset [rfc9000 10.3], so that they dial again at once and not after the idle time.
    pub(crate) fn bind(
        address: SocketAddr,
        server: rustls::ServerConfig,
        transport: Transport,
        secret: &[u8; 32],
    ) -> Result<Self, WireError> {
        let settings = Arc::new(transport_settings(transport)?);
        let server = server_settings(server, &settings)?;

        let bind = |source| WireError::Bind { address, source };
        let socket = udp_socket(address).map_err(bind)?;
        let endpoint = quinn::Endpoint::new(
            endpoint_settings(secret),
            Some(server),
            socket,
            Arc::new(quinn::TokioRuntime),
        )
        .map_err(bind)?;
        Ok(Self { endpoint, settings })
    }

    /// Dials a station; `name` and `client` say whose certificate must answer.
    pub(crate) async fn dial(
        &self,
        address: SocketAddr,
        name: &str,
        client: rustls::ClientConfig,
        wait: Duration,
    ) -> Result<Wire, WireError> {
        let client = QuicClientConfig::try_from(client)
            .map_err(|error| WireError::Tls(error.to_string()))?;
        let mut client = quinn::ClientConfig::new(Arc::new(client));
        client.transport_config(Arc::clone(&self.settings));
        let connecting = self
            .endpoint
            .connect_with(client, address, name)
            .map_err(|error| WireError::Dial {
                address,
                why: error.to_string(),
            })?;
        let connection = within(wait, connecting)
            .await?
            .map_err(|error| ended(&error))?;
        Ok(Wire { connection })
    }

    /// Next caller that proved it owns its address. `None` once the port is closed. The handshake
    /// is the caller's to drive (see [`Caller::greet`]), so a slow one does not hold up the others.
    pub(crate) async fn accept(&self) -> Option<Caller> {
        loop {
            let incoming = self.endpoint.accept().await?;
            // Under load every caller first proves its address (RFC 9000 8.1.2): a forged source
            // costs us one datagram and no handshake.
            if !incoming.remote_address_validated()
                && self.endpoint.open_connections() >= VALIDATE_ADDRESS_ABOVE
            {
                if let Err(error) = incoming.retry() {
                    error.into_incoming().ignore();
                }
                continue;
            }
            return Some(Caller { incoming });
        }
    }

    /// From the next handshake on, callers see these settings; connections in place go on.
    pub(crate) fn replace_server(&self, server: rustls::ServerConfig) -> Result<(), WireError> {
        self.endpoint
            .set_server_config(Some(server_settings(server, &self.settings)?));
        Ok(())
    }

    /// Stops accepting; connections in place go on.
    pub(crate) fn stop_accepting(&self) {
        self.endpoint.set_server_config(None);
    }

    /// Closes every connection and waits (at most `wait`) until the peers were told.
    pub(crate) async fn close(&self, wait: Duration) {
        self.endpoint
            .close(CloseCode::Done.number(), b"station stops");
        let told = tokio::time::timeout(wait, self.endpoint.wait_idle()).await;
        if told.is_err() {
            tracing::debug!("some peers did not confirm the close in time");
        }
    }
}

/// A caller before its handshake.
pub(crate) struct Caller {
    incoming: quinn::Incoming,
}

impl Caller {
    /// Where it calls from.
    pub(crate) fn address(&self) -> SocketAddr {
        self.incoming.remote_address()
    }

    /// Finishes the handshake.
    pub(crate) async fn greet(self, wait: Duration) -> Result<Wire, WireError> {
        let connecting = self.incoming.accept().map_err(|error| ended(&error))?;
        let connection = within(wait, connecting)
            .await?
            .map_err(|error| ended(&error))?;
        Ok(Wire { connection })
    }
}

/// One authenticated QUIC connection. Clones speak of the same connection.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    connection: quinn::Connection,
}

impl Wire {
    /// The certificate chain the peer proved, end certificate first, DER.
    pub(crate) fn peer_chain(&self) -> Vec<rustls::pki_types::CertificateDer<'static>> {
        self.connection
            .peer_identity()
            .and_then(|identity| {
                identity
                    .downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>()
                    .ok()
            })
            .map(|chain| *chain)
            .unwrap_or_default()
    }

    /// Peer address as last seen (it may move).
    pub(crate) fn remote(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    /// Smoothed round-trip time.
    pub(crate) fn rtt(&self) -> Duration {
        self.connection.rtt()
    }

    /// Tells two connections of one peer apart.
    pub(crate) fn number(&self) -> usize {
        self.connection.stable_id()
    }

    /// Opens a stream. Larger `priority` is sent first.
    pub(crate) async fn open(&self, priority: i32, wait: Duration) -> Result<Stream, WireError> {
        let opened = within(wait, self.connection.open_bi()).await?;
        let halves = opened.map_err(|error| ended(&error))?;
        // Fails only on a closed stream; the first write reports that.
        drop(halves.0.set_priority(priority));
        Ok(Stream::new(halves))
    }

    /// Next stream that the peer opened.
    pub(crate) async fn accept(&self) -> Result<Stream, WireError> {
        Ok(Stream::new(
            self.connection
                .accept_bi()
                .await
                .map_err(|error| ended(&error))?,
        ))
    }

    /// Whether the connection has ended.
    pub(crate) fn is_closed(&self) -> bool {
        self.connection.close_reason().is_some()
    }

    /// Ends the connection at once.
    pub(crate) fn close(&self, code: CloseCode, why: &str) {
        self.connection.close(code.number(), why.as_bytes());
    }
}

/// One bidirectional stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Towards the peer.
    pub(crate) send: SendHalf,
    /// From the peer.
    pub(crate) recv: RecvHalf,
}

impl Stream {
    fn new((send, recv): (quinn::SendStream, quinn::RecvStream)) -> Self {
        Self {
            send: SendHalf {
                send,
                finished: false,
            },
            recv: RecvHalf { recv },
        }
    }
}

/// The sending half. Dropped before [`SendHalf::finish`] it is reset, so the peer learns of it at
/// once.
#[derive(Debug)]
pub(crate) struct SendHalf {
    send: quinn::SendStream,
    finished: bool,
}

impl SendHalf {
    /// Writes all bytes; the peer must take them within `wait`.
    pub(crate) async fn write(&mut self, bytes: &[u8], wait: Duration) -> Result<(), WireError> {
        within(wait, self.send.write_all(bytes))
            .await?
            .map_err(|error| WireError::Stream(error.to_string()))
    }

    /// Returns when the peer has all that was written, or nothing more of it can come, at the latest after
    /// `wait`. For last words: closing the connection takes back what is still under way.
    pub(crate) async fn taken(&mut self, wait: Duration) {
        let Ok(_taken_or_gone) = within(wait, self.send.stopped()).await else {
            tracing::debug!("last words were not taken in time");
            return;
        };
    }

    /// Nothing more will be written.
    pub(crate) fn finish(&mut self) {
        self.finished = self.send.finish().is_ok();
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        if !self.finished {
            // A stream that is closed already answers an error, which is what we want to be true.
            drop(self.send.reset(CloseCode::Protocol.number()));
        }
    }
}

/// The receiving half. Dropping it tells the peer to stop sending.
#[derive(Debug)]
pub(crate) struct RecvHalf {
    recv: quinn::RecvStream,
}

impl RecvHalf {
    /// Fills `buffer`; the peer must have sent that many bytes within `wait`. `None` waits without
    /// end: for the control stream, whose silence the session's own timer judges.
    pub(crate) async fn read_exact(
        &mut self,
        buffer: &mut [u8],
        wait: Option<Duration>,
    ) -> Result<(), WireError> {
        let read = self.recv.read_exact(buffer);
        let outcome = match wait {
            Some(wait) => within(wait, read).await?,
            None => read.await,
        };
        outcome.map_err(|error| WireError::Stream(error.to_string()))
    }
}

async fn within<T>(wait: Duration, step: impl IntoFuture<Output = T>) -> Result<T, WireError> {
    tokio::time::timeout(wait, step.into_future())
        .await
        .map_err(|_| WireError::Timeout(wait.as_millis()))
}

fn ended(error: &quinn::ConnectionError) -> WireError {
    WireError::Ended(error.to_string())
}

fn server_settings(
    server: rustls::ServerConfig,
    settings: &Arc<quinn::TransportConfig>,
) -> Result<quinn::ServerConfig, WireError> {
    let server =
        QuicServerConfig::try_from(server).map_err(|error| WireError::Tls(error.to_string()))?;
    let mut server = quinn::ServerConfig::with_crypto(Arc::new(server));
    server.transport_config(Arc::clone(settings));
    server.max_incoming(MAX_INCOMING);
    Ok(server)
}

fn transport_settings(chosen: Transport) -> Result<quinn::TransportConfig, WireError> {
    let mut settings = quinn::TransportConfig::default();
    let idle = quinn::IdleTimeout::try_from(chosen.idle)
        .map_err(|error| WireError::Tls(format!("idle time out of range: {error}")))?;
    settings
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(chosen.keep_alive))
        .max_concurrent_bidi_streams(quinn::VarInt::from_u32(chosen.peer_streams))
        // No one-way streams or datagrams in this protocol: an opened one is a protocol error.
        .max_concurrent_uni_streams(quinn::VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(quinn::VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(quinn::VarInt::from_u32(LINK_WINDOW_BYTES))
        .send_window(u64::from(LINK_WINDOW_BYTES));
    // Congestion control stays quinn's default (CUBIC): BBR loses more than half of the datagrams
    // at near-zero round-trip times. Segmentation offload stays on: without it the same bytes cost
    // three times the CPU.
    Ok(settings)
}

fn udp_socket(address: SocketAddr) -> std::io::Result<std::net::UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    // Full receive buffers look like packet loss and halve the rate; the kernel caps what we ask
    // for.
    for (size, outcome) in [
        ("receive", socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)),
        ("send", socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)),
    ] {
        if let Err(error) = outcome {
            tracing::debug!(buffer = size, %error, "kernel keeps its socket buffer size");
        }
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// What one stream may have in flight: 100 ms of a 300 Mbit/s path.
const STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// What one link may have in flight in each direction; also the memory a slow reader can pin.
const LINK_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
/// Asked of the kernel for the one UDP socket that all links share.
const SOCKET_BUFFER_BYTES: usize = 8 * 1024 * 1024;
/// Callers waiting for their handshake; more are ignored and come back.
const MAX_INCOMING: usize = 1024;
/// From this many connections on a caller proves its address first.
const VALIDATE_ADDRESS_ABOVE: usize = 256;
