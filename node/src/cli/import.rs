//! `tram-node import`: a certificate that another authority issued (the state's own, for example) takes
//! the place of one of an agency's.
//!
//! Everything that others will check is checked here first and said in words: whose key it is, which
//! role, which name, which chain, and what is missing. The pair is put beside the one in use; a running
//! node opens with a new encryption key at once, and signs with a new signature key when the certificate
//! has been public for a while. Must not know: how the switch is made.

use std::path::{Path, PathBuf};

use formats::id::{AgencyCode, Party, TrustDomain};
use pki::cert::Certificate;
use pki::chain::{ChainError, Validator};
use pki::key::{DecryptionKey, SigningKey};
use pki::pair::{BroughtKey, Pair};
use pki::parcel::{self, ParcelError};
use pki::role::Role;
use pki::tls::AuthorityTrust;
use relay::authority::client::Client;
use relay::cli::Stopped;
use relay::clock::Clock;
use relay::config::StationConfig;
use relay::directory::Directory;

use crate::agency::AgencyFiles;
use crate::config::NodeConfig;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub(super) struct Import {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
    /// Machine-readable output.
    #[arg(long)]
    pub(super) json: bool,
    /// The agency that it is for.
    #[arg(long)]
    agency: AgencyCode,
    /// Key and certificates in one PKCS#12 file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["certificate", "key"], required_unless_present = "certificate")]
    p12: Option<PathBuf>,
    /// File whose first line opens the PKCS#12 file or the key file.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The certificate, PEM or DER.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its key: a PKCS#8 PEM file, or the address of a key in a token (pkcs11:...).
    #[arg(long, value_name = "FILE|URI", requires = "certificate")]
    key: Option<String>,
    /// Authorities between it and a root of the trust list, PEM.
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
}

/// What is imported.
struct Brought {
    certificate: Certificate,
    key: Key,
    chain: Vec<Certificate>,
}

enum Key {
    File(Vec<u8>),
    Token(String),
}

/// Checks, puts the pair beside the one in use, publishes; gives what to say.
pub(super) async fn carry_out(arguments: &Import) -> Result<serde_json::Value, Stopped> {
    let config = NodeConfig::load(&arguments.config)
        .map_err(|error| Stopped::new(super::chain(&error), CONFIG, CONFIG_VI))?;
    let served = config
        .agencies
        .iter()
        .find(|one| one.code == arguments.agency);
    let files = served.ok_or_else(|| {
        Stopped::new(
            format!("agency {} is not served by this node", arguments.agency),
            CONFIG,
            CONFIG_VI,
        )
    })?;
    let brought = arguments.read()?;
    let directory = relay::station::records(&config.station)
        .await
        .map_err(|error| Stopped::new(super::chain(&error), CONFIG, CONFIG_VI))?;
    let role = profile(
        &brought.certificate,
        &files.code,
        directory.validator().trust_domain(),
    )?;
    let without = trusted(&brought, role, &directory)?;
    keep(files, role, &brought)?;
    let published = publish(&config.station, &brought).await;
    let mut said = said(&files.code, role, &brought.certificate, published.err());
    said["without_revocation_list"] = serde_json::json!(without);
    Ok(said)
}

