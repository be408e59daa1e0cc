/*
 * session.c: what a job can leave behind in its session, other than settings.
 *
 * A warm worker looks at it after each job.  What the server can forget is
 * forgotten, always, for nothing tells whether there is any; what it cannot
 * forget is looked for, and ends the worker.
 */
#include "shim.h"
#include "compat.h"

#include <dlfcn.h>

#include "catalog/objectaccess.h"
#include "commands/explain.h"
#if PGBG_HAVE_EXPLAIN_STATE
#include "commands/explain_state.h"
#endif
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/user.h"
#if PGBG_HAVE_PRNG
#include "common/pg_prng.h"
#endif
#include "executor/instrument.h"
#include "executor/spi.h"
#include "jit/jit.h"
#include "libpq/auth.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "replication/origin.h"
#include "replication/slot.h"
#include "rewrite/rowsecurity.h"
#include "storage/bufmgr.h"
#include "storage/lock.h"
#include "utils/fmgrprotos.h"
#include "utils/guc_tables.h"
#include "utils/inval.h"
#include "utils/plancache.h"
#include "utils/selfuncs.h"
#include "utils/syscache.h"

/* Where extensions change what a session does. */
static const void *const hooks[] = {
	&ClientAuthentication_hook,
	&ExecutorCheckPerms_hook,
	&ExecutorEnd_hook,
	&ExecutorFinish_hook,
	&ExecutorRun_hook,
	&ExecutorStart_hook,
	&ExplainOneQuery_hook,
	&ProcessUtility_hook,
	&check_password_hook,
	&create_upper_paths_hook,
	&emit_log_hook,
	&explain_get_index_name_hook,
	&fmgr_hook,
	&get_attavgwidth_hook,
	&get_index_stats_hook,
	&get_relation_stats_hook,
	&join_search_hook,
	&needs_fmgr_hook,
	&object_access_hook,
	&planner_hook,
	&post_parse_analyze_hook,
	&row_security_policy_hook_permissive,
	&row_security_policy_hook_restrictive,
	&set_join_pathlist_hook,
	&set_rel_pathlist_hook,
	PGBG_MORE_HOOKS
};

typedef void (*Hook) (void);

/* The session as it was when it was new. */
static Hook first_hooks[lengthof(hooks)];
static ErrorContextCallback *first_error_context;
static uint32 first_interrupt_holdoff;
static bool first_recovery;

#if !PGBG_HAVE_NUM_CONFIG_OPTIONS
/* Where settings live. */
static MemoryContext settings_context = NULL;
#endif

/* What begins with a transaction, and is said to be the session's after a SET TRANSACTION that was committed. */
static const char *const of_transaction[] = {"transaction_isolation", "transaction_read_only", "transaction_deferrable"};
static struct config_generic *transaction_settings[lengthof(of_transaction)];

static struct config_generic *
find_setting(const char *name)
{
	struct config_generic *found = NULL;
	int			n;
	struct config_generic **settings = PGBG_GET_SETTINGS(&n);

	for (int i = 0; i < n && found == NULL; i++)
		if (pg_strcasecmp(settings[i]->name, name) == 0)
			found = settings[i];
	PGBG_FREE_SETTINGS(settings);
	return found;
}

/* Has a role changed since pgbg_roles_changed() last said so? */
static bool roles_changed = false;

static void
role_callback(PGBG_SYSCACHE_CALLBACK_ARGS)
{
	(void) arg;
	(void) cacheid;
	(void) hashvalue;
	roles_changed = true;
}

/* Once per process, outside a transaction, before the first job. */
void
pgbg_session_watch(void)
{
	for (int i = 0; i < (int) lengthof(hooks); i++)
		memcpy(&first_hooks[i], hooks[i], sizeof(Hook));
	first_error_context = error_context_stack;
	first_interrupt_holdoff = InterruptHoldoffCount;
	first_recovery = RecoveryInProgress();
	for (int i = 0; i < (int) lengthof(of_transaction); i++)
		transaction_settings[i] = find_setting(of_transaction[i]);
	CacheRegisterSyscacheCallback(AUTHOID, role_callback, (Datum) 0);
}

