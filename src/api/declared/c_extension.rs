//! What 1.8, 1.9, 1.10 and 2.0 of the C extension declare.

use super::{A_INT4, A_INT8, A_TEXT, HANDLE, HANDLE_ROW, called, strict};
use crate::api::{c_extension, v1, v2};
use crate::pg::declaration::{Argument, Column, Form, Returns};
use crate::pg::types::{BOOL, FLOAT8, INT4, INT8, TEXT, TIMESTAMPTZ, VOID};

const SQL_AND_SIZE: &[Argument] = &[A_TEXT, A_INT4];
const SQL_SIZE_AND_LABEL: &[Argument] = &[A_TEXT, A_INT4, A_TEXT];
const HANDLE_AND_TIME: &[Argument] = &[A_INT4, A_INT8, A_INT4];
const NOTHING: Returns = Returns::Value(VOID);

/// A handle of a job whose result is wanted; with a label from 1.9 on.
const LAUNCH_HANDLE: Form = strict(SQL_AND_SIZE, HANDLE_ROW, v2::pg_background_launch_v2);
const LAUNCH_LABEL: Form = called(SQL_SIZE_AND_LABEL, HANDLE_ROW, c_extension::pg_background_launch);
/// A handle of a job whose result is not wanted; with a label from 1.9 on.
const SUBMIT_HANDLE: Form = strict(SQL_AND_SIZE, HANDLE_ROW, v2::pg_background_submit_v2);
const SUBMIT_LABEL: Form = called(SQL_SIZE_AND_LABEL, HANDLE_ROW, c_extension::pg_background_submit);

pub static LAUNCH: &[Form] = &[
    strict(SQL_AND_SIZE, Returns::Value(INT4), v1::pg_background_launch),
    // 2.0
    LAUNCH_HANDLE,
    LAUNCH_LABEL,
];
pub static LAUNCH_V2: &[Form] = &[LAUNCH_HANDLE, LAUNCH_LABEL];
pub static SUBMIT: &[Form] = &[SUBMIT_HANDLE, SUBMIT_LABEL];

pub static RESULT: &[Form] = &[
    strict(&[A_INT4], Returns::Records, v1::pg_background_result),
    // 2.0
    strict(HANDLE, Returns::Records, v2::pg_background_result_v2),
];
pub static RESULT_V2: &[Form] = &[strict(HANDLE, Returns::Records, v2::pg_background_result_v2)];
pub static DETACH: &[Form] = &[
    strict(&[A_INT4], NOTHING, v1::pg_background_detach),
    // 2.0
    strict(HANDLE, NOTHING, v2::pg_background_detach_v2),
];
pub static DETACH_V2: &[Form] = &[strict(HANDLE, NOTHING, v2::pg_background_detach_v2)];
pub static DETACH_ALL: &[Form] = &[called(&[], Returns::Value(INT4), c_extension::pg_background_detach_all)];

pub static CANCEL: &[Form] = &[strict(HANDLE_AND_TIME, NOTHING, v2::pg_background_cancel_v2_grace)];
pub static CANCEL_V2: &[Form] = &[
    strict(HANDLE, NOTHING, v2::pg_background_cancel_v2),
    // 1.5
    strict(HANDLE_AND_TIME, NOTHING, v2::pg_background_cancel_v2_grace),
];
pub static CANCEL_ALL: &[Form] = &[called(&[], Returns::Value(INT4), c_extension::pg_background_cancel_all)];

pub static WAIT: &[Form] = &[strict(HANDLE_AND_TIME, Returns::Value(BOOL), c_extension::pg_background_wait)];
pub static WAIT_V2: &[Form] = &[
    strict(HANDLE, NOTHING, v2::pg_background_wait_v2),
    // 1.5
    strict(HANDLE_AND_TIME, Returns::Value(BOOL), v2::pg_background_wait_v2_timeout),
];
pub static WAIT_V2_TIMEOUT: &[Form] =
    &[strict(HANDLE_AND_TIME, Returns::Value(BOOL), v2::pg_background_wait_v2_timeout)];

pub static LIST: &[Form] = &[called(&[], Returns::Records, v2::pg_background_list_v2)];
pub static FULL_SQL: &[Form] = &[strict(HANDLE, Returns::Value(TEXT), c_extension::pg_background_full_sql)];
pub static RECORD_TIMEOUT: &[Form] = &[called(&[], NOTHING, c_extension::pg_background_record_timeout)];

pub static PROGRESS: &[Form] = &[called(&[A_INT4, A_TEXT], NOTHING, v2::pg_background_progress)];
pub static GET_PROGRESS: &[Form] = &[called(
    HANDLE,
    Returns::Row(&[("progress_pct", INT4), ("progress_msg", TEXT)]),
    v2::pg_background_get_progress_v2,
)];

const fn stats(columns: &'static [Column]) -> Form {
    called(&[], Returns::Row(columns), c_extension::pg_background_stats)
}
pub static STATS: &[Form] = &[stats(STATS_OF_1_8), stats(STATS_OF_2_0)];

const fn result_info(columns: &'static [Column]) -> Form {
    strict(HANDLE, Returns::Row(columns), c_extension::pg_background_result_info)
}
pub static RESULT_INFO: &[Form] = &[result_info(RESULT_INFO_OF_1_9), result_info(RESULT_INFO_OF_2_0)];

const fn error_info(columns: &'static [Column]) -> Form {
    strict(HANDLE, Returns::Row(columns), c_extension::pg_background_error_info)
}
pub static ERROR_INFO: &[Form] = &[error_info(ERROR_OF_1_9), error_info(ERROR_OF_2_0)];

const STATS_OF_1_8: &[Column] = &[
    ("workers_launched", INT8),
    ("workers_completed", INT8),
    ("workers_failed", INT8),
    ("workers_canceled", INT8),
    ("workers_active", INT4),
    ("avg_execution_ms", FLOAT8),
    ("max_workers", INT4),
];

const STATS_OF_2_0: &[Column] = &[
    ("workers_launched", INT8),
    ("workers_completed", INT8),
    ("workers_failed", INT8),
    ("workers_canceled", INT8),
    ("workers_timed_out", INT8),
    ("workers_active", INT4),
    ("avg_execution_ms", FLOAT8),
    ("max_workers", INT4),
];

const RESULT_INFO_OF_1_9: &[Column] =
    &[("row_count", INT8), ("command_tag", TEXT), ("completed", BOOL), ("has_error", BOOL)];

const RESULT_INFO_OF_2_0: &[Column] = &[
    ("row_count", INT8),
    ("command_tag", TEXT),
    ("completed", BOOL),
    ("has_error", BOOL),
    ("started_at", TIMESTAMPTZ),
    ("finished_at", TIMESTAMPTZ),
];

const ERROR_OF_1_9: &[Column] =
    &[("sqlstate", TEXT), ("message", TEXT), ("detail", TEXT), ("hint", TEXT), ("context", TEXT)];

const ERROR_OF_2_0: &[Column] = &[
    ("sqlstate", TEXT),
    ("message", TEXT),
    ("detail", TEXT),
    ("hint", TEXT),
    ("context", TEXT),
    ("schema_name", TEXT),
    ("table_name", TEXT),
    ("column_name", TEXT),
    ("constraint_name", TEXT),
];
