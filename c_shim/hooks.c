/*
 * hooks.c: tells of statements that idle workers are in the way of.
 *
 * Before a statement that needs a database without sessions (to drop, copy,
 * move or rename it): that database, if the user may do so at all.
 *
 * After the commit of a statement that changes what a new session would be
 * like, or that ends a role or changes this extension: no session from before
 * is as good as a new one.
 */
#include "shim.h"
#include "compat.h"

#include "commands/defrem.h"
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
static Concerned pending;

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
		if (is_this_extension(strVal(lfirst(lc))))
			return true;
	}
	return false;
}

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
			return all;
		case T_TransactionStmt:
			/* of which nobody here knows what it holds */
			return ((const TransactionStmt *) stmt)->kind == TRANS_STMT_COMMIT_PREPARED ? all : nobody;
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
database_to_empty(const Node *stmt)
{
	const char *name = NULL;
	Oid			database;

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
transaction_ended(XactEvent event, void *arg)
{
	(void) arg;
	if (!pending.any)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			pending.any = false;
			committed_callback(pending.database, pending.role);
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			pending.any = false;
			break;
		default:
			break;
	}
}

static void
process_utility(PlannedStmt *pstmt, const char *queryString, bool readOnlyTree,
				ProcessUtilityContext context, ParamListInfo params,
				QueryEnvironment *queryEnv, DestReceiver *dest, QueryCompletion *qc)
{
	Oid			database = database_to_empty(pstmt->utilityStmt);
	Concerned	concerned;

	if (OidIsValid(database))
		before_callback(database);
	concerned = changes_sessions(pstmt->utilityStmt);
	if (concerned.any)
	{
		static bool registered = false;

		/* only now, so that other sessions' transactions pay nothing */
		if (!registered)
		{
			RegisterXactCallback(transaction_ended, NULL);
			registered = true;
		}
		/* what the commit will need can still be made ready here, and fail */
		before_callback(InvalidOid);
		if (pending.any && (pending.database != concerned.database || pending.role != concerned.role))
			concerned.database = concerned.role = InvalidOid;
		pending = concerned;
	}
	(previous_hook ? previous_hook : standard_ProcessUtility)
		(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
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
