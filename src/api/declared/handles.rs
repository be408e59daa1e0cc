//! Starting jobs and reading them, by handle (3.0).

use super::{
    A_BOOL, A_ELEMENT, A_HANDLE, A_INT4, A_INTERVAL, A_JSONB, A_NAME, A_RECORD, A_TEXT, HANDLE_ROW, called, strict,
};
use crate::api::{handles, readers};
use crate::pg::declaration::{Form, Returns};
use crate::pg::types::{ANYELEMENT, JSONB, REGTYPE, TEXT};

pub static START: &[Form] = &[called(
    &[A_TEXT, A_RECORD, A_TEXT, A_NAME, A_BOOL, A_BOOL, A_BOOL, A_INT4, A_INTERVAL, A_JSONB, A_TEXT],
    HANDLE_ROW,
    handles::pg_background_start,
)];
pub static EXEC: &[Form] = &[called(
    &[A_TEXT, A_RECORD, A_TEXT, A_NAME, A_BOOL, A_INTERVAL, A_JSONB],
    Returns::Value(TEXT),
    handles::pg_background_exec,
)];
pub static QUERY: &[Form] =
    &[called(&[A_TEXT, A_RECORD, A_TEXT, A_NAME, A_INTERVAL, A_JSONB], Returns::Records, readers::pg_background_query)];
pub static QUERY_AS: &[Form] = &[called(
    &[A_ELEMENT, A_TEXT, A_RECORD, A_TEXT, A_NAME, A_INTERVAL, A_JSONB],
    Returns::Set(ANYELEMENT),
    readers::pg_background_query_as,
)];
pub static QUERY_JSON: &[Form] = &[called(
    &[A_TEXT, A_RECORD, A_TEXT, A_NAME, A_INTERVAL, A_JSONB],
    Returns::Set(JSONB),
    readers::pg_background_query_json,
)];
pub static ROWS: &[Form] = &[strict(&[A_HANDLE], Returns::Records, readers::pg_background_rows)];
pub static ROWS_AS: &[Form] =
    &[called(&[A_ELEMENT, A_HANDLE], Returns::Set(ANYELEMENT), readers::pg_background_rows_as)];
pub static ROWS_JSON: &[Form] = &[strict(&[A_HANDLE], Returns::Set(JSONB), readers::pg_background_rows_json)];
pub static FETCH: &[Form] = &[strict(&[A_HANDLE, A_INT4], Returns::Records, readers::pg_background_fetch)];
pub static COLUMNS: &[Form] =
    &[strict(&[A_HANDLE], Returns::Rows(&[("name", TEXT), ("type", REGTYPE)]), readers::pg_background_columns)];
