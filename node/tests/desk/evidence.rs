//! The proof package under dash and openssl, and what it holds.

use std::process::Command;

use formats::id::EnvelopeId;
use node::desk::{Desk, StatusDraft, Submission};
use node::evidence::Contents;
use node::evidence::verify::Level;
use node::view::RecipientState;
use pki::cert::Certificate;

use crate::proof::{Proof, bin, faketime, run_script};
use crate::world::{RECIPIENT, World, draft, file, recipient, sender};

/// Text that stands in the packet and nowhere else.
const CANARY: &str = "V/v kiểm thử liên thông";

/// Sends a letter and hands it over.
pub async fn handed_over(world: &World, number: &str) -> EnvelopeId {
    let files = vec![file("a.pdf", b"%PDF-1.4")];
    let accepted = world.send(draft(number, &[RECIPIENT]), files).await;
    let id = accepted.id;
    world.until_state(id, RecipientState::Delivered).await;
    world.b.ack(&recipient(), id, None).await.unwrap();
    world.until_state(id, RecipientState::HandedOver).await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_proves_itself_with_dash_and_openssl() {
    let world = World::start().await;
    let id = handed_over(&world, "21").await;
    let proof = Proof::of(&world, id, Contents::Packet).await;
    let (yes, text) = proof.both();
    assert!(yes, "{text}");
    for event in [
        "SubmissionAcceptance",
        "ContentConsignment",
        "ContentHandover",
    ] {
        let held = |line: &str| line.starts_with("ok") && line.contains(event);
        assert!(text.lines().any(held), "{text}");
    }
    let report = proof.report();
    let shown = report.document.as_ref().unwrap();
    assert_eq!(shown.sender, sender().to_string());
    assert!(shown.with_packet && shown.envelopes == [id.to_string()]);
    assert!(report.level.is_some_and(|level| level >= Level::Signed));
    let root = world.dir.path().join("pki/authority/root.crt");
    let (yes, text) = proof.script(&["--ca", root.to_str().unwrap()]);
    assert!(yes, "{text}");
    let path = world.dir.path().join("proof.zip");
    std::fs::write(&path, proof.zip()).unwrap();
    let trusted = vec![Certificate::load(&root).unwrap()];
    let report = node::evidence::verify::file_trusting(&path, trusted).unwrap();
    assert!(report.valid && report.own_roots, "{:#?}", report.checks);

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
    let (yes, text) = proof.script(&["--ca", stranger.to_str().unwrap()]);
    assert!(!yes, "{text}");
    let strangers = vec![Certificate::load(&stranger).unwrap()];
    let report = node::evidence::verify::file_trusting(&path, strangers).unwrap();
    assert!(!report.valid);
    assert!(Desk::verify_evidence(&path).unwrap().valid);
    world.stop().await;
}

/// The machines are off and the clock is ten years on: both verdicts stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_years_on_with_every_machine_off_the_package_still_holds() {
    let world = World::start().await;
    let id = handed_over(&world, "31").await;
    let proof = Proof::of(&world, id, Contents::Packet).await;
    world.stop().await;
    let folder = tempfile::tempdir().unwrap();
    proof.unpack(folder.path());
    let later = faketime("+3652d");
    let year = Command::new("date")
        .arg("+%Y")
        .envs(later.iter().cloned())
        .output()
        .unwrap();
    let year: i32 = String::from_utf8_lossy(&year.stdout)
        .trim()
        .parse()
        .unwrap();
    assert!(year >= 2036, "the clock did not move: {year}");
    let (yes, text) = run_script(&folder.path().join("verify.sh"), &[], &later);
    assert!(yes, "{text}");
    let zip = folder.path().join("proof.zip");
    std::fs::write(&zip, proof.zip()).unwrap();
    let page = folder.path().join("report.html");
    let tram = |arguments: &[&str]| {
        Command::new(bin("tram"))
            .args(["evidence", "verify", zip.to_str().unwrap()])
            .args(arguments)
            .envs(later.iter().cloned())
            .output()
            .unwrap()
    };
    let said = tram(&["--json", "--html", page.to_str().unwrap()]);
    let report: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert!(said.status.success(), "{report:#}");
    assert_eq!(report["valid"], true);
    assert!(report["receipts"].as_array().unwrap().len() >= 3);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(
        page.contains("HỢP LỆ") && !page.contains("<script"),
        "{page}"
    );
    let text = String::from_utf8(tram(&["--lang", "en"]).stdout).unwrap();
    assert!(text.lines().last().unwrap().starts_with("VALID"), "{text}");
}

