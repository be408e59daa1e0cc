//! The picture of the jobs: the rows of the views, drawn by `logic::timeline`.

use super::jobs::length;
use super::views::TextAccess;
use crate::launcher::job::own_rows;
use crate::pg::call::Call;
use crate::pg::error::Result;
use crate::pg::value::{Datum, text};
use crate::pg::{encoding, identity, timezone};
use crate::registry::{self, EndedRow, JobRow};
use logic::sqlstate;
use logic::timeline::{self, Job, Texts, Window};
use std::collections::BTreeMap;

/// `pg_background_timeline(since)`
pub fn pg_background_timeline(call: &Call) -> Result<Datum> {
    let since = length(call, 0, "since")?;
    let (jobs, ended) = match registry::get()? {
        Some(registry) => {
            registry.tell_configuration()?;
            // A job that ends in between is in both; the picture shows it as ended.
            (registry.jobs()?, registry.history().collect::<Result<Vec<_>>>()?)
        }
        None => (own_rows::jobs()?, own_rows::history()?),
    };
    let now = identity::now();
    let from = since.map(|since| now.saturating_sub(i64::try_from(since).unwrap_or(i64::MAX)));
    let mut names = Names::default();
    let mut shown = Vec::with_capacity(jobs.len());
    for job in jobs {
        shown.push(running(job, &mut names)?);
    }
    for job in ended {
        if from.is_none_or(|from| job.finished_at >= from) {
            shown.push(over(job, &mut names)?);
        }
    }
    let svg = timeline::draw(&Window { from, now, utc_offset: timezone::utc_offset(now) }, shown);
    text(svg.as_bytes())
}

fn running(job: JobRow, names: &mut Names) -> Result<Job> {
    let texts = TextAccess::of(job.role, job.database)?;
    let automatic = job.automatic.unwrap_or_default();
    let (progress, phase) = match job.progress {
        Some((percent, message)) => (Some(percent.saturating_mul(100)), message),
        None => (automatic.hundredths, automatic.phase),
    };
    Ok(Job {
        pid: job.pid,
        cookie: job.cookie,
        state: job.state,
        launched_at: job.launched_at,
        started_at: job.started_at,
        finished_at: 0,
        user: names.role(job.role)?,
        database: names.database(job.database)?,
        texts: readable(&texts, [job.label, job.query, phase, Vec::new()])?,
        rows: automatic.rows,
        rows_estimated: automatic.rows_estimated,
        progress,
        sqlstate: String::new(),
    })
}

fn over(job: EndedRow, names: &mut Names) -> Result<Job> {
    let texts = TextAccess::of(job.role, job.database)?;
    let sqlstate = sqlstate::unpack(job.sqlstate);
    Ok(Job {
        pid: job.pid,
        cookie: job.cookie,
        state: job.state,
        launched_at: job.launched_at,
        started_at: job.started_at,
        finished_at: job.finished_at,
        user: names.role(job.role)?,
        database: names.database(job.database)?,
        texts: readable(&texts, [job.label, job.query, Vec::new(), job.message])?,
        rows: (job.row_count != own_rows::UNKNOWN).then_some(job.row_count),
        rows_estimated: None,
        progress: None,
        sqlstate: if job.sqlstate == 0 { String::new() } else { String::from_utf8_lossy(&sqlstate).into_owned() },
    })
}

/// Label, query, phase and error, where the caller may read them.
fn readable(texts: &TextAccess, parts: [Vec<u8>; 4]) -> Result<Option<Texts>> {
    let mut found = Vec::with_capacity(parts.len());
    for part in parts {
        let Some(part) = texts.bytes(part)? else { return Ok(None) };
        found.push(encoding::as_utf8(part)?);
    }
    let mut found = found.into_iter();
    let mut next = || found.next().unwrap_or_default();
    Ok(Some(Texts { label: next(), query: next(), phase: next(), error: next() }))
}

/// Names of roles and databases, each looked up once.
#[derive(Default)]
struct Names {
    roles: BTreeMap<u32, String>,
    databases: BTreeMap<u32, String>,
}

impl Names {
    fn role(&mut self, role: u32) -> Result<String> {
        looked_up(&mut self.roles, role, identity::role_name)
    }

    fn database(&mut self, database: u32) -> Result<String> {
        looked_up(&mut self.databases, database, identity::database_name)
    }
}

fn looked_up(names: &mut BTreeMap<u32, String>, oid: u32, look: fn(u32) -> Result<Vec<u8>>) -> Result<String> {
    if let Some(name) = names.get(&oid) {
        return Ok(name.clone());
    }
    // a name in a shared catalog may be in the encoding of another database
    let name = encoding::as_utf8(encoding::made_valid(look(oid)?)?)?;
    names.insert(oid, name.clone());
    Ok(name)
}
