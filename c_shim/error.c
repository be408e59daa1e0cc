/*
 * error.c: the only setjmp.
 */
#include "shim.h"
#include "utils/resowner.h"

/*
 * Runs body(arg).  False, with a copy of the error, when it threw; the error
 * stack is then clean again.  The copy is in a memory context of its own,
 * its assoc_context.  Locks and other resources are not released: that takes
 * a (sub)transaction abort.
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

/*
 * Runs body(arg).  When it throws, runs on_error(arg), which must not, and
 * lets the error go on.
 */
void
pgbg_finally(void (*body) (void *), void (*on_error) (void *), void *arg)
{
	PG_TRY();
	{
		body(arg);
	}
	PG_CATCH();
	{
		on_error(arg);
		PG_RE_THROW();
	}
	PG_END_TRY();
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
