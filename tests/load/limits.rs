//! The machine's own limits, measured in the same run: without them no figure of the product says anything.
//!
//! Owns: one short loop per limit, on the disk and the cores that the product uses. Each answers a JSON row.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};
use serde_json::{Value, json};

use crate::measure::percentile;

const EACH: Duration = Duration::from_secs(2);

/// All limits, one row.
pub async fn measure(dir: &Path) -> Value {
    let (syncs, sync_p50, sync_p99) = fdatasync(dir, 4096);
    let (large, large_p50, _) = fdatasync(dir, 256 * 1024);
    let (signs, verifies) = p256();
    let quic = quic_mb_per_s().await;
    json!({
        "step": "limits",
        "fdatasync_4k_per_s": round(syncs),
        "fdatasync_4k_ms_p50": sync_p50,
        "fdatasync_4k_ms_p99": sync_p99,
        "fdatasync_256k_per_s": round(large),
        "fdatasync_256k_ms_p50": large_p50,
        "p256_sign_per_s": round(signs),
        "p256_verify_per_s": round(verifies),
        "quic_loopback_mb_per_s": round(quic),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
    })
}

fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// Appends of `size` bytes, each followed by fdatasync: per second, p50 and p99 in ms.
fn fdatasync(dir: &Path, size: usize) -> (f64, f64, f64) {
    let path = dir.join("limit.bin");
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .open(&path)
        .expect("a file");
    let block = vec![7_u8; size];
    let mut samples = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < EACH {
        let one = Instant::now();
        file.write_all(&block).expect("the disk takes it");
        file.sync_data().expect("the disk syncs");
        samples.push(one.elapsed().as_secs_f64() * 1000.0);
    }
    let rate = samples.len() as f64 / begin.elapsed().as_secs_f64();
    drop(file);
    let _ = std::fs::remove_file(path);
    (
        rate,
        percentile(&mut samples, 0.5),
        percentile(&mut samples, 0.99),
    )
}

/// P-256 signatures made and checked per second on one core.
fn p256() -> (f64, f64) {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
    let message = [5_u8; 300];
    let mut signature = key.sign(&random, &message).expect("signs");
    let rate = |work: &mut dyn FnMut()| {
        let begin = Instant::now();
        let mut count = 0_u32;
        while begin.elapsed() < EACH / 2 {
            for _ in 0..64 {
                work();
            }
            count += 64;
        }
        f64::from(count) / begin.elapsed().as_secs_f64()
    };
    let signs = rate(&mut || signature = key.sign(&random, &message).expect("signs"));
    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key().as_ref())
        .expect("an own key parses");
    let verifies = rate(&mut || {
        public
            .verify_sig(&message, signature.as_ref())
            .expect("an own signature")
    });
    (signs, verifies)
}

/// Bytes per second through one QUIC stream on loopback, both ends in this process.
async fn quic_mb_per_s() -> f64 {
    const BYTES: usize = 512 * 1024 * 1024;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (certificate, key) = throwaway_certificate();
    let mut server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("an own key fits");
    server.alpn_protocols = vec![b"limit".to_vec()];
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("an own certificate parses");
    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3 is there")
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![b"limit".to_vec()];
    let mut transport = quinn::TransportConfig::default();
    let window = quinn::VarInt::from_u32(16 * 1024 * 1024);
    transport
        .stream_receive_window(window)
        .receive_window(window)
        .send_window(16 * 1024 * 1024);
    let transport = Arc::new(transport);
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(server).expect("TLS 1.3 only");
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    config.transport_config(transport.clone());
    let here = "127.0.0.1:0".parse().expect("an address");
    let listener = quinn::Endpoint::server(config, here).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let mut dialer = quinn::Endpoint::client(here).expect("a free port");
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(client).expect("TLS 1.3 only");
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(transport);
    dialer.set_default_client_config(config);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let link = listener
            .accept()
            .await
            .expect("a caller")
            .await
            .expect("a handshake");
        let mut stream = link.accept_uni().await.expect("a stream");
        let mut got = 0;
        while let Some(chunk) = stream.read_chunk(1 << 20, true).await.expect("bytes") {
            got += chunk.bytes.len();
        }
        assert_eq!(got, BYTES);
        link.close(0_u32.into(), b"");
        listener.wait_idle().await;
    });
    let link = dialer
        .connect(address, "limit-host.tram.test")
        .expect("a name")
        .await
        .expect("a link");
    let begin = Instant::now();
    let mut stream = link.open_uni().await.expect("a stream");
    let block = vec![9_u8; 1 << 20];
    for _ in 0..BYTES >> 20 {
        stream.write_all(&block).await.expect("bytes");
    }
    stream.finish().expect("open until here");
    let _ = link.closed().await;
    let secs = begin.elapsed().as_secs_f64();
    while tasks.join_next().await.is_some() {}
    BYTES as f64 / 1e6 / secs
}

/// A self-signed certificate made by openssl for the loopback measurement.
fn throwaway_certificate() -> (
    rustls::pki_types::CertificateDer<'static>,
    rustls::pki_types::PrivateKeyDer<'static>,
) {
    use rustls::pki_types::pem::PemObject;
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name).display().to_string();
    tests::process::run(
        Path::new("openssl"),
        &[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=limit",
            "-addext",
            "subjectAltName=DNS:limit-host.tram.test",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            &path("k"),
            "-out",
            &path("c"),
        ],
    );
    let certificate = rustls::pki_types::CertificateDer::from_pem_file(path("c")).expect("PEM");
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(path("k")).expect("PEM");
    (certificate, key)
}
