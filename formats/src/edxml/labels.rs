//! Vietnamese names of packet fields, for findings shown to clerks (glossary of the practice,
//! section 5).
//!
//! Looked up by the last one or two names of a path; an unknown field is shown by its path in
//! quotation by the caller's text, so this table may lag behind the model without hiding anything.

/// Label of the field at `path` (`MessageHeader/To[2]/OrganId`).
pub(super) fn of(path: &str) -> &'static str {
    let mut names = path
        .rsplit('/')
        .map(|part| part.split('[').next().unwrap_or(part));
    let last = names.next().unwrap_or_default();
    let parent = names.next().unwrap_or_default();
    PAIRS
        .iter()
        .find(|(owner, name, _)| *name == last && *owner == parent)
        .or_else(|| {
            PAIRS
                .iter()
                .find(|(owner, name, _)| *name == last && owner.is_empty())
        })
        .map_or("trường dữ liệu", |(_, _, label)| label)
}

/// (parent or empty for any, element, label)
const PAIRS: &[(&str, &str, &str)] = &[
    ("From", "OrganId", "mã định danh bên gửi"),
    ("From", "OrganName", "tên bên gửi"),
    ("To", "OrganId", "mã định danh bên nhận"),
    ("To", "OrganName", "tên bên nhận"),
    (
        "ResponseFor",
        "OrganId",
        "mã định danh cơ quan ban hành văn bản gốc",
    ),
    ("ResponseFor", "Code", "số ký hiệu văn bản gốc"),
    (
        "ResponseFor",
        "PromulgationDate",
        "ngày ban hành văn bản gốc",
    ),
    ("ResponseFor", "DocumentId", "mã định danh văn bản gốc"),
    ("Bussiness", "DocumentId", "mã định danh văn bản đích"),
    (
        "ReplacementInfo",
        "DocumentId",
        "mã định danh văn bản bị thay thế",
    ),
    ("TraceHeader", "OrganId", "mã định danh nơi gửi nhận"),
    ("ToPlaces", "Place", "nơi nhận"),
    ("Attachment", "AttachmentName", "tên tệp đính kèm"),
    ("Reference", "AttachmentName", "tên tệp đính kèm"),
    ("", "From", "bên gửi"),
    ("", "To", "bên nhận"),
    ("", "OrganId", "mã định danh đơn vị"),
    ("", "OrganName", "tên đơn vị"),
    ("", "OrganizationInCharge", "cơ quan chủ quản"),
    ("", "OrganAdd", "địa chỉ"),
    ("", "Email", "thư điện tử"),
    ("", "Telephone", "điện thoại"),
    ("", "Fax", "fax"),
    ("", "Website", "trang tin điện tử"),
    ("", "Code", "số, ký hiệu"),
    ("", "CodeNumber", "số văn bản"),
    ("", "CodeNotation", "ký hiệu văn bản"),
    ("", "Place", "nơi ban hành"),
    ("", "PromulgationDate", "ngày ban hành"),
    ("", "Type", "loại văn bản"),
    ("", "TypeDetail", "mã loại văn bản"),
    ("", "TypeName", "tên loại văn bản"),
    ("", "Subject", "trích yếu"),
    ("", "Content", "nội dung tóm tắt"),
    ("", "Competence", "thẩm quyền ký"),
    ("", "Position", "chức vụ người ký"),
    ("", "FullName", "họ tên người ký"),
    ("", "DueDate", "hạn xử lý"),
    ("", "Priority", "độ khẩn"),
    ("", "SphereOfPromulgation", "phạm vi lưu hành"),
    ("", "TyperNotation", "ký hiệu người soạn thảo"),
    ("", "PromulgationAmount", "số lượng bản"),
    ("", "PageAmount", "số trang"),
    ("", "Appendix", "phụ lục"),
    ("", "SteeringType", "loại chỉ đạo"),
    ("", "DocumentId", "mã định danh văn bản"),
    ("", "TaskCode", "mã nhiệm vụ"),
    ("", "ApplicationType", "loại ứng dụng"),
    ("", "TraceHeaderList", "vết gửi nhận"),
    ("", "Timestamp", "thời điểm"),
    ("", "Bussiness", "nghiệp vụ văn bản"),
    ("", "BussinessDocType", "loại nghiệp vụ"),
    ("", "BussinessDocReason", "lý do"),
    ("", "Reason", "lý do"),
    ("", "Paper", "bản giấy kèm theo"),
    ("", "DocumentInfo", "cờ thay đổi nội dung"),
    ("", "DocumentReceiver", "cờ thay đổi nơi nhận"),
    ("", "ReceiverList", "danh sách nơi nhận thay đổi"),
    ("", "ReceiverType", "loại thay đổi nơi nhận"),
    ("", "ReplacementInfoList", "danh sách văn bản bị thay thế"),
    ("", "OrganIdList", "danh sách đơn vị đang giữ văn bản cũ"),
    ("", "StaffInfo", "cán bộ liên hệ"),
    ("", "Department", "phòng ban"),
    ("", "Staff", "cán bộ"),
    ("", "Mobile", "điện thoại di động"),
    ("", "StatusCode", "mã trạng thái"),
    ("", "Description", "mô tả"),
    ("", "ResponseFor", "văn bản liên quan"),
    ("", "ContentId", "mã tệp đính kèm"),
    ("", "ContentType", "kiểu tệp đính kèm"),
    ("", "AttachmentName", "tên tệp đính kèm"),
    ("", "ContentTransferEncoded", "nội dung tệp đính kèm"),
    ("", "Attachment", "tệp đính kèm"),
];
