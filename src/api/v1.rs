//! The first interface: a job is named by its worker's pid alone.

use crate::launcher::job;
use crate::launcher::launch::{Options, launch};
use crate::launcher::read;
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::value::{Datum, int4, void};

/// `pg_background_launch(sql, queue_size)`
pub fn pg_background_launch(call: &Call) -> Result<Datum> {
    let options = Options { queue_size: call.int4(1), ..Options::default() };
    let job = launch(call.text(0)?, &options, Some(call.execution()))?;
    Ok(int4(job.pid))
}

/// `pg_background_result(pid)`
pub fn pg_background_result(call: &Call) -> Result<Datum> {
    read::result(call, call.int4(0), None)
}

/// `pg_background_detach(pid)`
pub fn pg_background_detach(call: &Call) -> Result<Datum> {
    job::detach(call.execution(), call.int4(0), None)?;
    Ok(void())
}
