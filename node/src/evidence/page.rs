//! `index.html` of a package: for a person who has to understand it and put it on paper. Vietnamese and English
//! side by side, no scripts, nothing from elsewhere, prints on A4. It says what the members say and
//! proves nothing itself. Of a document that travels without its content it shows no subject, number or
//! name either.

use formats::reason::Reason;
use formats::time::Timestamp;
use qrcodegen::{QrCode, QrCodeEcc};

use super::{Gathered, Receipt};

/// The page.
pub(super) fn html(gathered: &Gathered, now: Timestamp) -> String {
    let view = &gathered.document.view;
    let id = view.row.id.to_string();
    let digest = gathered.document.packet.to_string();
    let mut facts = Vec::new();
    if gathered.packet.is_some() {
        facts.push(("Trích yếu", "Subject", view.row.subject.clone()));
        facts.push(("Số ký hiệu", "Code", view.row.code.clone()));
        let name = format!("{} ({})", view.facts.sender_name, view.sender);
        facts.push(("Cơ quan gửi", "Sender", name));
    } else {
        facts.push(("Cơ quan gửi", "Sender", view.sender.to_string()));
        let said = "không kèm, chỉ có mã băm · not included, only its digest".to_owned();
        facts.push(("Nội dung", "Content", said));
    }
    facts.push(("Mã gói tin", "Id", id.clone()));
    facts.push(("Mã băm SHA-256", "SHA-256", digest.clone()));
    facts.push(("Ký số lúc", "Signed", clock(view.signature.signed_at)));
    let stamped = view.signature.stamped_at.map_or_else(
        || "chưa có, xem biên nhận · none, see the receipts".to_owned(),
        clock,
    );
    facts.push(("Dấu thời gian", "Time-stamp", stamped));
    let facts: String = facts
        .iter()
        .map(|(vi, en, text)| {
            let text = escaped(text);
            format!("<tr><th scope=\"row\">{vi} <span lang=\"en\">{en}</span></th><td>{text}</td></tr>\n")
        })
        .collect();
    let rows: String = (1..)
        .zip(&gathered.receipts)
        .map(|(number, receipt)| row(number, receipt, gathered))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"vi\">\n<head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <title>Gói bằng chứng {id}</title>\n<style>{STYLE}</style></head>\n<body><main>\n\
         <header><div><h1>Gói bằng chứng <span lang=\"en\">Proof package</span></h1>\n\
         <p>Văn bản gửi qua Trạm và những gì đã xảy ra với nó.<br>\
         <span lang=\"en\">A document sent over Trạm, and what became of it.</span></p></div>\n{qr}</header>\n\
         <table>\n{facts}</table>\n\
         <h2>Biên nhận <span lang=\"en\">Receipts</span></h2>\n\
         <table class=\"list\">\n<thead><tr><th scope=\"col\">Số <span lang=\"en\">No</span></th>\
         <th scope=\"col\">Sự kiện <span lang=\"en\">Event</span></th>\
         <th scope=\"col\">Cơ quan nhận <span lang=\"en\">Recipient</span></th>\
         <th scope=\"col\">Lúc <span lang=\"en\">At</span></th>\
         <th scope=\"col\">Trạm xác nhận <span lang=\"en\">Station</span></th></tr></thead>\n\
         <tbody>\n{rows}</tbody></table>\n\
         <p>Trang này để đọc; bằng chứng nằm trong các tệp bên cạnh. Kiểm tra bằng <code>sh verify.sh</code>, \
         <code>tram evidence verify</code> hoặc trang “Kiểm tra gói bằng chứng” của một trạm. \
         Mã QR ghi mã gói tin và mã băm, để so với bản giấy.</p>\n\
         <p lang=\"en\">This page is for reading; the evidence lies in the files beside it. Check it with \
         <code>sh verify.sh</code>, <code>tram evidence verify</code> or the page “Check a proof package” of a \
         station. The QR code holds the id and the digest, to be compared with a paper copy.</p>\n\
         <footer>{made}</footer>\n</main></body>\n</html>\n",
        qr = qr(&format!("TRAM1 {id} {digest}")),
        made = clock(now),
    )
}

