//! Sessions that look at other sessions' jobs, cancel them, wait for them, and dismiss workers.

use super::launchers::State as Launching;
use super::memory::JOBS;
use super::model::{END, LAST, LAUNCHERS, NEXT, PROCS, ROLE_OF_WORKERS, Sleep, WORKER_PROCESSES, World};
use crate::job::state::Stop;
use crate::registry::layout::Activity;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Clone, Copy, Debug, Default)]
pub enum State {
    #[default]
    Idle,
    /// For the end of the job with that slot and cookie.
    WaitsForEnd(u32, i64),
    /// Is on the list of those who wait for one of several jobs, and has marked those in the first slots.
    Marks([i64; JOBS], u32),
    /// For the end of one of the jobs in those slots; 0 where it does not wait for any.
    WaitsForSome([i64; JOBS]),
    /// Until the dismissed workers of that database are gone.
    WaitsForLeavers(u32),
}

#[derive(Default)]
pub struct Observer {
    pub state: State,
}

impl Observer {
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }
}

impl World {
    fn observer(&mut self, proc: u32) -> &mut Observer {
        &mut self.observers[(proc - LAUNCHERS - WORKER_PROCESSES) as usize]
    }

    pub fn move_observer(&mut self, proc: u32, what: u8) -> String {
        let slot = u32::from(what) % JOBS as u32;
        let database = 1 + u32::from(what & 1);
        let tables = self.memory.tables();
        let cookie = tables.job(slot).map_or(0, |job| job.cookie.load(Relaxed));
        let has_handle = tables.job(slot).is_some_and(|job| job.worker_pid.load(Relaxed) != 0);
        let state = self.observer(proc).state;
        match state {
            State::WaitsForEnd(..) | State::Marks(..) | State::WaitsForSome(_) | State::WaitsForLeavers(_)
                if what >= NEXT =>
            {
                self.machine.leave_conditions(proc);
                self.sleeps[proc as usize] = Sleep::Awake;
                self.observer(proc).state = State::Idle;
                "waits no longer".into()
            }
            State::WaitsForEnd(slot, cookie) if !self.memory.tables().is_running(slot, cookie) => {
                self.machine.leave_conditions(proc);
                self.observer(proc).state = State::Idle;
                format!("sees the end of {cookie}")
            }
            State::Marks(jobs, marked) => self.mark_next(proc, jobs, marked),
            State::WaitsForSome(jobs) if self.has_some_ended(&jobs) => {
                self.machine.leave_conditions(proc);
                self.observer(proc).state = State::Idle;
                format!("sees the end of one of {jobs:?}")
            }
            State::WaitsForLeavers(database) if !self.memory.tables().has_leavers(database) => {
                self.machine.leave_conditions(proc);
                self.observer(proc).state = State::Idle;
                "sees the workers gone".into()
            }
            State::WaitsForEnd(..) | State::WaitsForSome(_) | State::WaitsForLeavers(_) => {
                self.sleep(proc, Sleep::Condition).into()
            }
            State::Idle => match what {
                0..=1 if cookie != 0 && has_handle => {
                    self.observer(proc).state = State::WaitsForEnd(slot, cookie);
                    let tables = self.memory.tables();
                    self.machine.join_condition(proc, tables.done(slot).unwrap());
                    format!("waits for {cookie}")
                }
                2..=3 => self.await_some(proc),
                4 if cookie != 0 && has_handle => self.stop(proc, slot, cookie, Stop::Now),
                5 if cookie != 0 && has_handle => self.stop(proc, slot, cookie, Stop::AfterStatement),
                LAST => {
                    self.dismiss(proc, 0, 0);
                    "dismisses all".into()
                }
                END..LAST => {
                    // of any role, of that of all workers, of that of none
                    let role = [0, ROLE_OF_WORKERS, ROLE_OF_WORKERS + 1][self.next_cookie as usize % 3];
                    self.dismiss(proc, database, role);
                    self.join_departed(proc);
                    self.observer(proc).state = State::WaitsForLeavers(database);
                    format!("dismisses the workers of {database}")
                }
                6 => {
                    self.reap(proc);
                    "reaps".into()
                }
                7..=10 => self.read_configuration(proc, self.next_cookie as u8 ^ what).into(),
                _ => "looks".into(),
            },
        }
    }

    /// Begins to wait for the end of one of the jobs whose handles were returned: joins the list. The jobs are marked
    /// one by one afterwards.
    fn await_some(&mut self, proc: u32) -> String {
        let tables = self.memory.tables();
        let jobs: [i64; JOBS] = std::array::from_fn(|slot| {
            let job = &tables.jobs[slot];
            if job.worker_pid.load(Relaxed) == 0 { 0 } else { job.cookie.load(Relaxed) }
        });
        if jobs == [0; JOBS] {
            return "looks".into();
        }
        self.machine.join_condition(proc, tables.some_ended());
        self.observer(proc).state = State::Marks(jobs, 0);
        format!("is to wait for one of {jobs:?}")
    }

    /// Marks the next job, which may have ended.
    fn mark_next(&mut self, proc: u32, jobs: [i64; JOBS], marked: u32) -> String {
        let Some(cookie) = jobs.get(marked as usize).copied() else {
            self.observer(proc).state = State::WaitsForSome(jobs);
            return format!("waits for one of {jobs:?}");
        };
        let is_there = self.memory.tables().is_running(marked, cookie);
        if cookie != 0 && self.shared(proc, |r| r.mark_awaited(marked, cookie)) != is_there {
            self.complain("a job is marked that has ended, or is not marked");
        }
        self.observer(proc).state = State::Marks(jobs, marked + 1);
        format!("marks {cookie}")
    }

