/* What bindgen reads. What it cannot see (macros, inlines) is in c_shim/shim.h. */
#include "c_shim/shim.h"

/* What Rust names and the shim does not. */
#include "access/twophase.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/defrem.h"
#include "commands/extension.h"
/* since 16 PG_TEMP_FILE_PREFIX is there */
#include "common/file_utils.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "nodes/makefuncs.h"
#include "nodes/pg_list.h"
#include "nodes/value.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parser.h"
#include "parser/scanner.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "storage/predicate_internals.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* What is read of a plan that runs */
#include "access/heapam.h"
#include "access/relscan.h"
#include "access/tableam.h"
#include "executor/hashjoin.h"

/* What a job can leave in its session */
#include "catalog/objectaccess.h"
#include "commands/explain.h"
/* since 18 */
#if __has_include("commands/explain_state.h")
#include "commands/explain_state.h"
#endif
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "commands/user.h"
/* since 15 */
#if __has_include("common/pg_prng.h")
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
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/guc_tables.h"
#include "utils/inval.h"
#include "utils/jsonb.h"
#include "utils/json.h"
#include "utils/pg_locale.h"
#include "utils/plancache.h"
#include "utils/selfuncs.h"
