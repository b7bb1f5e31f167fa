//! The rule behind each finding: what it demands, where it comes from, and what to do about it, in both
//! languages. Findings name what is wrong in one packet; this names the rule, so that a maker of a
//! document-management system can look it up [edxml-model 6].
//!
//! Looked up by the finding's code; `N.`, `R.`, `M.` and `T.` are families whose source depends on the
//! field. Every code that can be found has an entry (tested). Must not know: packets, how rules are shown.

use super::labels;

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What the rule demands, in Vietnamese.
    pub vi: &'static str,
    /// What the rule demands, in English.
    pub en: &'static str,
    /// Where it comes from.
    pub source: Source,
    /// What to do, in Vietnamese.
    pub fix_vi: &'static str,
    /// What to do, in English.
    pub fix_en: &'static str,
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Decree 30/2020/NĐ-CP on clerical work.
    Decree30,
    /// Decision 28/2018/QĐ-TTg on exchange of electronic documents.
    Decision28,
    /// Technical regulation QCVN 102:2016/BTTTT with its amendment 1:2022.
    Qcvn102,
    /// What systems in use check, observed.
    Practice,
    /// Our own, where regulation and practice are silent.
    Tram,
}

impl Source {
    /// Its name in Vietnamese.
    #[must_use]
    pub const fn vi(self) -> &'static str {
        match self {
            Self::Decision28 => "Quyết định 28/2018/QĐ-TTg",
            Self::Decree30 => "Nghị định 30/2020/NĐ-CP, Phụ lục VI",
            Self::Practice => "Thông lệ của các hệ thống đang dùng",
            Self::Qcvn102 => "QCVN 102:2016/BTTTT và Sửa đổi 1:2022",
            Self::Tram => "Quy ước của Trạm",
        }
    }

    /// Its name in English.
    #[must_use]
    pub const fn en(self) -> &'static str {
        match self {
            Self::Decision28 => "Decision 28/2018/QĐ-TTg",
            Self::Decree30 => "Decree 30/2020/NĐ-CP, annex VI",
            Self::Practice => "practice of the systems in use",
            Self::Qcvn102 => "QCVN 102:2016/BTTTT with amendment 1:2022",
            Self::Tram => "Trạm's own rule",
        }
    }
}

/// The rule behind a finding's code, and for the families also its path. `None` for a code that no
/// reader or validator of ours gives.
#[must_use]
// [spec:edxml-32]
pub fn rule(code: &str, path: &str) -> Option<Rule> {
    if let Some((_, rule)) = CODED.iter().find(|(known, _)| *known == code) {
        return Some(*rule);
    }
    let (_, rule) = FAMILIES
        .iter()
        .find(|(prefix, _)| code.starts_with(prefix))?;
    let source = source_of(path).unwrap_or(rule.source);
    Some(Rule { source, ..*rule })
}

/// Name of the field at a path in Vietnamese, for headings.
#[must_use]
pub fn label(path: &str) -> &'static str {
    labels::of(path)
}

/// Who set the lengths and forms of a field.
fn source_of(path: &str) -> Option<Source> {
    let name = path.rsplit('/').next()?;
    let name = name.split('[').next().unwrap_or(name);
    FIELDS
        .iter()
        .find(|(field, _)| *field == name)
        .map(|(_, source)| *source)
}

const FIELDS: &[(&str, Source)] = &[
    ("Appendix", Source::Practice),
    ("AttachmentName", Source::Practice),
    ("CodeNotation", Source::Decree30),
    ("CodeNumber", Source::Decree30),
    ("Content", Source::Practice),
    ("DocumentId", Source::Qcvn102),
    ("Email", Source::Practice),
    ("FullName", Source::Decree30),
    ("OrganAdd", Source::Practice),
    ("OrganId", Source::Decision28),
    ("OrganName", Source::Decree30),
    ("OrganizationInCharge", Source::Practice),
    ("PageAmount", Source::Decree30),
    ("Place", Source::Practice),
    ("Position", Source::Decree30),
    ("PromulgationAmount", Source::Decree30),
    ("PromulgationDate", Source::Qcvn102),
    ("Subject", Source::Decree30),
    ("ToPlaces", Source::Decree30),
    ("TypeName", Source::Decree30),
    ("TyperNotation", Source::Practice),
];

