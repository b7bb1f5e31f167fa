//! Policy: what a station does while a source of trust is away. For each source its window, what goes on,
//! what stops after it, the message and the remedy.
//!
//! This is the written policy: `relay/WINDOWS.md` is made of it and compared with it by a test. Nothing is
//! decided here; each row names what the code elsewhere does, and the station's tests hold it to that.

use std::fmt::Write as _;

mod logs;

/// What an alarm is about. The numbers are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Code {
    /// A revocation list of a certification authority.
    Revocation,
    /// The trust list.
    TrustList,
    /// Records of the registry, of agencies and of the station.
    Records,
    /// The authority that files are got from.
    Authority,
    /// Time-stamp authority.
    TimeStamps,
    /// A certificate of our own.
    Certificate,
    /// The station's clock.
    Clock,
    /// Another station's log that shows two histories.
    LogFork,
    /// Another station's log that is shorter than it was.
    LogRewind,
    /// Another station's log that gives no proof.
    LogUnproven,
    /// Our own log is an older copy.
    OwnLog,
    /// The witnesses of our log.
    Witnesses,
    /// Archived packages that cannot be renewed.
    Archive,
    /// Damaged bodies and rows.
    Damage,
}

/// One row of the policy; texts in pairs are Vietnamese and English.
#[derive(Debug)]
pub struct Row {
    number: &'static str,
    name: &'static str,
    source: &'static str,
    window: &'static str,
    goes_on: &'static str,
    stops: &'static str,
    /// What is wrong, for people.
    pub message: (&'static str, &'static str),
    /// What to do.
    pub remedy: (&'static str, &'static str),
}

impl Code {
    /// Every code, in the order of the policy.
    pub const ALL: [Self; 14] = [
        Self::Revocation,
        Self::TrustList,
        Self::Records,
        Self::Authority,
        Self::TimeStamps,
        Self::Certificate,
        Self::Clock,
        Self::LogFork,
        Self::LogRewind,
        Self::LogUnproven,
        Self::OwnLog,
        Self::Witnesses,
        Self::Archive,
        Self::Damage,
    ];

    /// `TRAM-nnn`.
    #[must_use]
    pub fn number(self) -> &'static str {
        self.row().number
    }

    /// The word in views, e.g. `revocation`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Its row of the policy.
    #[must_use]
    pub fn row(self) -> &'static Row {
        match self {
            Self::Revocation => &REVOCATION,
            Self::TrustList => &TRUST_LIST,
            Self::Records => &RECORDS,
            Self::Authority => &AUTHORITY,
            Self::TimeStamps => &TIME_STAMPS,
            Self::Certificate => &CERTIFICATE,
            Self::Clock => &CLOCK,
            Self::LogFork => &logs::FORK,
            Self::LogRewind => &logs::REWIND,
            Self::LogUnproven => &logs::UNPROVEN,
            Self::OwnLog => &logs::OWN,
            Self::Witnesses => &logs::WITNESSES,
            Self::Archive => &ARCHIVE,
            Self::Damage => &DAMAGE,
        }
    }
}

/// The policy as a page, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    for code in Code::ALL {
        let row = code.row();
        let _written = write!(
            page,
            "\n## {} `{}`: {}\n\n* **Window:** {}\n* **Goes on after it:** {}\n* **Stops after it:** {}\n\
             * **Message:** {} / {}\n* **Remedy:** {} / {}\n",
            row.number,
            row.name,
            row.source,
            row.window,
            row.goes_on,
            row.stops,
            row.message.0,
            row.message.1,
            row.remedy.0,
            row.remedy.1,
        );
    }
    page.push_str(TAIL);
    page
}

const HEAD: &str = "\
# While a source of trust is away

Made of `relay/src/alarm/policy.rs`; a test compares the two. `W` is `windows.revocation_s` of the signed trust list
(`tram-pki init` writes 48 hours), the same for the whole network. It is never less than a day in a network that keeps
the promise that traffic goes on for 24 hours without any side service.

* Until half of a window nothing is said. At half of it (of a window of months: 30 days before its end) the alarm rises as a
  `warning`; at its end it becomes `stopped`, and what rests on the source stops. Both are said once in the log, with the remedy,
  and once more when it is over.
* Alarms stand in `/status` and `/metrics` (`tram_alarm`) of the ops address, in `tram status`, on the page *Trạm & tuyến*.
* Nothing that was accepted is lost when a window ends: it is kept, and goes on by itself when the data is good again. Peers are told
  `stale_revocation` with a time to come back, callers of the node get the problem `trust_data_stale` with the remedy.
";

const TAIL: &str = "
## OCSP

No station asks an OCSP responder: it serves outsiders (mail programs, viewers of signed files), and stations hold the whole
revocation lists. When it is away nothing changes here and no alarm rises.
";

