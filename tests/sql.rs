//! SQL of the tests' own, on whatever database there is.

use corral::store::revision::View;
use sqlx::{
    AssertSqlSafe, Connection, Executor, MySqlConnection, PgConnection, Row, SqliteConnection,
};

/// A connection of a test's own.
pub(crate) enum Sql {
    Sqlite(SqliteConnection),
    MariaDb(MySqlConnection),
    Postgres(PgConnection),
}

/// Runs a statement on a server.
pub(crate) async fn mysql(url: &str, statement: &str) {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
}

/// The same on the other.
pub(crate) async fn postgres(url: &str, statement: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    connection.execute(AssertSqlSafe(statement.to_owned())).await.unwrap();
}

impl Sql {
    pub(crate) async fn connect(url: &str) -> Self {
        match url.split(':').next().unwrap() {
            "sqlite" => Self::Sqlite(SqliteConnection::connect(url).await.unwrap()),
            "postgres" => Self::Postgres(PgConnection::connect(url).await.unwrap()),
            _ => Self::MariaDb(MySqlConnection::connect(url).await.unwrap()),
        }
    }

    /// Runs statements.
    pub(crate) async fn run(&mut self, statements: &str) {
        let raw = sqlx::raw_sql(AssertSqlSafe(statements.to_owned()));
        let result = match self {
            Self::Sqlite(connection) => connection.execute(raw).await.map(|_| ()),
            Self::MariaDb(connection) => connection.execute(raw).await.map(|_| ()),
            Self::Postgres(connection) => connection.execute(raw).await.map(|_| ()),
        };
        result.unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    /// The rows of a query of texts, the columns of each joined by `|`; what is absent is `NULL`.
    pub(crate) async fn texts(&mut self, query: &str) -> Vec<String> {
        macro_rules! texts {
            ($connection:ident) => {{
                let rows = $connection.fetch_all(AssertSqlSafe(query.to_owned())).await;
                let rows = rows.unwrap_or_else(|error| panic!("{query}: {error}"));
                let row = |row: &_| {
                    let texts = (0..Row::len(row)).map(|at| Row::try_get(row, at).unwrap());
                    let texts = texts.map(|text: Option<String>| text.unwrap_or("NULL".to_owned()));
                    texts.collect::<Vec<String>>().join("|")
                };
                rows.iter().map(row).collect()
            }};
        }
        match self {
            Self::Sqlite(connection) => texts!(connection),
            Self::MariaDb(connection) => texts!(connection),
            Self::Postgres(connection) => texts!(connection),
        }
    }

    /// Says of every view that it changed, as whoever writes has to.
    pub(crate) async fn touch(&mut self) {
        for view in View::ALL.map(View::name).into_iter().chain(["attackers-order"]) {
            self.run(&format!(
                "INSERT INTO corral_revision (view, revision) SELECT '{view}', 0 FROM (SELECT 1 AS one) AS d
                 WHERE NOT EXISTS (SELECT 1 FROM corral_revision WHERE view = '{view}')"
            ))
            .await;
        }
        self.run("UPDATE corral_revision SET revision = revision + 1").await;
    }

    /// A value as a text, in this database's words.
    pub(crate) fn text(&self, expression: &str) -> String {
        match self {
            Self::MariaDb(_) => format!("CAST({expression} AS CHAR)"),
            _ => format!("CAST({expression} AS TEXT)"),
        }
    }
}
