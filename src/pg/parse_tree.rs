//! What a statement is: questions about its parse tree (nodes/parsenodes.h). Nothing here changes one.

use super::compat;
use super::error::Result;
use super::guard::guard;
use super::sys;
use std::ffi::{CStr, c_char};
use std::marker::PhantomData;

/// The parse tree of a statement, which lives for `'a`.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    node: *const sys::Node,
    statement: PhantomData<&'a sys::Node>,
}

/// The commands on databases, roles and extensions that change what sessions may be there, or are like.
pub enum Utility<'a> {
    CreateDatabase(Options<'a>),
    DropDatabase(&'a CStr),
    AlterDatabase(&'a CStr, Options<'a>),
    RenameDatabase(&'a CStr),
    /// ALTER DATABASE … SET and RESET.
    SetForDatabase(&'a CStr),
    /// ALTER ROLE … SET and RESET: for one role or all, in one database or all.
    SetForRole(Option<Role<'a>>, Option<&'a CStr>),
    AlterRole(Role<'a>),
    /// The roles that are named. The server refuses CURRENT_USER, PUBLIC and the like in its own words.
    DropRoles(Vec<&'a CStr>),
    AlterExtension(&'a CStr),
    DropExtensions(Vec<&'a CStr>),
    CommitPrepared,
    Other,
}

/// What a command does, as far as its progress is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// It sets, shows or ends something.
    None,
    /// It runs a plan, or is done when a plan is that it runs.
    Plan(Destination),
    /// It works itself, or runs other statements.
    Itself,
}

/// Where the rows of a command's plan go. Other plans that it starts, those of event triggers say, go elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A new table, or the new contents of a materialized view.
    Relation,
    /// COPY … TO.
    Copy,
    /// Nowhere yet when the plan is started, or to EXPLAIN: not to a function, whose queries may come before (one that
    /// gives an argument of EXECUTE).
    NoFunction,
    /// To the server's check of a foreign key, which it asks in its own words; a command may have several.
    KeyCheck,
    Any,
}

impl Destination {
    /// Can one plan after another be taken for the command's?
    pub fn may_follow(self) -> bool {
        matches!(self, Self::NoFunction | Self::KeyCheck)
    }
}

/// A role as a statement names it.
#[derive(Clone, Copy)]
pub struct Role<'a>(&'a sys::RoleSpec);

/// The options of a command.
#[derive(Clone, Copy)]
pub struct Options<'a>(&'a [sys::ListCell]);

/// The cells of a list.
///
/// # Safety
/// A list of the server, which is left as it is for `'a`, or NULL, the empty list.
pub(super) unsafe fn cells<'a>(list: *const sys::List) -> &'a [sys::ListCell] {
    // SAFETY: promised by the caller; a list that is there has a cell at least.
    unsafe {
        match list.as_ref() {
            Some(list) => std::slice::from_raw_parts(list.elements, list.length.max(0) as usize),
            None => &[],
        }
    }
}

/// # Safety
/// NULL, or a C string of the tree.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a CStr> {
    // SAFETY: promised by the caller.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

impl<'a> Tree<'a> {
    /// # Safety
    /// A valid parse tree, which is left as it is for `'a`.
    pub(super) unsafe fn new(node: *const sys::Node) -> Self {
        Self { node, statement: PhantomData }
    }

    pub(super) fn kind(self) -> sys::NodeTag {
        // SAFETY: promised to `new`.
        unsafe { (*self.node).type_ }
    }

    pub(super) fn as_ptr(self) -> *const sys::Node {
        self.node
    }

    /// # Safety
    /// The node must be of that type.
    pub(super) unsafe fn as_node<T>(self) -> &'a T {
        // SAFETY: promised by the caller, and to `new`.
        unsafe { &*self.node.cast::<T>() }
    }

    /// The server's number of its command tag.
    pub fn tag(self) -> u32 {
        // SAFETY: a parse tree, which is only read; every one has a tag.
        unsafe { sys::CreateCommandTag(self.node.cast_mut()) }
    }

    /// The name of its command tag.
    pub fn tag_name(self) -> &'static str {
        // SAFETY: a constant of the server's, in ASCII.
        unsafe { CStr::from_ptr(sys::GetCommandTagName(self.tag())) }.to_str().unwrap_or_default()
    }

    /// BEGIN, COMMIT, SAVEPOINT and the like.
    pub fn is_transaction_control(self) -> bool {
        self.kind() == sys::NodeTag_T_TransactionStmt
    }

    fn copy(self) -> Option<&'a sys::CopyStmt> {
        // SAFETY: the node's type has been looked at.
        (self.kind() == sys::NodeTag_T_CopyStmt).then(|| unsafe { self.as_node::<sys::CopyStmt>() })
    }

    /// COPY … FROM STDIN.
    pub fn is_copy_from_client(self) -> bool {
        self.copy().is_some_and(|copy| copy.is_from && copy.filename.is_null())
    }

    /// COPY … TO STDOUT.
    pub fn is_copy_to_client(self) -> bool {
        self.copy().is_some_and(|copy| !copy.is_from && copy.filename.is_null())
    }

    /// The options of a COPY.
    pub fn copy_options(self) -> Options<'a> {
        // SAFETY: a list of the tree.
        Options(self.copy().map_or(&[], |copy| unsafe { cells(copy.options) }))
    }

    /// Is it a command with a query in it (EXPLAIN, CREATE TABLE AS, SELECT INTO), or a CALL?
    pub fn has_query(self) -> bool {
        match self.kind() {
            sys::NodeTag_T_DeclareCursorStmt
            | sys::NodeTag_T_ExplainStmt
            | sys::NodeTag_T_CreateTableAsStmt
            | sys::NodeTag_T_CallStmt => true,
            // SAFETY: the node's type has been looked at; INTO is at the leftmost SELECT of a UNION.
            sys::NodeTag_T_SelectStmt => unsafe {
                let mut select = self.as_node::<sys::SelectStmt>();
                while let Some(left) = select.larg.as_ref() {
                    select = left;
                }
                !select.intoClause.is_null()
            },
            _ => false,
        }
    }

    /// CREATE TABLE AS EXECUTE, of an analyzed statement.
    fn runs_prepared(self) -> bool {
        // SAFETY: the caller has looked at the node's type, and this at the query's.
        unsafe {
            let query = Tree::new(self.as_node::<sys::CreateTableAsStmt>().query);
            query.kind() == sys::NodeTag_T_Query
                && (query.as_node::<sys::Query>().utilityStmt.as_ref())
                    .is_some_and(|statement| statement.type_ == sys::NodeTag_T_ExecuteStmt)
        }
    }

    pub fn work(self) -> Work {
        match self.kind() {
            sys::NodeTag_T_TransactionStmt
            | sys::NodeTag_T_VariableSetStmt
            | sys::NodeTag_T_VariableShowStmt
            | sys::NodeTag_T_DiscardStmt
            | sys::NodeTag_T_PrepareStmt
            | sys::NodeTag_T_DeallocateStmt
            | sys::NodeTag_T_ClosePortalStmt
            | sys::NodeTag_T_ListenStmt
            | sys::NodeTag_T_UnlistenStmt
            | sys::NodeTag_T_NotifyStmt
            | sys::NodeTag_T_LoadStmt => Work::None,
            // CREATE TABLE AS EXECUTE starts the plan before it has a destination
            sys::NodeTag_T_CreateTableAsStmt if self.runs_prepared() => Work::Plan(Destination::NoFunction),
            sys::NodeTag_T_CreateTableAsStmt | sys::NodeTag_T_RefreshMatViewStmt => Work::Plan(Destination::Relation),
            sys::NodeTag_T_CopyStmt if self.copy().is_some_and(|copy| !copy.is_from) => Work::Plan(Destination::Copy),
            sys::NodeTag_T_ExplainStmt | sys::NodeTag_T_ExecuteStmt | sys::NodeTag_T_DeclareCursorStmt => {
                Work::Plan(Destination::NoFunction)
            }
            sys::NodeTag_T_AlterTableStmt => Work::Plan(Destination::KeyCheck),
            // FETCH, too: its plan was started before. And COPY … FROM: its triggers have plans.
            _ => Work::Itself,
        }
    }

    /// Does the command itself end the transaction and go on in another?
    pub fn commits(self) -> bool {
        // SAFETY: each node's type has been looked at.
        unsafe {
            match self.kind() {
                // ALTER DATABASE … SET TABLESPACE
                sys::NodeTag_T_VacuumStmt
                | compat::CLUSTER
                | sys::NodeTag_T_ReindexStmt
                | sys::NodeTag_T_AlterDatabaseStmt => true,
                sys::NodeTag_T_DropStmt => self.as_node::<sys::DropStmt>().concurrent,
                sys::NodeTag_T_IndexStmt => self.as_node::<sys::IndexStmt>().concurrent,
                sys::NodeTag_T_AlterTableStmt => self.as_node::<sys::AlterTableStmt>().detaches_concurrently(),
                _ => false,
            }
        }
    }

    /// Which of the commands on databases, roles and extensions is it?
    pub fn utility(self) -> Utility<'a> {
        // SAFETY: each node's type has been looked at, and what such a node holds is of the types of its fields; a name
        // that the grammar demands is there.
        unsafe {
            match self.kind() {
                sys::NodeTag_T_CreatedbStmt => {
                    Utility::CreateDatabase(Options(cells(self.as_node::<sys::CreatedbStmt>().options)))
                }
                sys::NodeTag_T_DropdbStmt => named(self.as_node::<sys::DropdbStmt>().dbname, Utility::DropDatabase),
                sys::NodeTag_T_AlterDatabaseStmt => {
                    let statement = self.as_node::<sys::AlterDatabaseStmt>();
                    let options = Options(cells(statement.options));
                    named(statement.dbname, |name| Utility::AlterDatabase(name, options))
                }
                sys::NodeTag_T_RenameStmt => {
                    let statement = self.as_node::<sys::RenameStmt>();
                    if statement.renameType == sys::ObjectType_OBJECT_DATABASE {
                        named(statement.subname, Utility::RenameDatabase)
                    } else {
                        Utility::Other
                    }
                }
                sys::NodeTag_T_AlterDatabaseSetStmt => {
                    named(self.as_node::<sys::AlterDatabaseSetStmt>().dbname, Utility::SetForDatabase)
                }
                sys::NodeTag_T_AlterRoleSetStmt => {
                    let statement = self.as_node::<sys::AlterRoleSetStmt>();
                    Utility::SetForRole(statement.role.as_ref().map(Role), text(statement.database))
                }
                sys::NodeTag_T_AlterRoleStmt => {
                    let role = self.as_node::<sys::AlterRoleStmt>().role.as_ref();
                    role.map_or(Utility::Other, |role| Utility::AlterRole(Role(role)))
                }
                sys::NodeTag_T_DropRoleStmt => {
                    let roles = cells(self.as_node::<sys::DropRoleStmt>().roles).iter();
                    let roles = roles.map(|cell| &*cell.ptr_value.cast::<sys::RoleSpec>());
                    let named = roles.filter(|role| role.roletype == sys::RoleSpecType_ROLESPEC_CSTRING);
                    Utility::DropRoles(named.filter_map(|role| text(role.rolename)).collect())
                }
                sys::NodeTag_T_AlterExtensionStmt => {
                    named(self.as_node::<sys::AlterExtensionStmt>().extname, Utility::AlterExtension)
                }
                sys::NodeTag_T_DropStmt => {
                    let statement = self.as_node::<sys::DropStmt>();
                    if statement.removeType == sys::ObjectType_OBJECT_EXTENSION {
                        let names = cells(statement.objects).iter().map(|cell| compat::string_of(cell.ptr_value));
                        Utility::DropExtensions(names.filter_map(|name| text(name)).collect())
                    } else {
                        Utility::Other
                    }
                }
                sys::NodeTag_T_TransactionStmt => match self.as_node::<sys::TransactionStmt>().kind {
                    sys::TransactionStmtKind_TRANS_STMT_COMMIT_PREPARED => Utility::CommitPrepared,
                    _ => Utility::Other,
                },
                _ => Utility::Other,
            }
        }
    }
}

