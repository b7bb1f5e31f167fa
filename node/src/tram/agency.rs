//! An agency in one line of `tram agency`: its name, by which alias it was found, whether it exists, and
//! who receives for one that ended.

use formats::time::Timestamp;
use serde_json::Value;

use super::show::text;
use crate::screen::words::Lang;

/// Name and what else there is to know.
pub(super) fn described(lang: Lang, row: &Value) -> String {
    let mut all = text(row, "name").to_owned();
    let mut add = |more: String| {
        all.push_str(" · ");
        all.push_str(&more);
    };
    let found_by = text(row, "matched_alias");
    if !found_by.is_empty() {
        add(lang.pick(
            &format!("mã, tên khác: {found_by}"),
            &format!("also {found_by}"),
        ));
    }
    match text(row, "state") {
        "ended" => {
            let day = day_of(row, "valid_to");
            add(lang.pick(&format!("đã ngừng từ {day}"), &format!("ended on {day}")));
            let (code, name) = (text(row, "receiver"), text(row, "receiver_name"));
            add(if code.is_empty() {
                lang.pick("không có cơ quan nhận thay", "nobody receives for it")
            } else {
                lang.pick(
                    &format!("nơi nhận thay: {code} {name}"),
                    &format!("received now by {code} {name}"),
                )
            });
        }
        "future" => {
            let day = day_of(row, "valid_from");
            add(lang.pick(&format!("hoạt động từ {day}"), &format!("begins on {day}")));
        }
        _ => {}
    }
    all
}

fn day_of(row: &Value, name: &str) -> String {
    let at = text(row, name);
    Timestamp::parse_rfc3339(at).map_or_else(|_| at.to_owned(), Timestamp::vietnam_day)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_that_ended_says_since_when_and_who_receives() {
        let row = json!({
            "name": "Sở Nội vụ", "matched_alias": "000.00.36.H01", "state": "ended",
            "valid_to": "2025-06-30T17:00:00.000Z", "receiver": "H02.36", "receiver_name": "Sở Mới",
        });
        assert_eq!(
            described(Lang::Vi, &row),
            "Sở Nội vụ · mã, tên khác: 000.00.36.H01 · đã ngừng từ 01/07/2025 · nơi nhận thay: \
             H02.36 Sở Mới"
        );
        let alone =
            json!({ "name": "X", "state": "ended", "valid_to": "2025-06-30T17:00:00.000Z" });
        assert_eq!(
            described(Lang::En, &alone),
            "X · ended on 01/07/2025 · nobody receives for it"
        );
        let coming =
            json!({ "name": "X", "state": "future", "valid_from": "2025-06-30T17:00:00.000Z" });
        assert_eq!(described(Lang::En, &coming), "X · begins on 01/07/2025");
        assert_eq!(described(Lang::En, &json!({ "name": "X" })), "X");
    }
}