/* Why nobody else may have this session; NULL when nothing is known against it. */
const char *
pgbg_session_left(void)
{
	Oid			temp_namespace;
	Oid			temp_toast_namespace;

	if (IsTransactionOrTransactionBlock())
		return "a transaction is open";
	if (InterruptHoldoffCount != first_interrupt_holdoff || QueryCancelHoldoffCount != 0 || CritSectionCount != 0)
		return "interrupts are held off";
	if (error_context_stack != first_error_context)
		return "an error context was left";
	GetTempNamespaceState(&temp_namespace, &temp_toast_namespace);
	/* buffers: temp_buffers cannot be changed any more, even if the table was rolled back */
	if (OidIsValid(temp_namespace) || NLocBuffer != 0)
		return "it has used temporary tables";
	if (get_backup_status() != SESSION_BACKUP_NONE)
		return "a backup is in progress";
	if (PGBG_SESSION_ORIGIN != InvalidRepOriginId)
		return "it has a replication origin";
	if (RecoveryInProgress() != first_recovery)
		return "recovery has ended";
	for (int i = 0; i < (int) lengthof(hooks); i++)
		if (memcmp(&first_hooks[i], hooks[i], sizeof(Hook)) != 0)
			return "a library has installed a hook";
	return NULL;
}

/* What DISCARD ALL and a session's error recovery do, settings and temporary tables aside.  Outside a transaction. */
void
pgbg_session_forget(void)
{
	disable_all_timeouts(false);
	PortalHashTableDeleteAll();
	DropAllPreparedStatements();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetPlanCache();
	ResetSequenceCaches();
	PGBG_SPI_CLEANUP();
	if (MyReplicationSlot != NULL)
		ReplicationSlotRelease();
	if (max_replication_slots > 0)
		PGBG_REPLICATION_SLOT_CLEANUP();
	pgbg_forget_transaction_settings();
	jit_reset_after_error();
	/* the next job's random() must not go on with this job's setseed() */
	DirectFunctionCall1(setseed, Float8GetDatum(PGBG_RANDOM_FRACTION()));
}

/*
 * Forgets who has set isolation level and the like of a transaction that has
 * ended.  The next one begins with the defaults anyway.  (The server cannot:
 * RESET of them is an error since 16.)  Outside a transaction.
 */
void
pgbg_forget_transaction_settings(void)
{
	for (int i = 0; i < (int) lengthof(of_transaction); i++)
	{
		struct config_generic *setting = transaction_settings[i];

		if (setting == NULL || setting->source == setting->reset_source)
			continue;
		setting->source = setting->reset_source;
		setting->scontext = setting->reset_scontext;
		PGBG_FORGET_SETTING_ROLE(setting);
	}
}

/*
 * What a session does before it waits for its next command, without waiting
 * for more to come: the next job is not to see this job's counts in
 * pg_stat_xact_*.  Outside a transaction.
 *
 * Before 15 that is a message to another process, which makes a short job
 * take half as long again.  A job that has touched no block and counts no
 * functions has nothing that the next one could see, but scans of tables
 * without a block; its transaction's count may wait.
 */
void
pgbg_send_statistics(void)
{
#if PGBG_STATISTICS_ARE_MESSAGES
	static int64 sent = 0;
	int64		blocks = pgBufferUsage.shared_blks_hit + pgBufferUsage.shared_blks_read +
		pgBufferUsage.local_blks_hit + pgBufferUsage.local_blks_read;

	pgstat_report_stat(blocks != sent || pgstat_track_functions != TRACK_FUNC_OFF);
	sent = blocks;
#else
	(void) pgstat_report_stat(true);
#endif
}

/* Have roles changed since the last call?  Any of them: which is looked up then. */
bool
pgbg_roles_changed(void)
{
	bool		changed;

	AcceptInvalidationMessages();
	changed = roles_changed;
	roles_changed = false;
	return changed;
}

/*
 * A number that tells whether settings were added: another one when one was,
 * the same most often when none was.  From 16 on it is the bytes in use, and
 * can come out equal when as much was freed as was added.  What is missed then
 * is a customized option of a job: later ones know its name, and find it empty.
 */
uint64
pgbg_settings_mark(void)
{
#if PGBG_HAVE_NUM_CONFIG_OPTIONS
	return GetNumConfigOptions();
#else
	static uint64 unknown = 0;
	MemoryContextCounters counters = {0};

	for (MemoryContext child = TopMemoryContext->firstchild; settings_context == NULL && child != NULL; child = child->nextchild)
		if (strcmp(child->name, "GUCMemoryContext") == 0)
			settings_context = child;
	if (settings_context == NULL)
		return --unknown;
	settings_context->methods->stats(settings_context, NULL, NULL, &counters, false);
	return counters.totalspace - counters.freespace;
#endif
}

/* A value of a setting: one of the two. */
typedef struct SettingValue
{
	uint64		number;
	const char *string;
} SettingValue;