/// Codes that stand for themselves.
const CODED: &[(&str, Rule)] = &[
    (
        "E-ATTACH",
        Rule {
            vi: "Mỗi tệp đính kèm phải được liệt kê một lần, giải mã được và không rỗng; tệp nén không được phình quá 200 lần",
            en: "every attachment is listed once, decodes and is not empty; a zipped one may not grow more than 200 times",
            source: Source::Qcvn102,
            fix_vi: "Xuất lại gói tin; kiểm tra base64 và ContentId của tệp đính kèm trong Manifest và AttachmentEncoded",
            fix_en: "export the packet again; check the base64 and that ContentId agrees in manifest and AttachmentEncoded",
        },
    ),
    (
        "E-BUSINESS",
        Rule {
            vi: "BussinessDocType là 0 (mới), 1 (thu hồi), 2 (cập nhật) hoặc 3 (thay thế) và phải chỉ rõ văn bản đích",
            en: "BussinessDocType is 0 (new), 1 (recall), 2 (update) or 3 (replace) and names its target document",
            source: Source::Qcvn102,
            fix_vi: "Ghi đúng loại nghiệp vụ và mã định danh của văn bản bị thu hồi, cập nhật hoặc thay thế",
            fix_en: "write one of the four types and the DocumentId of what is recalled, updated or replaced",
        },
    ),
    (
        "E-DOCTYPE",
        Rule {
            vi: "Gói tin không được có khai báo DOCTYPE: thực thể ẩn trong đó có thể đọc tệp của máy nhận",
            en: "a packet has no DOCTYPE: entities hidden in one could read the receiver's files",
            source: Source::Tram,
            fix_vi: "Bỏ dòng <!DOCTYPE …> khi xuất gói tin",
            fix_en: "leave the <!DOCTYPE …> line out when you export",
        },
    ),
    (
        "E-LIMIT",
        Rule {
            vi: "Gói tin nằm trong giới hạn: sâu 32 mức, 50.000 phần tử, 200 tệp, 2.000 bên nhận, 1 MiB mỗi đoạn chữ",
            en: "a packet keeps to the limits: 32 levels, 50,000 elements, 200 files, 2,000 receivers, 1 MiB of text in an element",
            source: Source::Tram,
            fix_vi: "Chia văn bản thành nhiều gói tin, hoặc bỏ phần dữ liệu thừa",
            fix_en: "split the document over several packets, or leave out what does not belong there",
        },
    ),
    (
        "E-NS",
        Rule {
            vi: "Phần tử gốc là edXML trong không gian tên QCVN 102:2016",
            en: "the root element is edXML in the namespace of QCVN 102:2016",
            source: Source::Qcvn102,
            fix_vi: "Kiểm tra tệp có phải gói tin edXML không; khai báo xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"",
            fix_en: "check that the file is an edXML packet; declare xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"",
        },
    ),
    (
        "E-RECEIVER",
        Rule {
            vi: "Bên nhận là mã có trong danh bạ, còn hiệu lực và nhận được qua trục",
            en: "a receiver is a code of the directory that is in force and can be reached over the backbone",
            source: Source::Decision28,
            fix_vi: "Tra mã trong danh bạ (tram agency TÊN); đơn vị đã sáp nhập thì dùng mã của đơn vị kế thừa",
            fix_en: "look the code up in the directory (tram agency NAME); for a merged unit use its successor's",
        },
    ),
    (
        "E-SECRET",
        Rule {
            vi: "Văn bản có dấu MẬT, TỐI MẬT, TUYỆT MẬT không được gửi qua trục (Điều 1 khoản 2)",
            en: "documents marked MẬT, TỐI MẬT or TUYỆT MẬT must not travel over this network (art. 1(2))",
            source: Source::Decision28,
            fix_vi: "Gửi bằng đường dành cho văn bản mật; nếu dấu mật ghi nhầm thì sửa rồi xuất lại",
            fix_en: "send it the way meant for secret documents; if the mark is a mistake, mend it and export again",
        },
    ),
    (
        "E-SENDER",
        Rule {
            vi: "From/OrganId là mã của đơn vị đang đăng nhập",
            en: "From/OrganId is the code of the agency that is logged in",
            source: Source::Tram,
            fix_vi: "Gửi bằng khóa API của đơn vị ghi trong From, hoặc sửa From",
            fix_en: "send with the API key of the agency in From, or mend From",
        },
    ),
    (
        "E-STATUS",
        Rule {
            vi: "Trạng thái trả lời một văn bản đã biết và do một bên của văn bản đó gửi",
            en: "a status answers a known document and comes from a party to it",
            source: Source::Qcvn102,
            fix_vi: "Kiểm tra ResponseFor: mã định danh, số ký hiệu và ngày của văn bản gốc",
            fix_en: "check ResponseFor: DocumentId, number and notation, and date of the original",
        },
    ),
    (
        "E-XML",
        Rule {
            vi: "Gói tin là XML 1.0, mã UTF-8, đúng cú pháp; mỗi trường không lặp xuất hiện một lần",
            en: "a packet is well-formed XML 1.0 in UTF-8; what does not repeat stands once",
            source: Source::Qcvn102,
            fix_vi: "Xuất lại gói tin; kiểm tra tệp có bị cắt ngang hoặc đổi mã ký tự không",
            fix_en: "export the packet again; check whether the file was cut off or its encoding changed",
        },
    ),
    (
        "N.Reason",
        Rule {
            vi: "Thu hồi, cập nhật, thay thế phải có lý do",
            en: "recall, update and replacement give a reason",
            source: Source::Qcvn102,
            fix_vi: "Điền BussinessDocReason",
            fix_en: "fill in BussinessDocReason",
        },
    ),
    (
        "W-ATTACH",
        Rule {
            vi: "Danh sách tệp trong Manifest khớp với các tệp đính kèm",
            en: "the manifest lists what is attached",
            source: Source::Qcvn102,
            fix_vi: "Cho Manifest và AttachmentEncoded cùng số tệp, cùng ContentId",
            fix_en: "give manifest and AttachmentEncoded the same files with the same ContentId",
        },
    ),
    (
        "W-CLOCK",
        Rule {
            vi: "Thời điểm trong gói tin không ở tương lai",
            en: "times in a packet are not in the future",
            source: Source::Tram,
            fix_vi: "Kiểm tra đồng hồ của máy xuất gói tin; thời gian ghi theo giờ Việt Nam (UTC+7)",
            fix_en: "check the clock of the exporting machine; times are written as UTC+7",
        },
    ),
    (
        "W-DATE",
        Rule {
            vi: "Ngày ghi yyyy/MM/dd, hạn xử lý không trước ngày ban hành, văn bản mới không quá một năm",
            en: "dates are yyyy/MM/dd, a due date follows the date of issue, a new document is not over a year old",
            source: Source::Qcvn102,
            fix_vi: "Ghi ngày theo mẫu yyyy/MM/dd và kiểm tra lại giá trị",
            fix_en: "write dates as yyyy/MM/dd and check their values",
        },
    ),
    (
        "W-DOCID",
        Rule {
            vi: "DocumentId gồm mã đơn vị, ngày, số/ký hiệu và khớp với các trường tương ứng",
            en: "DocumentId consists of OrganId, date, number/notation and agrees with those fields",
            source: Source::Qcvn102,
            fix_vi: "Ghi DocumentId theo mẫu H01.36,2026/01/09,05/STN-VP",
            fix_en: "write DocumentId like H01.36,2026/01/09,05/STN-VP",
        },
    ),
    (
        "W-DUP",
        Rule {
            vi: "Phải báo khi văn bản đã có: cùng DocumentId, hoặc cùng số, ký hiệu và cơ quan ban hành",
            en: "a document that is known must be pointed out: same DocumentId, or same number, notation and issuer",
            source: Source::Decree30,
            fix_vi: "Kiểm tra văn bản đã nhận trước khi xử lý lần nữa",
            fix_en: "look at the one received before working on it again",
        },
    ),
    (
        "W-LEN",
        Rule {
            vi: "Độ dài trường nằm trong giới hạn khuyến nghị",
            en: "the field keeps to its recommended length",
            source: Source::Decree30,
            fix_vi: "Rút ngắn nếu được; có hệ thống sẽ cắt bớt khi hiển thị",
            fix_en: "shorten it if you can; some systems cut it when they show it",
        },
    ),
    (
        "W-MIME",
        Rule {
            vi: "Kiểu tệp là kiểu đã đăng ký với IANA, đúng với nội dung và phần mở rộng",
            en: "the type of a file is registered with IANA and agrees with its content and its name",
            source: Source::Practice,
            fix_vi: "Ghi đúng ContentType; kiểm tra tệp trước khi mở nếu nội dung khác tên",
            fix_en: "write the true ContentType; look at the file before opening it when its content differs from its name",
        },
    ),
    (
        "W-MISSING",
        Rule {
            vi: "Trường này nên có, dù thiếu vẫn gửi được",
            en: "the field should be there, though the packet travels without it",
            source: Source::Qcvn102,
            fix_vi: "Điền trường này khi xuất gói tin",
            fix_en: "fill the field in when you export",
        },
    ),
    (
        "W-NOSIG",
        Rule {
            vi: "Gói tin có chữ ký bên trong (edXMLHeader/Signature)",
            en: "the packet has a signature inside (edXMLHeader/Signature)",
            source: Source::Qcvn102,
            fix_vi: "Không cần làm gì khi gửi qua Trạm: trạm ký toàn bộ gói tin",
            fix_en: "nothing to do when you send through Trạm: the node signs the whole packet",
        },
    ),
    (
        "W-NS",
        Rule {
            vi: "Không gian tên là của QCVN 102:2016; dạng khác vẫn đọc được",
            en: "the namespace is that of QCVN 102:2016; other known forms are read",
            source: Source::Qcvn102,
            fix_vi: "Khai báo xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"",
            fix_en: "declare xmlns=\"http://www.mic.gov.vn/TBT/QCVN_102_2016\"",
        },
    ),
    (
        "W-ORDER",
        Rule {
            vi: "Các thành phần của MessageHeader theo thứ tự 1.1 đến 1.14 hoặc thứ tự của thư viện Java",
            en: "the components of MessageHeader stand in the order 1.1 to 1.14 or in that of the Java library",
            source: Source::Practice,
            fix_vi: "Xuất các thành phần theo thứ tự của quy chuẩn",
            fix_en: "export the components in the order of the regulation",
        },
    ),
    (
        "W-SELF",
        Rule {
            vi: "Bên nhận khác bên gửi",
            en: "a receiver is another agency than the sender",
            source: Source::Tram,
            fix_vi: "Bỏ đơn vị gửi khỏi danh sách nhận, trừ khi cố ý",
            fix_en: "take the sender off the list of receivers, unless it is meant",
        },
    ),
    (
        "W-SHA1",
        Rule {
            vi: "Chữ ký bên trong dùng SHA-256 trở lên",
            en: "the signature inside uses SHA-256 or better",
            source: Source::Tram,
            fix_vi: "Cập nhật phần mềm ký số của hệ thống văn bản",
            fix_en: "update the signing software of the document system",
        },
    ),
    (
        "W-SIG",
        Rule {
            vi: "Chữ ký bên trong khớp với các tệp đính kèm mà nó ghi",
            en: "the signature inside agrees with the attachments that it names",
            source: Source::Tram,
            fix_vi: "Ký lại gói tin sau khi thay tệp đính kèm, hoặc bỏ chữ ký bên trong",
            fix_en: "sign again after changing an attachment, or leave the signature inside out",
        },
    ),
    (
        "W-STEP",
        Rule {
            vi: "Trạng thái và nghiệp vụ theo đúng thứ tự của văn bản: 01, 02 hoặc 03, 04, 05, 06; 15 hoặc 16 khi được hỏi",
            en: "statuses and acts come in the order of a document's life: 01, 02 or 03, 04, 05, 06; 15 or 16 when asked",
            source: Source::Tram,
            fix_vi: "Không phải sửa: gói tin được gửi và ghi lại, chỉ không đổi tình trạng văn bản",
            fix_en: "nothing to mend: the packet is sent and kept, it only moves nothing",
        },
    ),
    (
        "W-TYPE",
        Rule {
            vi: "Giá trị nằm trong danh mục hoặc đúng dạng thường dùng",
            en: "the value is on its list or has the usual form",
            source: Source::Qcvn102,
            fix_vi: "Chọn giá trị trong danh mục; giá trị lạ vẫn được giữ và hiển thị",
            fix_en: "choose a value from the list; an unknown one is kept and shown",
        },
    ),
];

