/*
 * compat.h: what differs between major versions in macros, each with its
 * reason.  All other differences are in src/pg/compat.rs.
 */
#ifndef PGBG_COMPAT_H
#define PGBG_COMPAT_H

#if PG_VERSION_NUM < 140000
#error "pg_background needs PostgreSQL 14 or later"
#endif

/* 18: the magic block takes optional fields. */
#if PG_VERSION_NUM >= 180000
#define PGBG_MAGIC_DATA \
	PG_MODULE_MAGIC_DATA(.name = "pg_background", .version = PGBG_VERSION)
#else
#define PGBG_MAGIC_DATA PG_MODULE_MAGIC_DATA
#endif

/* 15, and 14.5: a transaction says that it must be committed at once. */
#ifdef XACT_FLAGS_NEEDIMMEDIATECOMMIT
#define PGBG_NEED_COMMIT XACT_FLAGS_NEEDIMMEDIATECOMMIT
#else
#define PGBG_NEED_COMMIT 0
#endif

/* 17: the place in the array of processes is computed. */
#if PG_VERSION_NUM >= 170000
#define PGBG_PROC_NUMBER(proc) GetNumberFromPGProc(proc)
#else
#define PGBG_PROC_NUMBER(proc) ((proc)->pgprocno)
#endif

#endif
