//! What a warm worker does between two jobs: `worker/idle`, and how it comes to the job that it is offered.

use super::model::{NEXT, Sleep, World};
use super::workers::State;
use crate::registry::layout::MAPPED;
use crate::registry::tables::OfferedJob;
use crate::registry::totals::Start;
use std::sync::atomic::Ordering::Relaxed;

impl World {
    pub fn wait_for_job(&mut self, proc: u32, what: u8) -> String {
        self.sleeps[proc as usize] = Sleep::Awake;
        self.worker_mut(proc).was_claimed = false;
        let index = self.index(proc);
        let tables = self.memory.tables();
        if let Some(OfferedJob { handle, is_pinned: pinned }) = tables.offered(index) {
            self.turn(proc, State::Offered(handle as usize - 1, pinned));
            return "is offered a job".into();
        }
        let must = tables.is_dismissed(index) || what == NEXT;
        let is_claimed = tables.is_claimed(index);
        if must || what == 11 {
            let surplus = if must { None } else { Some(1) };
            let has_surplus = tables.has_surplus(1);
            if self.exclusive(proc, |r| r.try_leave(index, surplus)) {
                if !must && !has_surplus {
                    self.complain("a worker leaves that is to stay");
                }
                self.turn(proc, State::Closing(None));
                return "leaves".into();
            }
        } else if is_claimed {
        } else if what == 10 {
            self.turn(proc, State::Forgetting);
            return "is about to forget its mappings".into();
        } else if what == 9 {
            self.worker_mut(proc).settings = 9;
            self.exclusive(proc, |r| r.show_settings(index, 9));
            return "has other settings".into();
        }
        self.worker_mut(proc).was_claimed = is_claimed;
        self.sleep(proc, Sleep::Latch).into()
    }

    pub fn decline(&mut self, proc: u32) -> String {
        self.sleeps[proc as usize] = Sleep::Awake;
        self.worker_mut(proc).was_claimed = false;
        let index = self.index(proc);
        if self.exclusive(proc, |r| r.try_leave(index, None)) {
            self.turn(proc, State::Closing(None));
            return "leaves".into();
        }
        self.deliver(proc);
        if let Some(OfferedJob { handle, is_pinned: pinned }) = self.memory.tables().offered(index) {
            if pinned {
                self.unpin(handle as usize - 1);
            }
            self.exclusive(proc, |r| r.refuse(index));
            self.turn(proc, State::Closing(None));
            return "declines".into();
        }
        self.worker_mut(proc).was_claimed = true;
        self.sleep(proc, Sleep::Latch).into()
    }

    /// A launcher may have claimed the worker since it looked, and counts on its mappings.
    pub fn forget_mappings(&mut self, proc: u32) -> String {
        let index = self.index(proc);
        if self.exclusive(proc, |r| r.forget_mappings(index)) {
            self.worker_mut(proc).mapped = [0; MAPPED];
        }
        self.turn(proc, State::Waiting);
        "forgets its mappings".into()
    }

    /// A worker whose launcher awaits no reply has the segment mapped.
    pub fn map(&mut self, proc: u32, handle: usize, pinned: bool, what: u8) -> String {
        let is_kept = self.worker(proc).mapped.contains(&(handle as u32 + 1));
        if !is_kept && self.memory.tables().is_promised(self.index(proc)) {
            self.complain("no reply is awaited, but the worker has not mapped the segment");
        }
        if !is_kept && !pinned {
            self.complain("a segment is neither mapped nor pinned");
        }
        if !is_kept && what == 13 {
            self.turn(proc, State::Closing(None));
            return "cannot map the segment".into();
        }
        if pinned {
            self.memory.tables().mark_unpinned(self.index(proc));
            self.unpin(handle);
        }
        self.worker_mut(proc).keep(handle);
        self.turn(proc, State::Mapped(handle));
        "maps the segment".into()
    }

    /// A warm worker whose launcher awaits no reply has the launcher's settings.
    pub fn take(&mut self, proc: u32, handle: usize, start: Start) -> bool {
        let segment = &self.segments[handle];
        let (index, slot, cookie) = (self.index(proc), segment.slot, segment.cookie);
        let is_sure = start == Start::Warm && !segment.wants_reply;
        let is_alike = self.worker(proc).settings == segment.settings;
        let forgotten = self.machine.forgotten.load(Relaxed);
        let has_taken = self.exclusive(proc, |r| r.take_job(index, slot, cookie));
        if has_taken == (self.machine.forgotten.load(Relaxed) != forgotten) {
            self.complain("what was sent for a job is forgotten if that is gone, and only then");
        }
        if has_taken {
            self.counts.start(cookie, start);
        }
        if has_taken && is_sure && !is_alike {
            self.complain("no reply is awaited, but the worker has other settings");
        }
        has_taken
    }
}
