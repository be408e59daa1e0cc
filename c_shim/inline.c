/*
 * inline.c: macros and inline functions, as functions.
 */
#include "shim.h"
#include "compat.h"

#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "libpq/auth.h"
#include "nodes/pg_list.h"
#include "utils/syscache.h"
#if PGBG_HAVE_CUSTOM_WAIT_EVENTS
#include "utils/wait_event.h"
#endif

/* Rust exports Pg_magic_func: symbols of a C archive stay hidden in a cdylib. */
const Pg_magic_struct *
pgbg_magic(void)
{
	static const Pg_magic_struct magic = PGBG_MAGIC_DATA;

	return &magic;
}

const Pg_finfo_record *
pgbg_finfo_v1(void)
{
	static const Pg_finfo_record v1 = {1};

	return &v1;
}

/* This process's number among the server's; none outside of it. */
uint32
pgbg_proc_number(void)
{
	return MyProc ? (uint32) PGBG_PROC_NUMBER(MyProc) : PG_UINT32_MAX;
}

PGPROC *
pgbg_proc(uint32 number)
{
	return number < ProcGlobal->allProcCount ? GetPGProcByNumber(number) : NULL;
}

/* NULL: there can be no such process. */
Latch *
pgbg_proc_latch(uint32 number)
{
	PGPROC	   *proc = pgbg_proc(number);

	return proc ? &proc->procLatch : NULL;
}

LWLock *
pgbg_addin_shmem_init_lock(void)
{
	return AddinShmemInitLock;
}

/* pqsignal is a macro since 18. */
void
pgbg_set_handler(int signal, pqsigfunc handler)
{
	pqsignal(signal, handler);
}

/* For a signal handler: errno, a macro, stays as it is. */
void
pgbg_set_my_latch(void)
{
	int			save_errno = errno;

	SetLatch(MyLatch);
	errno = save_errno;
}

void
pgbg_check_for_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
}

void
pgbg_reserve_guc_prefix(const char *prefix)
{
	PGBG_RESERVE_PREFIX(prefix);
}

/* As RestoreGUCState sets one of its settings. */
void
pgbg_set_option(const char *name, const char *value, GucContext context, GucSource source, Oid role)
{
	if (PGBG_SET_OPTION(name, value, context, source, role) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("parameter \"%s\" could not be set", name)));
}

/* What pg_stat_activity shows. */
uint32
pgbg_wait_event(PgbgWait wait)
{
#if PGBG_HAVE_CUSTOM_WAIT_EVENTS
	static const char *const names[] = {
		[PGBG_WAIT_JOB] = "PgBackgroundJob",
		[PGBG_WAIT_LAUNCH] = "PgBackgroundLaunch",
		[PGBG_WAIT_IDLE] = "PgBackgroundIdle",
	};
	static uint32 events[lengthof(names)];
#endif

	/* as if shm_mq waited itself */
	if (wait == PGBG_WAIT_ROOM)
		return PGBG_WAIT_EVENT_MQ_SEND;
#if PGBG_HAVE_CUSTOM_WAIT_EVENTS
	if (events[wait] == 0)
		events[wait] = WaitEventExtensionNew(names[wait]);
	return events[wait];
#else
	return PG_WAIT_EXTENSION;
#endif
}

/* After the last attribute has been set. */
void
pgbg_finish_desc(TupleDesc desc)
{
	PGBG_FINISH_DESC(desc);
}

/* What pg_proc has of the function. */
void
pgbg_declaration(Oid function, PgbgDeclaration *declaration)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Form_pg_proc proc;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	proc = (Form_pg_proc) GETSTRUCT(tuple);
	declaration->result = proc->prorettype;
	declaration->nargs = proc->pronargs;
	memcpy(declaration->arguments, proc->proargtypes.values, proc->pronargs * sizeof(Oid));
	declaration->returns_set = proc->proretset;
	declaration->is_strict = proc->proisstrict;
	declaration->is_c_function = proc->prolang == ClanguageId && proc->prokind == PROKIND_FUNCTION;
	ReleaseSysCache(tuple);
}

