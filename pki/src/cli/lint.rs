//! `tram-pki lint`: every rule over every certificate and revocation list of a file, all findings at
//! once; exit code 1 when one of them is an error.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use formats::id::TrustDomain;
use pki::cert::Certificate;
use pki::inspect::{self, Form, forms};
use pki::lint::{self, Beside, Finding};
use serde_json::{Value, json};

use super::failure::Next;
use super::{Failure, Output, profile};

#[derive(Debug, Args)]
pub(super) struct LintArguments {
    /// Certificates or revocation lists, PEM or DER; several PEM blocks are judged one by one.
    file: PathBuf,
    /// The issuer's certificate: its signature, names and constraints are then judged too.
    #[arg(long)]
    issuer: Option<PathBuf>,
    /// The trust domain below which names lie, for example tram.test.
    #[arg(long)]
    domain: Option<TrustDomain>,
    /// An operator's file over the built-in profiles.
    #[arg(long)]
    profiles: Option<PathBuf>,
}

pub(super) fn run(arguments: &LintArguments) -> Result<Output, Failure> {
    let bytes = read(&arguments.file)?;
    let issuer = arguments
        .issuer
        .as_deref()
        .map(Certificate::load)
        .transpose();
    let issuer = issuer.next("give the issuer's certificate as PEM or DER")?;
    let profiles = profile::load(arguments.profiles.as_deref())?;
    let beside = Beside {
        issuer: issuer.as_ref(),
        domain: arguments.domain.as_ref(),
        profiles: Some(&profiles),
    };
    let mut text = String::new();
    let mut objects = Vec::new();
    let mut errors = 0_usize;
    for (number, form) in forms(&bytes).iter().enumerate() {
        let Some((kind, findings)) = judge(form, &beside) else {
            continue;
        };
        errors += findings.iter().filter(|finding| finding.is_error()).count();
        text += &format!("{}. {kind}: {} finding(s)\n", number + 1, findings.len());
        for finding in &findings {
            text += &line(finding);
        }
        let findings: Vec<Value> = findings.iter().map(value).collect();
        objects.push(json!({ "kind": kind, "findings": findings }));
    }
    if objects.is_empty() {
        return Err(Failure::new(
            format!(
                "{} holds no certificate and no revocation list",
                arguments.file.display()
            ),
            "`tram-pki inspect FILE` says what it is",
        ));
    }
    text += &unasked(arguments);
    let verdict = if errors == 0 {
        "No errors (không có lỗi)."
    } else {
        "Errors were found; it must not be used (có lỗi, không được dùng)."
    };
    text += verdict;
    let json =
        json!({ "objects": objects, "errors": errors, "profiles": profiles.sha256().to_string() });
    Ok(Output::new(text, json).bad_if(errors > 0))
}

/// What the file holds at this place, and what is wrong with it.
fn judge(form: &Form, beside: &Beside<'_>) -> Option<(&'static str, Vec<Finding>)> {
    match form.label() {
        "CERTIFICATE" | "TRUSTED CERTIFICATE" => {
            Some(("certificate", lint::certificate(form.der(), beside)))
        }
        "X509 CRL" => Some(("revocation list", lint::crl(form.der(), beside))),
        // DER without a label; what nobody can read is judged as a certificate, to say why.
        "" => match told(form) {
            "crl" => Some(("revocation list", lint::crl(form.der(), beside))),
            "certificate" | "unknown" => {
                Some(("certificate", lint::certificate(form.der(), beside)))
            }
            _ => None,
        },
        _ => None,
    }
}

fn told(form: &Form) -> &'static str {
    let found = inspect::inspect(form.der(), None);
    found.first().map_or("unknown", inspect::Found::kind)
}

fn line(finding: &Finding) -> String {
    let rule = finding.rule;
    let mark = if finding.is_error() {
        "error (lỗi)"
    } else {
        "warning (cảnh báo)"
    };
    let mut line = format!(
        "   {mark} {} [{}]\n      {}\n      {}\n",
        rule.code, rule.clause, rule.english, rule.vietnamese
    );
    if !finding.detail.is_empty() {
        line += &format!("      found (thấy): {}\n", finding.detail);
    }
    line
}

fn value(finding: &Finding) -> Value {
    let rule = finding.rule;
    json!({
        "code": rule.code, "severity": rule.severity.as_str(), "clause": rule.clause,
        "en": rule.english, "vi": rule.vietnamese, "detail": finding.detail,
    })
}

/// Which rules could not be looked at, so that silence is not taken for praise.
fn unasked(arguments: &LintArguments) -> String {
    let mut text = String::new();
    if arguments.issuer.is_none() {
        text += "Not judged without --issuer: signature, issuer's name, constraints \
                 (chưa kiểm tra chữ ký và ràng buộc của nơi cấp)\n";
    }
    if arguments.domain.is_none() {
        text += "Not judged without --domain: names below the trust domain \
                 (chưa kiểm tra tên theo miền tin cậy)\n";
    }
    text
}

/// Reads a file of bounded size.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let opened = File::open(file);
    let read = opened.and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    read.next("give the path of a file")?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) >= FILE_BYTES_MAX {
        return Err(Failure::new(
            format!("{} is larger than {FILE_BYTES_MAX} bytes", file.display()),
            "give a certificate, a list, a signature or a record; documents are not read here",
        ));
    }
    Ok(bytes)
}

/// The largest revocation list that we plan for, as PEM.
const FILE_BYTES_MAX: u64 = 48 * 1024 * 1024;
