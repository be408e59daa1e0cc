/*
 * compat.h: every difference between major versions that C can hide, each
 * with its reason.  Rust sees one interface.
 */
#ifndef PGBG_COMPAT_H
#define PGBG_COMPAT_H

#if PG_VERSION_NUM < 140000
#error "pg_background needs PostgreSQL 14 or later"
#endif

/* 15: settings know which role set them. */
#if PG_VERSION_NUM >= 150000
#define PGBG_SET_OPTION(name, value, context, source, role) \
	set_config_option_ext(name, value, context, source, role, GUC_ACTION_SET, true, ERROR, true)
#else
#define PGBG_SET_OPTION(name, value, context, source, role) \
	((void) (role), set_config_option(name, value, context, source, GUC_ACTION_SET, true, ERROR, true))
#endif

/* 15, 18 and 19 added hooks; 19 took one away and shows its replacement. */
#if PG_VERSION_NUM >= 190000
#define PGBG_MORE_HOOKS \
	&object_access_hook_str, &explain_per_node_hook, &explain_per_plan_hook, \
	&explain_validate_options_hook, &build_simple_rel_hook, &join_path_setup_hook, &joinrel_setup_hook, \
	&planner_setup_hook, &planner_shutdown_hook
#elif PG_VERSION_NUM >= 180000
#define PGBG_MORE_HOOKS \
	&object_access_hook_str, &get_relation_info_hook, &explain_per_node_hook, &explain_per_plan_hook, \
	&explain_validate_options_hook
#elif PG_VERSION_NUM >= 150000
#define PGBG_MORE_HOOKS &object_access_hook_str, &get_relation_info_hook
#else
#define PGBG_MORE_HOOKS &get_relation_info_hook
#endif
/* 18: one of them has a header of its own. */
#define PGBG_HAVE_EXPLAIN_STATE (PG_VERSION_NUM >= 180000)

/* 19: callbacks of the system caches are told which by an enum. */
#if PG_VERSION_NUM >= 190000
#define PGBG_SYSCACHE_CALLBACK_ARGS Datum arg, SysCacheIdentifier cacheid, uint32 hashvalue
#else
#define PGBG_SYSCACHE_CALLBACK_ARGS Datum arg, int cacheid, uint32 hashvalue
#endif

/* 19: the session's replication origin is part of a struct. */
#if PG_VERSION_NUM >= 190000
#define PGBG_SESSION_ORIGIN replorigin_xact_state.origin
#define InvalidRepOriginId InvalidReplOriginId
#else
#define PGBG_SESSION_ORIGIN replorigin_session_origin
#endif

/* 17: ReplicationSlotCleanup can be for synchronized slots only. */
#if PG_VERSION_NUM >= 170000
#define PGBG_REPLICATION_SLOT_CLEANUP() ReplicationSlotCleanup(false)
#else
#define PGBG_REPLICATION_SLOT_CLEANUP() ReplicationSlotCleanup()
#endif

/* 15: random numbers have generators with a state of their own, and SPI cleans up with the transaction. */
#define PGBG_HAVE_PRNG (PG_VERSION_NUM >= 150000)
#if PGBG_HAVE_PRNG
#define PGBG_RANDOM_FRACTION() pg_prng_double(&pg_global_prng_state)
#define PGBG_SPI_CLEANUP() ((void) 0)
#else
#define PGBG_RANDOM_FRACTION() ((double) random() / ((double) MAX_RANDOM_VALUE + 1))
#define PGBG_SPI_CLEANUP() SPICleanup()
#endif

/* 15: statistics are in shared memory; before, they are sent to a process that collects them. */
#define PGBG_STATISTICS_ARE_MESSAGES (PG_VERSION_NUM < 150000)

/* 16: settings are in a hash table, listed by a copy, and their number is nobody's. */
#define PGBG_HAVE_NUM_CONFIG_OPTIONS (PG_VERSION_NUM < 160000)
#if PGBG_HAVE_NUM_CONFIG_OPTIONS
#define PGBG_GET_SETTINGS(n) (*(n) = GetNumConfigOptions(), get_guc_variables())
#define PGBG_FREE_SETTINGS(settings) ((void) (settings))
#else
#define PGBG_GET_SETTINGS(n) get_guc_variables(n)
#define PGBG_FREE_SETTINGS(settings) pfree(settings)
#endif

/* 15: a setting knows which role has set it. */
#if PG_VERSION_NUM >= 150000
#define PGBG_SETTING_ROLE(setting) ((setting)->srole)
#define PGBG_SETTING_RESET_ROLE(setting) ((setting)->reset_srole)
#define PGBG_FORGET_SETTING_ROLE(setting) ((setting)->srole = (setting)->reset_srole)
#else
#define PGBG_SETTING_ROLE(setting) InvalidOid
#define PGBG_SETTING_RESET_ROLE(setting) InvalidOid
#define PGBG_FORGET_SETTING_ROLE(setting) ((void) (setting))
#endif

/* 19: the kinds of settings are one structure. */
#if PG_VERSION_NUM >= 190000
#define PGBG_SETTING_VARIABLE(setting, kind) ((setting)->_##kind.variable)
#define PGBG_SETTING_RESET(setting, kind) ((setting)->_##kind.reset_val)
#define PGBG_SETTING_ENUM(setting) (setting)
#else
#define PGBG_SETTING_VARIABLE(setting, kind) (((const struct config_##kind *) (setting))->variable)
#define PGBG_SETTING_RESET(setting, kind) (((const struct config_##kind *) (setting))->reset_val)
#define PGBG_SETTING_ENUM(setting) ((struct config_enum *) (setting))
#endif

/* 18: the magic block takes optional fields. */
#if PG_VERSION_NUM >= 180000
#define PGBG_MAGIC_DATA \
	PG_MODULE_MAGIC_DATA(.name = "pg_background", .version = PGBG_VERSION)
#else
#define PGBG_MAGIC_DATA PG_MODULE_MAGIC_DATA
#endif

/* 17: the place in the array of processes is computed. */
#if PG_VERSION_NUM >= 170000
#define PGBG_PROC_NUMBER(proc) GetNumberFromPGProc(proc)
#else
#define PGBG_PROC_NUMBER(proc) ((proc)->pgprocno)
#endif

#endif
