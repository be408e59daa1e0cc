//! Who waits for whom, and whether a process that waits for jobs waits for itself in the end.
//!
//! The server finds circles of lock waits. It does not know that a launcher waits for its job. So a launcher collects
//! the waits that it can see: the processes that its job waits for, those that they wait for, and so on. A process that
//! is not in the graph goes on by itself.
//!
//! A process that waits for locks, or for all of some jobs, goes on when each of those that it waits for has gone on.
//! One that waits for any of some jobs goes on when the first has. Who cannot go on then, is *stuck*.
//!
//! A circle of lock waits alone is not counted: the server ends it, by an error for one of its processes or by another
//! order in the queue for a lock.
//!
//! A launcher's own looks are not one moment: while it looks at one process, another may go on. So it looks twice, and
//! keeps the waits that both looks have found ([`Graph::common`]). All of them have lasted from the end of the first
//! look to the beginning of the second, so they were there at the same time; and a circle that is there once stays.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What a process needs to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// That all the others give back locks, or leave the queue for a lock.
    Locks,
    /// That all the jobs end that the others run.
    AllJobs,
    /// That one of these jobs ends.
    AnyJob,
}

/// A wait of one process. `K` tells it from another wait of the same process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait<K> {
    pub needs: Needs,
    pub key: K,
    /// The processes that are waited for, by their pids.
    pub on: BTreeSet<i32>,
}

/// The waits of some processes, by their pids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph<K>(BTreeMap<i32, Wait<K>>);

impl<K: Clone + PartialEq> Graph<K> {
    /// The waits of `me` and of all that it waits for, near or far. `wait_of` tells the wait of a process; `None`: the
    /// process waits for nobody.
    pub fn explore<E>(
        me: i32,
        mine: Wait<K>,
        mut wait_of: impl FnMut(i32) -> Result<Option<Wait<K>>, E>,
    ) -> Result<Self, E> {
        let mut left: Vec<i32> = mine.on.iter().copied().collect();
        let mut graph = Self(BTreeMap::from([(me, mine)]));
        let mut seen = BTreeSet::from([me]);
        while let Some(pid) = left.pop() {
            if seen.insert(pid) {
                if let Some(wait) = wait_of(pid)? {
                    left.extend(&wait.on);
                    graph.0.insert(pid, wait);
                }
            }
        }
        Ok(graph)
    }

    pub fn wait_of(&self, pid: i32) -> Option<&Wait<K>> {
        self.0.get(&pid)
    }

    /// What was so in this look and in an earlier one.
    #[must_use]
    pub fn common(&self, earlier: &Self) -> Self {
        let common = self.0.iter().filter_map(|(pid, now)| {
            let before = earlier.wait_of(*pid).filter(|before| before.needs == now.needs && before.key == now.key)?;
            let on: BTreeSet<i32> = match now.needs {
                Needs::Locks | Needs::AllJobs => now.on.intersection(&before.on).copied().collect(),
                // one that was added could end it
                Needs::AnyJob => now.on.union(&before.on).copied().collect(),
            };
            Some((*pid, Wait { needs: now.needs, key: now.key.clone(), on }))
        });
        Self(common.collect())
    }

    /// If `me`, which waits for jobs, cannot go on because it waits for itself: who waits for whom, from `me` to the
    /// one that waits for `me`.
    ///
    /// In a circle there may be several launchers, and one error is enough. It is for the launcher whose locks are
    /// waited for: the other launchers of the circle have a job that is waited for. Only in a circle without any lock
    /// is it for each launcher.
    pub fn deadlock_of(&self, me: i32) -> Option<Vec<i32>> {
        let resolved = self.resolved_by_server();
        let stuck = self.stuck(|pid, _| !resolved.contains(&pid));
        let by_lock = |wait: &Wait<K>| wait.needs == Needs::Locks;
        if let Some(chain) = self.chain(me, &stuck, by_lock) {
            return Some(chain);
        }
        let stuck = self.stuck(|_, wait| !by_lock(wait));
        self.chain(me, &stuck, |_| true)
    }

