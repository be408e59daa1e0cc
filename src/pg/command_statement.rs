//! Which utility commands can be followed, and which relations they name: questions about their parse trees.

use super::error::Result;
use super::parse_tree::{Options, Tree, Work, cells};
use super::sys;
use super::{compat, compat_command};
use logic::estimate::utility::facts::{IndexCleanup, Kind};
use std::ffi::CStr;

/// A command that can be followed.
pub struct Followed<'a> {
    pub kind: Kind,
    pub subject: Subject<'a>,
}

/// What a command is about.
pub enum Subject<'a> {
    /// Nothing that must be known before.
    None,
    /// Tables, with what is below them.
    Tables(Vec<Named<'a>>),
    /// The index alone.
    Index(Named<'a>),
    /// The tables of a schema.
    Schema(&'a CStr),
    /// All tables of the database.
    All,
    /// The system catalogs.
    Catalogs,
    /// All tables of the database but the catalogs.
    AllButCatalogs,
    /// The tables that have been clustered before.
    Clustered,
}

/// A relation as a statement names it.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// 0: by the name.
    oid: u32,
    name: Option<&'a sys::RangeVar>,
    pub below: Below,
}

/// What a command takes besides the table that it names.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Below {
    Nothing,
    Partitions,
    /// Partitions, and whatever else inherits from it.
    Children,
}

impl Named<'_> {
    pub(super) fn oid(&self) -> u32 {
        self.oid
    }

    pub(super) fn name(&self) -> Option<*const sys::RangeVar> {
        self.name.map(std::ptr::from_ref)
    }

    /// # Safety
    /// NULL, or of a parse tree that is left as it is while the name is in use.
    unsafe fn new(name: *const sys::RangeVar) -> Self {
        // SAFETY: promised by the caller.
        Self { oid: 0, name: unsafe { name.as_ref() }, below: Below::Partitions }
    }
}

impl Subject<'_> {
    /// # Safety
    /// As for [`Named::new`].
    unsafe fn one(name: *const sys::RangeVar) -> Self {
        // SAFETY: promised by the caller.
        Self::Tables(vec![unsafe { Named::new(name) }])
    }
}

/// How the command is followed. `None` for those that are no work (SET, COMMIT), and those that run other statements
/// (CALL, DO).
pub fn followed(statement: Tree<'_>) -> Result<Option<Followed<'_>>> {
    let is = |kind| Ok(Some(Followed { kind, subject: Subject::None }));
    // SAFETY: each node's type has been looked at, and what such a node holds is of the types of its fields.
    unsafe {
        match statement.kind() {
            sys::NodeTag_T_VacuumStmt => vacuum(statement.as_node()).map(Some),
            sys::NodeTag_T_IndexStmt => {
                let statement = statement.as_node::<sys::IndexStmt>();
                if statement.concurrent {
                    return is(Kind::CreateIndexConcurrently);
                }
                Ok(Some(Followed { kind: Kind::CreateIndex, subject: indexed(statement.relation) }))
            }
            sys::NodeTag_T_ReindexStmt => reindex(statement.as_node()).map(Some),
            compat::CLUSTER => {
                let relation = compat_command::clustered(statement.as_ptr());
                let subject = if relation.is_null() { Subject::Clustered } else { Subject::one(relation) };
                Ok(Some(Followed { kind: Kind::Rewrite { analyze: false }, subject }))
            }
            sys::NodeTag_T_CopyStmt => Ok(Some(copy(statement.as_node()))),
            sys::NodeTag_T_RefreshMatViewStmt => {
                let statement = statement.as_node::<sys::RefreshMatViewStmt>();
                let kind = if statement.concurrent { Kind::RefreshConcurrently } else { Kind::Refresh };
                Ok(Some(Followed { kind, subject: Subject::one(statement.relation) }))
            }
            sys::NodeTag_T_AlterTableStmt => {
                let statement = statement.as_node::<sys::AlterTableStmt>();
                let kind = alter_table(statement);
                let subject = match kind {
                    Kind::Validate => Subject::one(statement.relation),
                    Kind::CreateIndex => indexed(statement.relation),
                    _ => Subject::None,
                };
                Ok(Some(Followed { kind, subject }))
            }
            sys::NodeTag_T_CreateTableAsStmt
            | sys::NodeTag_T_ExplainStmt
            | sys::NodeTag_T_ExecuteStmt
            | sys::NodeTag_T_DeclareCursorStmt
            | sys::NodeTag_T_FetchStmt => is(Kind::Query),
            _ if statement.work() == Work::None || runs_others(statement) => Ok(None),
            _ => is(Kind::Uncounted),
        }
    }
}

/// CALL and DO, and SET CONSTRAINTS with its checks: commands that run other statements.
pub fn runs_others(statement: Tree) -> bool {
    matches!(statement.kind(), sys::NodeTag_T_CallStmt | sys::NodeTag_T_DoStmt | sys::NodeTag_T_ConstraintsSetStmt)
}

/// # Safety
/// Part of a valid parse tree, as in all below.
unsafe fn vacuum(statement: &sys::VacuumStmt) -> Result<Followed<'_>> {
    // SAFETY: a list of DefElem, and one of VacuumRelation.
    unsafe {
        let options = Options::new(statement.options);
        let rels = cells(statement.rels).iter().map(|cell| {
            let relation = &*cell.ptr_value.cast::<sys::VacuumRelation>();
            let named = Named { oid: relation.oid, ..Named::new(relation.relation) };
            let below = match named.name {
                Some(range) if compat_command::VACUUM_TAKES_CHILDREN && range.inh => Below::Children,
                Some(_) if compat_command::VACUUM_TAKES_CHILDREN => Below::Nothing,
                _ => named.below,
            };
            Named { below, ..named }
        });
        let subject = if statement.rels.is_null() { Subject::All } else { Subject::Tables(rels.collect()) };
        let kind = if !statement.is_vacuumcmd {
            Kind::Analyze
        } else if options.is_on(c"full")? {
            Kind::Rewrite { analyze: options.is_on(c"analyze")? }
        } else {
            let indexes = match options.get(c"index_cleanup")?.map(CStr::to_bytes) {
                Some(value) if value.eq_ignore_ascii_case(b"auto") => IndexCleanup::Auto,
                Some(value) if is_true(value) => IndexCleanup::Always,
                Some(_) => IndexCleanup::Never,
                None if options.has(c"index_cleanup") => IndexCleanup::Always,
                None => IndexCleanup::Auto,
            };
            Kind::Vacuum { analyze: options.is_on(c"analyze")?, indexes }
        };
        Ok(Followed { kind, subject })
    }
}

