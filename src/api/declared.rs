//! How the exported functions may be declared, and which function here serves each form. The installed catalog may be
//! that of another release, or of the C extension, with the same symbol under other arguments: so the declaration
//! decides, not the symbol.

use super::{admin, v1, v2, views};
use crate::pg::call::Call;
use crate::pg::declaration::{Column, Form, OnNull, Returns};
use crate::pg::error::Result;
use crate::pg::types::{BOOL, FLOAT8, INT4, INT8, OID, TEXT, TIMESTAMPTZ, VOID};
use crate::pg::value::Datum;

type Body = fn(&Call) -> Result<Datum>;

/// A form that is declared STRICT.
const fn strict(arguments: &'static [u32], returns: Returns, body: Body) -> Form {
    Form { arguments, on_null: OnNull::ReturnsNull, returns, body }
}

/// A form that may be declared STRICT, or not.
const fn called(arguments: &'static [u32], returns: Returns, body: Body) -> Form {
    Form { arguments, on_null: OnNull::Called, returns, body }
}

const HANDLE: &[u32] = &[INT4, INT8];
const HANDLE_ROW: Returns = Returns::Row(&[("pid", INT4), ("cookie", INT8)]);

pub static LAUNCH: &[Form] = &[
    strict(&[TEXT, INT4], Returns::Value(INT4), v1::pg_background_launch),
    // 2.0
    strict(&[TEXT, INT4], HANDLE_ROW, v2::pg_background_launch_v2),
];
pub static RESULT: &[Form] = &[
    strict(&[INT4], Returns::Records, v1::pg_background_result),
    // 2.0
    strict(HANDLE, Returns::Records, v2::pg_background_result_v2),
];
pub static DETACH: &[Form] = &[
    strict(&[INT4], Returns::Value(VOID), v1::pg_background_detach),
    // 2.0
    strict(HANDLE, Returns::Value(VOID), v2::pg_background_detach_v2),
];
pub static LAUNCH_V2: &[Form] = &[strict(&[TEXT, INT4], HANDLE_ROW, v2::pg_background_launch_v2)];
pub static SUBMIT_V2: &[Form] = &[strict(&[TEXT, INT4], HANDLE_ROW, v2::pg_background_submit_v2)];
pub static RESULT_V2: &[Form] = &[strict(HANDLE, Returns::Records, v2::pg_background_result_v2)];
pub static DETACH_V2: &[Form] = &[strict(HANDLE, Returns::Value(VOID), v2::pg_background_detach_v2)];
pub static CANCEL_V2: &[Form] = &[
    strict(HANDLE, Returns::Value(VOID), v2::pg_background_cancel_v2),
    // 1.5
    strict(&[INT4, INT8, INT4], Returns::Value(VOID), v2::pg_background_cancel_v2_grace),
];
pub static CANCEL_V2_GRACE: &[Form] =
    &[strict(&[INT4, INT8, INT4], Returns::Value(VOID), v2::pg_background_cancel_v2_grace)];
pub static WAIT_V2: &[Form] = &[
    strict(HANDLE, Returns::Value(VOID), v2::pg_background_wait_v2),
    // 1.5
    strict(&[INT4, INT8, INT4], Returns::Value(BOOL), v2::pg_background_wait_v2_timeout),
];
pub static WAIT_V2_TIMEOUT: &[Form] =
    &[strict(&[INT4, INT8, INT4], Returns::Value(BOOL), v2::pg_background_wait_v2_timeout)];
pub static LIST_V2: &[Form] = &[called(&[], Returns::Records, v2::pg_background_list_v2)];
pub static STATS_V2: &[Form] = &[called(&[], Returns::Row(STATS), v2::pg_background_stats_v2)];
pub static PROGRESS: &[Form] = &[called(&[INT4, TEXT], Returns::Value(VOID), v2::pg_background_progress)];
pub static GET_PROGRESS_V2: &[Form] = &[called(
    HANDLE,
    Returns::Row(&[("progress_pct", INT4), ("progress_msg", TEXT)]),
    v2::pg_background_get_progress_v2,
)];
pub static GET_JOBS: &[Form] = &[called(&[], Returns::Rows(JOBS), views::pg_background_get_jobs)];
pub static GET_HISTORY: &[Form] = &[called(&[], Returns::Rows(HISTORY), views::pg_background_get_history)];
pub static GET_WORKERS: &[Form] = &[called(&[], Returns::Rows(WORKERS), views::pg_background_get_workers)];
pub static GET_TOTALS: &[Form] = &[called(&[], Returns::Rows(TOTALS), views::pg_background_get_totals)];
pub static STAT_RESET: &[Form] = &[called(&[], Returns::Value(VOID), admin::pg_background_stat_reset)];

const STATS: &[Column] = &[
    ("workers_launched", INT8),
    ("workers_completed", INT8),
    ("workers_failed", INT8),
    ("workers_canceled", INT8),
    ("workers_active", INT4),
    ("avg_execution_ms", FLOAT8),
    ("max_workers", INT4),
];

const JOBS: &[Column] = &[
    ("pid", INT4),
    ("cookie", INT8),
    ("label", TEXT),
    ("datid", OID),
    ("usesysid", OID),
    ("launcher_pid", INT4),
    ("state", TEXT),
    ("launched_at", TIMESTAMPTZ),
    ("started_at", TIMESTAMPTZ),
    ("statement", INT4),
    ("statements", INT4),
    ("command", TEXT),
    ("rows_processed", INT8),
    ("rows_estimated", INT8),
    ("progress_pct", INT4),
    ("progress_phase", TEXT),
    ("progress_msg", TEXT),
    ("progress_source", TEXT),
    ("query", TEXT),
];

const HISTORY: &[Column] = &[
    ("pid", INT4),
    ("cookie", INT8),
    ("label", TEXT),
    ("datid", OID),
    ("usesysid", OID),
    ("launcher_pid", INT4),
    ("state", TEXT),
    ("sqlstate", TEXT),
    ("message", TEXT),
    ("launched_at", TIMESTAMPTZ),
    ("started_at", TIMESTAMPTZ),
    ("finished_at", TIMESTAMPTZ),
    ("row_count", INT8),
    ("query", TEXT),
];

const WORKERS: &[Column] = &[
    ("pid", INT4),
    ("datid", OID),
    ("usesysid", OID),
    ("state", TEXT),
    ("jobs_run", INT8),
    ("started_at", TIMESTAMPTZ),
    ("idle_since", TIMESTAMPTZ),
    ("ends_because", TEXT),
];

const TOTALS: &[Column] = &[
    ("datid", OID),
    ("usesysid", OID),
    ("launched", INT8),
    ("completed", INT8),
    ("failed", INT8),
    ("canceled", INT8),
    ("timed_out", INT8),
    ("rejected", INT8),
    ("queue_waits", INT8),
    ("warm_starts", INT8),
    ("cold_starts", INT8),
    ("run_time_us", INT8),
    ("stats_reset", TIMESTAMPTZ),
];
