//! Sample packets of every kind, and sinks that remember.

use std::io;

use crate::edxml::{
    AttachmentRef, AttachmentSink, Business, Code, Date, DocumentPacket, DocumentType, Ended, Form,
    Hop, Issued, Limits, Org, OrganId, OtherInfo, Packet, ReadError, Replaced, ResponseFor, Signer,
    Staff, StatusCode, StatusPacket, Trace, read, write, write_status,
};
use crate::id::Digest;
use crate::time::Timestamp;

pub(super) fn today() -> Date {
    Date::new(2026, 1, 9).unwrap()
}

/// 2026-01-09 08:30:00 in Vietnam.
pub(super) fn now() -> Timestamp {
    today().at_vietnam_ms(8 * 3_600_000 + 30 * 60_000)
}

pub(super) fn org(code: &str, name: &str) -> Org {
    Org {
        organ_id: OrganId::new(code),
        name: name.to_owned(),
        ..Org::default()
    }
}

pub(super) fn staff() -> Staff {
    Staff {
        department: Some("Văn phòng".to_owned()),
        name: Some("Lê Thị Ví Dụ".to_owned()),
        email: Some("vidu@h98.example".to_owned()),
        mobile: Some("0900000000".to_owned()),
    }
}

pub(super) const FILES: [&[u8]; 2] = [b"%PDF-1.4\n", b"bang tinh"];

fn attachment(index: usize, cid: &str, name: &str, mime: &str) -> AttachmentRef {
    AttachmentRef {
        index,
        cid: cid.to_owned(),
        name: name.to_owned(),
        mime: mime.to_owned(),
        description: (index == 0).then(|| "văn bản chính".to_owned()),
        size: u64::try_from(FILES[index].len()).unwrap(),
        sha256: Digest::of(FILES[index]),
        implicit_zip: false,
    }
}

fn other_info() -> OtherInfo {
    OtherInfo {
        priority: Some(1),
        circulation: Some("Lưu hành nội bộ".to_owned()),
        drafter: Some("TVM".to_owned()),
        copies: Some(3),
        pages: Some(2),
        appendixes: vec!["Phụ lục I".to_owned()],
        reference_codes: Some("H98.07-260109-0001".to_owned()),
        reply_fors: Some("x".to_owned()),
    }
}

/// A packet with every field in use.
pub(super) fn document(business: Business) -> DocumentPacket {
    DocumentPacket {
        from: Org {
            in_charge: Some("UBND tỉnh Thử".to_owned()),
            address: Some("1 Phố <Ví & Dụ>".to_owned()),
            email: Some("stn@h98.example".to_owned()),
            telephone: Some("024 000".to_owned()),
            fax: Some("024 001".to_owned()),
            website: Some("https://h98.example".to_owned()),
            ..org("H98.07", "Sở Thử nghiệm")
        },
        to: vec![
            org("H98.151", "UBND xã \"Ví Dụ\""),
            org("000.00.03.H29", "Sở Mẫu"),
        ],
        code: Code {
            number: "05".to_owned(),
            notation: "STN-VP".to_owned(),
        },
        issued: Issued {
            place: Some("Ví Dụ".to_owned()),
            date: Some(today()),
        },
        doc_type: DocumentType {
            class: Some(2),
            detail: Some(18),
            name: "Công văn".to_owned(),
        },
        subject: "V/v kiểm thử liên thông".to_owned(),
        summary: Some("Tóm tắt".to_owned()),
        signer: Signer {
            competence: Some("KT.".to_owned()),
            position: Some("Phó Giám đốc".to_owned()),
            full_name: "Trần Văn Mẫu".to_owned(),
        },
        due: Date::new(2026, 1, 20),
        to_places: vec!["Như trên".to_owned(), "Lưu: VT".to_owned()],
        other: other_info(),
        response_for: vec![response()],
        steering: Some(0),
        document_id: "H98.07,2026/01/09,05/STN-VP".to_owned(),
        tasks: vec!["NV-1".to_owned(), "NV-2".to_owned()],
        application_type: Some("MOTCUA".to_owned()),
        trace: Trace {
            id: "a1b2c3d4".to_owned(),
            hops: vec![Hop {
                organ_id: OrganId::new("H98.07"),
                at: Some(now()),
            }],
        },
        business,
        paper: 1,
        staff: Some(staff()),
        attachments: vec![
            attachment(0, "f1", "05-STN-VP.pdf", "application/pdf"),
            attachment(1, "f2", "bảng tính.txt", "text/plain"),
        ],
        ..DocumentPacket::default()
    }
}

