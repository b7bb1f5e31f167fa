//! Table: a CSV file as rows of agencies, and everything that is wrong with it.
//!
//! Owns: encoding, separator, names of columns, lines. A column that the file does not have leaves
//! what the directory says; an empty cell of a column that it has empties it. The file is held in
//! memory as a whole, up to a limit. Must not know the directory.

use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};
use formats::id::AgencyCode;
use formats::record::Alias;
use formats::text::fold;
use formats::time::Timestamp;

use super::cell::{self, Moment, Wrong};
use super::finding::{Findings, Place, both, excerpt};
use crate::cli::Failure;
use crate::cli::failure::Next;

/// One row that can be read.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    pub(super) code: AgencyCode,
    pub(super) name: String,
    /// `None`: the file does not say. So below.
    pub(super) aliases: Option<Vec<Alias>>,
    pub(super) parent: Option<Option<AgencyCode>>,
    pub(super) valid_from: Option<Timestamp>,
    pub(super) valid_to: Option<Option<Timestamp>>,
    pub(super) successor: Option<Option<AgencyCode>>,
}

/// A file that could be read as a table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// Rows that are not empty, readable or not.
    pub(super) count: u64,
    pub(super) columns: Columns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Column {
    Code,
    Name,
    Aliases,
    Parent,
    ValidFrom,
    ValidTo,
    Successor,
}

/// What columns may be called, compared without case, diacritics and punctuation.
const NAMES: [(Column, &[&str]); 7] = [
    (
        Column::Code,
        &[
            "code",
            "ma dinh danh",
            "ma",
            "ma co quan",
            "ma don vi",
            "organid",
        ],
    ),
    (
        Column::Name,
        &["name", "ten co quan", "ten", "ten don vi", "organname"],
    ),
    (
        Column::Aliases,
        &[
            "aliases",
            "alias",
            "ma cu",
            "ten khac",
            "ma cu ten khac",
            "ten goi khac",
        ],
    ),
    (
        Column::Parent,
        &[
            "parent",
            "co quan cap tren",
            "ma cap tren",
            "ma co quan cap tren",
            "co quan chu quan",
        ],
    ),
    (
        Column::ValidFrom,
        &["valid from", "hieu luc tu", "tu ngay", "ngay hieu luc"],
    ),
    (
        Column::ValidTo,
        &["valid to", "hieu luc den", "den ngay", "ngay het hieu luc"],
    ),
    (
        Column::Successor,
        &[
            "successor",
            "co quan ke thua",
            "ma ke thua",
            "ma co quan ke thua",
        ],
    ),
];

/// Where each column stands and what the file calls it.
#[derive(Debug, Default)]
pub(super) struct Columns {
    known: Vec<(Column, usize, String)>,
    width: usize,
}

impl Columns {
    fn at(&self, column: Column) -> Option<usize> {
        let mut known = self.known.iter();
        known
            .find(|(kind, _, _)| *kind == column)
            .map(|(_, at, _)| *at)
    }

    /// As the file calls it; our own name if it has none.
    pub(super) fn name(&self, column: Column) -> &str {
        let named = self.known.iter().find(|(kind, _, _)| *kind == column);
        let own = || {
            let names = NAMES.iter().find(|(kind, _)| *kind == column);
            names.and_then(|(_, names)| names.first()).copied()
        };
        named
            .map(|(_, _, name)| name.as_str())
            .or_else(own)
            .unwrap_or_default()
    }

    /// A place in the file.
    pub(super) fn place(&self, line: u64, column: Column) -> Place {
        Place {
            line,
            column: self.name(column).to_owned(),
        }
    }
}

/// Reads a file. Fails only where no row could be read.
pub(super) fn load(
    path: &Path,
    errors: &mut Findings,
    warnings: &mut Findings,
) -> Result<Table, Failure> {
    let step = "give the path of a CSV file";
    let bytes = std::fs::metadata(path).next(step)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(Failure::new(
            format!(
                "{} has {bytes} bytes, at most {FILE_BYTES_MAX}",
                path.display()
            ),
            "split the file (chia nhỏ tệp)",
        ));
    }
    read(&std::fs::read(path).next(step)?, errors, warnings)
}

