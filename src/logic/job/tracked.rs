//! The table of the jobs that a session tracks: by cookie, and by pid for callers that have no cookie.

/// Several tracked jobs may have the same pid: a warm worker runs one job after the other, and the system gives the
/// pid of a process that is gone to another one. A bare pid names the job that was launched last.
///
/// A list in the order of the launches, which is looked through from its end: most often the last job is meant. The
/// memory of jobs that are gone serves the next ones.
pub struct TrackedJobs<J>(Vec<Tracked<J>>);

struct Tracked<J> {
    pid: i32,
    cookie: i64,
    /// The job may still be named by its pid alone.
    holds_pid: bool,
    job: J,
}

impl<J> Default for TrackedJobs<J> {
    fn default() -> Self {
        Self::new()
    }
}

impl<J> TrackedJobs<J> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds the job that was launched last.
    pub fn add(&mut self, pid: i32, cookie: i64, job: J) {
        self.0.push(Tracked { pid, cookie, holds_pid: true, job });
    }

    fn place(&self, pid: i32, cookie: i64) -> Option<usize> {
        self.0.iter().rposition(|job| job.cookie == cookie && job.pid == pid)
    }

    /// The job with that handle; without a cookie, the last job with that pid.
    pub fn find(&self, pid: i32, cookie: Option<i64>) -> Option<&J> {
        let place = match cookie {
            Some(cookie) => self.place(pid, cookie),
            None => self.0.iter().rposition(|job| job.pid == pid),
        };
        place.map(|place| &self.0[place].job)
    }

    /// Takes the job with that handle out of the table.
    pub fn remove(&mut self, pid: i32, cookie: i64) -> Option<J> {
        self.place(pid, cookie).map(|place| self.0.remove(place).job)
    }

    /// The jobs that hold their pids, until [`Self::release_pid`].
    pub fn pid_holders(&self) -> impl Iterator<Item = &J> {
        self.0.iter().filter(|job| job.holds_pid).map(|job| &job.job)
    }

    /// Another job may have the pid from now on, as far as this one is concerned.
    pub fn release_pid(&mut self, pid: i32, cookie: i64) {
        if let Some(place) = self.place(pid, cookie) {
            self.0[place].holds_pid = false;
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All jobs, in the order of their launch.
    pub fn iter(&self) -> impl Iterator<Item = &J> {
        self.0.iter().map(|job| &job.job)
    }

    /// The pids of all jobs.
    pub fn pids(&self) -> impl Iterator<Item = i32> {
        self.0.iter().map(|job| job.pid)
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
        assert_eq!(jobs.pids().collect::<Vec<_>>(), [7, 8, 7]);
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

    #[test]
    fn a_job_holds_its_pid_until_it_releases_it() {
        let mut jobs = TrackedJobs::new();
        jobs.add(7, 100, "older");
        jobs.add(7, 300, "newer");
        jobs.add(8, 200, "other");
        let holders = |jobs: &TrackedJobs<&'static str>| jobs.pid_holders().copied().collect::<Vec<_>>();
        assert_eq!(holders(&jobs), ["older", "newer", "other"]);
        jobs.release_pid(7, 300);
        jobs.release_pid(9, 1);
        assert_eq!(holders(&jobs), ["older", "other"]);
        assert_eq!(jobs.remove(7, 300), Some("newer"));
        assert_eq!(jobs.remove(8, 200), Some("other"));
        assert_eq!(holders(&jobs), ["older"]);
        jobs.release_pid(7, 100);
        assert_eq!((holders(&jobs), jobs.find(7, None)), (Vec::new(), Some(&"older")));
    }
}