impl Import {
    fn read(&self) -> Result<Brought, Stopped> {
        let mut chain = match &self.chain {
            Some(path) => Certificate::load_all(path).map_err(|error| unreadable(path, &error))?,
            None => Vec::new(),
        };
        let passphrase = self.passphrase()?;
        if let Some(path) = &self.p12 {
            let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
            let passphrase = passphrase.unwrap_or_default();
            let parcel = parcel::open(&bytes, &passphrase).map_err(|error| opened(path, &error))?;
            let [key] = parcel.keys.as_slice() else {
                let what = format!(
                    "{}: {} keys instead of one",
                    path.display(),
                    parcel.keys.len()
                );
                return Err(Stopped::new(what, ONE_KEY, ONE_KEY_VI));
            };
            let spki = public_half(key);
            let own = parcel
                .certificates
                .iter()
                .find(|one| Some(one.spki_der()) == spki.as_deref());
            let certificate = own
                .cloned()
                .ok_or_else(|| no_match(&path.display().to_string()))?;
            chain.extend(
                parcel
                    .certificates
                    .into_iter()
                    .filter(|one| *one != certificate),
            );
            let key = Key::File(key.to_vec());
            return Ok(Brought {
                certificate,
                key,
                chain,
            });
        }
        let (Some(path), Some(key)) = (&self.certificate, &self.key) else {
            return Err(Stopped::new("no certificate is given", ONE_KEY, ONE_KEY_VI));
        };
        let mut all = match Certificate::load_all(path) {
            Ok(all) => all,
            Err(_) => vec![Certificate::load(path).map_err(|error| unreadable(path, &error))?],
        };
        let certificate = all.remove(0);
        chain.append(&mut all);
        let key = if key.starts_with("pkcs11:") {
            Key::Token(key.clone())
        } else {
            let path = Path::new(key);
            let loaded = SigningKey::load(path, passphrase.as_deref());
            let loaded = loaded.map_err(|error| unreadable(path, &error))?;
            if loaded.spki_der() != certificate.spki_der() {
                return Err(no_match(key));
            }
            match loaded.pkcs8_der() {
                Some(pkcs8) => Key::File(pkcs8.to_vec()),
                // The file holds the address of a key in a token.
                None => {
                    let uri = std::fs::read_to_string(path);
                    Key::Token(uri.map_err(|error| unreadable(path, &error))?)
                }
            }
        };
        Ok(Brought {
            certificate,
            key,
            chain,
        })
    }

    fn passphrase(&self) -> Result<Option<String>, Stopped> {
        let Some(path) = &self.passphrase_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
        Ok(Some(text.lines().next().unwrap_or_default().to_owned()))
    }
}

/// Role and name; what a foreign authority has to put in is said where it is not there.
fn profile(
    certificate: &Certificate,
    code: &AgencyCode,
    domain: &TrustDomain,
) -> Result<Role, Stopped> {
    let wanted = code.dns_name(domain);
    let oid = |role: Role| role.eku().map(|eku| eku.to_string()).unwrap_or_default();
    let next = format!(
        "ask its authority for a certificate with exactly one extended key usage, {} (signature, key \
         usage digitalSignature and nonRepudiation) or {} (encryption, key usage keyAgreement, EC key \
         on P-256 or P-384), and exactly one subjectAltName, dNSName {wanted}",
        oid(Role::AgencySignature),
        oid(Role::AgencyEncryption),
    );
    let next_vi = format!(
        "đề nghị nơi cấp đưa vào chứng thư đúng một extended key usage: {} (ký) hoặc {} (mã hóa), và \
         đúng một subjectAltName: dNSName {wanted}",
        oid(Role::AgencySignature),
        oid(Role::AgencyEncryption),
    );
    let refuse = |what: String| Stopped::new(what, &next, &next_vi);
    let role = certificate
        .role()
        .map_err(|error| refuse(error.to_string()))?;
    if !matches!(role, Role::AgencySignature | Role::AgencyEncryption) {
        return Err(refuse(format!("the certificate is for the role {role}")));
    }
    let party = certificate
        .party(domain)
        .map_err(|error| refuse(error.to_string()))?;
    if party != Party::Agency(code.clone()) {
        return Err(refuse(format!("the certificate names {party}, not {code}")));
    }
    Ok(role)
}

