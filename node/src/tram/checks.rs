//! What `tram inbox get` says beside a file: how the signatures inside its PDF attachments stand.

use serde_json::Value;

use super::show::{items, number, phrase, safe, text};
use super::{Desk, Failure};
use crate::client::Client;

/// One remark for each attachment with a check, and one for each thing found in it. An answer that does
/// not come is no failure: the file is there.
pub(super) async fn remark(
    desk: &mut Desk<'_>,
    client: &Client,
    id: &str,
    file: Option<u32>,
) -> Result<(), Failure> {
    let Ok(found) = client.get(&format!("/inbox/{id}"), &[]).await else {
        return Ok(());
    };
    for line in lines(&found, file, desk.lang) {
        desk.remark(safe(&line))?;
    }
    Ok(())
}

fn lines(found: &Value, file: Option<u32>, lang: crate::screen::words::Lang) -> Vec<String> {
    let mut all = Vec::new();
    for one in items(found, "attachments") {
        let Some(check) = one.get("signatures") else {
            continue;
        };
        if file.is_some_and(|n| u64::from(n) != number(one, "n")) {
            continue;
        }
        let name = text(one, "name");
        all.push(format!("{name}: {}", said(check, lang)));
        for part in ["problems", "signatures"] {
            let found = items(check, part).iter();
            all.extend(found.map(|one| format!("  {}", said(one, lang))));
        }
    }
    all
}

fn said(value: &Value, lang: crate::screen::words::Lang) -> &str {
    value.get("text").map_or("", |both| phrase(both, lang))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::words::Lang;
    use crate::view::FileCheck;

    #[test]
    fn each_attachment_says_how_its_signatures_stand() {
        let check = serde_json::to_value(FileCheck::pending()).unwrap();
        let found = json!({ "attachments": [
            { "n": 1, "name": "a.pdf", "signatures": check },
            { "n": 2, "name": "b.docx" },
            { "n": 3, "name": "c.pdf", "signatures": {
                "text": { "vi": "không hợp lệ", "en": "invalid" },
                "problems": [],
                "signatures": [{ "text": { "vi": "đã sửa", "en": "changed" } }],
            } },
        ] });
        let all = lines(&found, None, Lang::Vi);
        assert_eq!(
            all,
            ["a.pdf: đang kiểm tra", "c.pdf: không hợp lệ", "  đã sửa"]
        );
        assert_eq!(lines(&found, Some(1), Lang::En), ["a.pdf: being checked"]);
        assert!(lines(&found, Some(2), Lang::En).is_empty());
    }
}
