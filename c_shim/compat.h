/*
 * compat.h: every difference between major versions that C can hide, each
 * with its reason.  Rust sees one interface.
 */
#ifndef PGBG_COMPAT_H
#define PGBG_COMPAT_H

#if PG_VERSION_NUM < 140000
#error "pg_background needs PostgreSQL 14 or later"
#endif

/* 18: PortalRun lost run_once. */
#if PG_VERSION_NUM >= 180000
#define PGBG_PORTAL_RUN(portal, toplevel, dest, alt, qc) \
	PortalRun(portal, FETCH_ALL, toplevel, dest, alt, qc)
#else
#define PGBG_PORTAL_RUN(portal, toplevel, dest, alt, qc) \
	PortalRun(portal, FETCH_ALL, toplevel, true, dest, alt, qc)
#endif

/* 15: pg_analyze_and_rewrite was split by the kind of its parameters. */
#if PG_VERSION_NUM >= 150000
#define PGBG_ANALYZE(raw, sql) \
	pg_analyze_and_rewrite_fixedparams(raw, sql, NULL, 0, NULL)
#else
#define PGBG_ANALYZE(raw, sql) pg_analyze_and_rewrite(raw, sql, NULL, 0, NULL)
#endif

/* 15: shm_mq_send can leave the receiver asleep until more has been written. */
#if PG_VERSION_NUM >= 150000
#define PGBG_MQ_SEND(mqh, len, data, nowait, flush) \
	shm_mq_send(mqh, len, data, nowait, flush)
#else
#define PGBG_MQ_SEND(mqh, len, data, nowait, flush) \
	((void) (flush), shm_mq_send(mqh, len, data, nowait))
#endif

/* 15: EmitWarningsOnPlaceholders became MarkGUCPrefixReserved. */
#if PG_VERSION_NUM >= 150000
#define PGBG_RESERVE_PREFIX(prefix) MarkGUCPrefixReserved(prefix)
#else
#define PGBG_RESERVE_PREFIX(prefix) EmitWarningsOnPlaceholders(prefix)
#endif

/* 15: settings know which role set them. */
#if PG_VERSION_NUM >= 150000
#define PGBG_SET_OPTION(name, value, context, source, role) \
	set_config_option_ext(name, value, context, source, role, GUC_ACTION_SET, true, ERROR, true)
#else
#define PGBG_SET_OPTION(name, value, context, source, role) \
	((void) (role), set_config_option(name, value, context, source, GUC_ACTION_SET, true, ERROR, true))
#endif

/* 18: heap_form_minimal_tuple can reserve room before the tuple. */
#if PG_VERSION_NUM >= 180000
#define PGBG_FORM_MINIMAL_TUPLE(desc, values, nulls) \
	heap_form_minimal_tuple(desc, values, nulls, 0)
#else
#define PGBG_FORM_MINIMAL_TUPLE(desc, values, nulls) \
	heap_form_minimal_tuple(desc, values, nulls)
#endif

/* 19: a descriptor made by hand is to be finished before it is used. */
#if PG_VERSION_NUM >= 190000
#define PGBG_FINISH_DESC(desc) TupleDescFinalize(desc)
#else
#define PGBG_FINISH_DESC(desc) ((void) (desc))
#endif

/* 19: signal handlers are told who sent the signal. */
#if PG_VERSION_NUM >= 190000
#define PGBG_PASS_SIGNAL_ARGS postgres_signal_arg, pg_siginfo
#else
#define PGBG_PASS_SIGNAL_ARGS postgres_signal_arg
#endif

/* 19: CLUSTER is a form of REPACK. */
#if PG_VERSION_NUM >= 190000
#define T_ClusterStmt T_RepackStmt
#endif

/* 18: the magic block takes optional fields. */
#if PG_VERSION_NUM >= 180000
#define PGBG_MAGIC_DATA \
	PG_MODULE_MAGIC_DATA(.name = "pg_background", .version = PGBG_VERSION)
#else
#define PGBG_MAGIC_DATA PG_MODULE_MAGIC_DATA
#endif

/* 16: SYSTEM_USER, carried by the client connection info. */
#define PGBG_HAVE_CLIENT_CONNECTION_INFO (PG_VERSION_NUM >= 160000)

/* 17: wait events of extensions have names. */
#define PGBG_HAVE_CUSTOM_WAIT_EVENTS (PG_VERSION_NUM >= 170000)

#endif
