//! What is known of a command before it runs: what kind it is, and what the catalogs say of its tables and indexes.

/// How a command's progress can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Vacuum {
        analyze: bool,
        indexes: IndexCleanup,
    },
    /// CLUSTER and VACUUM FULL, which may ANALYZE afterwards.
    Rewrite {
        analyze: bool,
    },
    Analyze,
    CreateIndex,
    CreateIndexConcurrently,
    Reindex,
    ReindexConcurrently,
    CopyFrom,
    /// COPY of a table: all its rows, one scan.
    CopyTableTo,
    /// CREATE TABLE AS, COPY of a query, EXPLAIN ANALYZE, EXECUTE and the like: the query's progress is the command's.
    Query,
    /// REFRESH MATERIALIZED VIEW: the query, then the indexes.
    Refresh,
    /// The query, then the comparison with what is there.
    RefreshConcurrently,
    /// ADD FOREIGN KEY, VALIDATE CONSTRAINT: the query that looks for rows without a match. Of a partitioned table one
    /// for each partition.
    Validate,
    /// The server counts nothing: ALTER TABLE that rewrites.
    Uncounted,
}

/// Does a VACUUM remove dead rows from indexes?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexCleanup {
    /// If enough pages have some.
    Auto,
    Always,
    Never,
}

/// Access methods that come with the server. Their OIDs are the same in all majors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Btree,
    Hash,
    Gist,
    Gin,
    Spgist,
    Brin,
    Other,
}

impl Method {
    pub fn of(oid: i64) -> Self {
        match oid {
            403 => Self::Btree,
            405 => Self::Hash,
            783 => Self::Gist,
            2742 => Self::Gin,
            4000 => Self::Spgist,
            3580 => Self::Brin,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Index {
    pub oid: u32,
    pub pages: f64,
    /// Pages of the table that it is built of: its owner's, or of that one's TOAST table.
    pub heap: f64,
    pub method: Method,
}

#[derive(Clone, Debug, Default)]
pub struct Table {
    pub oid: u32,
    pub pages: f64,
    /// Unknown before the first VACUUM or ANALYZE.
    pub rows: Option<f64>,
    pub columns: u32,
    pub is_toast: bool,
    /// Other tables inherit from it, or are its partitions: ANALYZE samples them all for it.
    pub has_children: bool,
    /// The TOAST table whose indexes are among its own: of REINDEX CONCURRENTLY. 0: none.
    pub toast: u32,
    /// In the order in which the server works on them: by OID; those of the TOAST table last.
    pub indexes: Vec<Index>,
}

impl Table {
    pub fn index_pages(&self) -> f64 {
        self.indexes.iter().map(|index| index.pages).sum()
    }

    /// What it takes to build the indexes, one by one: each scans its table, and writes its pages.
    pub fn builds(&self) -> impl Iterator<Item = f64> {
        self.indexes.iter().map(|index| index.heap + 2.0 * index.pages)
    }
}

#[derive(Clone, Debug)]
pub struct Facts {
    pub kind: Kind,
    /// As in the server's messages: VACUUM, CREATE INDEX.
    pub command: &'static str,
    /// The tables that the command is about; of VACUUM, their TOAST tables too.
    pub tables: Vec<Table>,
    /// `default_statistics_target`
    pub statistics_target: u32,
}

impl Facts {
    /// The table, where there is but one.
    pub fn only_table(&self) -> Option<u32> {
        match &self.tables[..] {
            [table] => Some(table.oid),
            _ => None,
        }
    }
}
