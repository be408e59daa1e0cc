//! Bindings and the C shim for the server that `PG_CONFIG` names (default: the `pg_config` on PATH).

use std::path::PathBuf;
use std::process::{Command, exit};
use std::{env, fs};

/// What is bound, and nothing else: a name here is one that `src/pg` uses.
const FUNCTIONS: &[&str] = &[
    "pgbg_.*",
    // memory
    "AllocSetContextCreateInternal|MemoryContextDelete|MemoryContextReset|MemoryContextAlloc|MemoryContextRegisterResetCallback|pfree",
    // dynamic shared memory and queues
    "dsm_create|dsm_attach|dsm_detach|dsm_pin_mapping|dsm_segment_address|dsm_segment_handle|dsm_segment_map_length",
    "shm_mq_create|shm_mq_set_receiver|shm_mq_set_sender|shm_mq_attach|shm_mq_receive|shm_mq_detach|shm_mq_wait_for_attach",
    // processes, latches, timeouts
    "RegisterDynamicBackgroundWorker|GetBackgroundWorkerPid|TerminateBackgroundWorker",
    "BackgroundWorkerInitializeConnectionByOid|WaitLatch|ResetLatch|before_shmem_exit",
    "enable_timeout_after|disable_timeout|disable_all_timeouts",
    "LWLockAcquire|LWLockRelease|ConditionVariable(Init|Broadcast|PrepareToSleep|TimedSleep|CancelSleep)",
    "dsm_pin_segment|dsm_unpin_segment|RecoveryInProgress",
    // identity and settings
    "GetUserId|GetSessionUserId|GetAuthenticatedUserId|GetCurrentRoleId|GetUserIdAndSecContext|SetUserIdAndSecContext",
    "SetSessionAuthorization|SetCurrentRoleId|superuser_arg|has_privs_of_role",
    "EstimateGUCStateSpace|SerializeGUCState|RestoreGUCState|process_session_preload_libraries|DefineCustom(Int|String)Variable",
    "EstimateLibraryStateSpace|SerializeLibraryState|get_database_name|GetUserNameFromId",
    // transactions and statements
    "StartTransactionCommand|CommitTransactionCommand|AbortOutOfAnyTransaction|CommandCounterIncrement",
    "BeginImplicitTransactionBlock|EndImplicitTransactionBlock|SetCurrentStatementStartTimestamp|GetCurrentTimestamp",
    "PushActiveSnapshot|PopActiveSnapshot|GetTransactionSnapshot|analyze_requires_snapshot",
    "pg_parse_query|pg_plan_queries|CreateCommandTag|GetCommandTagName|GetCommandLogLevel|command_tag_display_rowcount",
    "CreatePortal|PortalDefineQuery|PortalStart|PortalDrop|PortalErrorCleanup|check_log_duration",
    "pgstat_report_activity|pgstat_report_query_id",
    // rows
    "CreateTemplateTupleDesc|TupleDescInitEntry|CreateTupleDescCopy|BlessTupleDesc|get_call_result_type",
    "MakeSingleTupleTableSlot|ExecDropSingleTupleTableSlot|ExecStoreMinimalTuple|heap_form_tuple|HeapTupleHeaderGetDatum",
    "tuplestore_begin_heap|tuplestore_clear|tuplestore_putvalues|tuplestore_end",
    "detoast_external_attr|pg_detoast_datum_packed|cstring_to_text_with_len|pg_mbcliplen|pg_verifymbstr",
    "getTypeOutputInfo|getTypeBinaryOutputInfo|getTypeBinaryInputInfo|getBaseTypeAndTypmod|get_typtype",
    "fmgr_info_cxt|OutputFunctionCall|format_type_be|format_procedure",
];
const TYPES: &[&str] = &[
    "ErrorData|PgbgDeclaration|PgbgReport|PgbgSettings|PgbgColumn|PgbgCommits|PgbgWait|LWLock|ConditionVariable|BackgroundWorker|BackgroundWorkerHandle|DestReceiver|MinimalTupleData",
    "FunctionCallInfo|ReturnSetInfo|RawStmt|List|QueryCompletion|FmgrInfo",
];
const VARIABLES: &[&str] = &[
    "CurrentMemoryContext|CurTransactionContext|TopMemoryContext|MessageContext|CurrentResourceOwner|None_Receiver",
    "InterruptPending|max_worker_processes|process_shared_preload_libraries_in_progress|LWLockMode_.*",
    "MyLatch|MyProc|MyProcPid|MyDatabaseId|QueryCancelPending|InterruptHoldoffCount|CritSectionCount|XactReadOnly",
    "debug_query_string|log_statement|StatementTimeout|work_mem|TTSOpsMinimalTuple",
    "LogStmtLevel_.*|CURSOR_OPT_.*|WL_.*|BGWORKER_.*|BGW_.*|BgWorkerStartTime_.*|BgwHandleStatus_.*|shm_mq_result_.*",
    "TypeFuncClass_.*|CommandDest_.*|BackendState_.*|TimeoutId_.*|GucContext_.*|GUC_UNIT_.*|GUC_LIST_INPUT|SetFunctionReturnMode_.*",
    "CommandTag_CMDTAG_INSERT|NodeTag_T_ReturnSetInfo|NodeTag_T_TransactionStmt|TYPTYPE_.*|DEBUG1|LOG|NOTICE|ERROR|FATAL|ROLE_PG_.*",
    "BOOLOID|BYTEAOID|FLOAT8OID|INT4OID|INT8OID|OIDOID|RECORDOID|TEXTOID|TIMESTAMPTZOID|VOIDOID|ALLOCSET_.*",
    "HEAP_NATTS_MASK|HEAP_HASEXTERNAL|HEAP_HASNULL|BOOTSTRAP_SUPERUSERID|SECURITY_RESTRICTED_OPERATION",
];

