//! Every sentence that a person reads on a screen or in a problem answer, in Vietnamese and English.
//!
//! One line per message, both languages side by side, so a translation cannot be forgotten: a missing
//! language does not compile. Placeholders are written `{name}` and filled by [`fill`]; a test checks
//! that both languages use the same ones. Vietnamese wording follows the practice of records clerks
//! (Decree 30/2020, edXML code lists). It must not know documents, requests or templates.

/// Language of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    /// English.
    En,
    /// Vietnamese, the default.
    #[default]
    Vi,
}

impl Lang {
    /// The BCP 47 code, also the value of the `lang` attribute and of the cookie.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Vi => "vi",
        }
    }

    /// Reads a code as written by [`Lang::code`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().get(..2)?.to_ascii_lowercase().as_str() {
            "en" => Some(Self::En),
            "vi" => Some(Self::Vi),
            _ => None,
        }
    }

    /// The first language of an `Accept-Language` value (RFC 9110 12.5.4) that we speak, by weight.
    #[must_use]
    pub fn accept(header: &str) -> Option<Self> {
        let mut best: Option<(Self, u32)> = None;
        for item in header.split(',').take(16) {
            let mut parts = item.split(';');
            let Some(lang) = parts.next().and_then(Self::parse) else {
                continue;
            };
            let weight = parts.find_map(|part| part.trim().strip_prefix("q=").map(weight));
            let weight = weight.unwrap_or(1000);
            if weight > 0 && best.is_none_or(|(_, found)| weight > found) {
                best = Some((lang, weight));
            }
        }
        best.map(|(lang, _)| lang)
    }

    /// The catalogue of this language.
    #[must_use]
    pub const fn words(self) -> &'static Words {
        match self {
            Self::En => &EN,
            Self::Vi => &VI,
        }
    }
}

/// `0.85` → 850; what is not a weight counts as 0.
fn weight(text: &str) -> u32 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = part.chars().chain("000".chars()).take(3).collect();
    match (whole.trim().parse::<u32>(), digits.parse::<u32>()) {
        (Ok(whole), Ok(part)) => (whole.min(1) * 1000 + part).min(1000),
        _ => 0,
    }
}

