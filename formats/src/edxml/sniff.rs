//! What an attachment is by its first bytes, and whether that is what packet and name say.
//!
//! Types in packets are unreliable: one library claims zip for everything, others invent types
//! [vn-practice 1.3]. Nothing here decides behaviour; it serves warnings. Must not know: the rest of
//! the file, packets.

/// Kinds of files that tell themselves by their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Program for Windows, Linux or macOS.
    Executable,
    /// Image GIF.
    Gif,
    /// Compressed by gzip.
    Gzip,
    /// Image JPEG.
    Jpeg,
    /// Office document before 2007, and Outlook messages.
    Ole,
    /// PDF.
    Pdf,
    /// Image PNG.
    Png,
    /// Archive RAR.
    Rar,
    /// Rich text.
    Rtf,
    /// Archive 7z.
    SevenZip,
    /// Image TIFF.
    Tiff,
    /// XML with its declaration.
    Xml,
    /// Zip archive, and the office documents that are one.
    Zip,
}

/// The kind of a file by its first bytes; a kibibyte is enough.
#[must_use]
pub fn content_of(head: &[u8]) -> Option<Content> {
    let found = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
    if let Some((_, content)) = found {
        return Some(*content);
    }
    // Readers of PDF look for its mark in the first kibibyte [ISO 32000-1 annex H].
    let pdf = head.windows(5).take(1_020).any(|window| window == b"%PDF-");
    pdf.then_some(Content::Pdf)
}

/// What a type or the ending of a name promises; `None` when it promises nothing we can tell.
#[must_use]
pub fn promised(mime: &str, name: &str) -> Option<&'static [Content]> {
    let mime = registered(mime).unwrap_or(mime);
    let mime = mime.split(';').next().unwrap_or_default().trim();
    let by_type = TYPES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(mime));
    by_type
        .map(|(_, contents)| *contents)
        .or_else(|| promised_by_name(name))
}

/// What the ending of a name promises.
#[must_use]
pub fn promised_by_name(name: &str) -> Option<&'static [Content]> {
    let (_, ending) = name.trim_end().rsplit_once('.')?;
    let found = ENDINGS
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(ending));
    found.map(|(_, contents)| *contents)
}

/// The registered type for one of the invented types seen in packets; `None` for all others.
#[must_use]
pub fn registered(mime: &str) -> Option<&'static str> {
    let mime = mime.split(';').next().unwrap_or_default().trim();
    let found = INVENTED
        .iter()
        .find(|(invented, _)| invented.eq_ignore_ascii_case(mime));
    found.map(|(_, registered)| *registered)
}

impl Content {
    /// Name shown to people, the same in both languages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Executable => "EXE",
            Self::Gif => "GIF",
            Self::Gzip => "GZIP",
            Self::Jpeg => "JPEG",
            Self::Ole => "DOC/XLS/PPT",
            Self::Pdf => "PDF",
            Self::Png => "PNG",
            Self::Rar => "RAR",
            Self::Rtf => "RTF",
            Self::SevenZip => "7Z",
            Self::Tiff => "TIFF",
            Self::Xml => "XML",
            Self::Zip => "ZIP/DOCX/XLSX/PPTX",
        }
    }
}

const MAGIC: &[(&[u8], Content)] = &[
    (b"%PDF-", Content::Pdf),
    (b"PK\x03\x04", Content::Zip),
    (b"PK\x05\x06", Content::Zip),
    (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", Content::Ole),
    (b"{\\rtf", Content::Rtf),
    (b"\x89PNG\r\n\x1A\n", Content::Png),
    (b"\xFF\xD8\xFF", Content::Jpeg),
    (b"GIF87a", Content::Gif),
    (b"GIF89a", Content::Gif),
    (b"II*\0", Content::Tiff),
    (b"MM\0*", Content::Tiff),
    (b"Rar!\x1A\x07", Content::Rar),
    (b"7z\xBC\xAF\x27\x1C", Content::SevenZip),
    (b"\x1F\x8B", Content::Gzip),
    (b"<?xml", Content::Xml),
    (b"\xEF\xBB\xBF<?xml", Content::Xml),
    (b"\x7FELF", Content::Executable),
    (b"\xCF\xFA\xED\xFE", Content::Executable),
    (b"\xCE\xFA\xED\xFE", Content::Executable),
    (b"MZ", Content::Executable),
];

/// Word opens rich text under either name.
const WORD: &[Content] = &[Content::Ole, Content::Rtf];
const ZIP: &[Content] = &[Content::Zip];
const OLE: &[Content] = &[Content::Ole];

const TYPES: &[(&str, &[Content])] = &[
    ("application/pdf", &[Content::Pdf]),
    ("application/zip", ZIP),
    ("application/x-zip-compressed", ZIP),
    ("application/msword", WORD),
    ("application/vnd.ms-excel", OLE),
    ("application/vnd.ms-powerpoint", OLE),
    ("application/rtf", &[Content::Rtf]),
    ("text/rtf", &[Content::Rtf]),
    (DOCX, ZIP),
    (XLSX, ZIP),
    (PPTX, ZIP),
    ("application/vnd.oasis.opendocument.text", ZIP),
    ("application/vnd.oasis.opendocument.spreadsheet", ZIP),
    ("application/vnd.rar", &[Content::Rar]),
    ("application/x-7z-compressed", &[Content::SevenZip]),
    ("application/gzip", &[Content::Gzip]),
    ("image/png", &[Content::Png]),
    ("image/jpeg", &[Content::Jpeg]),
    ("image/gif", &[Content::Gif]),
    ("image/tiff", &[Content::Tiff]),
];

const ENDINGS: &[(&str, &[Content])] = &[
    ("pdf", &[Content::Pdf]),
    ("zip", ZIP),
    ("doc", WORD),
    ("xls", OLE),
    ("ppt", OLE),
    ("msg", OLE),
    ("rtf", &[Content::Rtf]),
    ("docx", ZIP),
    ("xlsx", ZIP),
    ("pptx", ZIP),
    ("odt", ZIP),
    ("ods", ZIP),
    ("rar", &[Content::Rar]),
    ("7z", &[Content::SevenZip]),
    ("gz", &[Content::Gzip]),
    ("png", &[Content::Png]),
    ("jpg", &[Content::Jpeg]),
    ("jpeg", &[Content::Jpeg]),
    ("gif", &[Content::Gif]),
    ("tif", &[Content::Tiff]),
    ("tiff", &[Content::Tiff]),
];

/// Types that no registry knows, as the libraries write them.
const INVENTED: &[(&str, &str)] = &[
    ("application/doc", "application/msword"),
    ("application/docx", DOCX),
    ("application/xls", "application/vnd.ms-excel"),
    ("application/xsl", "application/vnd.ms-excel"),
    ("application/xlsx", XLSX),
    ("application/xslx", XLSX),
    ("application/ppt", "application/vnd.ms-powerpoint"),
    ("application/pptx", PPTX),
    ("application/rar", "application/vnd.rar"),
    ("application/x-rar-compressed", "application/vnd.rar"),
    ("application/x-pdf", "application/pdf"),
    ("application/jpg", "image/jpeg"),
    ("application/png", "image/png"),
    ("application/txt", "text/plain"),
    ("image/jpg", "image/jpeg"),
    ("pdf", "application/pdf"),
];

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