/// The chain as every other station will judge it; gives the authorities whose revocation lists are not
/// here yet, without which their certificates stop being believed.
fn trusted(brought: &Brought, role: Role, directory: &Directory) -> Result<Vec<String>, Stopped> {
    let validator = directory.validator();
    let now = Clock::system().now();
    let judged = validator.verify_with(&brought.certificate, &brought.chain, role, now);
    let error = match judged {
        Ok(verified) => {
            let listed =
                |one: &Certificate| validator.crls().iter().any(|crl| crl.verify(one).is_ok());
            let authorities = verified.path().iter().rev().skip(1);
            let without = authorities.filter(|one| !listed(one));
            return Ok(without.map(Certificate::subject).collect());
        }
        Err(error) => error,
    };
    let roots: Vec<String> = validator.roots().iter().map(Certificate::subject).collect();
    let (next, next_vi) = match &error {
        ChainError::NoPath { .. } => {
            let missing = missing(brought, &validator);
            (
                format!(
                    "{missing} is not known here: give its certificate with --chain if it lies below \
                     one of the roots ({}); a root of another authority must first be put into the \
                     trust list by those who sign it",
                    roots.join("; ")
                ),
                format!(
                    "chưa biết {missing}: đưa chứng thư vào bằng --chain nếu nằm dưới một gốc tin cậy; \
                     gốc của nơi khác phải được thêm vào danh sách tin cậy trước"
                ),
            )
        }
        ChainError::Expired { .. } | ChainError::NotYetValid { .. } => (
            "import one that is valid now, and look at the machine's clock".to_owned(),
            "dùng chứng thư đang có hiệu lực và kiểm tra đồng hồ máy".to_owned(),
        ),
        _ => (
            "ask its authority for one that follows RFC 5280 and the profile of this role"
                .to_owned(),
            "đề nghị nơi cấp cấp lại theo RFC 5280 và mẫu của vai trò này".to_owned(),
        ),
    };
    Err(Stopped::new(error.to_string(), &next, &next_vi))
}

/// Whose certificate is the first one missing on the way up.
fn missing(brought: &Brought, validator: &Validator) -> String {
    let mut top = &brought.certificate;
    // No chain of ours is longer.
    for _ in 0..8 {
        let known = brought.chain.iter().chain(validator.authorities());
        let mut above = known.filter(|one| one.subject() == top.issuer());
        match above.next() {
            Some(one) if !one.is_self_issued() => top = one,
            _ => break,
        }
    }
    top.issuer()
}

/// Puts the pair beside the one in use.
fn keep(files: &AgencyFiles, role: Role, brought: &Brought) -> Result<(), Stopped> {
    let failed = |error: &dyn std::fmt::Display| {
        Stopped::new(
            error.to_string(),
            "look at the agency's folder, its owner and the disk",
            "kiểm tra thư mục của cơ quan, quyền sở hữu và đĩa",
        )
    };
    let passphrase = files.passphrase().map_err(|error| failed(&error))?;
    let pair = match role {
        Role::AgencySignature => files.signature(),
        _ => files.encryption(),
    };
    bring(&pair, role, brought, passphrase.as_deref())
        .and_then(|()| fits(&pair, role, &brought.certificate, passphrase.as_deref()))
        .inspect_err(|_| drop(pair.forget_next()))
        .and_then(|()| {
            pair.brought(&brought.certificate)
                .map_err(|error| error.to_string())
        })
        .map_err(|error| failed(&error))
}

/// Read back the way the node will read it: a token's key shows itself only there.
fn fits(
    pair: &Pair,
    role: Role,
    certificate: &Certificate,
    secret: Option<&str>,
) -> Result<(), String> {
    let file = pair.next_key_file();
    let words = |error: pki::key::KeyError| error.to_string();
    let spki = if role == Role::AgencySignature {
        SigningKey::load(&file, secret)
            .map_err(words)?
            .spki_der()
            .to_vec()
    } else {
        DecryptionKey::load(&file, secret)
            .map_err(words)?
            .spki_der()
            .to_vec()
    };
    if spki == certificate.spki_der() {
        Ok(())
    } else {
        Err("the key does not belong to the certificate".to_owned())
    }
}

fn bring(pair: &Pair, role: Role, brought: &Brought, secret: Option<&str>) -> Result<(), String> {
    let words = |error: pki::key::KeyError| error.to_string();
    let done = match &brought.key {
        Key::Token(uri) => pair.bring(&BroughtKey::Token(uri), secret),
        Key::File(pkcs8) if role == Role::AgencySignature => {
            let key = SigningKey::from_pkcs8(pkcs8).map_err(words)?;
            pair.bring(&BroughtKey::Signing(&key), secret)
        }
        Key::File(pkcs8) => {
            let key = DecryptionKey::from_pkcs8(pkcs8).map_err(words)?;
            pair.bring(&BroughtKey::Decryption(&key), secret)
        }
    };
    done.map_err(|error| error.to_string())
}

