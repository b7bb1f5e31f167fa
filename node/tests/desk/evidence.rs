//! The proof package under dash and openssl, and what tampering does to it.

use std::path::Path;
use std::process::Command;

use formats::proof::{Member, ProofReader, ProofWriter};
use node::desk::Desk;
use node::view::RecipientState;

use crate::world::{RECIPIENT, World, draft, file, recipient, sender};

/// Sends, hands over, and unpacks the package into a folder; returns the zip too.
async fn package(world: &World, number: &str) -> (tempfile::TempDir, Vec<u8>) {
    let accepted = world
        .send(
            draft(number, &[RECIPIENT]),
            vec![file("a.pdf", b"%PDF-1.4")],
        )
        .await;
    world
        .until_state(accepted.id, RecipientState::Delivered)
        .await;
    world.b.ack(&recipient(), accepted.id, None).await.unwrap();
    world
        .until_state(accepted.id, RecipientState::HandedOver)
        .await;
    let zip = world.a.evidence(&sender(), accepted.id).await.unwrap();
    let bytes = zip.body.read_all().unwrap().to_vec();
    let folder = tempfile::tempdir().unwrap();
    unpack(&bytes, folder.path());
    (folder, bytes)
}

fn unpack(zip: &[u8], folder: &Path) {
    let mut reader = ProofReader::open(std::io::Cursor::new(zip)).unwrap();
    let members: Vec<_> = reader.members().cloned().collect();
    for member in members {
        let path = folder.join(member.to_string());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, reader.read(&member).unwrap()).unwrap();
    }
}

/// The folder as a package again.
fn pack(folder: &Path) -> std::path::PathBuf {
    let mut zip = ProofWriter::new(std::io::Cursor::new(Vec::new()));
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            if let Ok(member) = name.parse::<Member>() {
                zip.add(&member, &std::fs::read(&path).unwrap()).unwrap();
            }
        }
    }
    let path = folder.join("again.zip");
    std::fs::write(&path, zip.finish().unwrap().into_inner()).unwrap();
    path
}

/// Runs the script with dash; its output and whether it said yes.
fn verify(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("dash")
        .arg(folder.join("verify.sh"))
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    let yes = output.status.success();
    assert_eq!(yes, text.lines().any(|line| line == "VALID"), "{text}");
    (yes, text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_proves_itself_with_dash_and_openssl() {
    let world = World::start().await;
    let (folder, zip) = package(&world, "21").await;
    let (yes, text) = verify(folder.path(), &[]);
    assert!(yes, "{text}");
    for event in [
        "SubmissionAcceptance",
        "ContentConsignment",
        "ContentHandover",
    ] {
        assert!(
            text.lines()
                .any(|line| line.starts_with("ok") && line.contains(event)),
            "{text}"
        );
    }
    let root = world.dir.path().join("pki/authority/root.crt");
    let (yes, text) = verify(folder.path(), &["--ca", root.to_str().unwrap()]);
    assert!(yes, "{text}");
    let stranger = world.dir.path().join("stranger.pem");
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args(["-subj", "/CN=Other", "-keyout", "/dev/null", "-out"])
        .arg(&stranger)
        .output()
        .unwrap();
    assert!(made.status.success());
    let (yes, text) = verify(folder.path(), &["--ca", stranger.to_str().unwrap()]);
    assert!(!yes, "{text}");

    let path = world.dir.path().join("proof.zip");
    std::fs::write(&path, zip).unwrap();
    let report = Desk::verify_evidence(&path).unwrap();
    assert!(report.valid, "{:#?}", report.checks);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_tampered_member_is_found() {
    let world = World::start().await;
    let (folder, _) = package(&world, "22").await;
    let receipts = std::fs::read_dir(folder.path().join("receipts"))
        .unwrap()
        .count();
    assert!(receipts >= 3, "{receipts} receipts");
    let envelope = std::fs::read_dir(folder.path().join("envelopes")).unwrap();
    let envelope = envelope
        .flatten()
        .next()
        .unwrap()
        .file_name()
        .into_string()
        .unwrap();
    let flip = |bytes: &mut Vec<u8>| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    };
    type Spoil<'a> = Box<dyn Fn(&mut Vec<u8>) + 'a>;
    let replace = |from: &'static str, to: &'static str| -> Spoil<'static> {
        Box::new(move |bytes| {
            let text = String::from_utf8(bytes.clone()).unwrap();
            assert!(text.contains(from), "{from} not in {text}");
            *bytes = text.replacen(from, to, 1).into_bytes();
        })
    };
    let last = format!("receipts/{receipts:04}");
    let cases: Vec<(String, Spoil<'_>)> = vec![
        ("document/packet.edxml".into(), Box::new(flip)),
        ("document/signature.p7s".into(), Box::new(flip)),
        (format!("envelopes/{envelope}/header.cbor"), Box::new(flip)),
        (
            format!("envelopes/{envelope}/salt.hex"),
            Box::new(|bytes| bytes[3] = if bytes[3] == b'0' { b'1' } else { b'0' }),
        ),
        (
            format!("{last}/statement.json"),
            replace("ContentHandover", "ContentConsignment"),
        ),
        (
            format!("{last}/statement.json"),
            replace("node-b", "node-a"),
        ),
        (
            format!("{last}/salt.hex"),
            Box::new(|bytes| bytes[3] = if bytes[3] == b'0' { b'1' } else { b'0' }),
        ),
        (
            format!("{last}/inclusion.txt"),
            Box::new(|bytes| {
                let text = String::from_utf8(bytes.clone()).unwrap();
                let index: u64 = text
                    .lines()
                    .find_map(|l| l.strip_prefix("index "))
                    .unwrap()
                    .parse()
                    .unwrap();
                *bytes = text
                    .replace(
                        &format!("index {index}\n"),
                        &format!("index {}\n", index ^ 1),
                    )
                    .into_bytes();
            }),
        ),
        (
            "checkpoints/0001/body.txt".into(),
            replace("/log/", "/lag/"),
        ),
        ("checkpoints/0001/signature.p7s".into(), Box::new(flip)),
        (
            "records/0001.rec".into(),
            Box::new(|bytes| {
                let at = bytes
                    .windows(8)
                    .position(|part| part == b"\"issued\"")
                    .unwrap()
                    + 14;
                bytes[at] ^= 1;
            }),
        ),
    ];
    for (member, spoil) in cases {
        let path = folder.path().join(&member);
        let good = std::fs::read(&path).unwrap();
        let mut bad = good.clone();
        spoil(&mut bad);
        assert_ne!(good, bad, "{member}");
        std::fs::write(&path, bad).unwrap();
        let (yes, text) = verify(folder.path(), &[]);
        assert!(!yes, "{member}: {text}");
        let report = Desk::verify_evidence(&pack(folder.path())).unwrap();
        assert!(!report.valid, "{member}: {:#?}", report.checks);
        std::fs::write(&path, good).unwrap();
    }
    // A certificate under another's name.
    let mut certificates: Vec<_> = std::fs::read_dir(folder.path().join("certificates"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    certificates.sort();
    let kept = std::fs::read(&certificates[0]).unwrap();
    std::fs::copy(&certificates[1], &certificates[0]).unwrap();
    let (yes, text) = verify(folder.path(), &[]);
    assert!(!yes, "{text}");
    std::fs::write(&certificates[0], kept).unwrap();
    assert!(verify(folder.path(), &[]).0);
    world.stop().await;
}