/// Restricted content: the package proves as much and holds nothing of the packet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_packet_the_package_proves_the_same_and_says_nothing_of_it() {
    let world = World::start().await;
    let id = handed_over(&world, "41").await;
    let whole = Proof::of(&world, id, Contents::Packet).await;
    let packet = &whole.members["document/packet.edxml"];
    assert!(String::from_utf8_lossy(packet).contains(CANARY));
    let proof = Proof::of(&world, id, Contents::Digest).await;
    let (yes, text) = proof.both();
    assert!(yes, "{text}");
    assert_eq!(proof.report().receipts.len(), whole.report().receipts.len());
    assert!(!proof.members.contains_key("document/packet.edxml"));
    assert!(!proof.members.contains_key("document/document.asics"));
    for (name, content) in &proof.members {
        for secret in [CANARY, "SNV-VP", "Trần Văn Mẫu", "Sở Nội vụ", "%PDF"] {
            let text = String::from_utf8_lossy(content);
            // Records and certificates name agencies; that is public.
            let public = secret == "Sở Nội vụ" && !name.ends_with(".html");
            assert!(public || !text.contains(secret), "{secret} in {name}");
        }
        // Nothing of the packet, wherever it is cut.
        let piece = &packet[packet.len() / 2..packet.len() / 2 + 24];
        assert!(!content.windows(24).any(|part| part == piece), "{name}");
    }
    // Another digest is not what the agency signed.
    let mut other = proof.clone();
    let digest = format!("{}\n", formats::id::Digest::of(b"other"));
    other
        .members
        .insert("document/packet.sha256".into(), digest.into_bytes());
    assert!(!other.with_new_sums().both().0);
    world.stop().await;
}

/// Nothing of the machine that made the package is in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_holds_no_keys_paths_or_addresses() {
    let world = World::start().await;
    let id = handed_over(&world, "51").await;
    let proof = Proof::of(&world, id, Contents::Packet).await;
    let dir = world.dir.path().display().to_string();
    for (name, content) in &proof.members {
        let text = String::from_utf8_lossy(content);
        for secret in [dir.as_str(), "PRIVATE KEY", "tram_live_", "/tmp/"] {
            assert!(!text.contains(secret), "{secret} in {name}");
        }
    }
    let listed = String::from_utf8(proof.members["SHA256SUMS"].clone()).unwrap();
    assert_eq!(listed.lines().count(), proof.members.len() - 1);
    let page = String::from_utf8(proof.members["index.html"].clone()).unwrap();
    assert!(
        !page.contains("<script") && !page.contains("http"),
        "{page}"
    );
    assert!(
        page.contains("class=\"qr\"") && page.contains(CANARY) && page.contains(&id.to_string())
    );
    world.stop().await;
}

/// The ASiC-S form in the hands of others: `unzip` takes it apart, `openssl` believes the signature.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_asic_form_is_read_by_unzip_and_believed_by_openssl() {
    let world = World::start().await;
    let id = handed_over(&world, "61").await;
    let proof = Proof::of(&world, id, Contents::Packet).await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let form = &proof.members["document/document.asics"];
    // EN 319 162-1 annex A.1: what the file is stands at a fixed place.
    assert_eq!(&form[30..69], b"mimetypeapplication/vnd.etsi.asic-s+zip");
    std::fs::write(at("document.asics"), form).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let output = command
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{program} {arguments:?}: {text}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    run("unzip", &["-q", "-t", "document.asics"]);
    let names = run("unzip", &["-Z1", "document.asics"]);
    let names: Vec<&str> = names.lines().collect();
    assert_eq!(
        names,
        ["mimetype", "packet.edxml", "META-INF/signature.p7s"]
    );
    run("unzip", &["-q", "document.asics"]);
    std::fs::write(at("ca.pem"), &proof.members["ca.pem"]).unwrap();
    let signature = "META-INF/signature.p7s";
    run(
        "openssl",
        &[
            "cms",
            "-verify",
            "-cades",
            "-binary",
            "-inform",
            "DER",
            "-in",
            signature,
            "-content",
            "packet.edxml",
            "-CAfile",
            "ca.pem",
            "-purpose",
            "any",
            "-out",
            "/dev/null",
        ],
    );
    assert_eq!(
        std::fs::read(at("packet.edxml")).unwrap(),
        proof.members["document/packet.edxml"]
    );
    world.stop().await;
}

