//! What the verification of a record found, in words of two languages.
//!
//! Owns: the vocabulary. Fails: not at all. Must not know how anything was found.

use formats::time::Timestamp;

use super::hash::Hash;
use crate::pdf::Reason;

/// Which time-stamp: both count from 1, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The chain.
    pub chain: usize,
    /// The time-stamp in it.
    pub stamp: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.chain, self.stamp)
    }
}

/// One archive time-stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StampReport {
    /// Where it stands.
    pub place: Place,
    /// Its digest.
    pub hash: Hash,
    /// Its token's time.
    pub time: Timestamp,
    /// Name of the authority.
    pub tsa: String,
    /// When the authority's certificate, or one above it, ends.
    pub certificate_end: Timestamp,
    /// Until when it had to hold: the time of the next one, or the time of the verification.
    pub held_until: Timestamp,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The time-stamps that could be read, oldest first.
    pub stamps: Vec<StampReport>,
    /// Names of the objects that every chain covers.
    pub covered: Vec<String>,
    /// Values of the first list that belong to no object given; in a group this is a fault.
    pub surplus: usize,
    /// Chains whose tie to the chains before could not be looked at, because no objects were given.
    pub unlinked: usize,
    /// What is wrong; nothing when the record holds.
    pub faults: Vec<Fault>,
}

impl Report {
    /// Whether the record holds for the objects given.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.faults.is_empty()
    }

    /// The time that is proven: that of the oldest time-stamp.
    #[must_use]
    pub fn proven(&self) -> Option<Timestamp> {
        let oldest = self.stamps.first().map(|stamp| stamp.time);
        oldest.filter(|_| self.holds())
    }
}

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The token's digest is another one than the time-stamp says.
    AlgorithmDiffers(Place),
    /// An algorithm did not count any more when it had to.
    AlgorithmEnded {
        /// Where.
        place: Place,
        /// Its name in the table of ends.
        name: &'static str,
        /// When it ended.
        end: Timestamp,
        /// When it had to count.
        at: Timestamp,
    },
    /// The newest authority's certificate is not believed at the time of the verification.
    Ended {
        /// Where.
        place: Place,
        /// Why.
        reason: Reason,
        /// At which time.
        at: Timestamp,
    },
    /// Its time is after the time of the verification.
    Future {
        /// Where.
        place: Place,
        /// Its time.
        time: Timestamp,
    },
    /// The renewal came when the time-stamp was not believed any more.
    Late {
        /// The time-stamp that was renewed too late.
        place: Place,
        /// Why it was not believed.
        reason: Reason,
        /// When it was renewed.
        at: Timestamp,
    },
    /// The time-stamp does not cover the token before it.
    Link(Place),
    /// An object is not among the values under a time-stamp.
    Missing {
        /// Where.
        place: Place,
        /// The object.
        object: String,
    },
    /// Another digest than the chain began with.
    Mixed(Place),
    /// The record does not list the digest.
    NotDeclared {
        /// Where.
        place: Place,
        /// Which.
        hash: Hash,
    },
    /// It is older than the time-stamp before it.
    Order(Place),
    /// The group has values that belong to no object given.
    Surplus {
        /// Where.
        place: Place,
        /// How many.
        values: usize,
    },
    /// The token cannot be read, or its signature does not hold.
    Token {
        /// Where.
        place: Place,
        /// Why.
        reason: Reason,
    },
    /// The tree does not lead to what was stamped.
    Tree(Place),
    /// The authority is not believed at the token's own time.
    Untrusted {
        /// Where.
        place: Place,
        /// Why.
        reason: Reason,
    },
}

