//! Waiting for jobs, stopping them, asking about them, by handle (3.0).

use super::{
    A_BOOL, A_HANDLE, A_HANDLES, A_INT4, A_INTERVAL, A_JSONB, A_NAME, A_TEXT, A_TEXTS, HANDLE_ROW, called, strict,
};
use crate::api::{jobs, map};
use crate::pg::declaration::{Column, Form, Returns};
use crate::pg::types::{BOOL, INT4, INT8, INTERVAL, NAME, TEXT, TIMESTAMPTZ, VOID};

pub static AWAIT: &[Form] = &[called(&[A_HANDLE, A_INTERVAL], Returns::Value(BOOL), jobs::pg_background_await)];
pub static AWAIT_ANY: &[Form] = &[called(&[A_HANDLES, A_INTERVAL], HANDLE_ROW, jobs::pg_background_await_any)];
pub static AWAIT_ALL: &[Form] =
    &[called(&[A_HANDLES, A_INTERVAL], Returns::Value(BOOL), jobs::pg_background_await_all)];
pub static JOIN: &[Form] = &[called(&[A_HANDLE, A_INTERVAL], Returns::Nothing, jobs::pg_background_join)];
pub static MAP: &[Form] = &[called(
    &[A_TEXTS, A_INT4, A_BOOL, A_BOOL, A_TEXT, A_NAME, A_INTERVAL, A_JSONB],
    Returns::Rows(MAP_COLUMNS),
    map::pg_background_map,
)];
pub static STOP: &[Form] = &[called(&[A_HANDLE, A_INTERVAL], Returns::Value(BOOL), jobs::pg_background_stop)];
pub static FORGET: &[Form] = &[strict(&[A_HANDLE], Returns::Value(VOID), jobs::pg_background_forget)];
pub static OUTCOME: &[Form] = &[called(&[A_HANDLE], Returns::Row(OUTCOME_COLUMNS), jobs::pg_background_outcome)];
pub static STOP_ALL: &[Form] = &[strict(&[A_TEXT], Returns::Value(INT4), jobs::pg_background_stop_all)];
pub static FORGET_ALL: &[Form] = &[strict(&[A_TEXT], Returns::Value(INT4), jobs::pg_background_forget_all)];
pub static FORGET_ENDED: &[Form] = &[called(&[], Returns::Value(INT4), jobs::pg_background_forget_ended)];
pub static CURRENT: &[Form] = &[called(&[], Returns::Row(CURRENT_COLUMNS), jobs::pg_background_current)];

const OUTCOME_COLUMNS: &[Column] = &[
    ("state", TEXT),
    ("command_tag", TEXT),
    ("row_count", INT8),
    ("sqlstate", TEXT),
    ("message", TEXT),
    ("detail", TEXT),
    ("hint", TEXT),
    ("context", TEXT),
    ("schema_name", TEXT),
    ("table_name", TEXT),
    ("column_name", TEXT),
    ("constraint_name", TEXT),
    ("statement", INT4),
    ("inline", BOOL),
    ("launched_at", TIMESTAMPTZ),
    ("started_at", TIMESTAMPTZ),
    ("finished_at", TIMESTAMPTZ),
];

const MAP_COLUMNS: &[Column] = &[
    ("ordinal", INT4),
    ("state", TEXT),
    ("command_tag", TEXT),
    ("row_count", INT8),
    ("sqlstate", TEXT),
    ("message", TEXT),
    ("run_time", INTERVAL),
];

const CURRENT_COLUMNS: &[Column] =
    &[("pid", INT4), ("cookie", INT8), ("label", TEXT), ("launcher_pid", INT4), ("launcher_user", NAME)];