/* One of the settings that SerializeGUCState() writes, as it is or was. */
typedef struct SettingNow
{
	const char *name;
	GucSource	source;
	GucContext	context;
	Oid			role;
	const char *file;
	int			line;
	SettingValue value;
	/* what RESET would give, see has_reset() */
	GucSource	reset_source;
	SettingValue reset;
} SettingNow;

struct PgbgSettings
{
	MemoryContext context;
	uint64		mark;
	int			n;
	SettingNow	now[FLEXIBLE_ARRAY_MEMBER];
};

/*
 * Would RESET give something that a new session of the same role in the same
 * database need not have, and that nothing else tells?
 */
static inline bool
has_reset(const struct config_generic *setting)
{
	return setting->source > PGC_S_OVERRIDE && setting->reset_source > PGC_S_FILE &&
		setting->context != PGC_POSTMASTER && setting->context != PGC_INTERNAL &&
		/* these come with the connection, and with the transaction */
		strcmp(setting->name, "role") != 0 && strcmp(setting->name, "session_authorization") != 0 &&
		strncmp(setting->name, "transaction_", strlen("transaction_")) != 0;
}

static inline SettingValue
value_of(const struct config_generic *setting)
{
	SettingValue value = {0};

	switch (setting->vartype)
	{
		case PGC_BOOL:
			value.number = *PGBG_SETTING_VARIABLE(setting, bool);
			break;
		case PGC_INT:
			value.number = (uint64) *PGBG_SETTING_VARIABLE(setting, int);
			break;
		case PGC_ENUM:
			value.number = (uint64) *PGBG_SETTING_VARIABLE(setting, enum);
			break;
		case PGC_REAL:
			memcpy(&value.number, PGBG_SETTING_VARIABLE(setting, real), sizeof(double));
			break;
		case PGC_STRING:
			value.string = *PGBG_SETTING_VARIABLE(setting, string);
			break;
	}
	return value;
}

static inline SettingValue
reset_value_of(const struct config_generic *setting)
{
	SettingValue value = {0};

	switch (setting->vartype)
	{
		case PGC_BOOL:
			value.number = PGBG_SETTING_RESET(setting, bool);
			break;
		case PGC_INT:
			value.number = (uint64) PGBG_SETTING_RESET(setting, int);
			break;
		case PGC_ENUM:
			value.number = (uint64) PGBG_SETTING_RESET(setting, enum);
			break;
		case PGC_REAL:
			memcpy(&value.number, &PGBG_SETTING_RESET(setting, real), sizeof(double));
			break;
		case PGC_STRING:
			value.string = PGBG_SETTING_RESET(setting, string);
			break;
	}
	return value;
}

/* False for one that is not written. */
static inline bool
look_at(const struct config_generic *setting, SettingNow *now)
{
	if (setting->source == PGC_S_DEFAULT || setting->context == PGC_POSTMASTER || setting->context == PGC_INTERNAL)
		return false;
	now->name = setting->name;
	now->source = setting->source;
	now->context = setting->scontext;
	now->role = PGBG_SETTING_ROLE(setting);
	now->file = setting->sourcefile;
	now->line = setting->sourceline;
	now->value = value_of(setting);
	now->reset_source = PGC_S_DEFAULT;
	now->reset = (SettingValue) {0};
	if (has_reset(setting))
	{
		now->reset_source = setting->reset_source;
		now->reset = reset_value_of(setting);
	}
	return true;
}

static inline bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static inline bool
same_value(const SettingValue *a, const SettingValue *b)
{
	return a->number == b->number && same_text(a->string, b->string);
}

static inline bool
is_same(const SettingNow *a, const SettingNow *b)
{
	return same_value(&a->value, &b->value) &&
		a->source == b->source && a->context == b->context && a->role == b->role && a->line == b->line &&
		a->reset_source == b->reset_source && same_value(&a->reset, &b->reset) &&
		same_text(a->name, b->name) && same_text(a->file, b->file);
}

#if PGBG_HAVE_NUM_CONFIG_OPTIONS
#define FOR_EACH_SETTING(setting) \
	for (struct config_generic **at = get_guc_variables(), **end = at + GetNumConfigOptions(), *setting; \
		 at < end && (setting = *at, true); at++)
#else
/* The head of guc.c's list of settings that are not at their defaults: the one link in it that is in no setting. */
static dlist_node *changed_settings = NULL;

