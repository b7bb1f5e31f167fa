//! Every byte of Trạm that leaves a process: ids, limits, header, evidence, link frames, records.
//!
//! This crate says how things are written and read back, and nothing else. It is pure: no clock
//! (`now` is a parameter where one is needed), no random numbers, no file or socket, no log;
//! readers and writers of the caller are the only I/O. It does not verify signatures and does not
//! know keys: that is `pki`. Every decoder is bounded before it allocates, refuses trailing bytes
//! and refuses a second encoding of the same value wherever the bytes are signed or hashed. A
//! decoder fails with an error value that says what was wrong; it never panics on input.
//!
//! `SPEC.md` beside this crate states each format for other implementers; `vectors/` holds
//! examples.
//!
//! # Glossary of Vietnamese terms of law
//!
//! | Vietnamese | here | meaning |
//! |---|---|---|
//! | Trục liên thông văn bản | backbone | the axis on which public bodies exchange documents |
//! | văn bản điện tử | document | what the clerk means by it: a packet and its life |
//! | gói tin edXML | packet | the `.edxml` file exactly as the sender's system made it |
//! | văn bản đi / văn bản đến | outgoing / incoming document | |
//! | bên gửi / bên nhận | sender / recipient | terms of Decision 28/2018/QĐ-TTg |
//! | mã định danh | agency code | Decision 20/2020/QĐ-TTg, e.g. `H01.36.04` |
//! | trích yếu | subject | abstract of the document; never in a header or a log |
//! | số, ký hiệu | number and notation | `123/UBND-VX` |
//! | nơi nhận | places to send to | as printed on the document |
//! | độ khẩn: thường, khẩn, thượng khẩn, hỏa tốc, hỏa tốc hẹn giờ | [`header::Priority`] | |
//! | độ mật: mật, tối mật, tuyệt mật | secrecy | such documents are refused: not for this network |
//! | ký số | signature | CMS signature of the agency |
//! | dấu thời gian | time-stamp | RFC 3161 token |
//! | chứng thư số | certificate | its revocation is "thu hồi chứng thư số" |
//! | thu hồi văn bản | recall | of a document; never of a certificate |
//! | lấy lại | take back | the sender's request, status 13 |
//! | biên nhận | receipt | statement, proof of inclusion and checkpoint |
//! | bằng chứng | evidence | said on screens only from a stamped checkpoint on |
//! | văn thư | records clerk | the main user of the desk |
//! | vào sổ, số đến | to register, arrival number | |

#![cfg_attr(
    not(test),
    warn(
        clippy::as_conversions,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod body;
pub mod cbor;
pub mod checkpoint;
pub mod edxml;
pub mod event;
pub mod frame;
pub mod header;
pub mod id;
pub mod limits;
pub mod merkle;
pub mod oid;
pub mod proof;
pub mod query;
pub mod reason;
pub mod recall;
pub mod receipt;
pub mod record;
pub mod statement;
pub mod text;
pub mod time;
pub mod witness;

#[cfg(test)]
mod tests;
