//! What a check came to: findings in words and for tools. Owns the codes and texts of what can be wrong; must not
//! know how it is found.

use serde_json::{Value, json};

/// What is wrong. The codes are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A sealed body is not what the signed header says, or not there.
    Body,
    /// The statements about a leg do not follow each other.
    Chain,
    /// A stored checkpoint is not the head of these leaves, or its signatures do not hold.
    Checkpoint,
    /// The database file is damaged.
    Database,
    /// A row of an envelope does not agree with its signed header.
    Envelope,
    /// The first leaf of an epoch does not say where the log begins.
    Epoch,
    /// Evidence of another station does not prove what it is kept for.
    Evidence,
    /// A statement does not have its leaf hash, or a leaf is not there.
    Leaf,
    /// A leg's state has no statement behind it, or a statement no leg.
    Leg,
    /// A file that nothing names.
    Orphan,
    /// A packet of the desk is not what its digest says, or not there.
    Packet,
    /// A state that the desk shows has no receipt behind it, or a receipt does not prove what it is kept for.
    Receipt,
    /// A statement is not readable, or speaks for another.
    Statement,
    /// A tile does not agree with the leaves.
    Tile,
    /// A statement's time lies outside of the stamped checkpoints around it.
    Time,
}

impl What {
    /// The stable code, e.g. `leaf`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Chain => "chain",
            Self::Checkpoint => "checkpoint",
            Self::Database => "database",
            Self::Envelope => "envelope",
            Self::Epoch => "epoch",
            Self::Evidence => "evidence",
            Self::Leaf => "leaf",
            Self::Leg => "leg",
            Self::Orphan => "orphan",
            Self::Packet => "packet",
            Self::Receipt => "receipt",
            Self::Statement => "statement",
            Self::Tile => "tile",
            Self::Time => "time",
        }
    }

    /// What is wrong, in Vietnamese and in English.
    #[must_use]
    pub const fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Body => (
                "Nội dung đã niêm phong bị hỏng hoặc thiếu",
                "a sealed body is damaged or missing",
            ),
            Self::Chain => (
                "Chuỗi xác nhận của một lượt chuyển bị đứt",
                "the statements about a leg do not follow each other",
            ),
            Self::Checkpoint => (
                "Mốc ký của nhật ký không khớp với nhật ký",
                "a signed checkpoint does not fit the log",
            ),
            Self::Database => ("Tệp cơ sở dữ liệu bị hỏng", "the database file is damaged"),
            Self::Envelope => (
                "Dòng dữ liệu của phong bì không khớp với phần đầu đã ký",
                "an envelope's row does not agree with its signed header",
            ),
            Self::Epoch => (
                "Dòng mở đầu của nhật ký sai",
                "the first leaf of a log epoch is wrong",
            ),
            Self::Evidence => (
                "Bằng chứng nhận từ trạm khác không còn giá trị",
                "evidence of another station does not hold",
            ),
            Self::Leaf => (
                "Một xác nhận trong nhật ký đã bị sửa hoặc mất",
                "a statement in the log was altered or is gone",
            ),
            Self::Leg => (
                "Trạng thái của lượt chuyển không có xác nhận tương ứng",
                "a leg's state and the statements do not agree",
            ),
            Self::Orphan => ("Tệp không thuộc phong bì nào", "a file that nothing names"),
            Self::Packet => (
                "Gói tin lưu tại đơn vị bị hỏng hoặc thiếu",
                "a packet of the desk is damaged or missing",
            ),
            Self::Receipt => (
                "Trạng thái hiển thị không có biên nhận tương ứng",
                "a state that is shown and the receipts do not agree",
            ),
            Self::Statement => (
                "Xác nhận trong nhật ký không đọc được hoặc không phải của trạm này",
                "a statement is not readable or not this station's",
            ),
            Self::Tile => (
                "Khối băm của nhật ký không khớp với các xác nhận",
                "a tile of the log does not agree with the statements",
            ),
            Self::Time => (
                "Thời điểm của xác nhận nằm ngoài khoảng dấu thời gian chứng minh",
                "a statement's time is outside of what the time-stamps prove",
            ),
        }
    }

    /// Nothing is lost by it.
    #[must_use]
    pub const fn is_harmless(self) -> bool {
        matches!(self, Self::Orphan)
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: What,
    /// The station whose evidence or custody it is about.
    pub station: String,
    /// The log, if it is about one.
    pub log: Option<String>,
    /// First bad leaf in that log.
    pub first_bad: Option<u64>,
    /// The envelope, if it is about one.
    pub envelope: Option<String>,
    /// The recipient, if it is about one leg.
    pub recipient: Option<String>,
    /// The statement, in words: event, envelope, recipient.
    pub statement: Option<String>,
    /// Table and row, or file.
    pub place: String,
    /// This time, in words.
    pub detail: String,
}

impl Finding {
    /// As tools read it.
    #[must_use]
    pub fn json(&self) -> Value {
        let (vi, en) = self.what.texts();
        json!({
            "what": self.what.code(),
            "harmless": self.what.is_harmless(),
            "station": self.station,
            "log": self.log,
            "first_bad": self.first_bad,
            "envelope": self.envelope,
            "recipient": self.recipient,
            "statement": self.statement,
            "place": self.place,
            "detail": self.detail,
            "vi": vi,
            "en": en,
        })
    }

    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = format!("{}: {}", self.what.code(), self.what.texts().1);
        let facts = [
            ("log", self.log.clone()),
            ("leaf", self.first_bad.map(|index| index.to_string())),
            ("statement", self.statement.clone()),
            ("envelope", self.envelope.clone()),
            ("recipient", self.recipient.clone()),
        ];
        for (name, fact) in facts {
            if let Some(fact) = fact {
                line.push_str(&format!("; {name} {fact}"));
            }
        }
        line.push_str(&format!(" ({}: {})", self.place, self.detail));
        line
    }
}

/// What a check came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Whose folder it is.
    pub station: String,
    /// What is wrong, in the order in which it was found; at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many were left out of the list.
    pub left_out: u64,
    /// Statements looked at.
    pub statements: u64,
    /// Envelopes looked at.
    pub envelopes: u64,
    /// Bodies read.
    pub bodies: u64,
    /// Signatures that could not be judged, because a certificate is not in the records here.
    pub unjudged: u64,
}

impl Report {
    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.left_out += 1;
        }
    }

    /// Nothing is wrong but what harms nobody.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.left_out == 0 && self.findings.iter().all(|one| one.what.is_harmless())
    }

    /// As tools read it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "good": self.is_good(),
            "station": self.station,
            "findings": self.findings.iter().map(Finding::json).collect::<Vec<Value>>(),
            "left_out": self.left_out,
            "checked": {
                "statements": self.statements,
                "envelopes": self.envelopes,
                "bodies": self.bodies,
            },
            "signatures_unjudged": self.unjudged,
        })
    }

    /// For people: one line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.findings.iter().map(Finding::line).collect();
        if self.left_out > 0 {
            lines.push(format!("and {} more", self.left_out));
        }
        lines.push(format!(
            "{}: {} statements, {} envelopes, {} bodies checked; {}",
            self.station,
            self.statements,
            self.envelopes,
            self.bodies,
            if self.is_good() {
                "good (không có sai lệch)"
            } else {
                "NOT good (có sai lệch)"
            }
        ));
        lines
    }
}

/// Findings kept in a report: more say nothing more.
pub const FINDINGS_MAX: usize = 1_000;
