/*
 * hooks.c: tells of statements that idle workers are in the way of.
 *
 * Before a statement that needs a database without sessions (to drop, copy,
 * move or rename it): that database, if the user may do so at all, and here.
 *
 * After the commit of a statement that changes what a new session would be
 * like, or that ends a role or changes this extension: no session from before
 * is as good as a new one.  A statement that fails, changes nothing, or is
 * rolled back, by itself or with a subtransaction around it, does not count.
 */
#include "shim.h"
#include "compat.h"

#include "access/twophase.h"
#include "catalog/pg_extension.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "storage/lock.h"
#include "utils/syscache.h"

static ProcessUtility_hook_type previous_hook = NULL;
static void (*before_callback) (Oid database) = NULL;
static void (*committed_callback) (Oid database, Oid role) = NULL;

/*
 * Whose sessions are not like new ones once the transaction has committed:
 * those in a database, of a role; InvalidOid is any.
 */
typedef struct Concerned
{
	bool		any;
	Oid			database;
	Oid			role;
} Concerned;

/* Of a transaction and of each of its open subtransactions that has some, the innermost first. */
typedef struct Pending
{
	SubTransactionId subid;
	Concerned	concerned;
	struct Pending *outer;
} Pending;
static Pending *pending = NULL;

/*
 * A transaction that has some holds this lock, which keeps nobody waiting: who
 * commits it once it is prepared knows it by that, after a restart, too.  The
 * object is none of the server's: extensions belong to a database.
 */
static const LOCKTAG prepared_mark = {
	.locktag_field1 = InvalidOid,
	.locktag_field2 = ExtensionRelationId,
	.locktag_type = LOCKTAG_OBJECT,
	.locktag_lockmethodid = DEFAULT_LOCKMETHOD,
};

static bool
may_be_prepared(void)
{
	int			holders = 0;

	if (max_prepared_xacts > 0)
		(void) GetLockConflicts(&prepared_mark, ShareLock, &holders);
	return holders > 0;
}

static bool
is_this_extension(const char *name)
{
	return strcmp(name, "pg_background") == 0;
}

static bool
drops_this_extension(const DropStmt *stmt)
{
	ListCell   *lc;

	if (stmt->removeType != OBJECT_EXTENSION)
		return false;
	foreach(lc, stmt->objects)
	{
		const char *name = strVal(lfirst(lc));

		if (is_this_extension(name))
			return OidIsValid(get_extension_oid(name, true));
	}
	return false;
}

static bool
drops_a_role(const DropRoleStmt *stmt)
{
	ListCell   *lc;

	foreach(lc, stmt->roles)
	{
		const RoleSpec *role = lfirst_node(RoleSpec, lc);

		/* the server refuses CURRENT_USER, PUBLIC and the like in its own words */
		if (role->roletype == ROLESPEC_CSTRING && OidIsValid(get_role_oid(role->rolename, true)))
			return true;
	}
	return false;
}

/* To be asked before: afterwards, what was dropped has no name. */
static Concerned
changes_sessions(const Node *stmt)
{
	Concerned	nobody = {false, InvalidOid, InvalidOid};
	Concerned	all = {true, InvalidOid, InvalidOid};
	Concerned	some = all;
	const RoleSpec *role = NULL;
	const char *database = NULL;

	switch (nodeTag(stmt))
	{
		case T_AlterDatabaseSetStmt:
			database = ((const AlterDatabaseSetStmt *) stmt)->dbname;
			break;
		case T_AlterRoleSetStmt:
			role = ((const AlterRoleSetStmt *) stmt)->role;
			database = ((const AlterRoleSetStmt *) stmt)->database;
			break;
		case T_AlterRoleStmt:
			role = ((const AlterRoleStmt *) stmt)->role;
			break;
		case T_DropRoleStmt:
			return drops_a_role((const DropRoleStmt *) stmt) ? all : nobody;
		case T_TransactionStmt:
			/* it, or another one that is prepared: of whom nobody here knows */
			return ((const TransactionStmt *) stmt)->kind == TRANS_STMT_COMMIT_PREPARED && may_be_prepared() ? all : nobody;
		case T_AlterExtensionStmt:
			return is_this_extension(((const AlterExtensionStmt *) stmt)->extname) ? all : nobody;
		case T_DropStmt:
			return drops_this_extension((const DropStmt *) stmt) ? all : nobody;
		default:
			return nobody;
	}
	/* what does not exist makes the statement fail */
	if (role && !OidIsValid(some.role = get_rolespec_oid(role, true)))
		return nobody;
	if (database && !OidIsValid(some.database = get_database_oid(database, true)))
		return nobody;
	return some;
}

