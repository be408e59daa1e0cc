//! The first interface: a job is a bare pid.

use crate::errors;
use crate::launcher::job::tracker::{self, Found};
use crate::launcher::job::{Job, used_pids};
use crate::launcher::launch::{Kind, launch};
use crate::launcher::read;
use crate::pg::error::Result;
use crate::pg::value::{Call, Datum, int4, void};
use logic::job::released::How;

/// `pg_background_launch(sql, queue_size)`
pub fn pg_background_launch(call: &Call) -> Result<Datum> {
    let job = launch(call.text(0)?, call.int4(1), Kind::Launch, Some(call.execution()))?;
    Ok(int4(job.pid))
}

/// `pg_background_result(pid)`
pub fn pg_background_result(call: &Call) -> Result<Datum> {
    read(call, call.int4(0), None)
}

/// `pg_background_detach(pid)`
pub fn pg_background_detach(call: &Call) -> Result<Datum> {
    detach(call, call.int4(0), None)
}

pub(super) fn read(call: &Call, pid: i32, cookie: Option<i64>) -> Result<Datum> {
    match tracker::find(pid, cookie, true)? {
        Found::Job(job) => {
            spend(call, &job)?;
            read::read(call, &job)
        }
        Found::Released(How::Read) => Err(errors::already_consumed(pid)),
        Found::Released(How::Detached) => Err(errors::not_attached(pid)),
    }
}

/// A job that was launched in this execution of a query is given up in it: see [`used_pids`].
fn spend(call: &Call, job: &Job) -> Result<()> {
    let execution = call.execution();
    if job.execution == Some(execution) { used_pids::add(execution, job.pid) } else { Ok(()) }
}

/// Clean-up code may detach whatever happened before.
pub(super) fn detach(call: &Call, pid: i32, cookie: Option<i64>) -> Result<Datum> {
    match tracker::find(pid, cookie, false)? {
        Found::Job(job) => {
            spend(call, &job)?;
            tracker::release(&job, How::Detached);
        }
        Found::Released(_) => {}
    }
    Ok(void())
}