const REVOCATION: Row = Row {
    number: "TRAM-350",
    name: "revocation",
    source: "revocation list (CRL) of one certification authority",
    window: "from `thisUpdate` of its newest list to its `nextUpdate` plus W. An authority without any list counts as \
             past its window.",
    goes_on: "links (restricted: Hello, records, trace), documents of agencies under other authorities, delivery of what \
              was accepted here before to systems and clerks, receipts for it.",
    stops: "offers whose signer or whose link rests on this authority are refused with `stale_revocation` and a time to \
            come back, and none are made over such a link; submissions signed by or sealed to its certificates are refused with \
            `trust_data_stale`; arrivals not opened yet wait.",
    message: (
        "Danh sách chứng thư bị thu hồi (CRL) của {subject} chưa được cập nhật.",
        "The revocation list of {subject} has not been renewed.",
    ),
    remedy: (
        "Lấy CRL mới của {subject} đặt vào thư mục records của trạm; kiểm tra kết nối tới máy chủ chứng thực và việc phát \
         hành CRL ở đó (tram-pki crl publish).",
        "Put the newest list of {subject} into the station's records folder; look at the connection to the authority \
         and at its publishing (tram-pki crl publish).",
    ),
};

const TRUST_LIST: Row = Row {
    number: "TRAM-351",
    name: "trust_list",
    source: "trust list",
    window: "from `issued` to `not_after` plus W.",
    goes_on: "links (restricted: Hello, records, trace), delivery of what was accepted here before, receipts for it.",
    stops: "all offers are refused with `stale_revocation` and a time to come back; all submissions with `trust_data_stale`.",
    message: (
        "Danh sách tin cậy của mạng sắp hết hoặc đã hết hiệu lực.",
        "The trust list of the network ends or has ended.",
    ),
    remedy: (
        "Đề nghị đơn vị quản lý danh sách tin cậy ký bản mới (đủ số người ký) và đặt tệp .rec vào thư mục records.",
        "Have the keepers of the trust list sign a new one (enough of them) and put the .rec file into the records folder.",
    ),
};

const RECORDS: Row = Row {
    number: "TRAM-352",
    name: "records",
    source: "records of the registry, of our agencies and of this station",
    window: "from `issued` to `not_after` of each record.",
    goes_on: "everything that other records say.",
    stops: "what the record said: agencies of an ended bundle and agencies without an attachment in force cannot be \
            addressed, and offers to them wait (`no_route`); without its own record the station gets no links.",
    message: (
        "Bản ghi {subject} trong danh bạ sắp hết hoặc đã hết hiệu lực.",
        "The record {subject} ends or has ended.",
    ),
    remedy: (
        "Đề nghị đơn vị đăng ký (hoặc cơ quan ký bản ghi) ký bản mới của {subject}; kiểm tra việc nhận bản ghi từ máy chủ \
         chứng thực.",
        "Have the registry (or the agency that signs it) sign {subject} anew; look at whether records come from the \
         authority.",
    ),
};

const AUTHORITY: Row = Row {
    number: "TRAM-353",
    name: "authority",
    source: "authority that records, lists and certificates are got from",
    window: "W from its last answer.",
    goes_on: "everything, with the data held.",
    stops: "nothing by itself: renewal of certificates and the coming of new lists and records; each of them has its own window.",
    message: (
        "Trạm không liên lạc được với máy chủ chứng thực {subject}.",
        "The station does not reach the authority {subject}.",
    ),
    remedy: (
        "Kiểm tra mạng, tường lửa và địa chỉ `[authority] url`; trong lúc chờ, chép tay CRL và bản ghi mới vào thư mục \
         records.",
        "Look at the network, the firewall and `[authority] url`; meanwhile copy new lists and records into the records \
         folder by hand.",
    ),
};

const TIME_STAMPS: Row = Row {
    number: "TRAM-354",
    name: "time_stamps",
    source: "time-stamp authority (TSA)",
    window: "W from its last token; of several authorities, from the last token of any. One that fails twice in a row \
             while another works is a warning of its own.",
    goes_on: "all traffic: the absence of stamps delays nothing. One token covers all statements before it when the \
              authority answers again.",
    stops: "statements since then stay `signed` and are not called evidence; where no peer confirms the clock either, it counts \
            as unknown (TRAM-356).",
    message: (
        "Không nhận được dấu thời gian từ {subject}.",
        "No time-stamps come from {subject}.",
    ),
    remedy: (
        "Kiểm tra máy chủ cấp dấu thời gian và địa chỉ `[time_stamp] url`; trạm tự đóng dấu bù khi máy chủ trả lời lại.",
        "Look at the time-stamp authority and at `[time_stamp] url`; the station stamps what it missed when it answers.",
    ),
};