/* The string option of that name, or NULL. */
static const char *
option(List *options, const char *name)
{
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, name) == 0 && def->arg)
			return defGetString(def);
	}
	return NULL;
}

/* May the user make databases of that one? */
static bool
may_copy(Oid database)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool		may = superuser();

	if (HeapTupleIsValid(tuple))
	{
		may = may || ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	if (!may || PGBG_DATABASE_OWNERCHECK(database, GetUserId()))
		return may;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
	if (!HeapTupleIsValid(tuple))
		return false;
	may = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate;
	ReleaseSysCache(tuple);
	return may;
}

/* The database that must have no sessions, or InvalidOid. */
static Oid
database_to_empty(const Node *stmt, bool in_block)
{
	const char *name = NULL;
	Oid			database;

	/* all but the renaming are refused there */
	if (in_block && nodeTag(stmt) != T_RenameStmt)
		return InvalidOid;
	switch (nodeTag(stmt))
	{
		case T_CreatedbStmt:
			name = option(((const CreatedbStmt *) stmt)->options, "template");
			database = get_database_oid(name ? name : "template1", true);
			return OidIsValid(database) && may_copy(database) ? database : InvalidOid;
		case T_DropdbStmt:
			name = ((const DropdbStmt *) stmt)->dbname;
			break;
		case T_AlterDatabaseStmt:
			if (option(((const AlterDatabaseStmt *) stmt)->options, "tablespace"))
				name = ((const AlterDatabaseStmt *) stmt)->dbname;
			break;
		case T_RenameStmt:
			if (((const RenameStmt *) stmt)->renameType == OBJECT_DATABASE)
				name = ((const RenameStmt *) stmt)->subname;
			break;
		default:
			break;
	}
	if (name == NULL)
		return InvalidOid;
	database = get_database_oid(name, true);
	if (OidIsValid(database) && !PGBG_DATABASE_OWNERCHECK(database, GetUserId()))
		return InvalidOid;
	return database;
}

static void
merge(Concerned *into, Concerned concerned)
{
	if (into->database != concerned.database)
		into->database = InvalidOid;
	if (into->role != concerned.role)
		into->role = InvalidOid;
}

static void
transaction_ended(XactEvent event, void *arg)
{
	Concerned	concerned;

	(void) arg;
	if (pending == NULL)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			concerned = pending->concerned;
			pending = NULL;
			committed_callback(concerned.database, concerned.role);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			pending = NULL;
			break;
		default:
			break;
	}
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *arg)
{
	(void) arg;
	if (pending == NULL || pending->subid != subid)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		pending = pending->outer;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		pending->subid = parent;
		if (pending->outer && pending->outer->subid == parent)
		{
			merge(&pending->outer->concerned, pending->concerned);
			pending = pending->outer;
		}
	}
}

/* The statement has succeeded. */
static void
note(Concerned concerned)
{
	static bool registered = false;
	SubTransactionId subid = GetCurrentSubTransactionId();

	/* only now, so that other sessions' transactions pay nothing */
	if (!registered)
	{
		RegisterXactCallback(transaction_ended, NULL);
		RegisterSubXactCallback(subtransaction_ended, NULL);
		registered = true;
	}
	/* what the commit will need can still be made ready here, and fail */
	before_callback(InvalidOid);
	if (pending && pending->subid == subid)
		merge(&pending->concerned, concerned);
	else
	{
		Pending    *inner = MemoryContextAlloc(TopTransactionContext, sizeof(Pending));

		*inner = (Pending) {subid, concerned, pending};
		pending = inner;
	}
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Oid			database = database_to_empty(pstmt->utilityStmt, IsInTransactionBlock(context == PROCESS_UTILITY_TOPLEVEL));
	Concerned	concerned = changes_sessions(pstmt->utilityStmt);

	/*
	 * Not of a COMMIT PREPARED, which is in no transaction that can be
	 * prepared: another one at the same time would take it for a mark.
	 */
	bool		is_marked = concerned.any && max_prepared_xacts > 0 && !IsA(pstmt->utilityStmt, TransactionStmt);

	if (OidIsValid(database))
		before_callback(database);
	(previous_hook ? previous_hook : standard_ProcessUtility)
		(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
	if (is_marked)
		(void) LockAcquire(&prepared_mark, RowExclusiveLock, false, false);
	if (concerned.any)
		note(concerned);
}

/*
 * To be called once.  "before" may throw; "committed" may not, and may not
 * wait: it is called in the midst of a commit.
 */
void
pgbg_watch_statements(void (*before) (Oid database), void (*committed) (Oid database, Oid role))
{
	before_callback = before;
	committed_callback = committed;
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
