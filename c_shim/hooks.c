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
static void (*committed_callback) (void) = NULL;

/* such a statement ran in this transaction */
static bool pending = false;

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

static bool
changes_sessions(const Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_AlterDatabaseSetStmt:
		case T_AlterRoleSetStmt:
		case T_AlterRoleStmt:
		case T_DropRoleStmt:
			return true;
		case T_AlterExtensionStmt:
			return is_this_extension(((const AlterExtensionStmt *) stmt)->extname);
		case T_DropStmt:
			return drops_this_extension((const DropStmt *) stmt);
		default:
			return false;
	}
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

static bool
may_create_databases(void)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	bool		may = false;

	if (HeapTupleIsValid(tuple))
	{
		may = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return may || superuser();
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
			if (!may_create_databases())
				return InvalidOid;
			return get_database_oid(name ? name : "template1", true);
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
	if (!pending)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			pending = false;
			committed_callback();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			pending = false;
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

	if (OidIsValid(database))
		before_callback(database);
	if (changes_sessions(pstmt->utilityStmt))
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
		pending = true;
	}
	(previous_hook ? previous_hook : standard_ProcessUtility)
		(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

/*
 * To be called once.  "before" may throw; "committed" may not, and may not
 * wait: it is called in the midst of a commit.
 */
void
pgbg_watch_statements(void (*before) (Oid database), void (*committed) (void))
{
	before_callback = before;
	committed_callback = committed;
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