fn row(number: u32, receipt: &Receipt, gathered: &Gathered) -> String {
    let statement = &receipt.statement;
    let words = statement.event.row();
    let (vi, en) = (words.vi, words.en);
    let why = statement.reason.map_or_else(String::new, |reason: Reason| {
        format!(
            "<br>{} <span lang=\"en\">{}</span>",
            escaped(reason.vi()),
            escaped(reason.en())
        )
    });
    let at = usize::try_from(receipt.checkpoint).unwrap_or_default();
    let checkpoint = gathered.checkpoints.get(at.saturating_sub(1));
    let stamped = checkpoint.and_then(|one| pki::stamp::claimed_time(one.token.as_deref()?).ok());
    let stamped = stamped.map_or_else(
        || "đã ký <span lang=\"en\">signed</span>".to_owned(),
        |time| {
            let time = clock(time);
            format!("dấu thời gian <span lang=\"en\">time-stamp</span> {time}")
        },
    );
    format!(
        "<tr><td>{number}</td><td>{vi} <span lang=\"en\">{en}</span>{why}</td><td>{}</td><td>{}</td>\
         <td>{}<br>{stamped}</td></tr>\n",
        statement.recipient,
        clock(statement.time),
        statement.station
    )
}

/// Vietnamese time with its offset, so that it cannot be misread elsewhere.
fn clock(at: Timestamp) -> String {
    format!("{} (UTC+7)", at.vietnam())
}

/// A QR code as one path. Nothing where the text is too long for one, which ours never is.
fn qr(text: &str) -> String {
    let Ok(code) = QrCode::encode_text(text, QrCodeEcc::Medium) else {
        return String::new();
    };
    let size = code.size();
    let mut path = String::new();
    for y in 0..size {
        for x in 0..size {
            if code.get_module(x, y) {
                path.push_str(&format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET));
            }
        }
    }
    let side = size + 2 * QUIET;
    format!(
        "<svg class=\"qr\" viewBox=\"0 0 {side} {side}\" role=\"img\" aria-label=\"Mã QR: {text}\" \
         shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h{side}v{side}H0z\"/>\
         <path d=\"{path}\"/></svg>\n"
    )
}

/// Text between tags.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Light modules around a code (ISO/IEC 18004 section 5.3.8).
const QUIET: i32 = 4;

/// Shared with the report of a check.
pub(super) const STYLE: &str = "@page{size:A4;margin:15mm}\
body{font:15px/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff;margin:0}\
main{max-width:60rem;margin:0 auto;padding:1rem}header{display:flex;justify-content:space-between;gap:1rem}\
h1{font-size:1.5rem;margin:.5rem 0}h2{font-size:1.1rem;margin:1.2rem 0 .3rem}\
[lang=en]{color:#555;font-style:italic}.qr{width:32mm;height:32mm;flex:none}\
table{border-collapse:collapse;width:100%}th,td{border-bottom:1px solid #999;padding:.3rem .5rem;text-align:left;\
vertical-align:top;overflow-wrap:anywhere}th[scope=row]{width:14rem}thead{display:table-header-group}\
tr{break-inside:avoid}footer{color:#555;margin-top:1rem}.good{color:#0a5c2b}.bad{color:#9c1c1c}\
@page{size:A4;margin:14mm}@media print{body{font-size:9.5pt}main{padding:0}th,td{padding:.2rem .4rem}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_one_image_with_a_quiet_zone_and_its_text_beside_it() {
        let text = "TRAM1 019acbfd-2b3a-7000-8000-0101010101 ab";
        let svg = qr(text);
        assert!(svg.starts_with("<svg class=\"qr\" viewBox=\"0 0 "), "{svg}");
        assert!(svg.contains(text));
        // The finder pattern's corner stands after the quiet zone.
        assert!(svg.contains("M4 4h1v1h-1z"), "{svg}");
        assert!(!svg.contains("M3 "), "{svg}");
    }
}