/// Families of codes: the first letter says what is wrong, the rest names the field.
const FAMILIES: &[(&str, Rule)] = &[
    (
        "M.",
        Rule {
            vi: "Các giá trị liên quan phải khớp nhau và không lặp",
            en: "values that belong together agree, and nothing is listed twice",
            source: Source::Practice,
            fix_vi: "Sửa một trong hai giá trị, hoặc bỏ dòng lặp",
            fix_en: "mend one of the two values, or take the repeated one out",
        },
    ),
    (
        "N.",
        Rule {
            vi: "Trường bắt buộc phải có giá trị",
            en: "a mandatory field has a value",
            source: Source::Qcvn102,
            fix_vi: "Điền trường này khi xuất gói tin",
            fix_en: "fill the field in when you export",
        },
    ),
    (
        "R.",
        Rule {
            vi: "Giá trị nằm trong giới hạn độ dài hoặc khoảng cho phép",
            en: "the value keeps to its length or range",
            source: Source::Practice,
            fix_vi: "Rút ngắn hoặc sửa giá trị cho nằm trong giới hạn",
            fix_en: "shorten or change the value so that it fits",
        },
    ),
    (
        "T.",
        Rule {
            vi: "Giá trị đúng kiểu của trường",
            en: "the value has the type of its field",
            source: Source::Qcvn102,
            fix_vi: "Ghi lại giá trị theo mẫu nêu trong thông báo",
            fix_en: "write the value in the form that the finding names",
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_their_source_from_the_field() {
        let subject = rule("R.MessageHeader.Subject", "MessageHeader/Subject").unwrap();
        assert_eq!(subject.source, Source::Decree30);
        let organ = rule("T.MessageHeader.To.OrganId", "MessageHeader/To[2]/OrganId").unwrap();
        assert_eq!(organ.source, Source::Decision28);
        let other = rule("N.MessageHeader.Code", "MessageHeader/Code").unwrap();
        assert_eq!(other.source, Source::Qcvn102);
        assert_eq!(rule("X-UNKNOWN", ""), None);
    }

    #[test]
    fn codes_are_in_order_and_stand_once() {
        let codes: Vec<&str> = CODED.iter().map(|(code, _)| *code).collect();
        assert!(codes.is_sorted_by(|one, other| one < other), "{codes:?}");
        let fields: Vec<&str> = FIELDS.iter().map(|(field, _)| *field).collect();
        assert!(fields.is_sorted_by(|one, other| one < other), "{fields:?}");
    }

    /// The sources of the readers and validators are searched: a new code must get its rule.
    #[test]
    fn every_code_that_the_crate_gives_has_a_rule() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/edxml");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "rs")
                || path.ends_with("rulebook.rs")
            {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for quoted in text.split('"').skip(1).step_by(2) {
                let coded = quoted.starts_with("E-") || quoted.starts_with("W-");
                let upper = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
                if coded && quoted.len() > 3 && quoted.chars().all(upper) {
                    assert!(rule(quoted, "").is_some(), "{quoted} in {}", path.display());
                    seen += 1;
                }
            }
        }
        assert!(seen > 20, "{seen}");
    }
}