/// Puts values in the places of a message: `fill("{n} nơi nhận", &[("n", "3")])`. Values are not
/// escaped here; templates do that.
#[must_use]
pub fn fill(message: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(message.len() + 16);
    let mut rest = message;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = from.find('}') else {
            rest = from;
            break;
        };
        let (place, after) = from.split_at(end + 1);
        let name = place.trim_matches(['{', '}']);
        match values.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => out.push_str(value),
            None => out.push_str(place),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

macro_rules! catalogue {
    ($($key:ident: $vi:literal, $en:literal;)*) => {
        /// One language's messages, one field each.
        #[derive(Debug)]
        #[allow(missing_docs, reason = "the message itself says what the field is")]
        pub struct Words { $(pub $key: &'static str,)* }
        /// The Vietnamese messages.
        pub const VI: Words = Words { $($key: $vi,)* };
        /// The English messages.
        pub const EN: Words = Words { $($key: $en,)* };
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str, &str)] = &[$((stringify!($key), $vi, $en),)*];
    };
}

catalogue! {
    // The frame of every page
    skip: "Bỏ qua điều hướng", "Skip navigation";
    main_nav: "Chính", "Main";
    outgoing: "Văn bản đi", "Outgoing";
    incoming: "Văn bản đến", "Incoming";
    attention: "Cần xử lý", "Needs attention";
    agencies: "Danh bạ cơ quan", "Agencies";
    station: "Trạm & tuyến", "Station & links";
    online: "Trực tuyến", "Online";
    restricted: "Có việc cần xem", "Needs a look";
    offline: "Mất kết nối", "Offline";
    links_up: "{up}/{all} tuyến", "{up}/{all} links";
    cert_days: "Chứng thư còn {n} ngày", "Certificate: {n} days left";
    signed_in_as: "Người dùng: {name}", "Signed in: {name}";
    sign_out: "Đăng xuất", "Sign out";
    other_language: "English", "Tiếng Việt";
    back: "Quay lại", "Back";
    close: "Đóng", "Close";

    // Signing in
    sign_in: "Đăng nhập", "Sign in";
    sign_in_lead: "Dành cho văn thư và người vận hành trạm này.", "For records clerks and operators of this station.";
    user_name: "Tên đăng nhập", "User name";
    password: "Mật khẩu", "Password";
    sign_in_wrong: "Tên đăng nhập hoặc mật khẩu không đúng. Hãy nhập lại; nếu quên, nhờ quản trị trạm đặt lại.", "The user name or the password is wrong. Try again; if it is forgotten, ask the station's administrator to set a new one.";
    sign_in_slow: "Đã thử sai quá nhiều lần. Hãy đợi {n} giây rồi thử lại.", "Too many wrong attempts. Wait {n} seconds and try again.";
    signed_out: "Bạn đã đăng xuất.", "You are signed out.";
    form_old: "Biểu mẫu đã hết hạn, chưa có gì được thay đổi. Hãy tải lại trang và làm lại.", "The form has expired; nothing was changed. Reload the page and do it again.";

    // Lists
    send_document: "Gửi văn bản", "Send a document";
    tab_all: "Tất cả {n}", "All {n}";
    tab_moving: "Đang chuyển {n}", "On the way {n}";
    tab_attention: "Cần xử lý {n}", "Needs attention {n}";
    tab_arrived: "Đã đến nơi", "Arrived";
    tab_withdrawn: "Đã thu hồi", "Withdrawn";
    tab_new: "Chưa nhận {n}", "Not taken {n}";
    tab_taken: "Đã nhận", "Taken";
    tab_held: "Giữ lại {n}", "Held {n}";
    tabs: "Trạng thái", "State";
    search: "Tìm kiếm", "Search";
    search_hint: "Tìm số ký hiệu, trích yếu, cơ quan… (không cần dấu)", "Search number, subject, agency… (no diacritics needed)";
    priority: "Độ khẩn", "Urgency";
    from_date: "Từ ngày", "From date";
    to_date: "Đến ngày", "To date";
    date_hint: "dd/mm/yyyy", "dd/mm/yyyy";
    filter: "Lọc", "Filter";
    clear: "Bỏ lọc", "Clear";
    date_wrong: "Không hiểu ngày “{text}”. Hãy ghi như 22/11/2026, 22/11, hôm nay hoặc hôm qua.", "The date “{text}” is not understood. Write it as 22/11/2026, 22/11, today or yesterday.";
    col_number: "Số ký hiệu", "Number";
    col_subject_to: "Trích yếu · nơi nhận", "Subject · recipients";
    col_subject_from: "Trích yếu · cơ quan gửi", "Subject · sender";
    col_progress: "Tiến độ", "Progress";
    col_state: "Trạng thái", "State";
    col_updated: "Cập nhật", "Updated";
    col_arrived: "Đến lúc", "Arrived";
    n_of_m: "{n}/{m} nơi nhận", "{n}/{m} recipients";
    shown: "Hiển thị {n} văn bản", "Showing {n} documents";
    next_page: "Trang sau", "Next page";
    first_page: "Về đầu danh sách", "Back to the start";
    empty_out: "Chưa có văn bản nào được gửi.", "Nothing has been sent yet.";
    empty_out_next: "Chọn “Gửi văn bản” để gửi văn bản đầu tiên, hoặc để hệ thống QLVB gửi qua API.", "Choose “Send a document”, or let the document system send through the API.";
    empty_in: "Chưa có văn bản đến.", "Nothing has arrived yet.";
    empty_in_next: "Văn bản mới sẽ tự hiện ở đây; không cần tải lại trang.", "New documents appear here by themselves; no need to reload.";
    empty_found: "Không có văn bản nào khớp.", "No document matches.";
    empty_found_next: "Bớt điều kiện lọc, hoặc tìm theo một phần số ký hiệu.", "Loosen the filter, or search for a part of the number.";

    // Urgency (edXML priority codes 0 to 4)
    priority_normal: "Thường", "Normal";
    priority_urgent: "Khẩn", "Urgent";
    priority_very_urgent: "Thượng khẩn", "Very urgent";
    priority_immediate: "Hỏa tốc", "Immediate";
    priority_immediate_timed: "Hỏa tốc hẹn giờ", "Immediate, timed";

    // States of a recipient
    state_accepted: "Trạm gửi đã nhận", "Accepted";
    state_relayed: "Đang chuyển", "On the way";
    state_delivered: "Đã đến", "Delivered";
    state_handed_over: "Hoàn thành", "Done";
    state_refused: "Bị từ chối", "Refused";
    state_expired: "Không giao được", "Expired";
    state_withdrawn: "Đã thu hồi", "Withdrawn";
    state_new: "Mới đến", "New";
    state_claimed: "Đang lấy về", "Being fetched";
    state_taken: "Đã nhận", "Taken";
    state_quarantined: "Giữ lại để kiểm tra", "Held for checking";

    // One document
    facts: "Thông tin văn bản", "Document";
    fact_number: "Số ký hiệu", "Number";
    fact_type_date: "Loại · ngày ban hành", "Type · date of issue";
    fact_issuer: "Cơ quan ban hành", "Issued by";
    fact_signer: "Người ký", "Signed by";
    fact_due: "Hạn phản hồi", "Reply due";
    fact_document_id: "Mã định danh văn bản", "Document identifier";
    fact_envelope: "Mã gói tin", "Envelope";
    fact_accepted: "Trạm nhận lúc", "Accepted at";
    fact_arrived: "Đến lúc", "Arrived at";
    fact_packet: "Gói tin", "Packet";
    attachments: "Tệp đính kèm ({n})", "Attachments ({n})";
    no_attachments: "Văn bản không có tệp đính kèm.", "The document has no attachments.";
    recipients: "Nơi nhận ({n})", "Recipients ({n})";
    journey_to: "Hành trình đến {name}", "Journey to {name}";
    journey: "Hành trình", "Journey";
    evidence: "Bằng chứng", "Evidence";
    evidence_download: "Tải gói bằng chứng", "Download evidence";
    evidence_how: "Gói .zip tự kiểm tra được, không cần phần mềm của Trạm.", "A .zip that anyone can check, without software of Trạm.";
    evidence_digest: "Bằng chứng không kèm nội dung", "Evidence without content";
    verify_title: "Kiểm tra gói bằng chứng", "Check a proof package";
    verify_lead: "Chọn hoặc thả vào đây tệp .zip (đến 256 MiB). Tệp được kiểm tra rồi xóa, không ai xem, không lưu lại.", "Choose the .zip or drop it here (up to 256 MiB). It is checked and deleted; nobody sees it, nothing is kept.";
    verify_file: "Gói bằng chứng (.zip)", "Proof package (.zip)";
    verify_go: "Kiểm tra", "Check";
    verify_result: "Kết quả", "Result";
    verify_check: "Phép kiểm tra", "Check made";
    verify_holds: "đạt", "holds";
    verify_fails: "không đạt", "does not hold";
    print: "In phiếu", "Print";
    download_packet: "Tải gói edXML", "Download edXML";
    take: "Xác nhận đã nhận", "Confirm receipt";
    take_why: "Xác nhận là lời chứng có chữ ký rằng cơ quan đã nhận văn bản này; không rút lại được.", "This makes a signed statement that your agency has taken the document; it cannot be undone.";
    time_zone: "Giờ Việt Nam (+07:00)", "Vietnam time (+07:00)";
    not_yet: "Chưa có", "Not yet";
    after: "sau {t}", "after {t}";

    // Steps of a received document
    step_submitted: "Đã ký và nhận vào trạm gửi", "Signed and accepted by the sending station";
    step_delivered: "Đến trạm này, mở và kiểm tra xong", "Reached this station, opened and checked";
    step_held: "Đến trạm này, giữ lại vì không kiểm tra được", "Reached this station, held because it did not check";
    step_taken: "Hệ thống QLVB hoặc văn thư đã nhận", "Taken by the document system or a clerk";
    step_to_take: "Hệ thống QLVB hoặc văn thư nhận", "To be taken by the document system or a clerk";

    // Notes with cause and next step
    note_see: "Xem hành trình", "See the journey";

    // Business life: statuses, recall, deadlines
    fact_handling: "Tình trạng xử lý", "Handling";
    handling: "Trả lời bên gửi", "Answer the sender";
    handling_why: "Trạng thái được ký bằng chữ ký số của cơ quan và gửi cho bên gửi.", "The status is signed by your agency and sent to the sender.";
    handling_code: "Trạng thái", "Status";
    handling_reason: "Lý do hoặc ghi chú", "Reason or note";
    handling_reason_hint: "Bắt buộc khi từ chối (02, 16)", "A must for 02 and 16";
    handling_number: "Số đến", "Register number";
    handling_go: "Ký và gửi trạng thái", "Sign and send the status";
    handled_notice: "Đã ký và gửi trạng thái cho bên gửi.", "The status is signed and on its way to the sender.";
    asked_recall: "Bên gửi đề nghị thu hồi văn bản này:", "The sender asks for this document back:";
    asked_update: "Bên gửi đã cập nhật văn bản này:", "The sender has updated this document:";
    asked_todo: "Trả lời đồng ý (15) hoặc từ chối kèm lý do (16). Khi đồng ý, cơ quan hủy bản đã nhận.", "Answer with 15 (agrees) or 16 with a reason (declines). Who agrees destroys the copy.";
    replaced: "Văn bản đã được thay thế bởi {id}.", "The document was replaced by {id}.";
    overdue_head: "Quá hạn:", "Overdue:";
    due_line: "{what}: hạn {t} ({law})", "{what}: by {t} ({law})";
    recall: "Thu hồi văn bản", "Recall the document";
    recall_why: "Nơi chưa nhận sẽ không được giao; nơi đã nhận được đề nghị trả lời. Lý do được gửi kèm.", "Where it has not arrived it is not delivered; where it has, an answer is asked for. The reason goes with it.";
    recall_reason: "Lý do thu hồi", "Why it is recalled";
    recall_go: "Ký và gửi lệnh thu hồi", "Sign and send the recall";
    recalled_notice: "Lệnh thu hồi đã được ký và gửi. Kết quả từng nơi nhận hiện ở đây.", "The recall is signed and sent. What each recipient answers shows here.";
    keep_hold: "Giữ lại nội dung", "Hold the content";
    keep_release: "Thôi giữ nội dung", "Release the content";
    keep_why: "Văn bản được giữ thì nội dung không bị xóa theo thời hạn lưu. Người, lý do và thời điểm được ghi lại.", "Content that is held is not deleted by the retention rules. Who, why and when is kept on record.";
    keep_reason: "Lý do giữ", "Why it is kept";
    fact_content: "Nội dung gói", "Content";
    content_deleted: "Đã xóa lúc {t} theo quy tắc {rule}; bằng chứng vẫn còn", "Deleted at {t} by rule {rule}; its evidence is here";
    fact_hold: "Giữ lại", "On hold";
    held_by: "Từ {t}, {who}: {why}", "Since {t}, {who}: {why}";
    act_recall: "Lệnh thu hồi", "Recall";
    act_update: "Cập nhật", "Update";
    act_replace: "Thay thế", "Replacement";
    deadlines: "Thời hạn", "Deadlines";
    deadlines_received: "Văn bản đến", "Received";
    deadlines_sent: "Văn bản đi", "Sent";
    deadlines_none: "Không có việc nào quá hạn hoặc sắp đến hạn.", "Nothing is overdue or due soon.";
    deadlines_none_next: "Thời hạn tính theo lịch làm việc (Nghị định 30/2020, Quyết định 28/2018).", "Deadlines follow the working calendar (Decree 30/2020, Decision 28/2018).";
    col_agency: "Cơ quan", "Agency";
    col_due: "Hạn", "Due";
    col_owed: "Việc phải làm", "What is owed";

    // Evidence panel
    seal_valid: "Hợp lệ", "Valid";
    seal_invalid: "Không hợp lệ", "Invalid";
    seal_later: "Chưa có", "Not yet";
    seal_signature: "Chữ ký số của {name}, {t}", "Signature of {name}, {t}";
    seal_stamp: "Dấu thời gian của TSA, {t}", "Time-stamp of a TSA, {t}";
    seal_stamp_later: "Dấu thời gian riêng; thời điểm được chứng minh bằng nhật ký của trạm gửi", "Own time-stamp; the time is proven by the sending station's log";
    seal_receipts: "{n} biên nhận đã kiểm tra chữ ký và có trong nhật ký", "{n} receipts, signature and place in the log checked";
    seal_receipts_bad: "{n} biên nhận không kiểm tra được; báo quản trị trạm", "{n} receipts did not check; tell the administrator";
    seal_receipts_none: "Biên nhận của các trạm", "Receipts of the stations";
    self_noted: "trạm này tự ghi nhận (chưa có chứng thực)", "local: noted by this station, no proof";
    clock_unsure: "đồng hồ chưa chắc chắn", "clock unsure";
    due_by: "Hạn {t}", "By {t}";
    next_at: "{t} thử lại", "{t} next try";
    attempt: "Chờ thử lại · lần {n}", "Retrying · attempt {n}";
    decimal: ",", ".";

    // Sending
    send_lead: "Chọn gói edXML có sẵn, hoặc nhập thông tin và chọn tệp.", "Choose a finished edXML packet, or enter the facts and choose files.";
    send_packet: "Gửi gói edXML", "Send an edXML packet";
    send_packet_file: "Tệp .edxml", "File .edxml";
    send_form: "Soạn từ tệp", "Compose from files";
    send_files: "Tệp đính kèm", "Files";
    send_to: "Nơi nhận (mỗi mã một dòng)", "Recipients (one code a line)";
    send_to_hint: "Mã định danh, như H01.36.04. Tra mã ở Danh bạ cơ quan.", "Agency codes such as H01.36.04. Look them up under Agencies.";
    send_number: "Số", "Number";
    send_notation: "Ký hiệu", "Notation";
    send_type: "Loại văn bản", "Document type";
    send_subject: "Trích yếu", "Subject";
    send_date: "Ngày ban hành", "Date of issue";
    send_signer: "Người ký", "Signer";
    send_position: "Chức vụ", "Position";
    send_place: "Nơi ban hành", "Place of issue";
    send_go: "Gửi", "Send";
    send_faults: "Văn bản chưa được gửi. Hãy sửa {n} điểm sau:", "The document was not sent. Please correct {n} points:";
    sent_notice: "Văn bản đã được trạm nhận và ký. Hành trình tự cập nhật ở đây.", "The station has accepted and signed the document. The journey below updates by itself.";

    // Agencies and station
    agency_search: "Tìm tên hoặc mã, mới hay cũ… (không cần dấu)", "Search name or code, new or old… (no diacritics needed)";
    agency_name: "Tên cơ quan", "Agency";
    agency_code: "Mã định danh", "Code";
    agency_station: "Trạm", "Station";
    agency_aliases: "Mã, tên khác: {codes}", "Other codes and names: {codes}";
    agency_alias_from: "{text} (từ {from})", "{text} (from {from})";
    agency_alias_to: "{text} (đến hết {to})", "{text} (through {to})";
    agency_alias_between: "{text} (từ {from} đến hết {to})", "{text} (from {from} through {to})";
    agency_above: "Thuộc {name}", "Below {name}";
    agency_ended: "Đã ngừng từ {day}", "Ended on {day}";
    agency_future: "Hoạt động từ {day}", "Begins on {day}";
    agency_receiver: "Nơi nhận thay: {name} ({code})", "Received now by {name} ({code})";
    agency_no_receiver: "Không có cơ quan nào nhận thay; hỏi cơ quan cấp trên.", "Nobody receives for it; ask the agency above it.";
    agency_ready: "Nhận được", "Reachable";
    agency_not_ready: "Chưa kết nối", "Not connected";
    agency_none: "Không có cơ quan nào khớp.", "No agency matches.";
    station_lead: "Tình trạng của trạm này lúc {t}.", "State of this station at {t}.";
    station_name: "Tên trạm", "Station";
    station_clock: "Đồng hồ", "Clock";
    station_certificates: "Chứng thư của trạm", "Certificates of the station";
    station_authority: "Cơ quan cấp chứng thư", "Certificate authority";
    authority_heard: "Liên lạc lúc {t}", "Heard at {t}";
    authority_last_heard: "Mất liên lạc, lần cuối {t}", "Not heard since {t}";
    authority_not_heard: "Chưa liên lạc được", "Not heard yet";
    renewed_by_itself: "tự gia hạn", "renews itself";
    renewed_by_hand: "gia hạn thủ công", "renewed by hand";
    renewed_elsewhere: "do nơi khác cấp, gia hạn thủ công", "issued elsewhere, renewed by hand";
    station_log: "Nhật ký bằng chứng", "Evidence log";
    station_queue: "Đang chờ gửi", "Waiting to go";
    held_todo: "Văn bản không được chuyển vào hệ thống QLVB. Báo quản trị trạm kèm mã gói tin; đừng xóa gì.", "It is not passed to the document system. Tell the administrator with the envelope number; delete nothing.";
    taken_notice: "Đã ghi nhận. Bên gửi sẽ nhận được biên nhận có chữ ký.", "Noted. The sender gets a signed receipt.";
    station_links: "Tuyến", "Links";
    station_link_up: "Thông", "Up";
    station_link_down: "Đứt", "Down";
    station_oldest: "Chờ lâu nhất", "Oldest waiting";
    alarm_is_stopped: "Đã dừng", "Stopped";
    alarm_is_warning: "Sắp đến hạn", "Look soon";
    alarm_heading: "Cần quản trị trạm xử lý", "For the administrator";
    alarm_trust_soon: "Dữ liệu tin cậy của trạm lâu chưa được cập nhật. Văn bản vẫn gửi và nhận bình thường đến {t}.", "The station's trust data has not been renewed for long. Documents go and come as usual until {t}.";
    alarm_trust_stopped: "Dữ liệu tin cậy đã quá hạn nên trạm tạm dừng gửi và nhận văn bản mới. Văn bản đã có ở trạm được giữ nguyên và sẽ tự đi tiếp.", "The trust data is past its end, so the station takes and sends nothing new. Documents here are kept and go on by themselves.";
    alarm_records_stopped: "Một bản ghi trong danh bạ đã hết hạn ({name}). Văn bản liên quan được giữ lại và sẽ tự đi tiếp.", "A record of the directory has ended ({name}). Documents that need it are kept and go on by themselves.";
    alarm_side: "Dịch vụ cấp dấu thời gian hoặc máy chủ chứng thực không trả lời. Văn bản vẫn gửi và nhận bình thường; dấu thời gian sẽ được bổ sung sau.", "The time-stamp service or the authority does not answer. Documents go and come as usual; stamps come later.";
    alarm_certificate_soon: "Chứng thư số của {name} hết hạn lúc {t} và chưa được gia hạn.", "The certificate of {name} ends at {t} and has not been renewed.";
    alarm_certificate_stopped: "Chứng thư số của {name} đã hết hạn hoặc bị thu hồi; không gửi được văn bản bằng chứng thư này.", "The certificate of {name} has ended or is revoked; nothing can be sent with it.";
    alarm_damage: "Một số dữ liệu trên đĩa của trạm bị hỏng. Văn bản khác vẫn đi bình thường; bản hỏng được giữ lại và trạm đã yêu cầu bản tốt.", "Some data on the station's disk are damaged. Other documents go as usual; the damaged copy is kept and a good one has been asked for.";
    alarm_clock: "Giờ của máy chủ chưa đúng. Văn bản vẫn gửi và nhận bình thường; thời điểm trên biên nhận được ghi là chưa chắc chắn.", "The machine's clock is not right. Documents go and come as usual; times on receipts are marked as unsure.";
    alarm_log: "Có điều cần kiểm tra ở nhật ký bằng chứng. Văn bản vẫn gửi và nhận bình thường.", "Something about an evidence log needs a look. Documents go and come as usual.";
    alarm_own_log: "Nhật ký bằng chứng của trạm là bản cũ nên trạm tạm dừng nhận và gửi văn bản mới. Văn bản đã có ở trạm được giữ nguyên và sẽ tự đi tiếp.", "The station's evidence log is an older copy, so it takes and sends nothing new. Documents here are kept and go on by themselves.";
    alarm_tell: "Báo quản trị trạm, mã {code}.", "Tell the administrator: {code}.";
    clock_right: "Đúng giờ", "On time";
    clock_off: "Chưa chắc chắn", "Unsure";
    log_stamped: "Đóng dấu thời gian {t}", "Time-stamped {t}";
    log_not_stamped: "Chưa đóng dấu thời gian", "Not time-stamped yet";
    entries: "{n} mục", "{n} entries";
    documents_n: "{n} văn bản", "{n} documents";

    // Keyboard
    keys: "phím tắt", "shortcuts";
    keys_title: "Phím tắt", "Keyboard";
    keys_move: "di chuyển", "move";
    keys_open: "mở", "open";
    keys_search: "tìm", "search";
    keys_send: "gửi văn bản", "send a document";
    keys_help: "bảng này", "this list";
    keys_use: "Dùng phím tắt một phím", "Use single-key shortcuts";

    // Errors on screens
    not_found: "Không có trang này", "There is no such page";
    not_found_next: "Địa chỉ có thể đã cũ, hoặc văn bản thuộc cơ quan khác. Hãy mở từ danh sách.", "The address may be old, or the document belongs to another agency. Open it from the list.";
    went_wrong: "Trạm không trả lời được yêu cầu này", "The station could not answer this";
    went_wrong_next: "Chưa có gì bị mất. Hãy thử lại; nếu vẫn lỗi, báo quản trị trạm mã yêu cầu dưới đây.", "Nothing was lost. Try again; if it stays, give the request id below to the station's administrator.";
    request_id: "Mã yêu cầu", "Request id";
    problems: "Các lỗi của API", "Problems of the API";
    problem_next: "Làm gì", "What now";
    problem_http: "Mã HTTP", "HTTP status";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in braces, sorted.
    fn places(message: &str) -> Vec<&str> {
        let mut found: Vec<&str> = message
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
            .collect();
        found.sort_unstable();
        found
    }

    #[test]
    fn every_message_says_the_same_places_in_both_languages() {
        for (key, vi, en) in ALL {
            assert!(!vi.trim().is_empty(), "{key} has no Vietnamese");
            assert!(!en.trim().is_empty(), "{key} has no English");
            assert_eq!(places(vi), places(en), "{key}");
        }
    }

    #[test]
    fn messages_are_translated_and_not_copied() {
        // What is the same in both languages on purpose.
        let same = ["date_hint"];
        for (key, vi, en) in ALL {
            assert!(vi != en || same.contains(key), "{key} is not translated");
        }
    }

    #[test]
    fn vietnamese_text_is_composed() {
        use unicode_normalization::is_nfc;
        for (key, vi, _) in ALL {
            assert!(
                is_nfc(vi),
                "{key} is not NFC: it would look broken in some fonts"
            );
        }
    }

    #[test]
    fn accept_language_follows_weights() {
        for (header, expected) in [
            ("vi-VN,vi;q=0.9,en;q=0.8", Some(Lang::Vi)),
            ("en-GB,en;q=0.9", Some(Lang::En)),
            ("fr, en;q=0.3, vi;q=0.7", Some(Lang::Vi)),
            ("vi;q=0, en;q=0.1", Some(Lang::En)),
            ("fr", None),
            ("", None),
            ("é;q=ü", None),
            ("en;q=nonsense", None),
        ] {
            assert_eq!(Lang::accept(header), expected, "{header}");
        }
    }

    #[test]
    fn fill_leaves_values_alone() {
        assert_eq!(
            fill("{n}/{m} nơi", &[("n", "{m}"), ("m", "2")]),
            "{m}/2 nơi"
        );
        assert_eq!(fill("a {b", &[("b", "x")]), "a {b");
        assert_eq!(fill("{x}", &[]), "{x}");
    }
}
