//! How the exported functions may be declared, and which function here serves each form. The installed catalog may be
//! that of another release, or of the C extension, with the same symbol under other arguments: so the declaration
//! decides, not the symbol.

mod handles;
mod jobs;
mod views;

pub use handles::*;
pub use jobs::*;
pub use views::*;

use super::{v1, v2};
use crate::pg::call::Call;
use crate::pg::declaration::{Argument, Column, Form, OnNull, Returns};
use crate::pg::error::Result;
use crate::pg::types::{self, BOOL, FLOAT8, INT4, INT8, TEXT, VOID};
use crate::pg::value::Datum;

type Body = fn(&Call) -> Result<Datum>;

/// A form that is declared STRICT.
const fn strict(arguments: &'static [Argument], returns: Returns, body: Body) -> Form {
    Form { arguments, on_null: OnNull::ReturnsNull, returns, body }
}

/// A form that may be declared STRICT, or not.
const fn called(arguments: &'static [Argument], returns: Returns, body: Body) -> Form {
    Form { arguments, on_null: OnNull::Called, returns, body }
}

const A_INT4: Argument = Argument::Type(INT4);
const A_INT8: Argument = Argument::Type(INT8);
const A_TEXT: Argument = Argument::Type(TEXT);
const A_BOOL: Argument = Argument::Type(BOOL);
const A_NAME: Argument = Argument::Type(types::NAME);
const A_RECORD: Argument = Argument::Type(types::RECORD);
const A_INTERVAL: Argument = Argument::Type(types::INTERVAL);
const A_JSONB: Argument = Argument::Type(types::JSONB);
const A_ELEMENT: Argument = Argument::Type(types::ANYELEMENT);
/// A handle in two arguments.
const HANDLE: &[Argument] = &[A_INT4, A_INT8];
const HANDLE_COLUMNS: &[Column] = &[("pid", INT4), ("cookie", INT8)];
const HANDLE_ROW: Returns = Returns::Row(HANDLE_COLUMNS);
/// A handle in one argument.
const A_HANDLE: Argument = Argument::Row(HANDLE_COLUMNS);
const A_HANDLES: Argument = Argument::Rows(HANDLE_COLUMNS);

pub static LAUNCH: &[Form] = &[
    strict(&[A_TEXT, A_INT4], Returns::Value(INT4), v1::pg_background_launch),
    // 2.0
    strict(&[A_TEXT, A_INT4], HANDLE_ROW, v2::pg_background_launch_v2),
];
pub static RESULT: &[Form] = &[
    strict(&[A_INT4], Returns::Records, v1::pg_background_result),
    // 2.0
    strict(HANDLE, Returns::Records, v2::pg_background_result_v2),
];
pub static DETACH: &[Form] = &[
    strict(&[A_INT4], Returns::Value(VOID), v1::pg_background_detach),
    // 2.0
    strict(HANDLE, Returns::Value(VOID), v2::pg_background_detach_v2),
];
pub static LAUNCH_V2: &[Form] = &[strict(&[A_TEXT, A_INT4], HANDLE_ROW, v2::pg_background_launch_v2)];
pub static SUBMIT_V2: &[Form] = &[strict(&[A_TEXT, A_INT4], HANDLE_ROW, v2::pg_background_submit_v2)];
pub static RESULT_V2: &[Form] = &[strict(HANDLE, Returns::Records, v2::pg_background_result_v2)];
pub static DETACH_V2: &[Form] = &[strict(HANDLE, Returns::Value(VOID), v2::pg_background_detach_v2)];
pub static CANCEL_V2: &[Form] = &[
    strict(HANDLE, Returns::Value(VOID), v2::pg_background_cancel_v2),
    // 1.5
    strict(&[A_INT4, A_INT8, A_INT4], Returns::Value(VOID), v2::pg_background_cancel_v2_grace),
];
pub static CANCEL_V2_GRACE: &[Form] =
    &[strict(&[A_INT4, A_INT8, A_INT4], Returns::Value(VOID), v2::pg_background_cancel_v2_grace)];
pub static WAIT_V2: &[Form] = &[
    strict(HANDLE, Returns::Value(VOID), v2::pg_background_wait_v2),
    // 1.5
    strict(&[A_INT4, A_INT8, A_INT4], Returns::Value(BOOL), v2::pg_background_wait_v2_timeout),
];
pub static WAIT_V2_TIMEOUT: &[Form] =
    &[strict(&[A_INT4, A_INT8, A_INT4], Returns::Value(BOOL), v2::pg_background_wait_v2_timeout)];
pub static LIST_V2: &[Form] = &[called(&[], Returns::Records, v2::pg_background_list_v2)];
pub static STATS_V2: &[Form] = &[called(&[], Returns::Row(STATS), v2::pg_background_stats_v2)];
pub static PROGRESS: &[Form] = &[called(&[A_INT4, A_TEXT], Returns::Value(VOID), v2::pg_background_progress)];
pub static GET_PROGRESS_V2: &[Form] = &[called(
    HANDLE,
    Returns::Row(&[("progress_pct", INT4), ("progress_msg", TEXT)]),
    v2::pg_background_get_progress_v2,
)];

const STATS: &[Column] = &[
    ("workers_launched", INT8),
    ("workers_completed", INT8),
    ("workers_failed", INT8),
    ("workers_canceled", INT8),
    ("workers_active", INT4),
    ("avg_execution_ms", FLOAT8),
    ("max_workers", INT4),
];