static void
find_changed_settings(struct config_generic **settings, int n)
{
	dlist_node *first = NULL;

	for (int i = 0; i < n && first == NULL; i++)
		if (settings[i]->source != PGC_S_DEFAULT)
			first = &settings[i]->nondef_link;
	for (dlist_node *link = first; link != NULL && changed_settings == NULL; link = link->next)
	{
		changed_settings = link;
		for (int i = 0; i < n && changed_settings != NULL; i++)
			if (link == &settings[i]->nondef_link)
				changed_settings = NULL;
	}
}

static inline struct config_generic *
setting_after(dlist_node *link)
{
	return link->next == changed_settings ? NULL : dlist_container(struct config_generic, nondef_link, link->next);
}

#define FOR_EACH_SETTING(setting) \
	for (struct config_generic *setting = setting_after(changed_settings); setting != NULL; \
		 setting = setting_after(&setting->nondef_link))
#endif

static void
prepare_settings(void)
{
#if !PGBG_HAVE_NUM_CONFIG_OPTIONS
	if (changed_settings == NULL)
	{
		int			all;
		struct config_generic **list = PGBG_GET_SETTINGS(&all);

		find_changed_settings(list, all);
		PGBG_FREE_SETTINGS(list);
	}
#endif
}

/*
 * Would SerializeGUCState() and pgbg_serialize_resets() write what they wrote
 * when these were remembered?  Finds out in a fifth of the time.
 */
bool
pgbg_settings_are(const PgbgSettings *settings)
{
	int			i = 0;
	SettingNow	now;

	if (pgbg_settings_mark() != settings->mark)
		return false;
	FOR_EACH_SETTING(setting)
	{
		if (!look_at(setting, &now))
			continue;
		if (i == settings->n || !is_same(&now, &settings->now[i]))
			return false;
		i++;
	}
	return i == settings->n;
}

void
pgbg_forget_settings(PgbgSettings *settings)
{
	if (settings)
		MemoryContextDelete(settings->context);
}

PgbgSettings *
pgbg_remember_settings(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "pg_background settings", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	PgbgSettings *settings;
	SettingNow	now;
	int			n = 0;

	prepare_settings();
	FOR_EACH_SETTING(setting)
		n += look_at(setting, &now);
	settings = palloc(offsetof(PgbgSettings, now) + n * sizeof(SettingNow));
	settings->context = context;
	settings->mark = pgbg_settings_mark();
	settings->n = 0;
	FOR_EACH_SETTING(setting)
	{
		if (!look_at(setting, &now))
			continue;
		/* copies: a setting without a library goes when its library comes */
		now.name = pstrdup(now.name);
		if (now.value.string)
			now.value.string = pstrdup(now.value.string);
		if (now.reset.string)
			now.reset.string = pstrdup(now.reset.string);
		if (now.file)
			now.file = pstrdup(now.file);
		settings->now[settings->n++] = now;
	}
	MemoryContextSwitchTo(old);
	return settings;
}

/*
 * Writes the names of all settings that belong to no library, each with its
 * NUL, and returns how many bytes that takes; nothing beyond size is written.
 */
Size
pgbg_placeholders(char *to, Size size)
{
	Size		used = 0;
	int			n;
	struct config_generic **settings = PGBG_GET_SETTINGS(&n);

	for (int i = 0; i < n; i++)
	{
		Size		len;

		if ((settings[i]->flags & GUC_CUSTOM_PLACEHOLDER) == 0)
			continue;
		len = strlen(settings[i]->name) + 1;
		if (used + len <= size)
			memcpy(to + used, settings[i]->name, len);
		used += len;
	}
	PGBG_FREE_SETTINGS(settings);
	return used;
}

/* A buffer that may be too small. */
typedef struct Room
{
	char	   *to;
	Size		size;
	Size		used;
} Room;

static void
put(Room *room, const void *from, Size len)
{
	if (room->used + len <= room->size)
		memcpy(room->to + room->used, from, len);
	room->used += len;
}

static void
put_text(Room *room, const char *text)
{
	put(room, text, strlen(text) + 1);
}

static void
put_reset(Room *room, const struct config_generic *setting, bool has_value)
{
	uint32		numbers[3] = {PGC_S_DEFAULT, 0, 0};
	char		number[64];
	const char *text = "";

	put_text(room, setting->name);
	if (has_value)
	{
		SettingValue value = reset_value_of(setting);

		numbers[0] = setting->reset_source;
		numbers[1] = setting->reset_scontext;
		numbers[2] = PGBG_SETTING_RESET_ROLE(setting);
		text = number;
		switch (setting->vartype)
		{
			case PGC_BOOL:
				text = value.number ? "true" : "false";
				break;
			case PGC_INT:
				snprintf(number, sizeof(number), "%d", (int) value.number);
				break;
			case PGC_REAL:
				snprintf(number, sizeof(number), "%.17e", PGBG_SETTING_RESET(setting, real));
				break;
			case PGC_STRING:
				text = value.string ? value.string : "";
				break;
			case PGC_ENUM:
				text = config_enum_lookup_by_value(PGBG_SETTING_ENUM(setting), (int) value.number);
				break;
		}
	}
	put_text(room, text);
	put(room, numbers, sizeof(numbers));
}

