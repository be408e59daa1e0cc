//! Of `pg_background_map` and `pg_background_join`.

use crate::pg::error::PgError;
use logic::sqlstate;

/// The procedure cannot commit where it was called.
#[cold]
pub fn join_in_transaction() -> PgError {
    PgError::new(sqlstate::INVALID_TRANSACTION_TERMINATION, "invalid transaction termination")
        .detail(
            "pg_background_join commits, which is possible in CALL and DO outside of a transaction block, and in \
             procedures that are called there, but not in functions and in blocks with an EXCEPTION clause.",
        )
        .hint("Use pg_background_await, which waits within the transaction.")
}

#[cold]
pub fn not_ended_in_time(pid: i32) -> PgError {
    PgError::new(
        sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
        format!("background job with PID {pid} has not ended within the timeout"),
    )
    .hint("The job runs on.")
}

/// An element of the array; counted from 1.
#[cold]
pub fn null_statement(n: usize) -> PgError {
    PgError::new(sqlstate::NULL_VALUE_NOT_ALLOWED, format!("statement {n} must not be null"))
}

#[cold]
pub fn statements_in_dimensions() -> PgError {
    PgError::new(sqlstate::ARRAY_SUBSCRIPT_ERROR, "statements must be a one-dimensional array")
}

#[cold]
pub fn nothing_parallel() -> PgError {
    PgError::new(sqlstate::INVALID_PARAMETER_VALUE, "parallel must be greater than zero")
}