/// Others need the certificate and the authorities above it: into our records, and to the authority.
async fn publish(config: &StationConfig, brought: &Brought) -> Result<(), String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let mut all = vec![&brought.certificate];
    all.extend(brought.chain.iter().filter(|one| !one.is_self_issued()));
    for one in &all {
        let file = format!("foreign-{}.crt", one.sha256());
        pki::pair::replace(&config.records.join(file), one.pem().as_bytes())
            .map_err(|error| words(&error))?;
    }
    let settings = config
        .authority
        .clone()
        .ok_or("no [authority] is configured")?;
    let identity = relay::station::identity(config)
        .await
        .map_err(|error| words(&error))?;
    let directory = relay::station::records(config)
        .await
        .map_err(|error| words(&error))?;
    let trust = AuthorityTrust::Known(std::sync::Arc::new(move || directory.validator()));
    let client = Client::new(settings.endpoint, trust, Clock::system());
    // In one piece: the authority judges the certificate by what came with it.
    let bundle: String = all.iter().map(|one| one.pem()).collect();
    let answer = client.publish(&identity, bundle.as_bytes()).await;
    answer.map_err(|error| words(&error))?;
    Ok(())
}

fn said(
    code: &AgencyCode,
    role: Role,
    certificate: &Certificate,
    trouble: Option<String>,
) -> serde_json::Value {
    let file = format!("foreign-{}.crt", certificate.sha256());
    let next = trouble.as_ref().map(|_| {
        format!(
            "give {file} (in records/) to the authority: it is used when everybody can read it; chuyển \
             tệp này cho cơ quan quản lý danh bạ: chứng thư được dùng khi mọi trạm đọc được"
        )
    });
    serde_json::json!({
        "agency": code, "role": role.as_str(), "sha256": certificate.sha256().to_string(),
        "issuer": certificate.issuer(), "not_after": certificate.not_after().rfc3339(),
        "published": trouble.is_none(), "trouble": trouble, "next": next,
    })
}

fn public_half(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let key = SigningKey::from_pkcs8(pkcs8).ok()?;
    Some(key.spki_der().to_vec())
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Stopped {
    Stopped::new(
        format!("{}: {error}", path.display()),
        "look at the path, and give --passphrase-file for an encrypted key",
        "kiểm tra đường dẫn; nếu khóa được mã hóa, dùng --passphrase-file",
    )
}

fn opened(path: &Path, error: &ParcelError) -> Stopped {
    let what = format!("{}: {error}", path.display());
    match error {
        ParcelError::Scheme(_) => Stopped::new(
            what,
            "write it anew: openssl pkcs12 -legacy -in OLD -nodes | openssl pkcs12 -export -out NEW",
            "ghi lại tệp bằng: openssl pkcs12 -legacy -in CŨ -nodes | openssl pkcs12 -export -out MỚI",
        ),
        ParcelError::Passphrase => Stopped::new(
            what,
            "give the file with its passphrase as --passphrase-file",
            "dùng --passphrase-file trỏ tới tệp chứa đúng mật khẩu",
        ),
        ParcelError::Certificate(_) | ParcelError::Form(_) => Stopped::new(
            what,
            "ask for the file again, or give --certificate and --key",
            "xin lại tệp, hoặc dùng --certificate và --key",
        ),
    }
}

fn no_match(key: &str) -> Stopped {
    Stopped::new(
        format!("{key}: the key does not belong to the certificate"),
        "give the key for which the certificate was issued",
        "dùng đúng khóa đã dùng để xin chứng thư này",
    )
}

const CONFIG: &str = "give the configuration of the node that serves the agency";
const CONFIG_VI: &str = "chỉ đúng tệp cấu hình của trạm phục vụ cơ quan này";
const ONE_KEY: &str = "give one key with its certificate";
const ONE_KEY_VI: &str = "đưa một khóa kèm chứng thư của khóa đó";
