/*
 * hooks.c: tells of statements that no session from before them should
 * outlive: those that drop, copy, move or change a database or a role, and
 * those that change this extension.
 *
 * Told twice: before the statement, which may need the database to be empty,
 * and when it has committed, because what connected in between has not seen
 * it.  A transaction that is prepared is told of once only: its statement's
 * rows are compared by whoever takes over a session.
 */
#include "shim.h"
#include "compat.h"

static ProcessUtility_hook_type previous_hook = NULL;
static void (*before_callback) (void) = NULL;
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
concerns_sessions(const Node *stmt)
{
	switch (nodeTag(stmt))
	{
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_AlterDatabaseStmt:
		case T_AlterDatabaseSetStmt:
#if PGBG_HAVE_REFRESH_COLLATION
		case T_AlterDatabaseRefreshCollStmt:
#endif
		case T_DropRoleStmt:
		case T_AlterRoleStmt:
		case T_AlterRoleSetStmt:
		case T_GrantRoleStmt:
		case T_DropOwnedStmt:
		case T_ReassignOwnedStmt:
			return true;
		case T_RenameStmt:
			{
				ObjectType	type = ((const RenameStmt *) stmt)->renameType;

				return type == OBJECT_DATABASE || type == OBJECT_ROLE;
			}
		case T_AlterOwnerStmt:
			return ((const AlterOwnerStmt *) stmt)->objectType == OBJECT_DATABASE;
		case T_GrantStmt:
			return ((const GrantStmt *) stmt)->objtype == OBJECT_DATABASE;
		case T_AlterExtensionStmt:
			return is_this_extension(((const AlterExtensionStmt *) stmt)->extname);
		case T_DropStmt:
			return drops_this_extension((const DropStmt *) stmt);
		default:
			return false;
	}
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
	if (concerns_sessions(pstmt->utilityStmt))
	{
		static bool registered = false;

		/* only now, so that other sessions' transactions pay nothing */
		if (!registered)
		{
			RegisterXactCallback(transaction_ended, NULL);
			registered = true;
		}
		pending = true;
		before_callback();
	}
	(previous_hook ? previous_hook : standard_ProcessUtility)
		(pstmt, queryString, readOnlyTree, context, params, queryEnv, dest, qc);
}

/*
 * To be called once.  "before" may throw; "committed" may not, and may not
 * wait: it is called in the midst of a commit.
 */
void
pgbg_watch_statements(void (*before) (void), void (*committed) (void))
{
	before_callback = before;
	committed_callback = committed;
	previous_hook = ProcessUtility_hook;
	ProcessUtility_hook = process_utility;
}