const CERTIFICATE: Row = Row {
    number: "TRAM-355",
    name: "certificate",
    source: "certificates of our own (station and agencies served)",
    window: "the last third of a certificate's life, when it should have been renewed; a revoked one is past it.",
    goes_on: "delivery of what was accepted here before.",
    stops: "TLS: no link is held or made; evidence: offers are refused (`busy`) with a time to come back; agency signature: \
            its submissions are refused with `trust_data_stale`; agency encryption: others cannot seal to the agency.",
    message: (
        "Chứng thư số của {subject} sắp hết hạn, đã hết hạn hoặc bị thu hồi.",
        "A certificate of {subject} ends, has ended or is revoked.",
    ),
    remedy: (
        "Gia hạn hoặc cấp lại chứng thư của {subject} (tram-node enrol) và kiểm tra vì sao việc tự gia hạn không thành.",
        "Renew the certificate of {subject} or enrol again (tram-node enrol), and look why it was not renewed by itself.",
    ),
};

const DAMAGE: Row = Row {
    number: "TRAM-357",
    name: "damage",
    source: "the station's disk: stored bodies and rows that are not what their digests say",
    window: "none: the alarm rises when damage is found (on reading, or by the scrub), and is over when a good copy came. \
             `stopped` when a row is damaged and no digest proves what it was.",
    goes_on: "all other traffic. The damaged copy is kept. A header, a statement or a tile is put right from its digests; for a \
              body the sender's station is asked by a statement (`RelayFailure`, `body_mismatch`) and offers the \
              envelope again.",
    stops: "only the legs whose body is damaged: they wait until a good copy comes or they expire.",
    message: (
        "Dữ liệu lưu tại {subject} bị hỏng trên đĩa.",
        "Data stored at {subject} are damaged on the disk.",
    ),
    remedy: (
        "Xem chi tiết để biết phong bì hoặc dòng nào bị hỏng. Kiểm tra đĩa (smartctl, dmesg) và thay đĩa; dừng trạm, chạy \
         `check --full`. Nếu văn bản do chính đơn vị gửi thì gửi lại (resend); bản hỏng vẫn được giữ để làm bằng chứng.",
        "The detail names the envelopes and rows. Look at the disk (smartctl, dmesg) and replace it; stop the station and run \
         `check --full`. What was sent from here itself has to be sent again (resend); the damaged copy is kept as \
         evidence.",
    ),
};

const CLOCK: Row = Row {
    number: "TRAM-356",
    name: "clock",
    source: "the station's clock",
    window: "more than 5 seconds off: a warning; more than 60 seconds off by time-stamp tokens or most peers, set without \
             confirmation, or compared with nothing for W: not believed.",
    goes_on: "all traffic. Timers are monotonic.",
    stops: "nothing ends by time (no expiry, no clearing away), refusals that rest on time are made with a time to come \
            back, statements are marked `clock_unsure`, and the station asks for no time-stamps but to check its clock. A \
            time-stamp authority answers `timeNotAvailable`.",
    message: (
        "Đồng hồ của {subject} sai hoặc không kiểm chứng được.",
        "The clock of {subject} is off or cannot be confirmed.",
    ),
    remedy: (
        "Chỉnh lại giờ máy chủ (chrony/NTP: `chronyc tracking`) và kiểm tra nguồn giờ; trạm tự trở lại bình thường khi giờ \
         đúng.",
        "Set the machine's clock right (chrony/NTP: `chronyc tracking`) and look at its source; the station goes on by itself \
         when it is.",
    ),
};

const ARCHIVE: Row = Row {
    number: "TRAM-359",
    name: "archive",
    source: "archived proof packages of a node (`[archive]`)",
    window: "from `margin_days` before the end of the certificate or of an algorithm under the newest time-stamp of an evidence \
             record (RFC 4998) to that end, while it cannot be renewed.",
    goes_on: "all traffic, and everything that the record proves until then.",
    stops: "the record proves nothing after the end, and no later renewal mends that.",
    message: (
        "Chưa lưu trữ hoặc chưa gia hạn được bản ghi bằng chứng: {subject}.",
        "Evidence records cannot be made or renewed: {subject}.",
    ),
    remedy: (
        "Xem chi tiết của {subject} (`tram evidence list`): máy chủ cấp dấu thời gian phải trả lời, có chứng thư và thuật toán còn \
         hạn lâu hơn; sau đó trạm tự gia hạn.",
        "Look at the detail of {subject} (`tram evidence list`): a time-stamp authority must answer whose certificate and algorithms \
         end later; the node renews by itself then.",
    ),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_the_code_says() {
        let written = include_str!("../../WINDOWS.md");
        let page = page();
        if written != page {
            let made = std::env::temp_dir().join("WINDOWS.md");
            std::fs::write(&made, page).unwrap();
            panic!(
                "relay/WINDOWS.md differs; the right one is {}",
                made.display()
            );
        }
    }

    #[test]
    fn every_row_is_whole_in_both_languages() {
        let mut numbers: Vec<&str> = Code::ALL.iter().map(|code| code.number()).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), Code::ALL.len());
        for code in Code::ALL {
            let row = code.row();
            for (vi, en) in [row.message, row.remedy] {
                assert!(!vi.is_empty() && !en.is_empty() && vi != en, "{code:?}");
                assert_eq!(
                    vi.contains("{subject}"),
                    en.contains("{subject}"),
                    "{code:?}"
                );
            }
        }
    }
}
