//! The handles that a session has given up, so that clean-up code may name them again without an error.

use std::collections::VecDeque;

/// How a session has given a job up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Its rows were read to the end, or its error was thrown.
    Read,
    /// Its rows were fetched to the end: a further fetch finds none, which is no error.
    Fetched,
    /// The caller forgot the job, which may still run.
    Detached,
    /// It had ended, its results were not wanted, and the session needed room for another job.
    MadeRoom,
}

/// The last [`ReleasedHandles::CAPACITY`] handles, oldest first.
#[derive(Default)]
pub struct ReleasedHandles(VecDeque<(i32, i64, Release)>);

impl ReleasedHandles {
    pub const CAPACITY: usize = 1000;

    pub const fn new() -> Self {
        Self(VecDeque::new())
    }

    pub fn remember(&mut self, pid: i32, cookie: i64, release: Release) {
        if self.0.len() == Self::CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back((pid, cookie, release));
    }

    /// The newest entry of that pid and, when given, that cookie.
    pub fn find(&self, pid: i32, cookie: Option<i64>) -> Option<Release> {
        let mut newest_first = self.0.iter().rev();
        newest_first
            .find(|(p, c, _)| *p == pid && cookie.is_none_or(|cookie| cookie == *c))
            .map(|(_, _, release)| *release)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_by_pid_or_by_the_whole_handle_newest_first() {
        let mut released = ReleasedHandles::new();
        released.remember(1, 10, Release::Read);
        released.remember(1, 11, Release::Detached);
        assert_eq!(released.find(1, None), Some(Release::Detached));
        assert_eq!(released.find(1, Some(10)), Some(Release::Read));
        assert_eq!(released.find(1, Some(12)), None);
        assert_eq!(released.find(2, None), None);
    }

    #[test]
    fn forgets_the_oldest() {
        let mut released = ReleasedHandles::new();
        for pid in 0..=1000 {
            released.remember(pid, 1, Release::Read);
        }
        assert_eq!(released.find(0, None), None);
        assert_eq!(released.find(1, None), Some(Release::Read));
        assert_eq!(released.0.len(), ReleasedHandles::CAPACITY);
    }
}