/// Reads a table.
pub(super) fn read(
    bytes: &[u8],
    errors: &mut Findings,
    warnings: &mut Findings,
) -> Result<Table, Failure> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Failure::new(
            "the file is UTF-16 (tệp có mã UTF-16)",
            "save it as “CSV UTF-8” (lưu lại dạng CSV UTF-8)",
        ));
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    let mut reader = reader(bytes, separator(bytes));
    let mut record = ByteRecord::new();
    // Reading from memory does not fail; what is wrong with a row is seen in the row.
    let mut next = |record: &mut ByteRecord| reader.read_byte_record(record).unwrap_or(false);
    if !next(&mut record) {
        return Err(without_columns());
    }
    let columns = columns(&record, errors, warnings)?;
    let mut table = Table {
        rows: Vec::new(),
        count: 0,
        columns,
    };
    while next(&mut record) {
        if record.iter().all(<[u8]>::is_empty) {
            continue;
        }
        table.count = table.count.saturating_add(1);
        if table.count > ROWS_MAX {
            return Err(Failure::new(
                format!("the file has more than {ROWS_MAX} rows (quá nhiều dòng)"),
                "split the file (chia nhỏ tệp)",
            ));
        }
        let line = line_of(&record, bytes);
        if let Some(row) = row(&record, line, &table.columns, errors) {
            table.rows.push(row);
        }
    }
    Ok(table)
}

fn reader(bytes: &[u8], separator: u8) -> Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes)
}

/// The separator with which most columns of the first line are known.
fn separator(bytes: &[u8]) -> u8 {
    let head = bytes.get(..HEAD_BYTES_MAX).unwrap_or(bytes);
    let known = |separator: u8| {
        let mut record = ByteRecord::new();
        let read = reader(head, separator).read_byte_record(&mut record);
        let columns = record.iter().filter(|name| column(name).is_some());
        read.map_or(0, |_| columns.count())
    };
    // The last of several with one count is taken: the comma.
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|separator| known(*separator))
        .unwrap_or(b',')
}

fn column(name: &[u8]) -> Option<Column> {
    if name.len() > COLUMN_BYTES_MAX {
        return None;
    }
    let folded = fold(std::str::from_utf8(name).ok()?);
    let words: Vec<&str> = folded
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let name = words.join(" ");
    let known = NAMES
        .iter()
        .find(|(_, names)| names.contains(&name.as_str()));
    known.map(|(column, _)| *column)
}

fn columns(
    header: &ByteRecord,
    errors: &mut Findings,
    warnings: &mut Findings,
) -> Result<Columns, Failure> {
    let mut columns = Columns {
        known: Vec::new(),
        width: header.len(),
    };
    let mut unknown = Vec::new();
    for (at, name) in header.iter().enumerate() {
        let shown = excerpt(String::from_utf8_lossy(name).trim());
        match column(name) {
            Some(column) if columns.at(column).is_some() => errors.add(
                Place {
                    line: 1,
                    column: columns.name(column).to_owned(),
                },
                &shown,
                both(
                    "says the same as another column",
                    "trùng nghĩa với một cột khác",
                ),
                both("leave one of the two", "chỉ để lại một trong hai cột"),
            ),
            Some(column) => columns.known.push((column, at, shown)),
            None if name.is_empty() => {}
            None => unknown.push(shown),
        }
    }
    if columns.at(Column::Code).is_none() || columns.at(Column::Name).is_none() {
        return Err(without_columns());
    }
    if let Some(first) = unknown.first() {
        let rest = unknown.len().saturating_sub(1);
        let and = if rest == 0 {
            String::new()
        } else {
            format!(" +{rest}")
        };
        let place = Place {
            line: 1,
            column: format!("{first}{and}"),
        };
        warnings.add(
            place,
            first,
            both(
                "is not a column of the directory",
                "không phải cột của danh bạ",
            ),
            both("it is not read", "cột này không được đọc"),
        );
    }
    Ok(columns)
}

fn without_columns() -> Failure {
    Failure::new(
        "the first line does not name the columns code and name (dòng đầu không có cột mã định danh \
         và tên cơ quan)",
        "begin with: code,name,aliases,parent,valid_from,valid_to,successor (hoặc: mã định danh,tên \
         cơ quan,mã cũ,cơ quan cấp trên,hiệu lực từ,hiệu lực đến,cơ quan kế thừa)",
    )
}

