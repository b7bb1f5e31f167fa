//! Realistic packets: what agencies' document-management systems hand to a node.
//!
//! Owns: the text of the sample documents and the making of their attachments (see [`crate::office`]).
//! The packets are written here by hand and not by the product's writer, so that a fault of the writer
//! cannot hide in the tests. Agencies and people are placeholders; numbers and titles follow Decree 30.
//! Must not know: HTTP, stations.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::office;

const NAMESPACE: &str = "http://www.mic.gov.vn/TBT/QCVN_102_2016";

/// One file of a packet.
#[derive(Debug, Clone)]
pub struct File {
    /// Name shown to people.
    pub name: String,
    /// MIME type.
    pub mime: &'static str,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// What one sample says.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Sending agency: code and name.
    pub from: (String, String),
    /// Receiving agencies: code and name.
    pub to: Vec<(String, String)>,
    /// Number, as text.
    pub number: String,
    /// Notation.
    pub notation: String,
    /// Date of issue, `yyyy/MM/dd`.
    pub date: String,
    /// Detail code and name of an administrative document.
    pub kind: (u8, &'static str),
    /// Abstract (trích yếu).
    pub subject: String,
    /// 0 normal to 3 immediate.
    pub priority: u8,
    /// Circulation limit, where a secrecy mark would stand.
    pub circulation: Option<String>,
    /// Attachments; the first is the main document.
    pub files: Vec<File>,
}

impl Letter {
    /// An ordinary letter without files.
    #[must_use]
    pub fn new(from: &str, to: &[&str], number: &str, subject: &str) -> Self {
        Self {
            from: (from.to_owned(), format!("Cơ quan {from}")),
            to: to
                .iter()
                .map(|code| ((*code).to_owned(), format!("Cơ quan {code}")))
                .collect(),
            number: number.to_owned(),
            notation: "SNV-VP".to_owned(),
            date: today(),
            kind: (18, "Công văn"),
            subject: subject.to_owned(),
            priority: 0,
            circulation: None,
            files: vec![],
        }
    }

    /// The same letter with one more file.
    #[must_use]
    pub fn with_file(mut self, name: &str, mime: &'static str, bytes: Vec<u8>) -> Self {
        self.files.push(File {
            name: name.to_owned(),
            mime,
            bytes,
        });
        self
    }

    /// DocumentId as the axis writes it.
    #[must_use]
    pub fn document_id(&self) -> String {
        format!(
            "{},{},{}/{}",
            self.from.0, self.date, self.number, self.notation
        )
    }

    /// The packet's bytes.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.head(&mut out);
        for (index, file) in self.files.iter().enumerate() {
            open_attachment(&mut out, index, &file.name, file.mime);
            out.extend_from_slice(STANDARD.encode(&file.bytes).as_bytes());
            close_attachment(&mut out);
        }
        self.tail(&mut out);
        out
    }

    /// Writes the packet with one more attachment of `bytes` bytes that never lie in memory at once: a
    /// running pattern made from `seed`.
    pub fn write_large(&self, out: &mut impl Write, seed: u64, bytes: u64) -> std::io::Result<()> {
        let mut letter = self.clone();
        let index = letter.files.len();
        letter.files.push(File {
            name: "du-lieu.bin".to_owned(),
            mime: "application/octet-stream",
            bytes: vec![],
        });
        let mut text = Vec::new();
        letter.head(&mut text);
        for (index, file) in self.files.iter().enumerate() {
            open_attachment(&mut text, index, &file.name, file.mime);
            text.extend_from_slice(STANDARD.encode(&file.bytes).as_bytes());
            close_attachment(&mut text);
        }
        open_attachment(&mut text, index, "du-lieu.bin", "application/octet-stream");
        out.write_all(&text)?;
        // 768 KiB is a multiple of three, so the pieces' base64 texts join without padding.
        let mut noise = Noise::new(seed);
        let mut left = bytes;
        let mut block = vec![0_u8; 768 * 1024];
        while left > 0 {
            let size = usize::try_from(left.min(768 * 1024)).expect("a block fits");
            noise.fill(&mut block[..size]);
            out.write_all(STANDARD.encode(&block[..size]).as_bytes())?;
            left -= u64::try_from(size).expect("a size fits");
        }
        let mut text = Vec::new();
        close_attachment(&mut text);
        self.tail(&mut text);
        out.write_all(&text)
    }

