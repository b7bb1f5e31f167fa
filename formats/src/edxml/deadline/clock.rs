//! One running clock: what is owed, since when, until when, and where it stands.
//!
//! Owns the words shown beside it. Must not know: which events start or stop it (`course`).

use super::super::date::Date;
use super::calendar::end_of;
use crate::time::Timestamp;

/// What is owed. Order: the life of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clock {
    /// Signing → sent.
    Send,
    /// Sent → 01.
    Arrive,
    /// 01 → 02 or 03.
    Accept,
    /// 03 → 04.
    Assign,
    /// 03 → 06, by the date the sender set.
    Complete,
    /// Recall or update → 15 or 16.
    Answer,
}

/// One end of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The receiving agency (bên nhận).
    Receiver,
    /// The sending agency (bên gửi).
    Sender,
}

/// Where a clock stands, the most pressing first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Past its limit and still owed.
    Overdue,
    /// Little time is left: see [`Deadline::soon`].
    DueSoon,
    /// Still owed, time is left.
    Open,
    /// Still owed or done after the computed limit, but the calendar is not complete for these
    /// days: nobody is called late.
    Uncertain,
    /// Done after the limit.
    MetLate,
    /// Done in time.
    Met,
}

/// One clock of one document with one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// What is owed.
    pub clock: Clock,
    /// Since when.
    pub since: Timestamp,
    /// The last instant that is in time.
    pub due: Timestamp,
    /// From when on a screen warns: the last quarter of the span but at most three days, so that a
    /// weekend hides no warning; for a limit at the end of a day at the latest from 15:00, two
    /// hours before offices close, because a warning in the evening is read by nobody.
    pub soon: Timestamp,
    /// When it was done.
    pub met_at: Option<Timestamp>,
    /// Where it stands.
    pub standing: Standing,
    /// Whether the calendar is complete for the days counted.
    pub certain: bool,
}

impl Clock {
    /// All clocks.
    pub const ALL: [Self; 6] = [
        Self::Send,
        Self::Arrive,
        Self::Accept,
        Self::Assign,
        Self::Complete,
        Self::Answer,
    ];

    /// Stable code for JSON and files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Arrive => "arrive",
            Self::Accept => "accept",
            Self::Assign => "assign",
            Self::Complete => "complete",
            Self::Answer => "answer",
        }
    }

    /// What is owed, in Vietnamese.
    #[must_use]
    pub const fn vi(self) -> &'static str {
        match self {
            Self::Send => "Gửi văn bản",
            Self::Arrive => "Văn bản đến bên nhận",
            Self::Accept => "Tiếp nhận hoặc từ chối",
            Self::Assign => "Trình, phân công xử lý",
            Self::Complete => "Hoàn thành xử lý",
            Self::Answer => "Trả lời yêu cầu lấy lại, cập nhật",
        }
    }

    /// What is owed, in English.
    #[must_use]
    pub const fn en(self) -> &'static str {
        match self {
            Self::Send => "Send the document",
            Self::Arrive => "Arrival at the receiver",
            Self::Accept => "Accept or refuse",
            Self::Assign => "Submit and assign",
            Self::Complete => "Complete",
            Self::Answer => "Answer the take-back or update",
        }
    }

    /// Where the limit comes from, in Vietnamese.
    #[must_use]
    pub const fn law_vi(self) -> &'static str {
        match self {
            Self::Send => "Quyết định 28/2018/QĐ-TTg, Điều 6 khoản 2",
            Self::Arrive => "Ngưỡng cảnh báo của hệ thống (15 phút)",
            Self::Accept => "Nghị định 30/2020/NĐ-CP, Điều 21 khoản 2 điểm c",
            Self::Assign => "Nghị định 30/2020/NĐ-CP, Điều 23 khoản 1",
            Self::Complete => "Hạn xử lý ghi trong văn bản",
            Self::Answer => "Ngưỡng của hệ thống (hết ngày làm việc kế tiếp)",
        }
    }

    /// Where the limit comes from, in English.
    #[must_use]
    pub const fn law_en(self) -> &'static str {
        match self {
            Self::Send => "Decision 28/2018/QĐ-TTg, art. 6(2)",
            Self::Arrive => "alarm of this system (15 minutes)",
            Self::Accept => "Decree 30/2020/NĐ-CP, art. 21(2)c",
            Self::Assign => "Decree 30/2020/NĐ-CP, art. 23(1)",
            Self::Complete => "due date of the document",
            Self::Answer => "limit of this system (end of the next working day)",
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn owed_by(self) -> Side {
        match self {
            Self::Send => Side::Sender,
            Self::Arrive | Self::Accept | Self::Assign | Self::Complete | Self::Answer => {
                Side::Receiver
            }
        }
    }
}

