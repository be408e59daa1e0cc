/*
 * error.c: the only setjmp.
 */
#include "shim.h"
#include "storage/ipc.h"
#include "utils/resowner.h"

/*
 * Memory for an error, where there is no other.  Suppose that a job takes all
 * memory to the last kilobyte, and fails for want of more: to copy that error
 * takes memory, too.  So some is kept from the beginning, is given back to
 * malloc when there is none, and is taken again as soon as there is.
 */
#define RESERVE (64 * 1024)

static void *reserve;

/* Has a short error that stands for one of which there is no copy. */
static MemoryContext spare;

/* Gives the reserve back to malloc.  False if it was given back before. */
bool
pgbg_give_reserve(void)
{
	bool		was_there = reserve != NULL;

	free(reserve);
	reserve = NULL;
	return was_there;
}

/* Gives the reserve back if there is no other memory for an error. */
static void
make_room(void)
{
	/* volatile: the compiler may leave out a malloc that comes to nothing */
	void	   *volatile probe = malloc(RESERVE / 4);

	if (probe != NULL)
		free(probe);
	else
		(void) pgbg_give_reserve();
}

/* Takes what was given away.  Not at the end of the process, which needs it. */
static void
keep_reserve(void)
{
	if (proc_exit_inprogress)
		return;
	reserve = malloc(RESERVE);
	if (reserve == NULL || spare != NULL)
		return;
	/* it does not throw: so much is free now */
	(void) pgbg_give_reserve();
	spare = AllocSetContextCreate(TopMemoryContext, "pg_background error",
								  ALLOCSET_SMALL_SIZES);
	reserve = malloc(RESERVE);
}

/*
 * A copy of the error that was just caught, in a memory context of its own.
 * Does not throw, for then the error would go past frames of Rust that hold
 * locks.  And it leaves room on the server's stack of errors, where a sixth
 * one is a PANIC: an error is copied once, or "out of memory" stands for it.
 */
static ErrorData *
copy_error(void)
{
	MemoryContext volatile own = NULL;
	ErrorData  *volatile copy = NULL;
	ErrorData  *stand_in;

	make_room();
	PG_TRY();
	{
		/* not below the caller's: that may go with the transaction that failed */
		own = AllocSetContextCreate(TopMemoryContext, "pg_background error",
									ALLOCSET_SMALL_SIZES);
		MemoryContextSwitchTo(own);
		copy = CopyErrorData();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(ErrorContext);
		if (own != NULL)
			MemoryContextDelete(own);
	}
	PG_END_TRY();
	if (copy != NULL)
		return copy;

	FlushErrorState();
	if (spare == NULL)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("pg_background could not copy an error.")));
	stand_in = MemoryContextAllocZero(spare, sizeof(ErrorData));
	stand_in->elevel = ERROR;
	stand_in->output_to_server = true;
	stand_in->output_to_client = true;
	stand_in->sqlerrcode = ERRCODE_OUT_OF_MEMORY;
	stand_in->message = MemoryContextStrdup(spare, _("out of memory"));
	stand_in->detail = MemoryContextStrdup(spare, "pg_background could not copy an error.");
	stand_in->assoc_context = spare;
	spare = NULL;
	return stand_in;
}

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

	if (unlikely(reserve == NULL))
		keep_reserve();
	PG_TRY();
	{
		body(arg);
	}
	PG_CATCH();
	{
		*error = copy_error();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		/* errfinish zeroed the holdoff counts; the caller still has its own */
		InterruptHoldoffCount = interrupt_holdoff;
		QueryCancelHoldoffCount = cancel_holdoff;
		CurrentResourceOwner = owner;
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

	make_room();
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