    fn head(&self, out: &mut Vec<u8>) {
        let mut x = String::new();
        x += "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
        x += &format!("<edXML xmlns=\"{NAMESPACE}\">");
        x += &format!("<edXML:edXMLEnvelope xmlns:edXML=\"{NAMESPACE}\"><edXML:edXMLHeader>");
        x += "<edXML:MessageHeader>";
        x += &organ("From", &self.from);
        for to in &self.to {
            x += &organ("To", to);
        }
        x += &tag(
            "Code",
            &[
                leaf("CodeNumber", &self.number),
                leaf("CodeNotation", &self.notation),
            ]
            .concat(),
        );
        x += &tag(
            "PromulgationInfo",
            &[
                leaf("Place", "Tỉnh A"),
                leaf("PromulgationDate", &self.date),
            ]
            .concat(),
        );
        x += &tag(
            "DocumentType",
            &[
                leaf("Type", "2"),
                leaf("TypeDetail", &self.kind.0.to_string()),
                leaf("TypeName", self.kind.1),
            ]
            .concat(),
        );
        x += &leaf("Subject", &self.subject);
        x += &tag(
            "SignerInfo",
            &[
                leaf("Competence", "KT."),
                leaf("Position", "Phó Giám đốc"),
                leaf("FullName", "Người Ký Mẫu"),
            ]
            .concat(),
        );
        let circulation = self
            .circulation
            .as_deref()
            .map_or(String::new(), |text| leaf("SphereOfPromulgation", text));
        x += &tag(
            "OtherInfo",
            &[leaf("Priority", &self.priority.to_string()), circulation].concat(),
        );
        x += &leaf("SteeringType", "0");
        x += &leaf("DocumentId", &self.document_id());
        x += "</edXML:MessageHeader>";
        x += "<edXML:TraceHeaderList id=\"a1b2c3d4e5\" version=\"1.0\">";
        x += &tag(
            "TraceHeader",
            &[
                leaf("OrganId", &self.from.0),
                leaf("Timestamp", &format!("{} 08:30:00", self.date)),
            ]
            .concat(),
        );
        x += &tag(
            "Bussiness",
            &[leaf("BussinessDocType", "0"), leaf("Paper", "0")].concat(),
        );
        x += "</edXML:TraceHeaderList></edXML:edXMLHeader>";
        x += "<edXML:edXMLBody><edXML:edXMLManifest version=\"1.0\">";
        for (index, file) in self.files.iter().enumerate() {
            x += &tag(
                "Reference",
                &[
                    leaf("ContentId", &format!("cid:tep-{index}")),
                    leaf("ContentType", file.mime),
                    leaf("AttachmentName", &file.name),
                ]
                .concat(),
            );
        }
        x += "</edXML:edXMLManifest></edXML:edXMLBody></edXML:edXMLEnvelope>";
        if !self.files.is_empty() {
            x += "<AttachmentEncoded>";
        }
        out.extend_from_slice(x.as_bytes());
    }

    fn tail(&self, out: &mut Vec<u8>) {
        // `write_large` always has a file more than `self` and closes the list itself.
        let end: &[u8] = if out.ends_with(b"</Attachment>") {
            b"</AttachmentEncoded></edXML>\n"
        } else {
            b"</edXML>\n"
        };
        out.extend_from_slice(end);
    }
}

fn open_attachment(out: &mut Vec<u8>, index: usize, name: &str, mime: &str) {
    let text = format!(
        "<Attachment><ContentId>cid:tep-{index}</ContentId><AttachmentName>{}</AttachmentName>\
         <ContentType>{mime}</ContentType><ContentTransferEncoded>",
        escape(name)
    );
    out.extend_from_slice(text.as_bytes());
}

fn close_attachment(out: &mut Vec<u8>) {
    out.extend_from_slice(b"</ContentTransferEncoded></Attachment>");
}