    /// Processes in circles of lock waits, or between two such circles: what remains when those go that wait for none
    /// of the others, or that none of the others waits for, and so on.
    ///
    /// Each wait is looked at a few times only. Where hundreds wait for one lock, each waits for all that came before.
    fn resolved_by_server(&self) -> BTreeSet<i32> {
        let locks = self.0.iter().filter(|(_, wait)| wait.needs == Needs::Locks);
        let mut left: BTreeMap<i32, &BTreeSet<i32>> = locks.map(|(pid, wait)| (*pid, &wait.on)).collect();
        // For each: how many of the others it waits for, and which of them wait for it.
        let mut waits_for = BTreeMap::new();
        let mut waiters: BTreeMap<i32, BTreeSet<i32>> = BTreeMap::new();
        for (pid, on) in &left {
            let others = on.iter().filter(|other| left.contains_key(*other));
            waits_for.insert(*pid, others.clone().count());
            for other in others {
                waiters.entry(*other).or_default().insert(*pid);
            }
        }
        let mut out: Vec<i32> =
            left.keys().copied().filter(|pid| waits_for[pid] == 0 || !waiters.contains_key(pid)).collect();
        while let Some(pid) = out.pop() {
            let Some(on) = left.remove(&pid) else {
                continue;
            };
            for other in on {
                if waiters.get_mut(other).is_some_and(|waiters| waiters.remove(&pid) && waiters.is_empty()) {
                    out.push(*other);
                }
            }
            for waiter in waiters.remove(&pid).unwrap_or_default() {
                if let Some(count) = waits_for.get_mut(&waiter) {
                    *count -= 1;
                    if *count == 0 {
                        out.push(waiter);
                    }
                }
            }
        }
        left.into_keys().collect()
    }

    /// Those that cannot go on, if of all waits only those are counted that `counts`.
    fn stuck(&self, counts: impl Fn(i32, &Wait<K>) -> bool) -> BTreeSet<i32> {
        let counted = self.0.iter().filter(|(pid, wait)| counts(**pid, wait));
        let mut stuck: BTreeSet<i32> = counted.map(|(pid, _)| *pid).collect();
        loop {
            let free: Vec<i32> = stuck.iter().copied().filter(|pid| !self.is_held(*pid, &stuck)).collect();
            if free.is_empty() {
                return stuck;
            }
            stuck.retain(|pid| !free.contains(pid));
        }
    }

    fn is_held(&self, pid: i32, stuck: &BTreeSet<i32>) -> bool {
        self.wait_of(pid).is_some_and(|wait| match wait.needs {
            Needs::Locks | Needs::AllJobs => wait.on.iter().any(|other| stuck.contains(other)),
            Needs::AnyJob => !wait.on.is_empty() && wait.on.iter().all(|other| stuck.contains(other)),
        })
    }

