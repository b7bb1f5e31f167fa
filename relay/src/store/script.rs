//! Script: SQL statements that run one after the other in one go. The driver's thread hops are paid once
//! for a script and not for each statement, and a text that comes again is prepared once.

use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, Encode, Sqlite, SqliteConnection, Type};

/// Statements with their values. Texts come from the program, never from outside: what comes from
/// outside is bound.
#[derive(Debug, Default)]
pub struct Script {
    text: String,
    arguments: SqliteArguments,
    failed: Option<BoxDynError>,
    /// Its text depends on how many rows there are, so it will hardly come again.
    varies: bool,
}

impl Script {
    /// Begins the next statement.
    pub fn statement(&mut self, text: &str) -> &mut Self {
        if !self.text.is_empty() {
            self.text.push_str("; ");
        }
        self.text(text)
    }

    /// Goes on with the statement.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// The value of the next `?` in the text.
    pub fn bind<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        if let Err(error) = self.arguments.add(value) {
            self.failed.get_or_insert(error);
        }
        self
    }

    /// A `?` with its value.
    pub fn push<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(&mut self, value: T) -> &mut Self {
        self.text.push('?');
        self.bind(value)
    }

    /// `VALUES (?, ?), (?, ?) …`: one row for each item.
    pub fn values<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut bind: impl FnMut(&mut Row<'_>, T),
    ) -> &mut Self {
        self.text.push_str("VALUES ");
        for (at, item) in items.into_iter().enumerate() {
            self.text.push_str(if at == 0 { "(" } else { ", (" });
            self.varies |= at > 0;
            bind(&mut Row::begin(self), item);
            self.text.push(')');
        }
        self
    }

    /// `?, ?, …`: one for each item.
    pub fn list<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(
        &mut self,
        items: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        for (at, item) in items.into_iter().enumerate() {
            self.varies |= at > 0;
            self.text.push_str(if at == 0 { "" } else { ", " });
            self.push(item);
        }
        self
    }

    /// Whether it has no statement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
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
        sqlx::query_with(AssertSqlSafe(self.text), self.arguments)
            .persistent(!self.varies)
            .fetch_all(connection)
            .await
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
        self.script
            .text
            .push_str(if self.first { "" } else { ", " });
        self.first = false;
        self.script.push(value);
        self
    }
}
