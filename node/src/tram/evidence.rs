//! `tram evidence`: fetch a proof package, or check one here without any node.

use std::path::{Path, PathBuf};

use pki::cert::Certificate;
use serde_json::json;

use super::args::Evidence;
use super::document::resolve;
use super::inbox::fetch;
use super::show::safe;
use super::{Desk, Exit, Failure};
use crate::evidence::report;
use crate::evidence::verify::{self, Report};

pub(super) async fn run(desk: &mut Desk<'_>, what: Evidence) -> Result<Exit, Failure> {
    match what {
        Evidence::Get {
            id,
            output,
            digest_only,
        } => {
            let client = desk.client()?;
            let id = resolve(&client, &id).await?;
            let content = if digest_only { "?content=digest" } else { "" };
            let path = format!("/documents/{id}/evidence{content}");
            fetch(desk, &client, &path, &output).await
        }
        Evidence::Keep(what) => super::archive::run(desk, what).await,
        Evidence::Verify { file, root, html } => verify(desk, &file, &root, html.as_deref()),
    }
}

fn verify(
    desk: &mut Desk<'_>,
    file: &Path,
    roots: &[PathBuf],
    html: Option<&Path>,
) -> Result<Exit, Failure> {
    let failed = |path: &Path, source| Failure::File {
        path: path.display().to_string(),
        source,
    };
    let report = if roots.is_empty() {
        verify::file(file)
    } else {
        let mut trusted = Vec::new();
        for root in roots {
            let all = Certificate::load_all(root).map_err(|error| {
                let (shown, lang) = (root.display(), desk.lang);
                Failure::Usage(lang.pick(
                    &format!("--root {shown}: {error}; cần tệp PEM có chứng thư gốc"),
                    &format!(
                        "--root {shown}: {error}; a PEM file with root certificates is needed"
                    ),
                ))
            })?;
            trusted.extend(all);
        }
        verify::file_trusting(file, trusted)
    };
    let report = report.map_err(|source| failed(file, source))?;
    if let Some(html) = html {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let page = report::html(&report, &name);
        let written = std::fs::File::create(html)
            .and_then(|mut file| std::io::Write::write_all(&mut file, page.as_bytes()));
        written.map_err(|source| failed(html, source))?;
    }
    if desk.json {
        desk.print_json(&json!(report))?;
    } else {
        print(desk, &report)?;
    }
    Ok(if report.valid { Exit::Ok } else { Exit::No })
}

/// One line a check; the last line is the verdict.
fn print(desk: &mut Desk<'_>, report: &Report) -> Result<(), Failure> {
    let lang = desk.lang;
    for check in &report.checks {
        let mark = if check.ok { "✓" } else { "✗" };
        let text = lang.pick(&check.text.vi, &check.text.en);
        desk.line(format!("{mark} {}", safe(&text)))?;
    }
    for phrase in [report::roots(report), report::verdict(report)] {
        desk.line(safe(&lang.pick(&phrase.vi, &phrase.en)))?;
    }
    Ok(())
}