void
pgbg_column(TupleDesc desc, int i, PgbgColumn *column)
{
	Form_pg_attribute att = TupleDescAttr(desc, i);

	column->name = NameStr(att->attname);
	column->type_id = att->atttypid;
	column->typmod = att->atttypmod;
	column->len = att->attlen;
	column->align = (uint8) att_align_nominal(1, att->attalign);
}

/* The bytes of a detoasted value; short headers are fine. */
const char *
pgbg_varlena(const void *datum, Size *len)
{
	*len = VARSIZE_ANY_EXHDR(datum);
	return VARDATA_ANY(datum);
}

/* The value as the receive function makes it of what the send function wrote. */
Datum
pgbg_receive(FmgrInfo *send, FmgrInfo *receive, Datum value, Oid typioparam, int32 typmod)
{
	bytea	   *sent = SendFunctionCall(send, value);
	StringInfoData buf;

	/* a copy: receive functions expect a NUL behind the data, and array_recv writes there */
	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, VARDATA(sent), VARSIZE(sent) - VARHDRSZ);
	return ReceiveFunctionCall(receive, &buf, typioparam, typmod);
}

/* Can another session be sent a value of the type? */
bool
pgbg_type_has_receive(Oid type_id)
{
	HeapTuple	tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type_id));
	bool		has;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", type_id);
	has = OidIsValid(((Form_pg_type) GETSTRUCT(tuple))->typreceive);
	ReleaseSysCache(tuple);
	return has;
}

/* Does the value live elsewhere?  (Expanded objects are made flat when a tuple is formed.) */
bool
pgbg_is_external(const void *datum)
{
	return VARATT_IS_EXTERNAL(datum) && !VARATT_IS_EXTERNAL_EXPANDED(datum);
}

/*
 * The slot's row as a tuple that has all of its values in itself, or NULL when a
 * value of it must be fetched from a TOAST table first.
 */
MinimalTuple
pgbg_slot_tuple(TupleTableSlot *slot, bool *should_free)
{
	if (TTS_IS_VIRTUAL(slot))
	{
		TupleDesc	desc = slot->tts_tupleDescriptor;

		for (int i = 0; i < desc->natts; i++)
			if (TupleDescAttr(desc, i)->attlen == -1 && !slot->tts_isnull[i] &&
				pgbg_is_external(DatumGetPointer(slot->tts_values[i])))
				return NULL;
		return ExecFetchSlotMinimalTuple(slot, should_free);
	}
	else
	{
		MinimalTuple tuple = ExecFetchSlotMinimalTuple(slot, should_free);

		if ((tuple->t_infomask & HEAP_HASEXTERNAL) == 0)
			return tuple;
		if (*should_free)
			pfree(tuple);
		return NULL;
	}
}

void
pgbg_slot_clear(TupleTableSlot *slot)
{
	ExecClearTuple(slot);
}

void
pgbg_slot_deform(TupleTableSlot *slot)
{
	slot_getallattrs(slot);
}

/* Adds rows that lie one after the other, each aligned. */
void
pgbg_store_tuples(Tuplestorestate *store, TupleTableSlot *slot, const char *first, Size rows)
{
	while (rows-- > 0)
	{
		MinimalTuple tuple = (MinimalTuple) first;

		ExecStoreMinimalTuple(tuple, slot, false);
		tuplestore_puttupleslot(store, slot);
		first += MAXALIGN(tuple->t_len);
	}
}

/* The next row of a store into a slot of minimal tuples, not copied. */
bool
pgbg_slot_next(Tuplestorestate *store, TupleTableSlot *slot)
{
	return tuplestore_gettupleslot(store, true, false, slot);
}

MinimalTuple
pgbg_form_minimal_tuple(TupleDesc desc, Datum *values, bool *nulls)
{
	return PGBG_FORM_MINIMAL_TUPLE(desc, values, nulls);
}

List *
pgbg_analyze(RawStmt *raw, const char *sql)
{
	return PGBG_ANALYZE(raw, sql);
}

