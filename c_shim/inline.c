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

/* True while a job's statements run. */
static volatile sig_atomic_t cancellable_now = false;

/* A cancel came before them. */
static volatile sig_atomic_t cancel_waits = false;

/* A cancel or a termination came for the job that the worker was given, but has not begun with. */
static volatile sig_atomic_t coming_cancel = false;
static volatile sig_atomic_t coming_terminate = false;

/* Where the running job's launcher, and others, ask it to stop; NULL between jobs. */
static const volatile uint32 *volatile stop_flags[2];

/* Was the process told to end while it had no job? */
static volatile sig_atomic_t leave_asked = false;

/*
 * This worker's slot in the registry: what it does, and the job that it was
 * given.  NULL before it has one, and without a registry.
 */
static const volatile uint32 *volatile slot_activity = NULL;
static const volatile uint32 *volatile slot_handle = NULL;

/* As in logic/job/state.rs and logic/registry/layout.rs. */
#define STOP_NOW 2
#define ACTIVITY_BUSY 1
#define ACTIVITY_CLAIMED 4

static bool
is_asked_to_stop(void)
{
	for (int i = 0; i < 2; i++)
	{
		const volatile uint32 *flag = stop_flags[i];

		if (flag && *flag >= STOP_NOW)
			return true;
	}
	return false;
}

typedef enum SignalIsFor
{
	/* no job: there is none, or it has ended */
	FOR_PROCESS,
	/* the job that runs */
	FOR_JOB,
	/* the job that the worker has been given, and has not begun with */
	FOR_COMING_JOB,
} SignalIsFor;

/*
 * Whom does a signal mean that comes now?  What everybody can see decides:
 * whoever sends one has seen the job with this pid from the moment that the
 * worker was given it (the slot's handle), whether the worker has woken up by
 * then or not, and until the job has ended in the registry (the worker is not
 * busy any more), whether the worker is done with it or not.
 */
static SignalIsFor
signal_is_for(void)
{
	bool		has_begun = stop_flags[0] != NULL;
	uint32		activity;

	if (slot_activity == NULL)
		return has_begun ? FOR_JOB : FOR_PROCESS;
	activity = *slot_activity;
	/* the handle is set after the activity, and reset before it */
	pg_read_barrier();
	if (activity == ACTIVITY_BUSY)
		return has_begun ? FOR_JOB : FOR_COMING_JOB;
	if (activity == ACTIVITY_CLAIMED && *slot_handle != 0)
		return FOR_COMING_JOB;
	return FOR_PROCESS;
}

/*
 * SIGINT, which is pg_cancel_backend's, cancels the job that runs.  It never
 * reaches what is no statement of the job: one that comes early waits for the
 * first, one that comes late finds nothing.
 */
static void
handle_interrupt(SIGNAL_ARGS)
{
	switch (signal_is_for())
	{
		case FOR_JOB:
			if (cancellable_now)
				StatementCancelHandler(PGBG_PASS_SIGNAL_ARGS);
			else
				cancel_waits = true;
			break;
		case FOR_COMING_JOB:
			coming_cancel = true;
			break;
		case FOR_PROCESS:
			break;
	}
}

/* SIGUSR2 says that some job was asked to stop: this one, or one that has ended by now. */
static void
handle_stop(SIGNAL_ARGS)
{
	if (cancellable_now && is_asked_to_stop())
		StatementCancelHandler(PGBG_PASS_SIGNAL_ARGS);
}

static void
handle_terminate(SIGNAL_ARGS)
{
	int			save_errno = errno;

	switch (signal_is_for())
	{
		case FOR_JOB:
			die(PGBG_PASS_SIGNAL_ARGS);
			break;
		case FOR_COMING_JOB:
			coming_terminate = true;
			SetLatch(MyLatch);
			break;
		case FOR_PROCESS:
			leave_asked = true;
			SetLatch(MyLatch);
			break;
	}
	errno = save_errno;
}

/* The worker's slot, once, when it has one. */
void
pgbg_watch_slot(const volatile uint32 *activity, const volatile uint32 *handle)
{
	slot_handle = handle;
	slot_activity = activity;
}

/* From here on the job has these flags, and what came for it before is its own. */
void
pgbg_begin_job(const volatile uint32 *stop_flag, const volatile uint32 *other_stop_flag)
{
	stop_flags[1] = other_stop_flag;
	stop_flags[0] = stop_flag;
	if (coming_cancel)
	{
		coming_cancel = false;
		cancel_waits = true;
	}
	if (coming_terminate)
	{
		coming_terminate = false;
		pgbg_die_with_job();
	}
}

/* A termination of the process is the job's as well. */
void
pgbg_die_with_job(void)
{
	InterruptPending = ProcDiePending = true;
}

/*
 * After the job has ended in the registry: what comes from then on is not this
 * job's.  A termination that came for it in its last moment, too late to end
 * it, ends the process all the same, but no later job.
 */
void
pgbg_end_job(void)
{
	stop_flags[0] = NULL;
	stop_flags[1] = NULL;
	cancel_waits = false;
	if (ProcDiePending)
	{
		ProcDiePending = false;
		leave_asked = true;
	}
}

/* The job that the worker was given is gone before it has begun: a cancel is, too. */
void
pgbg_forget_coming_job(void)
{
	coming_cancel = false;
	if (coming_terminate)
	{
		coming_terminate = false;
		leave_asked = true;
	}
}

void
pgbg_set_cancellable(bool cancellable)
{
	cancellable_now = cancellable;
	if (cancellable && (cancel_waits || is_asked_to_stop()))
		InterruptPending = QueryCancelPending = true;
	else if (!cancellable)
		QueryCancelPending = false;
}

bool
pgbg_is_asked_to_leave(void)
{
	return leave_asked || ProcDiePending;
}

/* Signals were blocked until here, so none was lost. */
void
pgbg_accept_signals(void)
{
	pqsignal(SIGINT, handle_interrupt);
	pqsignal(SIGTERM, handle_terminate);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGUSR2, handle_stop);
	BackgroundWorkerUnblockSignals();
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

/* Never waits: the ERROR of an interrupt in there would lose count of the bytes that are in the queue. */
shm_mq_result
pgbg_mq_send(shm_mq_handle *mqh, Size len, const void *data, bool flush)
{
	return PGBG_MQ_SEND(mqh, len, data, true, flush);
}

Size
pgbg_mq_minimum_size(void)
{
	return shm_mq_minimum_size;
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