unsafe fn reindex(statement: &sys::ReindexStmt) -> Result<Followed<'_>> {
    // SAFETY: a list of DefElem; a name is there where there is no relation, but for that of the database, since 16.
    unsafe {
        let concurrently = Options::new(statement.params).is_on(c"concurrently")?;
        let kind = if concurrently { Kind::ReindexConcurrently } else { Kind::Reindex };
        let subject = match statement.kind {
            sys::ReindexObjectType_REINDEX_OBJECT_INDEX => Subject::Index(Named::new(statement.relation)),
            sys::ReindexObjectType_REINDEX_OBJECT_TABLE => Subject::one(statement.relation),
            sys::ReindexObjectType_REINDEX_OBJECT_SCHEMA if !statement.name.is_null() => {
                Subject::Schema(CStr::from_ptr(statement.name))
            }
            sys::ReindexObjectType_REINDEX_OBJECT_SYSTEM => Subject::Catalogs,
            // CONCURRENTLY passes the catalogs by
            _ if compat_command::REINDEX_DATABASE_TAKES_CATALOGS && !concurrently => Subject::All,
            _ => Subject::AllButCatalogs,
        };
        Ok(Followed { kind, subject })
    }
}

/// The table that gets an index, with its partitions, where the server's counters do not tell how many there are.
unsafe fn indexed<'a>(relation: *const sys::RangeVar) -> Subject<'a> {
    if compat_command::CREATE_INDEX_COUNTS_ALL_LEVELS {
        return Subject::None;
    }
    // SAFETY: promised by the caller.
    unsafe { Subject::one(relation) }
}

unsafe fn copy(statement: &sys::CopyStmt) -> Followed<'_> {
    let kind = match (statement.is_from, statement.query.is_null()) {
        (true, _) => Kind::CopyFrom,
        (false, true) => Kind::CopyTableTo,
        (false, false) => Kind::Query,
    };
    let subject = match kind {
        // SAFETY: without a query there is a relation.
        Kind::CopyTableTo => unsafe { Subject::one(statement.relation) },
        _ => Subject::None,
    };
    Followed { kind, subject }
}

/// A single change that the server counts, or that is a query.
unsafe fn alter_table(statement: &sys::AlterTableStmt) -> Kind {
    // SAFETY: a list of AlterTableCmd; to add a constraint has a Constraint.
    unsafe {
        let [command] = cells(statement.cmds) else { return Kind::Uncounted };
        let command = &*command.ptr_value.cast::<sys::AlterTableCmd>();
        match command.subtype {
            sys::AlterTableType_AT_ValidateConstraint => Kind::Validate,
            sys::AlterTableType_AT_AddConstraint if !command.def.is_null() => {
                match Tree::new(command.def).as_node::<sys::Constraint>().contype {
                    sys::ConstrType_CONSTR_FOREIGN => Kind::Validate,
                    sys::ConstrType_CONSTR_PRIMARY
                    | sys::ConstrType_CONSTR_UNIQUE
                    | sys::ConstrType_CONSTR_EXCLUSION => Kind::CreateIndex,
                    _ => Kind::Uncounted,
                }
            }
            _ => Kind::Uncounted,
        }
    }
}

/// As `defGetBoolean`.
pub(super) fn is_true(value: &[u8]) -> bool {
    [&b"true"[..], b"on", b"1", b"yes"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

impl Options<'_> {
    /// Is the option there, and not switched off?
    fn is_on(self, name: &CStr) -> Result<bool> {
        Ok(match self.get(name)? {
            Some(value) => is_true(value.to_bytes()),
            None => self.has(name),
        })
    }
}
