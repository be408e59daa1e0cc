/*
 * shmem.c: where the registry lives, and other processes as it knows them.
 */
#include "shim.h"
#include "compat.h"

#include "access/htup_details.h"
#include "common/hashfn.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/sinval.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#if PGBG_HAVE_NAMED_SEGMENTS
#include "storage/dsm_registry.h"
#endif

static const char tranche_name[] = "pg_background";

static Size area_size;
static pgbg_area_callback area_callback;
static shmem_startup_hook_type previous_startup;

static void
startup(void)
{
	bool		found;
	void	   *area;

	if (previous_startup)
		previous_startup();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	area = ShmemInitStruct(tranche_name, area_size, &found);
	if (!found)
	{
		memset(area, 0, area_size);
		area_callback(area, true, &GetNamedLWLockTranche(tranche_name)->lock);
	}
	area_callback(area, false, &GetNamedLWLockTranche(tranche_name)->lock);
	LWLockRelease(AddinShmemInitLock);
}

static void
request(void)
{
	RequestAddinShmemSpace(area_size);
	RequestNamedLWLockTranche(tranche_name, 1);
}

#if PGBG_HAVE_SHMEM_REQUEST_HOOK
static shmem_request_hook_type previous_request;

static void
request_in_turn(void)
{
	if (previous_request)
		previous_request();
	request();
}
#endif

/*
 * While the postmaster loads libraries: the callback is given the area each
 * time that shared memory is made; once more before, zeroed, when it is new.
 */
void
pgbg_request_area(Size size, pgbg_area_callback callback)
{
	area_size = size;
	area_callback = callback;
#if PGBG_HAVE_SHMEM_REQUEST_HOOK
	previous_request = shmem_request_hook;
	shmem_request_hook = request_in_turn;
#else
	request();
#endif
	previous_startup = shmem_startup_hook;
	shmem_startup_hook = startup;
}

#if PGBG_HAVE_NAMED_SEGMENTS
/* The lock lies behind the area. */
static LWLock *
lock_of(void *area)
{
	return (LWLock *) ((char *) area + MAXALIGN(area_size));
}

static void
init_segment(void *area PGBG_INIT_SEGMENT_ARG)
{
	memset(area, 0, area_size);
	LWLockInitialize(lock_of(area), PGBG_NEW_TRANCHE(tranche_name));
	area_callback(area, true, lock_of(area));
}
#endif

/*
 * Later, in any process: the same in a segment that lives as long as the
 * server.  False where there are none.
 */
bool
pgbg_attach_area(const char *name, Size size, pgbg_area_callback callback)
{
#if PGBG_HAVE_NAMED_SEGMENTS
	bool		found;
	void	   *volatile area = NULL;

	area_size = size;
	area_callback = callback;
	PG_TRY();
	{
		area = PGBG_NAMED_SEGMENT(name, MAXALIGN(size) + sizeof(LWLockPadded), init_segment, &found);
	}
	PG_CATCH();
	{
		/* the directory's, of which a caller that goes on would keep everybody out; we hold none here */
		LWLockReleaseAll();
		PG_RE_THROW();
	}
	PG_END_TRY();
	PGBG_REGISTER_TRANCHE(lock_of(area)->tranche, tranche_name);
	/* not before the mapping is there to stay */
	callback(area, false, lock_of(area));
	return true;
#else
	(void) name;
	(void) size;
	(void) callback;
	return false;
#endif
}

uint32
pgbg_my_proc_number(void)
{
	return MyProc ? (uint32) PGBG_PROC_NUMBER(MyProc) : PG_UINT32_MAX;
}

/*
 * Is that process still there?  The number is one that the process itself
 * gave.  A process that ends gives up its latch; its pid stays, before 17.
 */
bool
pgbg_is_alive(uint32 proc, int pid)
{
	return pid != 0 && proc < ProcGlobal->allProcCount && GetPGProcByNumber(proc)->procLatch.owner_pid == pid;
}

/* Wakes it.  Should it be gone, whoever has its place by now is woken for nothing. */
void
pgbg_wake(uint32 proc)
{
	if (proc < ProcGlobal->allProcCount)
		SetLatch(&GetPGProcByNumber(proc)->procLatch);
}

/* Would setting its latch have to wake it?  By the time that one knows, it may be otherwise. */
bool
pgbg_is_asleep(uint32 proc)
{
	return proc < ProcGlobal->allProcCount && GetPGProcByNumber(proc)->procLatch.maybe_sleeping;
}

/*
 * Which sets the receiver's latch: this process's own.  It stays set, so that
 * the next wait looks once more.  To reset it here could swallow what another
 * process, or a signal handler of a background worker that launches jobs, has
 * set it for at this very moment.
 */
void
pgbg_mq_set_sender(shm_mq *mq, uint32 proc)
{
	shm_mq_set_sender(mq, GetPGProcByNumber(proc));
}

/*
 * Detaches from a queue whose other end has gone.  shm_mq_detach would wake
 * that process, which has long turned to something else; a queue that is made
 * anew knows nobody to wake.
 */
void
pgbg_mq_detach_quietly(shm_mq_handle *mqh, Size size)
{
	shm_mq	   *mq = shm_mq_get_queue(mqh);

	/* takes the spinlock, and so waits until the other process has released it */
	(void) shm_mq_get_sender(mq);
	mq = shm_mq_create(mq, size);
	shm_mq_set_receiver(mq, MyProc);
	shm_mq_detach(mqh);
}

static uint64
row_version(HeapTuple tuple)
{
	uint64		version;

	version = ((uint64) HeapTupleHeaderGetRawXmin(tuple->t_data) << 32) ^
		((uint64) ItemPointerGetBlockNumberNoCheck(&tuple->t_self) << 16) ^
		ItemPointerGetOffsetNumberNoCheck(&tuple->t_self);
	ReleaseSysCache(tuple);
	return version;
}

/*
 * The versions of the rows that a connection of that user to this database
 * is made with.  False when none could be made now.  Inside a transaction.
 */
bool
pgbg_connection_versions(Oid user, uint64 *user_version, uint64 *database_version)
{
	HeapTuple	tuple;
	bool		allowed;

	AcceptInvalidationMessages();
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(user));
	if (!HeapTupleIsValid(tuple))
		return false;
	allowed = ((Form_pg_authid) GETSTRUCT(tuple))->rolcanlogin;
	*user_version = row_version(tuple);
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(MyDatabaseId));
	if (!HeapTupleIsValid(tuple))
		return false;
	allowed = allowed && ((Form_pg_database) GETSTRUCT(tuple))->datallowconn;
	*database_version = row_version(tuple);
	return allowed && PGBG_DATABASE_ACLCHECK(MyDatabaseId, user, ACL_CONNECT) == ACLCHECK_OK;
}

/* What changes only with the process: SYSTEM_USER. */
uint64
pgbg_hash(const char *bytes, Size len)
{
	return hash_bytes_extended((const unsigned char *) bytes, (int) len, 0);
}

/* What a client's session does between commands, and CHECK_FOR_INTERRUPTS does not. */
bool
pgbg_serve_idle(void)
{
	bool		reload = ConfigReloadPending;

	if (catchupInterruptPending)
		ProcessCatchupInterrupt();
	if (reload)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	return reload;
}