pub(super) fn response() -> ResponseFor {
    ResponseFor {
        organ_id: OrganId::new("H98.151"),
        code: "12/UBND-VX".to_owned(),
        date: Date::new(2026, 1, 2),
        document_id: Some("H98.151,2026/01/02,12/UBND-VX".to_owned()),
    }
}

pub(super) fn businesses() -> [Business; 4] {
    let target = "H98.07,2026/01/05,04/STN-VP".to_owned();
    let reason = "Sai thể thức".to_owned();
    [
        Business::New,
        Business::Recall {
            target: target.clone(),
            reason: reason.clone(),
        },
        Business::Update {
            target: target.clone(),
            reason: reason.clone(),
            content_changed: true,
            receivers_added: vec![OrganId::new("H98.152")],
            receivers_removed: vec![OrganId::new("H98.153"), OrganId::new("H98.154")],
        },
        Business::Replace {
            reason,
            replaced: vec![Replaced {
                document_id: target,
                holders: vec![OrganId::new("H98.151"), OrganId::new("H98.152")],
            }],
        },
    ]
}

pub(super) fn status(code: StatusCode) -> StatusPacket {
    StatusPacket {
        from: org("H98.151", "UBND xã Ví Dụ"),
        response_for: ResponseFor {
            organ_id: OrganId::new("H98.07"),
            code: "05/STN-VP".to_owned(),
            date: Some(today()),
            document_id: Some("H98.07,2026/01/09,05/STN-VP".to_owned()),
        },
        code,
        description: Some("ghi chú".to_owned()),
        at: Some(now()),
        staff: Some(staff()),
        ..StatusPacket::default()
    }
}

pub(super) fn written(packet: &DocumentPacket, form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    let count = packet.attachments.len();
    write(packet, form, &mut FILES[..count].to_vec(), &mut out).unwrap();
    out
}

pub(super) fn written_status(packet: &StatusPacket, form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    write_status(packet, form, &mut out).unwrap();
    out
}

pub(super) fn parsed(bytes: &[u8]) -> Result<Packet, ReadError> {
    read(bytes, &mut MemorySink::default(), &Limits::default())
}

pub(super) fn parsed_document(bytes: &[u8]) -> DocumentPacket {
    match parsed(bytes) {
        Ok(Packet::Document(packet)) => *packet,
        other => panic!("no document: {other:?}"),
    }
}

pub(super) fn parsed_status(bytes: &[u8]) -> StatusPacket {
    match parsed(bytes) {
        Ok(Packet::Status(packet)) => *packet,
        other => panic!("no status: {other:?}"),
    }
}

/// The written sample of a new document, for cutting and replacing.
pub(super) fn sample_text() -> String {
    String::from_utf8(written(&document(Business::New), Form::DotNet)).unwrap()
}

/// The sample with one piece of text replaced; the piece must be there.
pub(super) fn sample_with(from: &str, to: &str) -> String {
    let text = sample_text();
    assert!(text.contains(from), "the sample has no {from}");
    text.replace(from, to)
}

pub(super) fn codes(faults: &[crate::edxml::Fault]) -> Vec<&str> {
    faults.iter().map(|fault| fault.code.as_str()).collect()
}

pub(super) fn warning_codes(warnings: &[crate::edxml::Warning]) -> Vec<&str> {
    warnings.iter().map(|warning| warning.code).collect()
}

/// Keeps everything, and the largest piece it was handed.
#[derive(Debug, Default)]
pub(super) struct MemorySink {
    pub(super) files: Vec<Vec<u8>>,
    pub(super) ended: Vec<Ended>,
    pub(super) discarded: Vec<usize>,
    pub(super) largest: usize,
    pub(super) keep_nothing: bool,
}

impl AttachmentSink for MemorySink {
    fn begin(&mut self, index: usize) -> io::Result<()> {
        assert_eq!(index, self.files.len(), "attachments come in order");
        self.files.push(Vec::new());
        Ok(())
    }
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.largest = self.largest.max(bytes.len());
        if !self.keep_nothing {
            self.files.last_mut().unwrap().extend_from_slice(bytes);
        }
        Ok(())
    }
    fn end(&mut self, ended: Ended) -> io::Result<()> {
        self.ended.push(ended);
        Ok(())
    }
    fn discard(&mut self, index: usize) -> io::Result<()> {
        self.discarded.push(index);
        Ok(())
    }
}
