//! Small real office files for sample packets: PDF, docx and xlsx that ordinary programs open.
//!
//! Owns: just enough of each format for a page of Vietnamese text or a small table.
//! Must not know: packets.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A one-page PDF 1.4 with these lines of text.
#[must_use]
pub fn pdf(lines: &[&str]) -> Vec<u8> {
    pdf_with_data(lines, &[])
}

/// Like [`pdf`], with a stream of raw data inside the file, as a scan would be.
#[must_use]
pub fn pdf_with_data(lines: &[&str], data: &[u8]) -> Vec<u8> {
    // A simple font has 256 codes: every letter beyond ASCII gets the next code from 128 on, named as
    // Unicode in /Differences, so that any viewer finds it in its own serif font.
    let mut letters: Vec<char> = Vec::new();
    let mut page = String::from("BT /F1 14 Tf 18 TL 72 760 Td\n");
    for line in lines {
        page.push('<');
        for letter in line.chars() {
            let code = if letter.is_ascii() {
                u32::from(letter)
            } else {
                let place = letters
                    .iter()
                    .position(|known| *known == letter)
                    .unwrap_or_else(|| {
                        letters.push(letter);
                        letters.len() - 1
                    });
                128 + u32::try_from(place).expect("few letters")
            };
            page += &format!("{code:02x}");
        }
        page += "> Tj T*\n";
    }
    page += "ET";
    let names: String = letters
        .iter()
        .map(|letter| format!(" /uni{:04X}", u32::from(*letter)))
        .collect();
    let widths = "500 ".repeat(224);
    let mut objects: Vec<Vec<u8>> = vec![
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_vec(),
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
          /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_vec(),
        stream("", page.as_bytes()),
        format!(
            "<< /Type /Font /Subtype /TrueType /BaseFont /TimesNewRomanPSMT /FirstChar 32 /LastChar 255 \
             /Widths [{widths}] /FontDescriptor 6 0 R /Encoding << /Type /Encoding \
             /BaseEncoding /WinAnsiEncoding /Differences [128{names}] >> >>"
        )
        .into_bytes(),
        b"<< /Type /FontDescriptor /FontName /TimesNewRomanPSMT /Flags 34 /FontBBox [-200 -250 1200 1000] \
          /ItalicAngle 0 /Ascent 900 /Descent -220 /CapHeight 660 /StemV 80 >>"
            .to_vec(),
    ];
    if !data.is_empty() {
        objects.push(stream(" /Type /EmbeddedFile", data));
    }
    assemble(&objects)
}

fn stream(extra: &str, data: &[u8]) -> Vec<u8> {
    let mut out = format!("<<{extra} /Length {} >>\nstream\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\nendstream");
    out
}

fn assemble(objects: &[Vec<u8>]) -> Vec<u8> {
    let mut out = b"%PDF-1.4\n%\xE2\xE3\xCF\xD3\n".to_vec();
    let mut table = format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1);
    for (index, object) in objects.iter().enumerate() {
        table += &format!("{:010} 00000 n \n", out.len());
        out.extend_from_slice(format!("{} 0 obj\n", index + 1).as_bytes());
        out.extend_from_slice(object);
        out.extend_from_slice(b"\nendobj\n");
    }
    let start = out.len();
    table += &format!(
        "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n",
        objects.len() + 1
    );
    out.extend_from_slice(table.as_bytes());
    out
}

/// A Word document with these paragraphs.
#[must_use]
pub fn docx(paragraphs: &[&str]) -> Vec<u8> {
    let body: String = paragraphs
        .iter()
        .map(|text| format!("<w:p><w:r><w:t>{}</w:t></w:r></w:p>", escape(text)))
        .collect();
    package(&[
        ("[Content_Types].xml", concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/"#,
            r#"package/2006/content-types"><Default Extension="rels" ContentType="application/"#,
            r#"vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" "#,
            r#"ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document."#,
            r#"main+xml"/></Types>"#).to_owned()),
        ("_rels/.rels", relationship("officeDocument", "word/document.xml")),
        ("word/document.xml", format!(concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?><w:document xmlns:w="http://schemas."#,
            r#"openxmlformats.org/wordprocessingml/2006/main"><w:body>{}</w:body></w:document>"#), body)),
    ])
}

/// A workbook with one sheet of text cells.
#[must_use]
pub fn xlsx(rows: &[&[&str]]) -> Vec<u8> {
    let mut cells = String::new();
    for (row, values) in rows.iter().enumerate() {
        cells += &format!("<row r=\"{}\">", row + 1);
        for (column, value) in (b'A'..=b'Z').zip(values.iter()) {
            cells += &format!(
                "<c r=\"{}{}\" t=\"inlineStr\"><is><t>{}</t></is></c>",
                char::from(column),
                row + 1,
                escape(value)
            );
        }
        cells += "</row>";
    }
    package(&[
        ("[Content_Types].xml", concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?><Types xmlns="http://schemas.openxmlformats.org/"#,
            r#"package/2006/content-types"><Default Extension="rels" ContentType="application/"#,
            r#"vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" "#,
            r#"ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>"#,
            r#"<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/"#,
            r#"vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>"#).to_owned()),
        ("_rels/.rels", relationship("officeDocument", "xl/workbook.xml")),
        ("xl/_rels/workbook.xml.rels", relationship("worksheet", "worksheets/sheet1.xml")),
        ("xl/workbook.xml", concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?><workbook xmlns="http://schemas.openxmlformats.org/"#,
            r#"spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/"#,
            r#"relationships"><sheets><sheet name="Phụ lục" sheetId="1" r:id="rId1"/></sheets></workbook>"#)
            .to_owned()),
        ("xl/worksheets/sheet1.xml", format!(concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="http://schemas.openxmlformats.org/"#,
            r#"spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>"#), cells)),
    ])
}

fn relationship(kind: &str, target: &str) -> String {
    format!(
        concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas."#,
            r#"openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://"#,
            r#"schemas.openxmlformats.org/officeDocument/2006/relationships/{}" Target="{}"/>"#,
            r#"</Relationships>"#
        ),
        kind, target
    )
}

fn package(members: &[(&str, String)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in members {
        zip.start_file(*name, SimpleFileOptions::default())
            .expect("memory takes every write");
        zip.write_all(text.as_bytes())
            .expect("memory takes every write");
    }
    zip.finish().expect("memory takes every write").into_inner()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn office_files_are_what_their_first_bytes_say() {
        assert!(pdf(&["Sở Nội vụ"]).starts_with(b"%PDF-1.4"));
        assert!(docx(&["Sở Nội vụ"]).starts_with(b"PK\x03\x04"));
        assert!(xlsx(&[&["STT"]]).starts_with(b"PK\x03\x04"));
    }
}
