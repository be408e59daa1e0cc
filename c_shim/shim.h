/*
 * shim.h: the C side of the boundary, and the headers that bindgen reads.
 * Only what Rust cannot do: setjmp (error.c), macros and inlines (inline.c).
 */
#ifndef PGBG_SHIM_H
#define PGBG_SHIM_H

#include "postgres.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/tupdesc.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "commands/dbcommands.h"
#include "commands/tablespace.h"
#include "common/file_utils.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "libpq/libpq.h"
#include "libpq/libpq-be.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/params.h"
#include "nodes/parsenodes.h"
#include "parser/analyze.h"
#include "parser/parse_coerce.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/condition_variable.h"
#include "storage/dsm.h"
#include "storage/fd.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "storage/shm_mq.h"
#include "storage/shmem.h"
#include "storage/sinval.h"
#include "tcop/cmdtag.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/dsa.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/portal.h"
#include "utils/ps_status.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/wait_event.h"
#if __has_include("storage/dsm_registry.h")
#include "storage/dsm_registry.h"
#endif

#include "compat.h"

/* Macros that bindgen cannot read, as constants. */
enum {PGBG_PROTOCOL_LATEST = PG_PROTOCOL_LATEST};
enum {PGBG_NEED_IMMEDIATE_COMMIT = PGBG_NEED_COMMIT};

/* ---- error.c ---- */

extern bool pgbg_give_reserve(void);
extern bool pgbg_try(void (*body) (void *), void *arg, ErrorData **error);
extern void pgbg_finally(void (*body) (void *), void (*on_error) (void *), void *arg);
extern void pgbg_log_error(ErrorData *error, const char *context);

/* ---- inline.c ---- */

extern uint32 pgbg_proc_number(void);
extern PGPROC *pgbg_proc(uint32 number);
extern Latch *pgbg_proc_latch(uint32 number);
extern void pgbg_wake(PGPROC *proc);
extern ssize_t pgbg_file_read(File file, void *to, Size len, uint64 offset);
extern ssize_t pgbg_file_write(File file, const void *from, Size len, uint64 offset);
extern LWLock *pgbg_addin_shmem_init_lock(void);
extern void pgbg_set_handler(int signal, pqsigfunc handler);
extern void pgbg_set_my_latch(void);
extern const Pg_magic_struct *pgbg_magic(void);
extern const Pg_finfo_record *pgbg_finfo_v1(void);
extern void pgbg_check_for_interrupts(void);
extern bool pgbg_serve_interrupts(void);
extern const char *pgbg_varlena(const void *datum, Size *len);
extern Size pgbg_varsize(const void *datum);
extern bool pgbg_is_external(const void *datum);
extern Size pgbg_put_slot(TupleTableSlot *slot, char *to, Size room);
extern MinimalTuple pgbg_slot_tuple(TupleTableSlot *slot, bool *should_free);
extern void pgbg_slot_clear(TupleTableSlot *slot);
extern void pgbg_slot_deform(TupleTableSlot *slot);
extern void pgbg_store_tuples(Tuplestorestate *store, TupleTableSlot *slot, const char *first, Size rows);
extern const char *pgbg_tag_name(uint32 tag);
extern void pgbg_ps_display(const char *activity);
extern dsa_area *pgbg_dsa_create(int tranche);

#endif