/// Two recipients, one of whom is on the sender's own node, and a status packet about one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_recipients_and_statuses_have_their_packages() {
    let world = World::start().await;
    let accepted = world
        .send(draft("71", &[RECIPIENT, "H01.37"]), vec![])
        .await;
    world
        .until("both delivered", async |world| {
            let all = world.a.recipients(&sender(), accepted.id).await.unwrap();
            all.iter()
                .all(|one| one.state == RecipientState::Delivered)
                .then_some(())
        })
        .await;
    let proof = Proof::of(&world, accepted.id, Contents::Packet).await;
    let (yes, text) = proof.both();
    assert!(yes, "{text}");
    let delivered = proof
        .report()
        .receipts
        .iter()
        .filter(|one| one.event == "ContentConsignment")
        .count();
    assert_eq!(delivered, 2, "{text}");
    world.b.ack(&recipient(), accepted.id, None).await.unwrap();
    let status = StatusDraft {
        code: "03".to_owned(),
        reason: None,
        register_number: None,
        staff: None,
        department: None,
    };
    let packet = world
        .b
        .answer(&recipient(), accepted.id, &status)
        .await
        .unwrap();
    let sent = world
        .b
        .submit(&recipient(), Submission::of(packet))
        .await
        .unwrap();
    world
        .until("the status delivered", async |world| {
            let all = world.b.recipients(&recipient(), sent.id).await.unwrap();
            all.iter()
                .all(|one| one.state >= RecipientState::Delivered)
                .then_some(())
        })
        .await;
    let zip = world
        .b
        .evidence(&recipient(), sent.id, Contents::Packet)
        .await
        .unwrap();
    let proof = Proof::read(&zip.body.read_all().unwrap());
    let (yes, text) = proof.both();
    assert!(yes, "{text}");
    world.stop().await;
}

/// RFC 3161 by somebody else: every token of a package is believed by an implementation that shares no code with
/// ours or with openssl's command, and a token over other bytes is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tokens_are_believed_by_a_third_implementation() {
    let Some(python) = std::env::var_os("TRAM_RFC3161") else {
        println!(
            "SKIPPED-SUITE time-stamps by a third implementation (rfc3161-client is not installed)"
        );
        return;
    };
    let world = World::start().await;
    let id = handed_over(&world, "81").await;
    // The newest checkpoint is stamped beside the traffic.
    let proof = world
        .until("a stamped checkpoint", async |world| {
            let proof = Proof::of(world, id, Contents::Packet).await;
            let stamped = proof.members.keys().any(|name| name.ends_with("token.der"));
            stamped.then_some(proof)
        })
        .await;
    world.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    put("ca.pem", &proof.members["ca.pem"]);
    let packet = pki::sign::Parsed::parse(&proof.members["document/signature.p7s"]).unwrap();
    put("packet.token", &packet.timestamp_token().unwrap());
    put("packet.value", packet.signature_value());
    let mut tokens = 1;
    for name in proof
        .names("checkpoints/")
        .iter()
        .filter(|name| name.ends_with("token.der"))
    {
        let signature = name.replace("token.der", "signature.p7s");
        let signature = pki::sign::Parsed::parse(&proof.members[&signature]).unwrap();
        put(&format!("{tokens}.token"), &proof.members[name]);
        put(&format!("{tokens}.value"), signature.signature_value());
        tokens += 1;
    }
    assert!(tokens > 1);
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/rfc3161/verify_tokens.py"
    );
    let judge = || {
        let mut command = Command::new(&python);
        let output = command.arg(script).arg(folder.path()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (
            output.status.success(),
            text + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let (yes, text) = judge();
    assert!(yes, "{text}");
    assert_eq!(text.matches("ok ").count(), tokens, "{text}");
    put("packet.value", b"something else");
    let (yes, text) = judge();
    assert!(!yes && text.contains("BAD packet"), "{text}");
}

/// The page of the package in a real browser: it stands alone, and prints on one sheet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_prints_from_a_browser_without_the_node() {
    let world = World::start().await;
    let id = handed_over(&world, "85").await;
    let proof = Proof::of(&world, id, Contents::Packet).await;
    world.stop().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("index.html"), &proof.members["index.html"]).unwrap();
    let profile = format!("--user-data-dir={}", at("profile").display());
    let flags = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-pdf-header-footer",
        profile.as_str(),
    ];
    let pdf = format!("--print-to-pdf={}", at("page.pdf").display());
    let url = format!("file://{}", at("index.html").display());
    let run = Command::new("chromium")
        .args(flags)
        .arg(pdf)
        .arg(url)
        .output();
    let Ok(output) = run else {
        println!("SKIPPED-SUITE the package's page in a browser (chromium is not installed)");
        return;
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = std::fs::read(at("page.pdf")).unwrap_or_default();
    assert!(
        printed.starts_with(b"%PDF-") && printed.len() > 10_000,
        "{text}"
    );
    let pages = printed
        .windows(12)
        .filter(|part| part.starts_with(b"/Type /Page\n"))
        .count();
    assert!(pages <= 1, "{pages} sheets");
}