/*
 * Writes what SerializeGUCState() does not: the values that RESET would give
 * (see has_reset()), and the settings that belong to no library and have no
 * value (source PGC_S_DEFAULT).  Each is name and value with their NULs, and
 * then source, context and role.  Returns how many bytes that takes; nothing
 * beyond size is written.
 */
Size
pgbg_serialize_resets(char *to, Size size)
{
	/* where nothing belongs to no library; looking at all settings takes time */
	static uint64 plain_mark = 0;
	Room		room = {to, size, 0};

	prepare_settings();
	FOR_EACH_SETTING(setting)
		if (has_reset(setting))
			put_reset(&room, setting, true);
	if (plain_mark != pgbg_settings_mark())
	{
		int			n;
		struct config_generic **settings = PGBG_GET_SETTINGS(&n);
		bool		plain = true;

		for (int i = 0; i < n; i++)
		{
			if ((settings[i]->flags & GUC_CUSTOM_PLACEHOLDER) == 0)
				continue;
			plain = false;
			if (settings[i]->source == PGC_S_DEFAULT)
				put_reset(&room, settings[i], false);
		}
		PGBG_FREE_SETTINGS(settings);
		if (plain)
			plain_mark = pgbg_settings_mark();
	}
	return room.used;
}

/*
 * Is this text, written where the setting's library was not loaded, another
 * one for the value that the setting has here?  For what RESET gives if reset
 * is not 0.
 */
bool
pgbg_setting_means(const char *name, const char *text, int reset)
{
	const struct config_generic *setting = find_setting(name);
	SettingValue value;
	bool		boolean;
	int			integer;
	double		real;

	if (setting == NULL)
		return false;
	value = reset ? reset_value_of(setting) : value_of(setting);
	switch (setting->vartype)
	{
		case PGC_BOOL:
			return parse_bool(text, &boolean) && value.number == (uint64) boolean;
		case PGC_INT:
			return parse_int(text, &integer, setting->flags, NULL) && value.number == (uint64) integer;
		case PGC_REAL:
			return parse_real(text, &real, setting->flags, NULL) && memcmp(&value.number, &real, sizeof(real)) == 0;
		case PGC_ENUM:
			return config_enum_lookup_by_name(PGBG_SETTING_ENUM(setting), text, &integer) && value.number == (uint64) integer;
		case PGC_STRING:
			break;
	}
	return false;
}

/* Sets what RESET gives, while something else is set, which stays.  Inside a transaction. */
void
pgbg_set_reset(const char *name, const char *value, GucContext context, GucSource source, Oid role)
{
	/* the answer is that the setting itself has not changed */
	(void) PGBG_SET_OPTION(name, value, context, source, role);
}

/* Makes a setting known that belongs to no library and has no value.  Inside a transaction. */
void
pgbg_make_placeholder(const char *name, Oid role)
{
	if (GetConfigOption(name, true, false) == NULL)
	{
		pgbg_set_option(name, "", PGC_USERSET, PGC_S_SESSION, role);
		pgbg_reset_option(name, role);
	}
}

/* Gives a setting its reset value, whoever may set it.  Inside a transaction. */
void
pgbg_reset_option(const char *name, Oid role)
{
	if (PGBG_SET_OPTION(name, NULL, PGC_SUSET, PGC_S_SESSION, role) <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("parameter \"%s\" could not be reset", name)));
}

/*
 * What SET ROLE has said last.  Not every minor version serializes it with the
 * other settings.
 */
const char *
pgbg_role_setting(void)
{
	return GetConfigOption("role", true, false);
}

/* Where $libdir points to. */
const char *
pgbg_library_directory(void)
{
	return pkglib_path;
}

/* This library's file, as the server has opened it. */
const char *
pgbg_own_library(void)
{
	Dl_info		info;

	return dladdr(&first_recovery, &info) != 0 && info.dli_fname ? info.dli_fname : "";
}

/* The session's memory, what the server's functions have of it. */
Size
pgbg_memory_allocated(void)
{
	return MemoryContextMemAllocated(TopMemoryContext, true);
}
