//! The functions beneath the views.

use super::{A_INTERVAL, called};
use crate::api::{admin, timeline, views};
use crate::pg::declaration::{Column, Form, Returns};
use crate::pg::types::{INT4, INT8, INTERVAL, OID, TEXT, TIMESTAMPTZ, VOID};

pub static GET_JOBS: &[Form] = &[called(&[], Returns::Rows(JOBS), views::pg_background_get_jobs)];
pub static GET_HISTORY: &[Form] = &[called(&[], Returns::Rows(HISTORY), views::pg_background_get_history)];
pub static GET_WORKERS: &[Form] = &[called(&[], Returns::Rows(WORKERS), views::pg_background_get_workers)];
pub static GET_TOTALS: &[Form] = &[called(&[], Returns::Rows(TOTALS), views::pg_background_get_totals)];
pub static TIMELINE: &[Form] = &[called(&[A_INTERVAL], Returns::Value(TEXT), timeline::pg_background_timeline)];
pub static STAT_RESET: &[Form] = &[called(&[], Returns::Value(VOID), admin::pg_background_stat_reset)];

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
    ("spooled_bytes", INT8),
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
    ("spooled_bytes", INT8),
    ("cpu_user", INTERVAL),
    ("cpu_system", INTERVAL),
    ("shared_blks_hit", INT8),
    ("shared_blks_read", INT8),
    ("shared_blks_dirtied", INT8),
    ("temp_blks_written", INT8),
    ("wal_bytes", INT8),
    ("max_rss_kb", INT8),
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
    ("cpu_user", INTERVAL),
    ("cpu_system", INTERVAL),
    ("shared_blks_hit", INT8),
    ("shared_blks_read", INT8),
    ("shared_blks_dirtied", INT8),
    ("temp_blks_written", INT8),
    ("wal_bytes", INT8),
    ("max_rss_kb", INT8),
];
