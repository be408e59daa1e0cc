//! Run SQL in PostgreSQL background workers.
//!
//! ```text
//! api, hooks → launcher, worker → channel, registry → settings, errors, process, point → pg → logic
//! ```
//!
//! Imports go to the right only (`scripts/check-layers`). `pg` is the only module with `unsafe` code and the only one
//! that names the server's bindings; this file holds the exports, which cannot be elsewhere.

#![deny(unsafe_code)]

mod api;
mod channel;
mod errors;
mod hooks;
mod launcher;
#[allow(unsafe_code)]
mod pg;
mod point;
mod process;
mod registry;
mod settings;
mod worker;

/// The C symbols. SQL functions bear their SQL names, so that an installation of 1.8 can exchange its library.
#[allow(unsafe_code)]
mod exports {
    use crate::api::declared;
    use crate::pg::entry::{self, Datum, FunctionCallInfo, Pg_finfo_record, Pg_magic_struct};
    use crate::registry::door::{Enabled, MaxPerDatabase, MaxTotal};
    use crate::{hooks, launcher, registry, settings, worker};

    #[unsafe(no_mangle)]
    pub extern "C" fn Pg_magic_func() -> *const Pg_magic_struct {
        entry::magic()
    }

    #[unsafe(no_mangle)]
    pub extern "C-unwind" fn _PG_init() {
        entry::install_panic_hook();
        // SAFETY: the server's frame has no destructor.
        unsafe {
            entry::callback(|| {
                settings::define::<Enabled, MaxTotal, MaxPerDatabase>()?;
                hooks::install();
                registry::request()
            });
        };
    }

    #[unsafe(no_mangle)]
    pub extern "C-unwind" fn pg_background_worker_main(argument: Datum) {
        // SAFETY: named as a worker's main function, and nothing else.
        unsafe { crate::pg::bgworker::main(argument, worker::process::run) };
    }

    #[unsafe(no_mangle)]
    pub extern "C-unwind" fn pg_background_dispatcher_main(argument: Datum) {
        // SAFETY: as above.
        unsafe { crate::pg::bgworker::main(argument, launcher::launch::dispatcher::run) };
    }

    macro_rules! sql_functions {
        ($($name:ident / $finfo:ident: $forms:ident;)*) => {$(
            #[unsafe(no_mangle)]
            pub unsafe extern "C-unwind" fn $name(fcinfo: FunctionCallInfo) -> Datum {
                // SAFETY: called by the function manager.
                unsafe { entry::sql_function(fcinfo, stringify!($name), declared::$forms) }
            }

            #[unsafe(no_mangle)]
            pub extern "C" fn $finfo() -> *const Pg_finfo_record {
                entry::finfo()
            }
        )*};
    }

