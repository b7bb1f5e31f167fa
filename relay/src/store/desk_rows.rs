//! The desk's statements of one change, inside the writer's transaction.
//!
//! Statements are gathered and run together when the change is complete, with the savepoint around them:
//! one visit to the database for a change. A statement whose result decides something is asked for at
//! once. Fails with the database's error, after which the writer undoes the change.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::store::script::Script;

/// Where a change of the desk writes its rows. The station's rows of the same change follow after it.
#[derive(Debug)]
pub struct DeskRows<'c> {
    connection: &'c mut SqliteConnection,
    script: Script,
    guard: Guard,
    /// Something was run, so there is something to undo.
    ran: bool,
}

/// What undoes the change if it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// A savepoint, set before the first statement.
    Wanted,
    /// A savepoint that is set.
    Set,
    /// The transaction: the change is alone in it.
    Transaction,
}

impl<'c> DeskRows<'c> {
    /// `alone`: the change is the only one of its transaction.
    #[must_use]
    pub fn new(connection: &'c mut SqliteConnection, alone: bool) -> Self {
        Self {
            connection,
            script: Script::default(),
            guard: if alone {
                Guard::Transaction
            } else {
                Guard::Wanted
            },
            ran: false,
        }
    }

    /// Adds a statement; its values follow by [`Script::bind`]. It runs with the others, in order.
    pub fn add(&mut self, text: &str) -> &mut Script {
        self.set_guard();
        self.script.statement(text)
    }

    /// Runs what was added, now, and gives the rows that it returned.
    ///
    /// # Errors
    /// The database's.
    pub async fn fetch(&mut self) -> Result<Vec<SqliteRow>, sqlx::Error> {
        let script = std::mem::take(&mut self.script);
        if script.is_empty() {
            return Ok(Vec::new());
        }
        self.ran = true;
        script.rows(self.connection).await
    }

    /// The connection, for statements that are not gathered; what was added runs first.
    ///
    /// # Errors
    /// The database's.
    pub async fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.set_guard();
        self.fetch().await?;
        Ok(self.connection)
    }

    fn set_guard(&mut self) {
        if self.guard == Guard::Wanted {
            self.guard = Guard::Set;
            self.script.statement("SAVEPOINT change");
        }
    }

    /// Runs the rest; the change stays.
    ///
    /// # Errors
    /// The database's.
    pub async fn finish(&mut self) -> Result<(), sqlx::Error> {
        if self.guard == Guard::Set {
            self.script.statement("RELEASE change");
        }
        self.fetch().await.map(drop)
    }

    /// The change goes; the others of the transaction stay. Whoever is alone is rolled back with it.
    pub(crate) async fn undo(&mut self) -> Result<(), sqlx::Error> {
        self.script = Script::default();
        if self.guard == Guard::Set && self.ran {
            self.script.statement("ROLLBACK TO change; RELEASE change");
        }
        self.fetch().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, Row};

    use super::*;

    async fn database() -> SqliteConnection {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for text in [
            "CREATE TABLE note (text TEXT PRIMARY KEY)",
            "BEGIN",
            "INSERT INTO note VALUES ('before')",
        ] {
            sqlx::query(text).execute(&mut connection).await.unwrap();
        }
        connection
    }

    async fn notes(connection: &mut SqliteConnection) -> Vec<String> {
        let rows = sqlx::query("SELECT text FROM note ORDER BY text")
            .fetch_all(connection)
            .await
            .unwrap();
        rows.iter().map(|row| row.get("text")).collect()
    }

    #[tokio::test]
    async fn a_change_whose_last_statement_fails_goes_whole_and_alone() {
        let mut connection = database().await;
        let mut rows = DeskRows::new(&mut connection, false);
        rows.add("INSERT INTO note ")
            .values(["a", "b"], |row, text| {
                row.push(text);
            });
        rows.add("INSERT INTO note VALUES (?)").bind("before");
        rows.finish().await.unwrap_err();
        rows.undo().await.unwrap();
        let mut rows = DeskRows::new(&mut connection, false);
        rows.add("INSERT INTO note VALUES (?)").bind("after");
        rows.finish().await.unwrap();
        assert_eq!(notes(&mut connection).await, ["after", "before"]);
    }

    #[tokio::test]
    async fn what_was_only_gathered_needs_no_undoing() {
        let mut connection = database().await;
        let mut rows = DeskRows::new(&mut connection, false);
        rows.add("INSERT INTO note VALUES ('never')");
        rows.undo().await.unwrap();
        assert_eq!(notes(&mut connection).await, ["before"]);
    }

    #[tokio::test]
    async fn statements_run_in_order_and_the_rows_of_all_are_seen() {
        let mut connection = database().await;
        let mut rows = DeskRows::new(&mut connection, false);
        rows.add("INSERT INTO note VALUES (?) RETURNING text")
            .bind("x");
        rows.add("DELETE FROM note WHERE text IN (")
            .list(["before", "x"])
            .text(") RETURNING text");
        let told = rows.fetch().await.unwrap();
        let told: Vec<String> = told.iter().map(|row| row.get("text")).collect();
        assert_eq!(told[0], "x");
        assert_eq!(told.len(), 3);
        let connection_of_its_own = rows.connection().await.unwrap();
        assert!(notes(connection_of_its_own).await.is_empty());
        rows.finish().await.unwrap();
    }
}