/* What queries that a rule has added return is for nobody: the result is the statement's. */
void
pgbg_portal_run(Portal portal, bool toplevel, DestReceiver *dest, QueryCompletion *qc)
{
	(void) PGBG_PORTAL_RUN(portal, toplevel, dest, None_Receiver, qc);
}

/* As the server logs a client's statement, plus which job it is. */
void
pgbg_log_statement(const char *sql, const char *detail)
{
	ereport(LOG,
			(errmsg("statement: %s", sql),
			 errhidestmt(true),
			 errdetail_log("%s", detail)));
}

void
pgbg_log_duration(const char *sql, const char *duration, bool was_logged, const char *detail)
{
	if (was_logged)
		ereport(LOG,
				(errmsg("duration: %s ms", duration),
				 errhidestmt(true),
				 errdetail_log("%s", detail)));
	else
		ereport(LOG,
				(errmsg("duration: %s ms  statement: %s", duration, sql),
				 errhidestmt(true),
				 errdetail_log("%s", detail)));
}

/* The name of a command tag; NULL of 0 (no command) and of what is none. */
const char *
pgbg_tag_name(uint32 tag)
{
#define PG_CMDTAG(tag, name, evrgok, rwrok, rowcnt) +1
	enum
	{
		TAGS = 0
#include "tcop/cmdtaglist.h"
	};
#undef PG_CMDTAG

	return tag > 0 && tag < TAGS ? GetCommandTagName((CommandTag) tag) : NULL;
}

/* COPY … FROM STDIN or TO STDOUT? */
bool
pgbg_is_copy_with_client(const Node *stmt)
{
	return IsA(stmt, CopyStmt) && ((const CopyStmt *) stmt)->filename == NULL;
}

/* Can the statement run code that ends transactions? */
bool
pgbg_is_procedural(const Node *stmt)
{
	return IsA(stmt, CallStmt) || IsA(stmt, DoStmt);
}

/* Does the command itself end the transaction and go on in another? */
PgbgCommits
pgbg_commits(const Node *stmt)
{
	ListCell   *cell;

	switch (nodeTag(stmt))
	{
		case T_VacuumStmt:
		case T_ClusterStmt:
		case T_ReindexStmt:
		case T_AlterDatabaseStmt:	/* SET TABLESPACE */
			return PGBG_COMMITS;
		case T_DropStmt:
			return ((const DropStmt *) stmt)->concurrent ? PGBG_COMMITS : PGBG_COMMITS_NOT;
		case T_IndexStmt:
			return ((const IndexStmt *) stmt)->concurrent ? PGBG_COMMITS_AND_EVALUATES : PGBG_COMMITS_NOT;
		case T_AlterTableStmt:
			foreach(cell, ((const AlterTableStmt *) stmt)->cmds)
			{
				const AlterTableCmd *cmd = lfirst_node(AlterTableCmd, cell);

				if (cmd->subtype == AT_DetachPartition &&
					castNode(PartitionCmd, cmd->def)->concurrent)
					return PGBG_COMMITS_AND_EVALUATES;
			}
			return PGBG_COMMITS_NOT;
		default:
			return PGBG_COMMITS_NOT;
	}
}

void
pgbg_ps_display(const char *activity)
{
	set_ps_display(activity);
}

/* SYSTEM_USER of the launcher. */
Size
pgbg_client_info_size(void)
{
#if PGBG_HAVE_CLIENT_CONNECTION_INFO
	return EstimateClientConnectionInfoSpace();
#else
	return 0;
#endif
}

void
pgbg_client_info_save(Size size, char *to)
{
#if PGBG_HAVE_CLIENT_CONNECTION_INFO
	SerializeClientConnectionInfo(size, to);
#else
	(void) size;
	(void) to;
#endif
}

void
pgbg_client_info_restore(char *from)
{
#if PGBG_HAVE_CLIENT_CONNECTION_INFO
	RestoreClientConnectionInfo(from);
	if (MyClientConnectionInfo.authn_id)
		InitializeSystemUser(MyClientConnectionInfo.authn_id,
							 hba_authname(MyClientConnectionInfo.auth_method));
#else
	(void) from;
#endif
}