    sql_functions! {
        pg_background_launch / pg_finfo_pg_background_launch: LAUNCH;
        pg_background_result / pg_finfo_pg_background_result: RESULT;
        pg_background_detach / pg_finfo_pg_background_detach: DETACH;
        pg_background_launch_v2 / pg_finfo_pg_background_launch_v2: LAUNCH_V2;
        pg_background_submit_v2 / pg_finfo_pg_background_submit_v2: SUBMIT;
        pg_background_result_v2 / pg_finfo_pg_background_result_v2: RESULT_V2;
        pg_background_detach_v2 / pg_finfo_pg_background_detach_v2: DETACH_V2;
        pg_background_cancel_v2 / pg_finfo_pg_background_cancel_v2: CANCEL_V2;
        pg_background_cancel_v2_grace / pg_finfo_pg_background_cancel_v2_grace: CANCEL;
        pg_background_wait_v2 / pg_finfo_pg_background_wait_v2: WAIT_V2;
        pg_background_wait_v2_timeout / pg_finfo_pg_background_wait_v2_timeout: WAIT_V2_TIMEOUT;
        pg_background_list_v2 / pg_finfo_pg_background_list_v2: LIST;
        pg_background_stats_v2 / pg_finfo_pg_background_stats_v2: STATS;
        pg_background_progress / pg_finfo_pg_background_progress: PROGRESS;
        pg_background_get_progress_v2 / pg_finfo_pg_background_get_progress_v2: GET_PROGRESS;
        // of 1.9 to 2.0
        pg_background_submit / pg_finfo_pg_background_submit: SUBMIT;
        pg_background_detach_all / pg_finfo_pg_background_detach_all: DETACH_ALL;
        pg_background_detach_all_v2 / pg_finfo_pg_background_detach_all_v2: DETACH_ALL;
        pg_background_cancel / pg_finfo_pg_background_cancel: CANCEL;
        pg_background_cancel_all / pg_finfo_pg_background_cancel_all: CANCEL_ALL;
        pg_background_cancel_all_v2 / pg_finfo_pg_background_cancel_all_v2: CANCEL_ALL;
        pg_background_wait / pg_finfo_pg_background_wait: WAIT;
        pg_background_list / pg_finfo_pg_background_list: LIST;
        pg_background_result_info / pg_finfo_pg_background_result_info: RESULT_INFO;
        pg_background_result_info_v2 / pg_finfo_pg_background_result_info_v2: RESULT_INFO;
        pg_background_error_info / pg_finfo_pg_background_error_info: ERROR_INFO;
        pg_background_error_info_v2 / pg_finfo_pg_background_error_info_v2: ERROR_INFO;
        pg_background_full_sql / pg_finfo_pg_background_full_sql: FULL_SQL;
        pg_background_full_sql_v2 / pg_finfo_pg_background_full_sql_v2: FULL_SQL;
        pg_background_stats / pg_finfo_pg_background_stats: STATS;
        pg_background_record_timeout / pg_finfo_pg_background_record_timeout: RECORD_TIMEOUT;
        pg_background_report_progress / pg_finfo_pg_background_report_progress: PROGRESS;
        pg_background_get_progress / pg_finfo_pg_background_get_progress: GET_PROGRESS;
        // of 3.0
        pg_background_get_jobs / pg_finfo_pg_background_get_jobs: GET_JOBS;
        pg_background_get_history / pg_finfo_pg_background_get_history: GET_HISTORY;
        pg_background_get_workers / pg_finfo_pg_background_get_workers: GET_WORKERS;
        pg_background_get_totals / pg_finfo_pg_background_get_totals: GET_TOTALS;
        pg_background_timeline / pg_finfo_pg_background_timeline: TIMELINE;
        pg_background_start / pg_finfo_pg_background_start: START;
        pg_background_exec / pg_finfo_pg_background_exec: EXEC;
        pg_background_query / pg_finfo_pg_background_query: QUERY;
        pg_background_query_as / pg_finfo_pg_background_query_as: QUERY_AS;
        pg_background_query_json / pg_finfo_pg_background_query_json: QUERY_JSON;
        pg_background_rows / pg_finfo_pg_background_rows: ROWS;
        pg_background_rows_as / pg_finfo_pg_background_rows_as: ROWS_AS;
        pg_background_rows_json / pg_finfo_pg_background_rows_json: ROWS_JSON;
        pg_background_fetch / pg_finfo_pg_background_fetch: FETCH;
        pg_background_columns / pg_finfo_pg_background_columns: COLUMNS;
        pg_background_await / pg_finfo_pg_background_await: AWAIT;
        pg_background_await_any / pg_finfo_pg_background_await_any: AWAIT_ANY;
        pg_background_await_all / pg_finfo_pg_background_await_all: AWAIT_ALL;
        pg_background_join / pg_finfo_pg_background_join: JOIN;
        pg_background_map / pg_finfo_pg_background_map: MAP;
        pg_background_stop / pg_finfo_pg_background_stop: STOP;
        pg_background_forget / pg_finfo_pg_background_forget: FORGET;
        pg_background_outcome / pg_finfo_pg_background_outcome: OUTCOME;
        pg_background_stop_all / pg_finfo_pg_background_stop_all: STOP_ALL;
        pg_background_forget_all / pg_finfo_pg_background_forget_all: FORGET_ALL;
        pg_background_forget_ended / pg_finfo_pg_background_forget_ended: FORGET_ENDED;
        pg_background_current / pg_finfo_pg_background_current: CURRENT;
        pg_background_stat_reset / pg_finfo_pg_background_stat_reset: STAT_RESET;
    }
}
