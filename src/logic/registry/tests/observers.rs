//! Sessions that look at other sessions' jobs, cancel them, wait for them, and dismiss workers.

use super::model::{END, LAST, LAUNCHERS, NEXT, Sleep, WORKER_PROCESSES, World};
use crate::job::state::Stop;
use std::sync::atomic::Ordering::Relaxed;

#[derive(Clone, Copy, Debug, Default)]
pub enum State {
    #[default]
    Idle,
    /// For the end of the job with that slot and cookie.
    WaitsForEnd(u32, i64),
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

    pub fn job(&self) -> Option<(u32, i64)> {
        match self.state {
            State::WaitsForEnd(slot, cookie) => Some((slot, cookie)),
            State::Idle | State::WaitsForLeavers(_) => None,
        }
    }
}

impl World {
    fn observer(&mut self, proc: u32) -> &mut Observer {
        &mut self.observers[(proc - LAUNCHERS - WORKER_PROCESSES) as usize]
    }

    pub fn move_observer(&mut self, proc: u32, what: u8) -> String {
        let slot = u32::from(what) % super::memory::JOBS as u32;
        let database = 1 + u32::from(what & 1);
        let tables = self.memory.tables();
        let cookie = tables.job(slot).map_or(0, |job| job.cookie.load(Relaxed));
        let has_handle = tables.job(slot).is_some_and(|job| job.worker_pid.load(Relaxed) != 0);
        let state = self.observer(proc).state;
        match state {
            State::WaitsForEnd(..) | State::WaitsForLeavers(_) if what >= NEXT => {
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
            State::WaitsForLeavers(database) if !self.memory.tables().has_leavers(database) => {
                self.machine.leave_conditions(proc);
                self.observer(proc).state = State::Idle;
                "sees the workers gone".into()
            }
            State::WaitsForEnd(..) | State::WaitsForLeavers(_) => self.sleep(proc, Sleep::Condition).into(),
            State::Idle => match what {
                0..=3 if cookie != 0 && has_handle => {
                    self.observer(proc).state = State::WaitsForEnd(slot, cookie);
                    let tables = self.memory.tables();
                    self.machine.join_condition(proc, tables.done(slot).unwrap());
                    format!("waits for {cookie}")
                }
                4 if cookie != 0 && has_handle => {
                    self.shared(proc, |r| r.stop(slot, cookie, Stop::Now));
                    format!("cancels {cookie}")
                }
                LAST => {
                    self.exclusive(proc, |r| r.dismiss(0, 0));
                    "dismisses all".into()
                }
                END..LAST => {
                    self.exclusive(proc, |r| r.dismiss(database, 0));
                    self.join_freed(proc);
                    self.observer(proc).state = State::WaitsForLeavers(database);
                    format!("dismisses the workers of {database}")
                }
                11 => {
                    self.exclusive(proc, |r| r.reap());
                    "reaps".into()
                }
                _ => "looks".into(),
            },
        }
    }
}
