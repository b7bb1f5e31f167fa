//! The script of a ceremony: what the people in the room do, in which order, with blanks to fill in.
//!
//! Owns: the steps in two languages and their two forms, text and a page for a printer. Must not
//! know: how the steps are carried out.

use pki::ceremony::plan::{CeremonyPlan, Duty, KeyPlace};
use serde_json::json;

use super::super::Output;
use super::Format;

/// One step.
struct Step {
    en: String,
    vi: String,
    command: Option<String>,
    blanks: Vec<String>,
}

impl Step {
    fn new(en: impl Into<String>, vi: impl Into<String>) -> Self {
        Self {
            en: en.into(),
            vi: vi.into(),
            command: None,
            blanks: Vec::new(),
        }
    }

    fn typing(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    fn blank(mut self, what: impl Into<String>) -> Self {
        self.blanks.push(what.into());
        self
    }
}

pub(super) fn print(plan: &CeremonyPlan, format: Format) -> Output {
    let steps = steps(plan);
    let text = match format {
        Format::Html => html(plan, &steps),
        Format::Text => text(plan, &steps),
    };
    let all: Vec<_> = steps
        .iter()
        .map(|step| json!({ "en": step.en, "vi": step.vi, "command": step.command }))
        .collect();
    let json = json!({ "plan": plan.digest.to_string(), "steps": all });
    Output::new(text, json)
}

fn steps(plan: &CeremonyPlan) -> Vec<Step> {
    let mut steps = prepare(plan);
    steps.extend(make(plan));
    steps.extend(close(plan));
    steps
}

fn prepare(plan: &CeremonyPlan) -> Vec<Step> {
    vec![
        Step::new(
            "The leader checks that everybody on the list is present and shows an identity paper.",
            "Người chủ trì điểm danh và kiểm tra giấy tờ tùy thân của từng người.",
        ),
        Step::new(
            "The operator starts the machine without any network; the witness looks at its cables \
             and radios, and compares its clock with a watch.",
            "Người thao tác khởi động máy không nối mạng; người chứng kiến xem dây, sóng vô tuyến \
             và so đồng hồ của máy.",
        )
        .typing("date")
        .blank("time on the watch (giờ trên đồng hồ)"),
        Step::new(
            "The operator checks the plan; the leader reads the SHA-256 aloud and everybody compares \
             it with this page.",
            "Người thao tác kiểm tra kế hoạch; người chủ trì đọc to mã băm, mọi người so với trang này.",
        )
        .typing("tram-pki ceremony plan ceremony.toml")
        .blank(format!("equal to (khớp với) {} — yes / no (có / không)", plan.digest)),
    ]
}

fn make(plan: &CeremonyPlan) -> Vec<Step> {
    let run = format!(
        "tram-pki ceremony run --plan ceremony.toml --out ceremony --digest {}",
        plan.digest
    );
    let mut steps = vec![
        Step::new(
            "The operator carries the plan out. If it stops, the same command goes on.",
            "Người thao tác thực hiện kế hoạch. Nếu bị dừng, chạy lại đúng lệnh này để tiếp tục.",
        )
        .typing(run)
        .blank("start (bắt đầu)")
        .blank("end (kết thúc)"),
    ];
    for one in std::iter::once(&plan.root).chain(&plan.issuing) {
        let names = if one.subtrees.is_empty() {
            String::new()
        } else {
            format!(
                ", only names below (chỉ tên thuộc) {}",
                one.subtrees.join(", ")
            )
        };
        let (en, vi) = match &one.place {
            KeyPlace::Elsewhere => (
                "its key is made elsewhere, only a request comes here",
                "khóa tạo ở nơi khác, chỉ nhận yêu cầu cấp chứng thư",
            ),
            KeyPlace::File => ("its key is an encrypted file", "khóa nằm trong tệp mã hóa"),
            KeyPlace::Token(_) => (
                "its key is made in the token and never leaves it",
                "khóa tạo trong thiết bị và không bao giờ rời thiết bị",
            ),
        };
        let mut step = Step::new(
            format!(
                "Authority {} ({}): {}, {} years{names}; {en}.",
                one.file, one.organization, one.algorithm_word, one.valid_years
            ),
            format!(
                "Cơ quan {} ({}): {}, {} năm{names}; {vi}.",
                one.file, one.organization, one.algorithm_word, one.valid_years
            ),
        );
        if one.place == KeyPlace::Elsewhere {
            step = step.typing(format!(
                "tram-pki ceremony run --plan ceremony.toml --out ceremony --csr {}=FILE",
                one.file
            ));
        }
        steps.push(step.blank("serial number (số sê-ri)"));
    }
    steps
}

fn close(plan: &CeremonyPlan) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(shares) = plan.shares {
        let mut step = Step::new(
            format!(
                "Each share is printed alone and given to its custodian in a sealed envelope; any {} \
                 of the {} open the root key. Then the folder is deleted.",
                shares.needed, shares.of
            ),
            format!(
                "In riêng từng mảnh, trao cho người giữ trong phong bì niêm phong; cần {} trên {} \
                 mảnh để mở khóa gốc. Sau đó xóa thư mục.",
                shares.needed, shares.of
            ),
        )
        .typing("rm -r ceremony/shares");
        for number in 1..=shares.of {
            step = step.blank(format!(
                "share (mảnh) {number}: seal (niêm phong), custodian (người giữ)"
            ));
        }
        steps.push(step);
    } else {
        steps.push(
            Step::new(
                "The custodian seals the passphrase of the root key in an envelope.",
                "Người giữ niêm phong mật khẩu khóa gốc trong phong bì.",
            )
            .blank("seal (niêm phong)"),
        );
    }
    steps.push(
        Step::new(
            "The operator checks everything; the leader reads the fingerprint of the root aloud and \
             writes it down here.",
            "Người thao tác kiểm tra toàn bộ; người chủ trì đọc to mã băm của gốc và ghi vào đây.",
        )
        .typing("tram-pki ceremony verify --dir ceremony")
        .blank("root SHA-256 (mã băm của gốc)")
        .blank(""),
    );
    steps.push(
        Step::new(
            "The transcript is printed; everybody signs it.",
            "In biên bản; mọi người cùng ký.",
        )
        .typing("lp ceremony/transcript.txt"),
    );
    steps.push(
        Step::new(
            "The root key goes into its safe on its own medium; the rest of the folder is copied for \
             the authority. The machine is switched off.",
            "Khóa gốc cất vào két trên vật lưu trữ riêng; phần còn lại sao chép cho cơ quan vận hành. \
             Tắt máy.",
        )
        .blank("medium, seal, safe (vật lưu trữ, niêm phong, két)"),
    );
    steps
}