fn organ(element: &str, (code, name): &(String, String)) -> String {
    tag(
        element,
        &[leaf("OrganId", code), leaf("OrganName", name)].concat(),
    )
}

fn tag(element: &str, inner: &str) -> String {
    format!("<edXML:{element}>{inner}</edXML:{element}>")
}

fn leaf(element: &str, text: &str) -> String {
    tag(element, &escape(text))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// A letter whose packet has exactly `size` bytes (at least about 2 KiB): random bytes as one attachment.
#[must_use]
pub fn sized(from: &str, to: &[&str], number: u64, size: usize) -> Vec<u8> {
    let letter = Letter::new(from, to, &number.to_string(), "Đo tốc độ");
    let empty = letter
        .clone()
        .with_file("a.bin", "application/octet-stream", vec![]);
    let frame = empty.packet().len();
    let room = size.saturating_sub(frame);
    let mut bytes = vec![0_u8; room / 4 * 3];
    Noise::new(number.wrapping_add(1)).fill(&mut bytes);
    // An attachment may not be empty: with many recipients the header alone fills a small packet.
    let letter = if bytes.is_empty() {
        letter
    } else {
        letter.with_file("a.bin", "application/octet-stream", bytes)
    };
    let mut packet = letter.packet();
    // Base64 comes in fours; spaces before the end of the document make up the rest.
    while packet.len() < size {
        packet.push(b'\n');
    }
    packet
}

/// Today's date in Vietnam, `yyyy/MM/dd`.
#[must_use]
pub fn today() -> String {
    let now = relay::clock::Clock::system().now();
    let today = formats::edxml::Date::in_vietnam(now).expect("the clock shows a day");
    today.iso().replace('-', "/")
}

/// Repeatable bytes that do not compress: xorshift64*, good enough for filling files.
#[derive(Debug)]
pub struct Noise(u64);

impl Noise {
    /// A sequence of its own for each seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Fills a slice.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.word().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// Sender (0, 1 or 2), number, notation, code and name of the type, priority, abstract.
type DemoRow = (
    usize,
    &'static str,
    &'static str,
    u8,
    &'static str,
    u8,
    &'static str,
);

const DEMO: [DemoRow; 12] = [
    (
        0,
        "1283",
        "SNV-VP",
        25,
        "Giấy mời",
        1,
        "Giấy mời họp giao ban cải cách hành chính tháng 11",
    ),
    (
        0,
        "45",
        "QĐ-SNV",
        2,
        "Quyết định",
        0,
        "Quyết định ban hành Quy chế làm việc của Sở Nội vụ",
    ),
    (
        0,
        "1284",
        "SNV-CCVC",
        18,
        "Công văn",
        0,
        "Về việc rà soát, sắp xếp vị trí việc làm năm 2026",
    ),
    (
        0,
        "1279",
        "SNV-TCBC",
        14,
        "Báo cáo",
        3,
        "Báo cáo kết quả thực hiện tinh giản biên chế quý III",
    ),
    (
        0,
        "102",
        "KH-SNV",
        10,
        "Kế hoạch",
        0,
        "Kế hoạch kiểm tra công tác văn thư, lưu trữ năm 2026",
    ),
    (
        1,
        "57",
        "BC-UBND",
        14,
        "Báo cáo",
        0,
        "Báo cáo tình hình kinh tế - xã hội tháng 10",
    ),
    (
        1,
        "23",
        "TTr-UBND",
        16,
        "Tờ trình",
        0,
        "Tờ trình đề nghị bổ sung biên chế công chức cấp xã",
    ),
    (
        1,
        "88",
        "UBND-VX",
        18,
        "Công văn",
        0,
        "Về việc cử cán bộ dự lớp bồi dưỡng nghiệp vụ",
    ),
    (
        2,
        "512",
        "TB-BNV",
        7,
        "Thông báo",
        1,
        "Thông báo lịch tiếp công dân quý IV",
    ),
    (
        2,
        "19",
        "HD-BNV",
        8,
        "Hướng dẫn",
        0,
        "Hướng dẫn triển khai quản lý hồ sơ điện tử",
    ),
    (
        2,
        "640",
        "BNV-VP",
        19,
        "Công điện",
        3,
        "Công điện về việc chủ động ứng phó mưa lũ",
    ),
    (
        0,
        "1290",
        "SNV-LTLS",
        18,
        "Công văn",
        0,
        "Gửi bộ hồ sơ số hóa tài liệu lưu trữ (tệp lớn)",
    ),
];

/// The dozen documents of the demo: each agency writes to the two others; the last carries a file of 20 MiB.
#[must_use]
pub fn demo(agencies: &[(String, String)]) -> Vec<Letter> {
    assert_eq!(agencies.len(), 3, "the demo has three agencies");
    let mut letters: Vec<Letter> = DEMO.iter().map(|row| demo_letter(row, agencies)).collect();
    let scan = letters.last_mut().expect("twelve letters");
    let mut bytes = vec![0_u8; 20 * 1024 * 1024];
    Noise::new(20).fill(&mut bytes);
    scan.files.push(File {
        name: "ho-so-quet.pdf".to_owned(),
        mime: "application/pdf",
        bytes: office::pdf_with_data(&["Bộ hồ sơ số hóa tài liệu lưu trữ"], &bytes),
    });
    letters
}

fn demo_letter(row: &DemoRow, agencies: &[(String, String)]) -> Letter {
    let (sender, number, notation, detail, kind, priority, subject) = *row;
    let from = &agencies[sender];
    let to: Vec<(String, String)> = agencies
        .iter()
        .filter(|agency| *agency != from)
        .cloned()
        .collect();
    let title = format!("Số: {number}/{notation}");
    let lines = [from.1.as_str(), title.as_str(), kind, subject];
    let table: Vec<[&str; 2]> = to
        .iter()
        .map(|(code, name)| [code.as_str(), name.as_str()])
        .collect();
    let rows: Vec<&[&str]> = std::iter::once(&["Mã định danh", "Nơi nhận"])
        .chain(&table)
        .map(<[&str; 2]>::as_slice)
        .collect();
    let letter = Letter {
        from: from.clone(),
        notation: notation.to_owned(),
        kind: (detail, kind),
        priority,
        ..Letter::new(&from.0, &[], number, subject)
    };
    let stem = format!("{number}-{notation}");
    Letter {
        to: to.clone(),
        ..letter
    }
    .with_file(
        &format!("{stem}.pdf"),
        "application/pdf",
        office::pdf(&lines),
    )
    .with_file(
        &format!("{stem} (bản soạn thảo).docx"),
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        office::docx(&lines),
    )
    .with_file(
        "Phụ lục.xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        office::xlsx(&rows),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sized_packet_has_its_size() {
        for size in [4096, 256 * 1024] {
            assert_eq!(sized("H01.36", &["H01.36.04"], 7, size).len(), size);
        }
    }

    #[test]
    fn the_demo_packets_are_valid_and_raise_no_warning_but_the_missing_inner_signature() {
        let agencies: Vec<(String, String)> = ["H01.36", "H01.36.04", "G09"]
            .map(|code| (code.to_owned(), "Tên".to_owned()))
            .into();
        for letter in demo(&agencies) {
            let packet = letter.packet();
            let read = formats::edxml::read(
                packet.as_slice(),
                &mut formats::edxml::NullSink,
                &formats::edxml::Limits::default(),
            );
            let formats::edxml::Packet::Document(document) = read.expect("a sample is readable")
            else {
                panic!("a sample is a document")
            };
            assert_eq!(document.attachments.len(), letter.files.len());
            assert!(
                document.warnings.is_empty(),
                "{}: {:?}",
                letter.subject,
                document.warnings
            );
            let date = formats::edxml::Date::parse(&letter.date)
                .expect("a date")
                .value;
            let verdict = formats::edxml::validate::document(&document, date);
            assert!(
                verdict.faults.is_empty(),
                "{}: {:?}",
                letter.subject,
                verdict.faults
            );
            // Signatures inside the XML are not used in practice; the node signs the packet from outside.
            let others: Vec<_> = verdict
                .warnings
                .iter()
                .filter(|warning| warning.code != "W-NOSIG")
                .collect();
            assert!(others.is_empty(), "{}: {others:?}", letter.subject);
        }
    }
}