/// The line on which a record begins: empty lines before it are passed over.
fn line_of(record: &ByteRecord, bytes: &[u8]) -> u64 {
    let Some(position) = record.position() else {
        return 0;
    };
    let start = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let before = bytes.get(start..).unwrap_or_default();
    let skipped = before.iter().take_while(|b| matches!(b, b'\n' | b'\r'));
    let empty = skipped.filter(|b| **b == b'\n').count();
    position
        .line()
        .saturating_add(u64::try_from(empty).unwrap_or(0))
}

/// A row, if everything in it can be read.
fn row(record: &ByteRecord, line: u64, columns: &Columns, errors: &mut Findings) -> Option<Row> {
    let surplus = record.iter().skip(columns.width);
    if record.len() < columns.width || surplus.into_iter().any(|field| !field.is_empty()) {
        let first = String::from_utf8_lossy(record.get(0).unwrap_or_default()).into_owned();
        errors.add(
            columns.place(line, Column::Code),
            &first,
            both(
                format!(
                    "the row has {} fields, the first line {}",
                    record.len(),
                    columns.width
                ),
                format!(
                    "dòng có {} ô, dòng đầu có {} ô",
                    record.len(),
                    columns.width
                ),
            ),
            both(
                "put texts with the separator into quotation marks, and close them",
                "đặt văn bản chứa dấu phân cách trong ngoặc kép, và đóng ngoặc",
            ),
        );
        return None;
    }
    let mut cells = Cells {
        record,
        line,
        columns,
        errors,
        whole: true,
    };
    let code = cells.read(Column::Code, |written| cell::code(written).map(Some));
    let name = cells.read(Column::Name, |written| cell::plain(written).map(Some));
    let aliases = cells.read(Column::Aliases, |written| cell::aliases(written).map(Some));
    let parent = cells.read(Column::Parent, optional(cell::code));
    let valid_from = cells.read(Column::ValidFrom, optional(cell::moment));
    let valid_to = cells.read(Column::ValidTo, optional(cell::moment));
    let successor = cells.read(Column::Successor, optional(cell::code));
    if !cells.whole {
        return None;
    }
    Some(Row {
        line,
        code: code.flatten()?,
        name: name.flatten()?,
        aliases: aliases.flatten(),
        parent,
        valid_from: valid_from.flatten().map(Moment::begin),
        valid_to: valid_to.map(|to| to.map(Moment::end)),
        successor,
    })
}

/// An empty cell says that there is none.
fn optional<T>(
    read: impl Fn(&str) -> Result<T, Wrong>,
) -> impl Fn(&str) -> Result<Option<T>, Wrong> {
    move |written| match written {
        "" => Ok(None),
        written => read(written).map(Some),
    }
}

/// The cells of one row while they are read.
struct Cells<'r> {
    record: &'r ByteRecord,
    line: u64,
    columns: &'r Columns,
    errors: &'r mut Findings,
    /// Nothing was wrong so far.
    whole: bool,
}

impl Cells<'_> {
    /// What the cell of this column says; `None` where the file has no such column.
    fn read<T>(
        &mut self,
        column: Column,
        read: impl Fn(&str) -> Result<Option<T>, Wrong>,
    ) -> Option<Option<T>> {
        let field = self
            .record
            .get(self.columns.at(column)?)
            .unwrap_or_default();
        let wrong = match std::str::from_utf8(field) {
            Ok(written) => match read(written.trim()) {
                Ok(value) => return Some(value),
                Err(wrong) => wrong,
            },
            Err(_) => (
                both("is not UTF-8", "không phải mã UTF-8"),
                both("save the file as “CSV UTF-8”", "lưu tệp dạng “CSV UTF-8”"),
            ),
        };
        self.whole = false;
        let shown = field.get(..SHOWN_BYTES_MAX).unwrap_or(field);
        self.errors.add(
            self.columns.place(self.line, column),
            String::from_utf8_lossy(shown).trim(),
            wrong.0,
            wrong.1,
        );
        None
    }
}

/// A directory of a million agencies with long rows; the file is held in memory.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Rows of one file: five times the country's agencies.
const ROWS_MAX: u64 = 1_000_000;
/// Bytes of the first line from which the separator is told.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes of a column's name that may be known.
const COLUMN_BYTES_MAX: usize = 200;
/// Bytes of a wrong cell that are looked at to show it.
const SHOWN_BYTES_MAX: usize = 1_000;
