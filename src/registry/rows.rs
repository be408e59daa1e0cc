//! What the views show. The lock is taken shared, for a row at a time.

use super::EndedRow;
use super::area::Registry;
use crate::pg::error::Result;
use logic::registry::rows::{JobName, JobRow, WorkerRow};
use std::collections::BTreeSet;

impl Registry {
    /// Jobs that have not ended, in the order of their launch.
    pub fn jobs(&self) -> Result<Vec<JobRow>> {
        self.exclusive(|r| r.reap())?;
        // First, for a job leaves these only when it has a slot.
        let pending = self.pending_rows()?;
        let mut rows = Vec::new();
        for slot in self.used_slots() {
            let copied = self.shared(|r| r.copy_job(slot))?;
            rows.extend(copied.and_then(|copied| self.job_row(slot, copied)));
        }
        let launched: BTreeSet<_> = rows.iter().map(|row| row.cookie).collect();
        rows.extend(pending.into_iter().filter(|row| !launched.contains(&row.cookie)));
        rows.sort_by_key(|row| (row.launched_at, row.cookie));
        Ok(rows)
    }

    /// The job with that cookie, if it has a slot. Takes the lock only for what it finds.
    pub fn find(&self, cookie: i64) -> Result<Option<(u32, JobName)>> {
        let Some(slot) = self.slot_of(cookie) else {
            return Ok(None);
        };
        let found = self.shared(|r| r.name_of(slot, cookie))?;
        Ok(found.map(|name| (slot, name)))
    }

    /// The ended job with that cookie.
    pub fn find_ended(&self, cookie: i64) -> Result<Option<JobName>> {
        let entry = self.entry_of(cookie);
        entry.map_or(Ok(None), |entry| self.shared(|r| r.name_of_ended(entry, cookie)))
    }

    /// The job with that cookie, if it has not ended.
    pub fn job_with(&self, cookie: i64) -> Result<Option<JobRow>> {
        let Some(slot) = self.slot_of(cookie) else {
            return Ok(None);
        };
        let copied = self.shared(|r| r.copy_job(slot))?;
        Ok(copied.and_then(|copied| self.job_row(slot, copied)).filter(|job| job.cookie == cookie))
    }

    /// The ended job with that cookie, if the history still has it.
    pub fn ended_with(&self, cookie: i64) -> Result<Option<EndedRow>> {
        let Some(entry) = self.entry_of(cookie) else {
            return Ok(None);
        };
        let copied = self.shared(|r| r.copy_end(entry))?;
        Ok(copied.map(|copied| copied.into_row()).filter(|job| job.cookie == cookie))
    }

    /// The last jobs that ended, newest first. They are copied one by one as the caller takes them: all at once they
    /// would be more than a processor's cache holds. One that has left the history by then is left out.
    pub fn history(&self) -> impl Iterator<Item = Result<EndedRow>> {
        let mut ends: Vec<_> = self.ends().collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let row = move |(_, cookie, entry)| {
            let copied = self.shared(|r| r.copy_end(entry))?;
            Ok(copied.map(|copied| copied.into_row()).filter(|row| row.cookie == cookie))
        };
        ends.into_iter().map(row).filter_map(Result::transpose)
    }

    pub fn workers(&self) -> Result<Vec<WorkerRow>> {
        self.exclusive(|r| r.reap())?;
        let mut rows = Vec::with_capacity(self.worker_slots().len());
        let mut copied = Vec::with_capacity(self.worker_slots().len());
        // all at once: no worker is to be seen twice, or not at all
        self.shared(|r| copied.extend(self.worker_slots().filter_map(|worker| r.copy_worker(worker))))?;
        rows.extend(copied.into_iter().map(|copied| copied.into_row()));
        Ok(rows)
    }
}