/// # Safety
/// As for [`text`].
unsafe fn named<'a>(name: *const c_char, make: impl FnOnce(&'a CStr) -> Utility<'a>) -> Utility<'a> {
    // SAFETY: promised by the caller.
    unsafe { text(name) }.map_or(Utility::Other, make)
}

impl sys::AlterTableStmt {
    fn detaches_concurrently(&self) -> bool {
        // SAFETY: a parse tree: a list of AlterTableCmd, and to detach has a PartitionCmd.
        unsafe { cells(self.cmds) }.iter().any(|cell| unsafe {
            let command = &*cell.ptr_value.cast::<sys::AlterTableCmd>();
            command.subtype == sys::AlterTableType_AT_DetachPartition
                && Tree::new(command.def).as_node::<sys::PartitionCmd>().concurrent
        })
    }
}

impl Role<'_> {
    pub(super) fn as_ptr(self) -> *const sys::RoleSpec {
        self.0
    }
}

impl<'a> Options<'a> {
    /// # Safety
    /// A list of DefElem of a valid parse tree, or NULL.
    pub(super) unsafe fn new(list: *const sys::List) -> Self {
        // SAFETY: promised by the caller.
        Self(unsafe { cells(list) })
    }

    /// Is there an option of that name?
    pub fn has(self, name: &CStr) -> bool {
        // SAFETY: a list of DefElem; an option has a name.
        self.0.iter().any(|cell| unsafe { CStr::from_ptr((*cell.ptr_value.cast::<sys::DefElem>()).defname) == name })
    }

    /// The option of that name, if it has a value, as the server reads it as text.
    pub fn get(self, name: &CStr) -> Result<Option<&'a CStr>> {
        for cell in self.0 {
            // SAFETY: a list of DefElem; an option has a name.
            let option = unsafe { cell.ptr_value }.cast::<sys::DefElem>();
            // SAFETY: as above.
            let (is_named, has_value) =
                unsafe { (CStr::from_ptr((*option).defname) == name, !(*option).arg.is_null()) };
            if is_named && has_value {
                // SAFETY: as above.
                let value = guard(|| unsafe { sys::defGetString(option) })?;
                // SAFETY: a C string of the tree, or one that was allocated in the memory of the statement.
                return Ok(Some(unsafe { CStr::from_ptr(value) }));
            }
        }
        Ok(None)
    }
}