impl Standing {
    /// Stable code for JSON and files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::DueSoon => "due_soon",
            Self::Open => "open",
            Self::Uncertain => "uncertain",
            Self::MetLate => "met_late",
            Self::Met => "met",
        }
    }

    /// In Vietnamese.
    #[must_use]
    pub const fn vi(self) -> &'static str {
        match self {
            Self::Overdue => "Quá hạn",
            Self::DueSoon => "Sắp đến hạn",
            Self::Open => "Trong hạn",
            Self::Uncertain => "Chưa chắc chắn (thiếu lịch nghỉ)",
            Self::MetLate => "Đã làm, trễ hạn",
            Self::Met => "Đã làm, đúng hạn",
        }
    }

    /// In English.
    #[must_use]
    pub const fn en(self) -> &'static str {
        match self {
            Self::Overdue => "Overdue",
            Self::DueSoon => "Due soon",
            Self::Open => "In time",
            Self::Uncertain => "Uncertain (calendar incomplete)",
            Self::MetLate => "Done late",
            Self::Met => "Done in time",
        }
    }

    /// Whether something is still owed or may be.
    #[must_use]
    pub const fn is_owed(self) -> bool {
        match self {
            Self::Overdue | Self::DueSoon | Self::Open | Self::Uncertain => true,
            Self::MetLate | Self::Met => false,
        }
    }
}

impl Deadline {
    /// A clock with its standing at `now`.
    pub(super) fn new(
        clock: Clock,
        (since, due): (Timestamp, Timestamp),
        certain: bool,
        met_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let soon = soon(since, due);
        let standing = match met_at {
            Some(met_at) if met_at <= due => Standing::Met,
            _ if !certain => Standing::Uncertain,
            Some(_) => Standing::MetLate,
            None if now > due => Standing::Overdue,
            None if now >= soon => Standing::DueSoon,
            None => Standing::Open,
        };
        Self {
            clock,
            since,
            due,
            soon,
            met_at,
            standing,
            certain,
        }
    }

    /// Whether somebody still has to act.
    #[must_use]
    pub const fn is_owed(&self) -> bool {
        self.met_at.is_none() && self.standing.is_owed()
    }
}

/// The clock to name in a row: the most pressing one that is still owed.
#[must_use]
pub fn next_due(deadlines: &[Deadline]) -> Option<&Deadline> {
    let owed = deadlines.iter().filter(|deadline| deadline.is_owed());
    owed.min_by_key(|deadline| (deadline.standing, deadline.due, deadline.clock))
}

/// The standing of a whole row: of the most pressing clock that is owed, else the worst of the
/// others; `None` without clocks.
#[must_use]
pub fn standing_of(deadlines: &[Deadline]) -> Option<Standing> {
    let owed = next_due(deadlines).map(|deadline| deadline.standing);
    owed.or_else(|| deadlines.iter().map(|deadline| deadline.standing).min())
}

/// Sorts rows, the most urgent first: overdue by age, then what is due next; rows that owe nothing
/// last.
#[must_use]
pub fn order(deadlines: &[Deadline]) -> (u8, i64) {
    let Some(next) = next_due(deadlines) else {
        return (u8::MAX, i64::MAX);
    };
    let rank = match next.standing {
        Standing::Overdue => 0,
        Standing::DueSoon => 1,
        Standing::Open => 2,
        Standing::Uncertain => 3,
        Standing::MetLate | Standing::Met => 4,
    };
    (rank, next.due.unix_ms())
}

fn soon(since: Timestamp, due: Timestamp) -> Timestamp {
    let quarter = due.minus_ms((due.minus(since) / 4).min(SOON_MS_MAX));
    let afternoon = Date::in_vietnam(due)
        .filter(|day| end_of(*day) == due)
        .map(|day| day.at_vietnam_ms(AFTERNOON_MS));
    quarter.min(afternoon.unwrap_or(quarter)).max(since)
}

const HOUR_MS: i64 = 3_600_000;
/// Friday evening to Monday evening.
const SOON_MS_MAX: i64 = 72 * HOUR_MS;
/// Two hours before 17:00.
const AFTERNOON_MS: i64 = 15 * HOUR_MS;