    /// The shortest way from `me` through `stuck` to one that waits for `me`, in a wait that `closes`.
    fn chain(&self, me: i32, stuck: &BTreeSet<i32>, closes: impl Fn(&Wait<K>) -> bool) -> Option<Vec<i32>> {
        let mut came_from = BTreeMap::new();
        let mut next = VecDeque::from([me]);
        while let Some(pid) = next.pop_front() {
            let Some(wait) = self.wait_of(pid).filter(|_| stuck.contains(&pid)) else {
                continue;
            };
            if wait.on.contains(&me) && closes(wait) {
                let mut chain = vec![pid];
                let mut at = pid;
                while at != me {
                    at = *came_from.get(&at)?;
                    chain.push(at);
                }
                chain.reverse();
                return Some(chain);
            }
            for other in wait.on.iter().filter(|other| **other != me) {
                came_from.entry(*other).or_insert_with(|| {
                    next.push_back(*other);
                    pid
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Needs::{AllJobs, AnyJob, Locks};
    use super::*;
    use proptest::prelude::*;

    const ME: i32 = 1;

    /// A wait of each process, in the order of their pids from 1 on; `None`: the process works.
    fn graph(waits: &[Option<(Needs, &[i32])>]) -> Graph<()> {
        let waits = (1..).zip(waits).filter_map(|(pid, wait)| {
            wait.map(|(needs, on)| (pid, Wait { needs, key: (), on: on.iter().copied().collect() }))
        });
        Graph(waits.collect())
    }

    fn deadlock(waits: &[Option<(Needs, &[i32])>]) -> Option<Vec<i32>> {
        graph(waits).deadlock_of(ME)
    }

    #[test]
    fn a_job_that_waits_for_its_launcher_is_a_deadlock() {
        assert_eq!(deadlock(&[Some((AllJobs, &[2])), Some((Locks, &[1]))]), Some(vec![1, 2]));
    }

    #[test]
    fn a_job_that_works_is_none() {
        assert_eq!(deadlock(&[Some((AllJobs, &[2])), None]), None);
    }

    #[test]
    fn a_job_that_waits_for_a_session_that_works_is_none() {
        assert_eq!(deadlock(&[Some((AllJobs, &[2])), Some((Locks, &[3])), None]), None);
    }

    #[test]
    fn a_third_session_that_waits_for_the_launcher_closes_the_circle() {
        let waits = [Some((AllJobs, &[2][..])), Some((Locks, &[3])), Some((Locks, &[1]))];
        assert_eq!(deadlock(&waits), Some(vec![1, 2, 3]));
    }

    #[test]
    fn jobs_that_wait_for_their_own_jobs_are_followed() {
        let waits = [Some((AllJobs, &[2][..])), Some((AllJobs, &[3])), Some((Locks, &[4, 1])), None];
        assert_eq!(deadlock(&waits), Some(vec![1, 2, 3]));
        // The error is the launcher's whose lock is waited for, and not that of the job that launched a job.
        assert_eq!(graph(&waits).deadlock_of(2), None);
    }

    #[test]
    fn two_sessions_whose_jobs_wait_for_each_other_both_have_it() {
        let waits = [Some((AllJobs, &[2][..])), Some((Locks, &[3])), Some((AllJobs, &[4])), Some((Locks, &[1]))];
        assert_eq!(graph(&waits).deadlock_of(1), Some(vec![1, 2, 3, 4]));
        assert_eq!(graph(&waits).deadlock_of(3), Some(vec![3, 4, 1, 2]));
    }

    #[test]
    fn two_launchers_that_wait_for_one_job_both_have_it() {
        let waits = [Some((AllJobs, &[3][..])), Some((AllJobs, &[3])), Some((Locks, &[1, 2]))];
        assert_eq!(graph(&waits).deadlock_of(1), Some(vec![1, 3]));
        assert_eq!(graph(&waits).deadlock_of(2), Some(vec![2, 3]));
    }

    #[test]
    fn one_of_several_jobs_that_works_is_enough_for_a_wait_for_any() {
        let waits = [Some((AnyJob, &[2, 3][..])), Some((Locks, &[1])), None];
        assert_eq!(deadlock(&waits), None);
        let waits = [Some((AllJobs, &[2, 3][..])), Some((Locks, &[1])), None];
        assert_eq!(deadlock(&waits), Some(vec![1, 2]));
        let waits = [Some((AnyJob, &[2, 3][..])), Some((Locks, &[1])), Some((Locks, &[1]))];
        assert_eq!(deadlock(&waits), Some(vec![1, 2]));
    }

    #[test]
    fn a_circle_that_the_server_ends_is_left_to_it() {
        let waits = [Some((AllJobs, &[2][..])), Some((Locks, &[1, 3])), Some((Locks, &[2]))];
        assert_eq!(deadlock(&waits), None);
    }

    #[test]
    fn a_deadlock_of_others_is_theirs() {
        let waits = [Some((AllJobs, &[2][..])), Some((Locks, &[3])), Some((AllJobs, &[4])), Some((Locks, &[3]))];
        assert_eq!(deadlock(&waits), None);
        assert_eq!(graph(&waits).deadlock_of(3), Some(vec![3, 4]));
    }

    #[test]
    fn a_circle_of_launchers_without_a_lock_is_found_by_each() {
        let waits = [Some((AllJobs, &[2][..])), Some((AllJobs, &[1]))];
        assert_eq!(graph(&waits).deadlock_of(1), Some(vec![1, 2]));
        assert_eq!(graph(&waits).deadlock_of(2), Some(vec![2, 1]));
        // A job that waits for itself.
        assert_eq!(deadlock(&[Some((AllJobs, &[1]))]), Some(vec![1]));
    }

    #[test]
    fn a_wait_that_is_another_one_by_the_second_look_does_not_count() {
        let of = |key| {
            let wait = |needs, on: i32, key| Wait { needs, key, on: BTreeSet::from([on]) };
            Graph(BTreeMap::from([(1, wait(AllJobs, 2, 0)), (2, wait(Locks, 1, key))]))
        };
        assert_eq!(of(5).common(&of(5)).deadlock_of(ME), Some(vec![1, 2]));
        assert_eq!(of(5).common(&of(6)).deadlock_of(ME), None);
    }

    #[test]
    fn the_whole_neighbourhood_is_explored() {
        let whole =
            graph(&[Some((AllJobs, &[2])), Some((Locks, &[3, 4])), Some((Locks, &[4])), None, Some((Locks, &[1]))]);
        let mine = whole.wait_of(ME).cloned().unwrap();
        let found = Graph::explore(ME, mine, |pid| Ok::<_, ()>(whole.wait_of(pid).cloned())).unwrap();
        assert!(found.wait_of(3).is_some() && found.wait_of(5).is_none());
    }

    #[test]
    fn a_long_queue_for_one_lock_is_looked_through_quickly() {
        const LAST: i32 = 300;
        let wait = |needs, on| Wait { needs, key: (), on };
        let queue = (2..=LAST).map(|pid| (pid, wait(Locks, (2..pid).collect())));
        let mut graph = Graph(queue.chain([(ME, wait(AllJobs, BTreeSet::from([LAST])))]).collect());
        assert_eq!(graph.resolved_by_server(), BTreeSet::new());
        graph.0.insert(2, wait(Locks, BTreeSet::from([LAST])));
        assert_eq!(graph.resolved_by_server().len(), LAST as usize - 1);
    }

    const PROCESSES: i32 = 7;

    fn any_graph() -> impl Strategy<Value = Graph<()>> {
        let needs = prop_oneof![Just(Locks), Just(AllJobs), Just(AnyJob)];
        let on = proptest::collection::btree_set(1..=PROCESSES, 1..4);
        let wait = (needs, on).prop_map(|(needs, on)| Wait { needs, key: (), on });
        proptest::collection::vec(proptest::option::weighted(0.8, wait), PROCESSES as usize)
            .prop_map(|waits| Graph((1..).zip(waits).filter_map(|(pid, wait)| Some((pid, wait?))).collect()))
    }

    /// Who goes on in the end, if each goes on that can, and if the server lets all of its own circles go on.
    fn goes_on(graph: &Graph<()>, me: i32) -> bool {
        let reaches_itself = |start: i32| {
            let mut seen = BTreeSet::new();
            let mut left = vec![start];
            while let Some(pid) = left.pop() {
                if let Some(wait) = graph.wait_of(pid).filter(|wait| wait.needs == Locks) {
                    left.extend(wait.on.iter().filter(|other| seen.insert(**other)));
                }
            }
            seen.contains(&start)
        };
        let mut free: BTreeSet<i32> =
            (1..=PROCESSES).filter(|pid| graph.wait_of(*pid).is_none() || reaches_itself(*pid)).collect();
        for _ in 0..PROCESSES {
            for (pid, wait) in &graph.0 {
                let mut on = wait.on.iter();
                let goes_on = match wait.needs {
                    Locks | AllJobs => on.all(|other| free.contains(other)),
                    AnyJob => on.any(|other| free.contains(other)),
                };
                if goes_on {
                    free.insert(*pid);
                }
            }
        }
        free.contains(&me)
    }

    proptest! {
        #[test]
        fn a_chain_is_one_of_waits_and_closes(graph in any_graph()) {
            if let Some(chain) = graph.deadlock_of(ME) {
                prop_assert_eq!(chain[0], ME);
                for (at, pid) in chain.iter().enumerate() {
                    let next = chain.get(at + 1).copied().unwrap_or(ME);
                    prop_assert!(graph.wait_of(*pid).unwrap().on.contains(&next));
                }
            }
        }

        #[test]
        fn who_could_go_on_has_no_deadlock(graph in any_graph()) {
            let is_launcher = graph.wait_of(ME).is_some_and(|wait| wait.needs != Locks);
            if is_launcher && graph.deadlock_of(ME).is_some() {
                prop_assert!(!goes_on(&graph, ME));
            }
        }

        #[test]
        fn of_those_that_are_stuck_some_launcher_has_it(graph in any_graph()) {
            // Between two circles of the server's nobody is counted, so only graphs without such circles are looked at.
            prop_assume!(graph.resolved_by_server().is_empty());
            let stuck = (1..=PROCESSES).any(|pid| !goes_on(&graph, pid));
            let launchers = graph.0.iter().filter(|(_, wait)| wait.needs != Locks);
            let found = launchers.into_iter().any(|(pid, _)| graph.deadlock_of(*pid).is_some());
            prop_assert_eq!(stuck, found);
        }
    }
}
