//! The rows of the policy about logs: others' and our own.

use super::Row;

pub(super) const FORK: Row = Row {
    number: "TRAM-370",
    name: "log_fork",
    source: "evidence log of another station: two histories",
    window: "none: the alarm rises as soon as two heads of one log, both properly signed, cannot be of one log. It is over \
             when the station's log goes on in a later epoch; the two signed notes stay (`log conflicts`).",
    goes_on: "all traffic: what to do about the station is for people to decide.",
    stops: "nothing by itself. Statements of that log prove only what each of them says; whether others were left out is open.",
    message: (
        "Nhật ký bằng chứng {subject} đã trình ra hai lịch sử khác nhau (rẽ nhánh).",
        "The evidence log {subject} has shown two different histories (a fork).",
    ),
    remedy: (
        "Xuất bằng chứng của {subject} bằng `tram-relay log conflicts --json` và gửi cho đơn vị vận hành trạm đó và đơn vị \
         quản lý mạng; trạm đó phải mở kỳ nhật ký mới (`log epoch`).",
        "Export the evidence about {subject} with `tram-relay log conflicts --json` and send it to the operator of that station \
         and of the network; that station has to open a new epoch (`log epoch`).",
    ),
};

pub(super) const REWIND: Row = Row {
    number: "TRAM-371",
    name: "log_rewind",
    source: "evidence log of another station: shorter than it was",
    window: "none: the alarm rises as soon as the station itself says that it has no log of a size that it has signed (it \
             was restored from an older copy, or cut). Over as with TRAM-370.",
    goes_on: "all traffic.",
    stops: "nothing by itself; the station concerned stops stating when it learns it (TRAM-373).",
    message: (
        "Nhật ký bằng chứng {subject} bị lùi lại: trạm không còn những gì chính nó đã ký.",
        "The evidence log {subject} was set back: the station no longer has what it has signed.",
    ),
    remedy: (
        "Báo cho đơn vị vận hành trạm của {subject}: dữ liệu đã bị thay bằng bản cũ; xuất bằng chứng bằng `tram-relay log \
         conflicts --json`.",
        "Tell the operator of {subject}: its data were replaced by an older copy; export the evidence with `tram-relay log \
         conflicts --json`.",
    ),
};

pub(super) const UNPROVEN: Row = Row {
    number: "TRAM-372",
    name: "log_unproven",
    source: "evidence log of another station: no proof that it only grew",
    window: "W from the first head that was seen and is not proven to go on from those before it: its station does not answer, \
             or what others pass on does not hold.",
    goes_on: "all traffic, and asking.",
    stops: "nothing.",
    message: (
        "Chưa có chứng minh rằng nhật ký bằng chứng {subject} chỉ được ghi thêm.",
        "There is no proof that the evidence log {subject} only grew.",
    ),
    remedy: (
        "Kiểm tra trạm của {subject} có đang chạy và có đường tới không; nếu trạm trả lời mà vẫn không chứng minh, báo cho đơn \
         vị vận hành trạm đó.",
        "Look whether the station of {subject} runs and is reached; if it answers and still gives no proof, tell its operator.",
    ),
};

pub(super) const OWN: Row = Row {
    number: "TRAM-373",
    name: "own_log",
    source: "this station's own evidence log: an older copy",
    window: "none: the alarm rises as soon as another station shows a head of this log, signed by this station, that is not \
             in the log here. It is over when the next epoch is open.",
    goes_on: "links, records, what needs no statement, proofs of what was stated, answers to other stations' questions.",
    stops: "every statement: offers are refused (`busy`) with a time to come back, submissions and deliveries wait. A log is never \
            continued over what it has signed before.",
    message: (
        "Nhật ký bằng chứng {subject} của chính trạm này là bản cũ: trạm khác giữ phần sau do trạm này đã ký.",
        "This station's own evidence log {subject} is an older copy: others hold a later part, signed by this station.",
    ),
    remedy: (
        "Nếu có dữ liệu mới hơn thì khôi phục bản đó. Nếu không: dừng trạm, chạy `tram-relay log epoch --why restored` (hoặc \
         `tram-node log epoch`), rồi chạy lại; kỳ mới nêu rõ phần của {subject} bị mất.",
        "If there is a newer copy of the data, restore that. If not: stop the station, run `tram-relay log epoch --why restored` \
         (or `tram-node log epoch`) and start it again; the new epoch names what {subject} has lost.",
    ),
};

pub(super) const WITNESSES: Row = Row {
    number: "TRAM-374",
    name: "witnesses",
    source: "witnesses of this station's log",
    window: "W from the last checkpoint that as many witnesses cosigned as the trust list needs; at once when a witness has forgotten \
             what it cosigned.",
    goes_on: "all traffic; checkpoints are signed and stamped.",
    stops: "evidence since then stays `stamped` and is not called witnessed.",
    message: (
        "Chưa đủ bên chứng kiến ký xác nhận nhật ký bằng chứng {subject}.",
        "Too few witnesses cosign the evidence log {subject}.",
    ),
    remedy: (
        "Kiểm tra các máy chủ chứng kiến và địa chỉ `[witness] urls`; bên chứng kiến phải biết nhật ký {subject} (bản ghi trạm \
         hoặc khóa).",
        "Look at the witnesses and at `[witness] urls`; a witness has to know the log {subject} (by its station record or key).",
    ),
};