fn fail(message: &str) -> ! {
    eprintln!("pg_background: {message}");
    exit(1);
}

struct Server {
    include: String,
    cppflags: Vec<String>,
    major: u32,
}

impl Server {
    fn find() -> Self {
        // Unset and the default are one value: switching between them rebuilds nothing.
        let config = env::var("PG_CONFIG").ok().filter(|path| !path.is_empty()).unwrap_or_else(|| "pg_config".into());
        let ask = |option: &str| {
            let output = Command::new(&config).arg(option).output().unwrap_or_else(|error| {
                fail(&format!("cannot run {config}: {error}; install postgresql-server-dev-NN or set PG_CONFIG"))
            });
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        let include = ask("--includedir-server");
        let version = ask("--version");
        let major = version
            .split_whitespace()
            .nth(1)
            .and_then(|v| v.split(|c: char| !c.is_ascii_digit()).next())
            .and_then(|v| v.parse().ok())
            .unwrap_or_else(|| fail(&format!("cannot read the version from \"{version}\" ({config} --version)")));
        if !PathBuf::from(&include).join("postgres.h").exists() {
            fail(&format!("no server headers in {include}; install postgresql-server-dev-{major}"));
        }
        let cppflags = ask("--cppflags")
            .split_whitespace()
            .filter(|flag| flag.starts_with("-I") || flag.starts_with("-D"))
            .map(str::to_owned)
            .collect();
        println!("cargo:rerun-if-changed={include}/pg_config.h");
        Self { include, cppflags, major }
    }

    fn flags(&self) -> Vec<String> {
        // The server's own: its headers rely on wrapping and on no strict aliasing.
        let mut flags: Vec<String> =
            ["-fno-strict-aliasing", "-fwrapv", "-fexcess-precision=standard", "-fvisibility=hidden", "-D_GNU_SOURCE"]
                .map(String::from)
                .to_vec();
        flags.extend(self.cppflags.iter().cloned());
        flags.push(format!("-isystem{}", self.include));
        flags
    }
}

fn main() {
    for path in ["build.rs", "wrapper.h", "c_shim"] {
        println!("cargo:rerun-if-changed={path}");
    }
    println!("cargo:rerun-if-env-changed=PG_CONFIG");
    let server = Server::find();
    for major in 15..=19 {
        println!("cargo:rustc-check-cfg=cfg(pg{major}_up)");
        if server.major >= major {
            println!("cargo:rustc-cfg=pg{major}_up");
        }
    }

    let mut builder = bindgen::Builder::default()
        .header("wrapper.h")
        // bindgen leaves out what is hidden; clang does not know gcc's flag.
        .clang_args(server.flags().iter().filter(|f| !f.starts_with("-fvisibility") && !f.starts_with("-fexcess")))
        // Nearly every server function may throw.
        .override_abi(bindgen::Abi::CUnwind, ".*")
        // An unknown value of a C enum is then no undefined behaviour.
        .default_enum_style(bindgen::EnumVariation::Consts)
        .merge_extern_blocks(true)
        .use_core()
        .layout_tests(false)
        .derive_debug(false)
        .generate_comments(false)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .wrap_unsafe_ops(true)
        .formatter(bindgen::Formatter::None)
        .blocklist_function("pg_re_throw|err.*|.*jmp");
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in TYPES {
        builder = builder.allowlist_type(name);
    }
    for name in VARIABLES {
        builder = builder.allowlist_var(name);
    }
    let bindings = builder.generate().unwrap_or_else(|error| fail(&format!("cannot read the server headers: {error}")));
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_else(|| fail("OUT_DIR is not set")));
    if let Err(error) = fs::write(out.join("bindings.rs"), bindings.to_string()) {
        fail(&format!("cannot write the bindings: {error}"));
    }

    let mut shim = cc::Build::new();
    shim.files([
        "c_shim/error.c",
        "c_shim/frontend.c",
        "c_shim/hooks.c",
        "c_shim/macros.c",
        "c_shim/session.c",
        "c_shim/shmem.c",
        "c_shim/types.c",
    ])
    .warnings(true)
    .extra_warnings(true)
    .define("PGBG_VERSION", format!("\"{}\"", env!("CARGO_PKG_VERSION")).as_str());
    for flag in server.flags() {
        shim.flag(flag);
    }
    shim.compile("pgbg_shim");
}
