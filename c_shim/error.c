/*
 * error.c: the only setjmp, and the only way in which Rust raises.
 */
#include "shim.h"
#include "compat.h"

#include "utils/resowner.h"

/*
 * Runs body(arg).  False, with a copy of the error, when it threw; the error
 * stack is then clean again.  The copy is freed by pgbg_free_error or
 * pgbg_rethrow.  Locks and other resources are not released: that takes a
 * (sub)transaction abort.
 */
bool
pgbg_try(void (*body) (void *), void *arg, ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	uint32		interrupt_holdoff = InterruptHoldoffCount;
	uint32		cancel_holdoff = QueryCancelHoldoffCount;
	volatile bool ok = true;

	PG_TRY();
	{
		body(arg);
	}
	PG_CATCH();
	{
		/* errfinish zeroed the holdoff counts; the caller still has its own */
		InterruptHoldoffCount = interrupt_holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
		CurrentResourceOwner = owner;
		/* a context of its own: the caller's may go with the transaction that failed */
		MemoryContextSwitchTo(AllocSetContextCreate(TopMemoryContext,
													"pg_background error",
													ALLOCSET_SMALL_SIZES));
		*error = CopyErrorData();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ok = false;
	}
	PG_END_TRY();
	return ok;
}

void
pgbg_free_error(ErrorData *error)
{
	MemoryContextDelete(GetMemoryChunkContext(error));
}

/* Throws the error as it was; the copy goes when the error has been dealt with. */
void
pgbg_rethrow(ErrorData *error)
{
	MemoryContextSetParent(GetMemoryChunkContext(error), ErrorContext);
	ReThrowError(error);
}

/*
 * Raises what the report says, at its level, and releases it.  Does not
 * return at ERROR and above: no Rust destructor may be pending then.
 */
void
pgbg_report(PgbgReport *r)
{
	if (!errstart(r->elevel, TEXTDOMAIN))
	{
		r->release(r);
		return;
	}
	errcode(r->sqlerrcode);
	errmsg_internal("%s", r->message ? r->message : "missing error text");
	if (r->detail)
		errdetail_internal("%s", r->detail);
	if (r->detail_log)
		errdetail_log("%s", r->detail_log);
	if (r->hint)
		errhint("%s", r->hint);
	if (r->context)
		errcontext("%s", r->context);
	if (r->schema_name)
		err_generic_string(PG_DIAG_SCHEMA_NAME, r->schema_name);
	if (r->table_name)
		err_generic_string(PG_DIAG_TABLE_NAME, r->table_name);
	if (r->column_name)
		err_generic_string(PG_DIAG_COLUMN_NAME, r->column_name);
	if (r->datatype_name)
		err_generic_string(PG_DIAG_DATATYPE_NAME, r->datatype_name);
	if (r->constraint_name)
		err_generic_string(PG_DIAG_CONSTRAINT_NAME, r->constraint_name);
	if (r->cursorpos)
		errposition(r->cursorpos);
	if (r->internalquery)
	{
		internalerrquery(r->internalquery);
		internalerrposition(r->internalpos);
	}
	r->release(r);
	errfinish(__FILE__, __LINE__, __func__);
}

/* Ends the session: what Rust was about to do cannot be undone halfway. */
void
pgbg_out_of_memory(void)
{
	ereport(FATAL,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("pg_background could not allocate memory.")));
}

/*
 * Writes a caught ERROR to the server log, with a line of context, as a
 * session that reports it to its client does; leaves the copy as it is.
 */
void
pgbg_log_error(ErrorData *error, const char *context)
{
	bool		output_to_client = error->output_to_client;

	/* the launcher has it from the job's outcome */
	error->output_to_client = false;
	PG_TRY();
	{
		ReThrowError(error);
	}
	PG_CATCH();
	{
		errcontext("%s", context);
		EmitErrorReport();
		FlushErrorState();
	}
	PG_END_TRY();
	error->output_to_client = output_to_client;
}
