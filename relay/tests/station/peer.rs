//! A hand-made peer: node-a's real credentials, but it speaks frames itself, so it can break every
//! rule.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use formats::frame::{Control, Offer, PREFIX_BYTES, PeerLimits, Transfer, Versions, payload_bytes};
use formats::id::{Party, StationName};
use pki::cert::Certificate;
use pki::chain::{TrustStore, Validator};
use pki::key::SigningKey;
use pki::tls::StationIdentity;
use relay::clock::Clock;

use crate::letter::{CAPSULE_BYTES, Letter};
use crate::world::World;

pub struct Peer {
    endpoint: quinn::Endpoint,
    pub connection: quinn::Connection,
    control: (quinn::SendStream, quinn::RecvStream),
}

/// Dials a relay with any identity; the certificate of the relay is checked as usual.
pub async fn dial(
    world: &World,
    name: &StationName,
    chain: Vec<Certificate>,
    key: SigningKey,
) -> Result<(quinn::Endpoint, quinn::Connection), String> {
    let identity = StationIdentity {
        name: name.clone(),
        chain,
        key,
    };
    let store = TrustStore {
        trust_domain: crate::authority::domain(),
        roots: vec![world.authority.root().clone()],
        intermediates: vec![],
        crls: vec![],
        ocsp: Vec::new(),
    };
    let validator = Validator::new(store);
    let relay = &world.relay.credentials.name;
    let clock = Clock::system();
    let client = pki::tls::client_config(
        &identity,
        relay,
        Arc::new(move || validator.clone()),
        Arc::new(move || Some(clock.now())),
    )
    .map_err(|error| error.to_string())?;
    let client = quinn::crypto::rustls::QuicClientConfig::try_from(client).unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let endpoint = quinn::Endpoint::client(any).unwrap();
    let connection = endpoint
        .connect_with(
            quinn::ClientConfig::new(Arc::new(client)),
            world.relay.address,
            relay.as_str(),
        )
        .map_err(|error| error.to_string())?
        .await
        .map_err(|error| error.to_string())?;
    Ok((endpoint, connection))
}

impl Peer {
    /// Dials as node-a and says Hello.
    pub async fn connect(world: &World) -> Self {
        let node = &world.node_a.credentials;
        let chain = world.authority.chain(&node.tls.certificate);
        let (endpoint, connection) = dial(world, &node.name, chain, node.tls.key.clone())
            .await
            .unwrap();
        let mut control = connection.open_bi().await.unwrap();
        let hello = hello(&node.name);
        control.0.write_all(&hello.encode().unwrap()).await.unwrap();
        let answer = Control::decode(&read(&mut control.1).await.unwrap()).unwrap();
        assert!(matches!(answer, Control::Hello { .. }), "{answer:?}");
        Self {
            endpoint,
            connection,
            control,
        }
    }

    /// Sends raw bytes on the control stream.
    pub async fn control(&mut self, bytes: &[u8]) {
        self.control.0.write_all(bytes).await.unwrap();
    }

    /// The next frame on the control stream that is not news of logs.
    pub async fn hear(&mut self) -> Control {
        loop {
            let frame = Control::decode(&read(&mut self.control.1).await.unwrap()).unwrap();
            if !matches!(frame, Control::Heads { .. }) {
                return frame;
            }
        }
    }

    /// Opens a stream and sends raw bytes.
    pub async fn send(&self, bytes: &[u8]) -> (quinn::SendStream, quinn::RecvStream) {
        let mut stream = self.connection.open_bi().await.unwrap();
        stream.0.write_all(bytes).await.unwrap();
        stream
    }

    /// Offers, body inside, and gives the answer.
    pub async fn offer(&self, offer: Offer) -> Transfer {
        let (_send, mut recv) = self.send(&Transfer::Offer(offer).encode().unwrap()).await;
        answer(&mut recv).await
    }

    pub async fn close(self) {
        self.connection.close(0_u32.into(), b"test");
        self.endpoint.wait_idle().await;
    }
}

pub fn hello(name: &StationName) -> Control {
    Control::Hello {
        versions: Versions::OURS,
        station: name.clone(),
        clock: Clock::system().now(),
        limits: PeerLimits {
            transfers: 64,
            body_bytes: 1 << 30,
            inline_bytes: 65_536,
        },
    }
}

pub async fn read(recv: &mut quinn::RecvStream) -> Result<Vec<u8>, String> {
    let reading = async {
        let mut prefix = [0; PREFIX_BYTES];
        recv.read_exact(&mut prefix)
            .await
            .map_err(|error| error.to_string())?;
        let mut payload = vec![0; payload_bytes(prefix).unwrap()];
        recv.read_exact(&mut payload)
            .await
            .map_err(|error| error.to_string())?;
        Ok(payload)
    };
    tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .map_err(|e| e.to_string())?
}

pub async fn answer(recv: &mut quinn::RecvStream) -> Transfer {
    Transfer::decode(&read(recv).await.unwrap()).unwrap()
}

/// The offer of a letter to these recipients, with its body if it is small.
pub fn offer(letter: &Letter, recipients: &[&str]) -> Offer {
    let body = letter.body();
    Offer {
        header: letter.header.bytes().to_vec(),
        header_signature: letter.signature.clone(),
        legs: recipients
            .iter()
            .map(|text| text.parse::<Party>().unwrap())
            .collect(),
        attempt: 1,
        via: vec![],
        capsule_bytes: CAPSULE_BYTES,
        traceparent: None,
        inline: (body.len() <= 65_536).then_some(body),
    }
}