    pub fn has_some_ended(&self, jobs: &[i64; JOBS]) -> bool {
        let tables = self.memory.tables();
        (0..).zip(jobs).any(|(slot, cookie)| *cookie != 0 && !tables.is_running(slot, *cookie))
    }

    /// Dismisses workers: those that have registered and are meant, and no others. None of them is claimed afterwards.
    fn dismiss(&mut self, proc: u32, database: u32, role: u32) {
        let mut expected = Vec::new();
        for (worker, number) in self.workers.iter().zip(LAUNCHERS..) {
            let Some(index) = worker.index else { continue };
            let is_meant = (database == 0 || worker.database == database) && (role == 0 || role == ROLE_OF_WORKERS);
            if is_meant {
                self.dismissed.insert(self.machine.process(number).pid);
            }
            expected.push((index, is_meant || self.is_marked(index)));
        }
        self.exclusive(proc, |r| r.dismiss(database, role));
        if expected.into_iter().any(|(index, expected)| self.is_marked(index) != expected) {
            self.complain("other workers were dismissed than were meant");
        }
    }

    /// Dismisses the worker that has been idle longest, if one is idle that is not dismissed yet.
    pub fn dismiss_one(&mut self, proc: u32) -> &'static str {
        let tables = self.memory.tables();
        let idle = (0..).zip(tables.workers).filter(|(_, worker)| worker.activity() == Activity::Idle);
        let idle = idle.filter(|(index, _)| !self.is_marked(*index));
        let oldest = idle.min_by_key(|(_, worker)| worker.idle_since.load(Relaxed)).map(|(index, _)| index);
        let marked =
            tables.worker_slots().filter(|index| self.is_marked(*index)).chain(oldest).collect::<BTreeSet<_>>();
        let has_found = self.exclusive(proc, |r| r.dismiss_one());
        let slots = self.memory.tables().worker_slots();
        if has_found != oldest.is_some() || !slots.filter(|index| self.is_marked(*index)).eq(marked) {
            self.complain("another worker was dismissed than the one that has been idle longest");
        }
        "dismisses one"
    }

    fn is_marked(&self, index: u32) -> bool {
        self.memory.tables().workers[index as usize].dismissed.load(Relaxed) != 0
    }

    /// By an observer or the launcher. What was asked before stays.
    pub fn stop(&mut self, proc: u32, slot: u32, cookie: i64, stop: Stop) -> String {
        let before = self.memory.tables().asked_to_stop(slot, cookie);
        self.shared(proc, |r| r.stop(slot, cookie, stop));
        self.check_asked(cookie, before.max(stop));
        if stop == Stop::Now {
            self.check_interrupted(cookie);
        }
        format!("asks {cookie} to stop: {stop:?}")
    }

    /// The launch of that job has failed: the job is gone, or its worker is asked to stop.
    pub fn check_abandoned(&mut self, cookie: i64) {
        let tables = self.memory.tables();
        let Some(slot) = tables.slot_of(cookie) else {
            return;
        };
        if tables.jobs[slot as usize].abandoned.load(Relaxed) == 0 {
            self.complain("a job that no launcher will have is not abandoned");
        }
        self.check_asked(cookie, Stop::Now);
        self.check_interrupted(cookie);
    }

    fn check_asked(&mut self, cookie: i64, stop: Stop) {
        let tables = self.memory.tables();
        let slot = tables.slot_of(cookie);
        if slot.is_some_and(|slot| tables.asked_to_stop(slot, cookie) != stop) {
            self.complain(format!("job {cookie} is not asked to stop, or less than before"));
        }
    }

    /// The worker of the job was told to look, just now.
    fn check_interrupted(&mut self, cookie: i64) {
        let tables = self.memory.tables();
        let pid = tables.slot_of(cookie).map_or(0, |slot| tables.jobs[slot as usize].worker_pid.load(Relaxed));
        if pid != 0 && !self.machine.interrupted.lock().unwrap().contains(&pid) {
            self.complain(format!("the worker of {cookie} was not told to look"));
        }
    }

    /// Reaps, and delivers the wakes: when there was a job without a process, its launcher is awake, and all who wait
    /// for a job or a slot.
    pub fn reap(&mut self, proc: u32) {
        let before = self.slots();
        let has_found = self.exclusive(proc, |r| r.reap());
        self.deliver(proc);
        let after = self.slots();
        let gone: Vec<i64> = before.iter().zip(&after).filter(|(b, a)| b.0 != a.0).map(|(job, _)| job.0).collect();
        if has_found == gone.is_empty() {
            self.complain("reaped jobs, or none, and says otherwise");
        }
        if has_found && !self.has_vanished {
            self.complain("a job was left without a process, and none has vanished");
        }
        let is_concerned = |proc: &u32| {
            if let Some(launcher) = self.launchers.get(*proc as usize) {
                return match launcher.state {
                    Launching::Queued(job, ticket) => {
                        self.shared(*proc, |r| r.verdict(&job.ask(), Some(ticket))).is_none()
                    }
                    Launching::WaitsForProcess(_, _, ticket) => {
                        self.shared(*proc, |r| r.is_next_for_process(Some(ticket)))
                    }
                    Launching::Offered(job, ..) | Launching::Tracking(job, _) => gone.contains(&job.cookie),
                    _ => false,
                };
            }
            let observer = proc.checked_sub(LAUNCHERS + WORKER_PROCESSES);
            observer.is_some_and(|index| !self.observers[index as usize].is_idle())
        };
        let forgotten = (0..PROCS).filter(is_concerned).find(|proc| !self.is_woken(*proc));
        if let Some(proc) = forgotten.filter(|_| has_found) {
            self.complain(format!("{proc} sleeps, but a job was reaped"));
        }
    }
}
