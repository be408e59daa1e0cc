/*
 * inline.c: a macro or static inline of the server's headers, as a function;
 * and loops over rows that are made of such.  Nothing else.
 */
#include "shim.h"
#include "compat.h"

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

/* NULL: there is no process to wake. */
void
pgbg_wake(PGPROC *proc)
{
	if (proc)
		SetLatch(&proc->procLatch);
}

/* Inline since 17; before, the buffer is of char, and the length an int. */
ssize_t
pgbg_file_read(File file, void *to, Size len, uint64 offset)
{
	return FileRead(file, to, len, (off_t) offset, WAIT_EVENT_BUFFILE_READ);
}

ssize_t
pgbg_file_write(File file, const void *from, Size len, uint64 offset)
{
	return FileWrite(file, (void *) from, len, (off_t) offset, WAIT_EVENT_BUFFILE_WRITE);
}

LWLock *
pgbg_addin_shmem_init_lock(void)
{
	return AddinShmemInitLock;
}

/*
 * pqsignal is a macro since 18. The handler is not interrupted by that of a timeout, which may send this process the
 * signal that is being handled.
 */
void
pgbg_set_handler(int signal, pqsigfunc handler)
{
	struct sigaction action;

	pqsignal(signal, handler);
	if (sigaction(signal, NULL, &action) == 0)
	{
		sigaddset(&action.sa_mask, SIGALRM);
		(void) sigaction(signal, &action, NULL);
	}
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

/* Serves interrupts; false when there were none, or when none can be served here. */
bool
pgbg_serve_interrupts(void)
{
	if (!INTERRUPTS_PENDING_CONDITION() || !INTERRUPTS_CAN_BE_PROCESSED())
		return false;
	ProcessInterrupts();
	return true;
}

/* The bytes of a detoasted value; short headers are fine. */
const char *
pgbg_varlena(const void *datum, Size *len)
{
	*len = VARSIZE_ANY_EXHDR(datum);
	return VARDATA_ANY(datum);
}

/* The bytes of a value with its header, which may be short. */
Size
pgbg_varsize(const void *datum)
{
	return VARSIZE_ANY(datum);
}

/* Does the value live elsewhere?  (Expanded objects are made flat when a tuple is formed.) */
bool
pgbg_is_external(const void *datum)
{
	return VARATT_IS_EXTERNAL(datum) && !VARATT_IS_EXTERNAL_EXPANDED(datum);
}

/*
 * Writes the slot's row as a MinimalTuple that has all of its values in itself,
 * and zeroes up to the next aligned place, if that takes no more than "room"
 * bytes; "to" is aligned.  Returns the tuple's size, or 0 when a value of it must
 * be fetched from a TOAST table first.
 */
Size
pgbg_put_slot(TupleTableSlot *slot, char *to, Size room)
{
	MinimalTuple tuple = NULL;
	bool		should_free = false;
	const char *from;
	Size		size;

	if (TTS_IS_VIRTUAL(slot))
	{
		TupleDesc	desc = slot->tts_tupleDescriptor;
		bool		has_null = false;
		Size		hoff;
		Size		data;

		for (int i = 0; i < desc->natts; i++)
		{
			if (slot->tts_isnull[i])
				has_null = true;
			else if (TupleDescAttr(desc, i)->attlen == -1 && pgbg_is_external(DatumGetPointer(slot->tts_values[i])))
				return 0;
		}
		hoff = MAXALIGN(SizeofMinimalTupleHeader + (has_null ? BITMAPLEN(desc->natts) : 0));
		data = heap_compute_data_size(desc, slot->tts_values, slot->tts_isnull);
		size = hoff + data;
		if (MAXALIGN(size) > room)
			return size;
		/* between columns there may be padding */
		memset(to, 0, desc->natts == 1 ? hoff : size);
		memset(to + size, 0, MAXALIGN(size) - size);
		tuple = (MinimalTuple) to;
		tuple->t_len = size;
		HeapTupleHeaderSetNatts(tuple, desc->natts);
		tuple->t_hoff = hoff + MINIMAL_TUPLE_OFFSET;
		heap_fill_tuple(desc, slot->tts_values, slot->tts_isnull, to + hoff, data, &tuple->t_infomask,
						has_null ? tuple->t_bits : NULL);
		return size;
	}

	if ((TTS_IS_BUFFERTUPLE(slot) || TTS_IS_HEAPTUPLE(slot)) && ((HeapTupleTableSlot *) slot)->tuple)
	{
		HeapTuple	heap = ((HeapTupleTableSlot *) slot)->tuple;

		if (heap->t_data->t_infomask & HEAP_HASEXTERNAL)
			return 0;
		from = (char *) heap->t_data + MINIMAL_TUPLE_OFFSET;
		size = heap->t_len - MINIMAL_TUPLE_OFFSET;
	}
	else
	{
		tuple = ExecFetchSlotMinimalTuple(slot, &should_free);
		from = (char *) tuple;
		size = tuple->t_infomask & HEAP_HASEXTERNAL ? 0 : tuple->t_len;
	}
	if (size > 0 && MAXALIGN(size) <= room)
	{
		memset(to + MAXALIGN(size) - MAXIMUM_ALIGNOF, 0, MAXIMUM_ALIGNOF);
		memcpy(to, from, size);
		((MinimalTuple) to)->t_len = size;
	}
	if (should_free)
		pfree(tuple);
	return size;
}

/* The slot's row as a MinimalTuple, none of whose values lives in a TOAST table. */
MinimalTuple
pgbg_slot_tuple(TupleTableSlot *slot, bool *should_free)
{
	return ExecFetchSlotMinimalTuple(slot, should_free);
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

/*
 * Adds rows that lie one after the other, each aligned.  The store copies what the
 * slot says is its tuple, and asks for nothing else of it.
 */
void
pgbg_store_tuples(Tuplestorestate *store, TupleTableSlot *slot, const char *first, Size rows)
{
	MinimalTuple tuple = (MinimalTuple) first;

	ExecStoreMinimalTuple(tuple, slot, false);
	while (rows-- > 0)
	{
		((MinimalTupleTableSlot *) slot)->mintuple = tuple;
		tuplestore_puttupleslot(store, slot);
		tuple = (MinimalTuple) ((char *) tuple + MAXALIGN(tuple->t_len));
	}
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

void
pgbg_ps_display(const char *activity)
{
	set_ps_display(activity);
}

/* A macro since 17. */
dsa_area *
pgbg_dsa_create(int tranche)
{
	return dsa_create(tranche);
}
