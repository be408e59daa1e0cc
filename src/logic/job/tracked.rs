//! The table of the jobs that a session tracks: by cookie, and by pid for callers that have no cookie.

use std::collections::BTreeMap;

/// Several tracked jobs may have the same pid: a warm worker runs one job after the other, and the system gives the
/// pid of a process that is gone to another one. A bare pid names the job that was launched last.
pub struct TrackedJobs<J> {
    by_cookie: BTreeMap<i64, J>,
    /// The cookies of the jobs with that pid, in the order of their launch; never empty.
    by_pid: BTreeMap<i32, Vec<i64>>,
}

impl<J> Default for TrackedJobs<J> {
    fn default() -> Self {
        Self::new()
    }
}

impl<J> TrackedJobs<J> {
    pub const fn new() -> Self {
        Self { by_cookie: BTreeMap::new(), by_pid: BTreeMap::new() }
    }

    /// Adds the job that was launched last.
    pub fn add(&mut self, pid: i32, cookie: i64, job: J) {
        self.by_cookie.insert(cookie, job);
        self.by_pid.entry(pid).or_default().push(cookie);
    }

    /// The job with that handle; without a cookie, the last job with that pid.
    pub fn find(&self, pid: i32, cookie: Option<i64>) -> Option<&J> {
        let cookies = self.by_pid.get(&pid)?;
        let cookie = match cookie {
            Some(cookie) => cookies.iter().find(|known| **known == cookie),
            None => cookies.last(),
        };
        self.by_cookie.get(cookie?)
    }

    /// Takes the job with that handle out of the table.
    pub fn remove(&mut self, pid: i32, cookie: i64) -> Option<J> {
        let cookies = self.by_pid.get_mut(&pid)?;
        let position = cookies.iter().position(|known| *known == cookie)?;
        cookies.remove(position);
        if cookies.is_empty() {
            self.by_pid.remove(&pid);
        }
        self.by_cookie.remove(&cookie)
    }

    pub fn len(&self) -> usize {
        self.by_cookie.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_cookie.is_empty()
    }

    /// All jobs, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &J> {
        self.by_cookie.values()
    }

    /// The pids of all jobs, each once.
    pub fn pids(&self) -> impl Iterator<Item = i32> {
        self.by_pid.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(jobs: &TrackedJobs<&'static str>) -> Vec<&'static str> {
        let mut all: Vec<_> = jobs.iter().copied().collect();
        all.sort_unstable();
        all
    }

    #[test]
    fn a_job_whose_pid_comes_back_keeps_its_handle() {
        let mut jobs = TrackedJobs::new();
        jobs.add(7, 100, "older");
        jobs.add(8, 200, "other");
        jobs.add(7, 300, "newer");
        assert_eq!(jobs.find(7, Some(100)), Some(&"older"));
        assert_eq!(jobs.find(7, Some(300)), Some(&"newer"));
        assert_eq!(jobs.find(7, None), Some(&"newer"));
        assert_eq!(jobs.len(), 3);
        assert_eq!(all(&jobs), ["newer", "older", "other"]);
        assert_eq!(jobs.pids().collect::<Vec<_>>(), [7, 8]);
    }

    #[test]
    fn a_bare_pid_names_the_last_job_that_is_left() {
        let mut jobs = TrackedJobs::new();
        jobs.add(7, 100, "older");
        jobs.add(7, 300, "newer");
        assert_eq!(jobs.remove(7, 300), Some("newer"));
        assert_eq!(jobs.find(7, Some(300)), None);
        assert_eq!(jobs.find(7, None), Some(&"older"));
        assert_eq!(jobs.pids().collect::<Vec<_>>(), [7]);
        assert_eq!(jobs.remove(7, 100), Some("older"));
        assert_eq!(jobs.find(7, None), None);
        assert_eq!((jobs.len(), jobs.pids().count()), (0, 0));
    }

    #[test]
    fn releasing_the_older_one_leaves_the_newer() {
        let mut jobs = TrackedJobs::new();
        jobs.add(7, 100, "older");
        jobs.add(7, 300, "newer");
        assert_eq!(jobs.remove(7, 100), Some("older"));
        assert_eq!(jobs.find(7, None), Some(&"newer"));
        assert_eq!(jobs.remove(7, 100), None);
    }

    #[test]
    fn a_cookie_is_nothing_with_another_pid() {
        let mut jobs = TrackedJobs::new();
        jobs.add(7, 100, "job");
        assert_eq!(jobs.find(8, Some(100)), None);
        assert_eq!(jobs.remove(8, 100), None);
        assert_eq!(jobs.find(7, Some(101)), None);
        assert_eq!(jobs.len(), 1);
    }
}