impl Fault {
    /// In English.
    #[must_use]
    pub fn english(&self) -> String {
        match self {
            Self::AlgorithmDiffers(place) => {
                format!("time-stamp {place}: its token is over another kind of digest than it says")
            }
            Self::AlgorithmEnded {
                place,
                name,
                end,
                at,
            } => format!(
                "time-stamp {place}: {name} ended on {}, and it had to count until {}",
                end.rfc3339(),
                at.rfc3339()
            ),
            Self::Ended { place, reason, at } => format!(
                "time-stamp {place}: its authority is not believed on {}: {}",
                at.rfc3339(),
                reason.english()
            ),
            Self::Future { place, time } => format!(
                "time-stamp {place}: its time {} lies after the time of this check",
                time.rfc3339()
            ),
            Self::Late { place, reason, at } => format!(
                "time-stamp {place}: it was renewed too late, on {}: {}",
                at.rfc3339(),
                reason.english()
            ),
            Self::Link(place) => {
                format!("time-stamp {place}: it does not cover the time-stamp before it")
            }
            Self::Missing { place, object } => {
                format!("time-stamp {place}: it does not cover {object}")
            }
            Self::Mixed(place) => {
                format!("time-stamp {place}: another digest than the chain began with")
            }
            Self::NotDeclared { place, hash } => {
                format!("time-stamp {place}: the record does not list {hash}")
            }
            Self::Order(place) => format!("time-stamp {place}: it is older than the one before it"),
            Self::Surplus { place, values } => {
                format!("time-stamp {place}: the group has {values} more objects than were given")
            }
            Self::Token { place, reason } => {
                format!("time-stamp {place}: unusable token: {}", reason.english())
            }
            Self::Tree(place) => {
                format!("time-stamp {place}: its hash tree does not lead to what was stamped")
            }
            Self::Untrusted { place, reason } => format!(
                "time-stamp {place}: its authority is not believed: {}",
                reason.english()
            ),
        }
    }

    /// In Vietnamese.
    #[must_use]
    pub fn vietnamese(&self) -> String {
        match self {
            Self::AlgorithmDiffers(place) => {
                format!("dấu thời gian {place}: thuật toán băm trong dấu khác với bản ghi khai")
            }
            Self::AlgorithmEnded {
                place,
                name,
                end,
                at,
            } => format!(
                "dấu thời gian {place}: {name} hết giá trị từ {}, trong khi phải còn giá trị đến {}",
                end.vietnam(),
                at.vietnam()
            ),
            Self::Ended { place, reason, at } => format!(
                "dấu thời gian {place}: đơn vị cấp dấu không được tin cậy vào {}: {}",
                at.vietnam(),
                reason.vietnamese()
            ),
            Self::Future { place, time } => format!(
                "dấu thời gian {place}: giờ của dấu ({}) sau thời điểm kiểm tra",
                time.vietnam()
            ),
            Self::Late { place, reason, at } => format!(
                "dấu thời gian {place}: gia hạn quá muộn ({}): {}",
                at.vietnam(),
                reason.vietnamese()
            ),
            Self::Link(place) => {
                format!("dấu thời gian {place}: không bao gồm dấu thời gian trước nó")
            }
            Self::Missing { place, object } => {
                format!("dấu thời gian {place}: không bao gồm {object}")
            }
            Self::Mixed(place) => {
                format!("dấu thời gian {place}: thuật toán băm khác với đầu chuỗi")
            }
            Self::NotDeclared { place, hash } => {
                format!("dấu thời gian {place}: bản ghi không khai thuật toán {hash}")
            }
            Self::Order(place) => format!("dấu thời gian {place}: cũ hơn dấu đứng trước nó"),
            Self::Surplus { place, values } => {
                format!("dấu thời gian {place}: nhóm có thêm {values} đối tượng không được đưa ra")
            }
            Self::Token { place, reason } => format!(
                "dấu thời gian {place}: không dùng được: {}",
                reason.vietnamese()
            ),
            Self::Tree(place) => {
                format!("dấu thời gian {place}: cây băm không dẫn tới giá trị được đóng dấu")
            }
            Self::Untrusted { place, reason } => format!(
                "dấu thời gian {place}: đơn vị cấp dấu không được tin cậy: {}",
                reason.vietnamese()
            ),
        }
    }
}
