//! Script: SQL statements that run one after the other in one go. The driver's thread hops are paid once
//! for a script and not for each statement, and a text that comes again is prepared once.

use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type};

/// Statements with their values. Texts come from the program, never from outside: what comes from
/// outside is bound.
#[derive(Debug, Default)]
pub struct Script {
    part: Part,
    /// Parts before the last one.
    full: Vec<Part>,
    failed: Option<BoxDynError>,
}

/// Statements that go to the database together.
#[derive(Debug, Default)]
struct Part {
    text: String,
    arguments: SqliteArguments,
    /// Its text depends on how many rows there are, so it will hardly come again.
    varies: bool,
}

/// A part ends with the statement that makes it longer than this: SQLite takes at most 1,000,000 bytes.
const PART_BYTES: usize = 256 * 1024;

impl Script {
    /// Begins the next statement.
    pub fn statement(&mut self, text: &str) -> &mut Self {
        if self.part.text.len() > PART_BYTES {
            self.full.push(std::mem::take(&mut self.part));
        }
        if !self.part.text.is_empty() {
            self.part.text.push_str("; ");
        }
        self.text(text)
    }

    /// Goes on with the statement.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.part.text.push_str(text);
        self
    }

    /// The value of the next `?` in the text.
    pub fn bind<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.part.arguments.add(value) {
            self.failed.get_or_insert(error);
        }
        self
    }

    /// A `?` with its value.
    pub fn push<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        self.part.text.push('?');
        self.bind(value)
    }

    /// `VALUES (?, ?), (?, ?) …`: one row for each item.
    pub fn values<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut bind: impl FnMut(&mut Row<'_>, T),
    ) -> &mut Self {
        self.part.text.push_str("VALUES ");
        for (at, item) in items.into_iter().enumerate() {
            self.part.text.push_str(if at == 0 { "(" } else { ", (" });
            self.part.varies |= at > 0;
            bind(&mut Row::begin(self), item);
            self.part.text.push(')');
        }
        self
    }

    /// `?, ?, …`: one for each item.
    pub fn list<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(
        &mut self,
        items: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        for (at, item) in items.into_iter().enumerate() {
            self.part.varies |= at > 0;
            self.part.text.push_str(if at == 0 { "" } else { ", " });
            self.push(item);
        }
        self
    }

    /// Whether it has no statement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.part.text.is_empty()
    }

    /// Runs it and gives the rows of all its statements; the first statement that fails ends it.
    ///
    /// # Errors
    /// The database's; what ran before stays in the open transaction.
    pub async fn rows(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<Vec<SqliteRow>, sqlx::Error> {
        if let Some(error) = self.failed {
            return Err(sqlx::Error::Encode(error));
        }
        let mut rows = Vec::new();
        for part in self.full.into_iter().chain([self.part]) {
            let query = sqlx::query_with(AssertSqlSafe(part.text), part.arguments);
            let found = query
                .persistent(!part.varies)
                .fetch_all(&mut *connection)
                .await?;
            rows.extend(found);
        }
        Ok(rows)
    }

    /// Runs it for its effect.
    ///
    /// # Errors
    /// As [`Self::rows`].
    pub async fn run(self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        self.rows(connection).await.map(drop)
    }
}

/// One row of values being written.
#[derive(Debug)]
pub struct Row<'a> {
    script: &'a mut Script,
    first: bool,
}

impl<'a> Row<'a> {
    fn begin(script: &'a mut Script) -> Self {
        let first = true;
        Self { script, first }
    }

    /// The next value.
    pub fn push<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        let between = if self.first { "" } else { ", " };
        self.script.part.text.push_str(between);
        self.first = false;
        self.script.push(value);
        self
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Row as _};

    use super::*;

    #[tokio::test]
    async fn a_script_longer_than_sqlite_takes_runs_whole_and_in_order() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let mut script = Script::default();
        script.statement("CREATE TABLE t (n INTEGER, text TEXT)");
        for chunk in 0..300_i64 {
            script
                .statement("INSERT INTO t ")
                .values(0..500_i64, |row, n| {
                    row.push(chunk * 500 + n).push("x");
                });
        }
        script.statement("SELECT count(*) AS rows, max(n) AS last FROM t");
        let length: usize = script.full.iter().map(|part| part.text.len()).sum();
        assert!(length > 1_000_000, "{length}");
        let rows = script.rows(&mut connection).await.unwrap();
        let counted = rows.last().unwrap();
        assert_eq!(counted.get::<i64, _>("rows"), 150_000);
        assert_eq!(counted.get::<i64, _>("last"), 149_999);
    }

    #[tokio::test]
    async fn the_first_statement_that_fails_ends_it() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let mut script = Script::default();
        script.statement("CREATE TABLE t (n INTEGER PRIMARY KEY)");
        for n in [1, 1, 2] {
            script.statement("INSERT INTO t VALUES (").push(n).text(")");
        }
        script.run(&mut connection).await.unwrap_err();
        let mut count = Script::default();
        count.statement("SELECT n FROM t");
        let rows = count.rows(&mut connection).await.unwrap();
        assert_eq!(rows.len(), 1, "the second did not run, nor what followed");
    }
}