fn people(plan: &CeremonyPlan) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for duty in [Duty::Leader, Duty::Operator, Duty::Witness, Duty::Custodian] {
        let (en, vi) = duty.words();
        for one in plan.with_duty(duty) {
            all.push((format!("{en} ({vi})"), one.name.clone()));
        }
    }
    all
}

fn text(plan: &CeremonyPlan, steps: &[Step]) -> String {
    let place = plan.place.as_deref().unwrap_or(LINE);
    let mut out = format!(
        "KEY CEREMONY SCRIPT — KỊCH BẢN LỄ TẠO KHÓA\n{}\n\nAuthority (cơ quan): {}\nTrust domain \
         (miền tin cậy): {}\nPlace (nơi): {place}\nDate (ngày): {LINE}\nPlan SHA-256 (mã băm kế \
         hoạch):\n  {}\n\n",
        "=".repeat(78),
        plan.authority,
        plan.trust_domain,
        plan.digest
    );
    for (duty, name) in people(plan) {
        let name = if name.is_empty() { LINE } else { &name };
        out += &format!("{duty}: {name}\n    signature (ký): {LINE}\n");
    }
    for (number, step) in steps.iter().enumerate() {
        let number = number.saturating_add(1);
        out += &format!("\n[ ] {number}. {}\n       {}\n", step.en, step.vi);
        if let Some(command) = &step.command {
            out += &format!("       $ {command}\n");
        }
        for blank in &step.blanks {
            out += &format!("       {blank}: {LINE}\n");
        }
        out += "       time (giờ): __________   initials (ký tắt): __________\n";
    }
    out
}

fn html(plan: &CeremonyPlan, steps: &[Step]) -> String {
    let place = plan.place.as_deref().map(escape);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"vi\"><head><meta charset=\"utf-8\">\
         <title>Kịch bản lễ tạo khóa</title>\n<style>{STYLE}</style></head><body>\n\
         <h1>Kịch bản lễ tạo khóa<br><small>Key ceremony script</small></h1>\n<table>\n\
         <tr><th>Cơ quan (authority)<td>{}\n<tr><th>Miền tin cậy (trust domain)<td>{}\n\
         <tr><th>Nơi (place)<td>{}\n<tr><th>Ngày (date)<td>\n\
         <tr><th>SHA-256 của kế hoạch (plan)<td><code>{}</code>\n</table>\n\
         <h2>Người tham gia (participants)</h2>\n<table>\n",
        escape(&plan.authority),
        escape(plan.trust_domain.as_str()),
        place.unwrap_or_default(),
        plan.digest
    );
    for (duty, name) in people(plan) {
        out += &format!(
            "<tr><th>{}<td>{}<td class=\"sign\">\n",
            escape(&duty),
            escape(&name)
        );
    }
    out += "</table>\n<ol>\n";
    for step in steps {
        out += &format!(
            "<li><p>☐ {}<br><em>{}</em></p>",
            escape(&step.vi),
            escape(&step.en)
        );
        if let Some(command) = &step.command {
            out += &format!("<pre>{}</pre>", escape(command));
        }
        for blank in &step.blanks {
            out += &format!("<p class=\"blank\">{}</p>", escape(blank));
        }
        out += "<p class=\"blank\">giờ (time), ký tắt (initials)</p></li>\n";
    }
    out + "</ol></body></html>\n"
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}

const LINE: &str = "______________________________";
const STYLE: &str = "body{font:12pt serif;margin:2cm}table{border-collapse:collapse;width:100%}\
    th,td{border:1px solid;padding:.3em;text-align:left}.sign{width:40%}li{break-inside:avoid}\
    pre{background:#eee;padding:.4em;white-space:pre-wrap;word-break:break-all}\
    .blank{border-bottom:1px dotted;padding-top:1em}code{word-break:break-all}";
