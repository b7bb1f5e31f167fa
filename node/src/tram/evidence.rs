//! `tram evidence`: fetch a proof package, or check one here without any node.

use serde_json::json;

use super::args::Evidence;
use super::document::resolve;
use super::inbox::fetch;
use super::show::safe;
use super::{Desk, Exit, Failure};

pub(super) async fn run(desk: &mut Desk<'_>, what: Evidence) -> Result<Exit, Failure> {
    match what {
        Evidence::Get { id, output } => {
            let client = desk.client()?;
            let id = resolve(&client, &id).await?;
            fetch(desk, &client, &format!("/documents/{id}/evidence"), &output).await
        }
        Evidence::Verify { file } => {
            let report = crate::evidence::verify::file(&file).map_err(|source| Failure::File {
                path: file.display().to_string(),
                source,
            })?;
            if desk.json {
                desk.print_json(&json!(report))?;
            } else {
                let lang = desk.lang;
                for check in &report.checks {
                    let mark = if check.ok { "✓" } else { "✗" };
                    desk.line(format!(
                        "{mark} {}",
                        safe(&lang.pick(&check.text.vi, &check.text.en))
                    ))?;
                }
                desk.line(if report.valid {
                    lang.pick("HỢP LỆ", "VALID")
                } else {
                    lang.pick("KHÔNG HỢP LỆ", "NOT VALID")
                })?;
            }
            Ok(if report.valid { Exit::Ok } else { Exit::No })
        }
    }
}
