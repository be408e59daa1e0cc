//! The same rules with a thread for each process, and a lock of the standard library for the server's: processes meet
//! here in the middle of what is one move in `random_moves`, and looks without the lock meet changes.
//!
//! The order of the memory accesses is not tested: the changes are ordered by the lock, an x86 processor reorders less
//! than the orderings in the code allow, and to ThreadSanitizer no access to an atomic is a race.
//!
//! No process ends in the midst of something here; `random_moves` does that.

use super::memory::{Acting, Machine, Memory, WORKERS};
use super::model::{World, end_of};
use crate::job::state::Stop;
use crate::registry::claims::{Claim, WorkerRequirements};
use crate::registry::jobs::{Admission, End, NewJob};
use crate::registry::layout::{Key, MAPPED};
use crate::registry::locked::{Locked, Process, Shared};
use crate::registry::queue::Queue;
use crate::registry::tables::OfferedJob;
use crate::registry::workers::{AfterJob, Call, IdleOutcome};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

const LAUNCHERS: u32 = 3;
const JOBS_EACH: u32 = 60;
const CANCELER: u32 = LAUNCHERS + WORKERS as u32;
/// Nobody sleeps so long that is woken when it should be.
const LONG: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Segment {
    cookie: i64,
    slot: AtomicU32,
    launcher: u32,
    is_accepted: AtomicBool,
    wants_reply: AtomicBool,
    /// A worker has been in the queue, and has left it.
    was_attached: AtomicBool,
    has_left: AtomicBool,
}

struct Shop {
    memory: Memory,
    machine: Machine,
    lock: RwLock<()>,
    segments: Mutex<BTreeMap<u32, Arc<Segment>>>,
    /// Of the numbers of worker processes, those that are taken.
    processes: Mutex<[bool; WORKERS]>,
    next: AtomicI64,
    is_closed: AtomicBool,
}

/// A little randomness, the thread's own.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

impl Shop {
    fn exclusive<R>(&self, me: Process, change: impl FnOnce(&mut Locked) -> R) -> R {
        let tables = self.memory.tables();
        let server = Acting { machine: &self.machine, me };
        let held = self.lock.write().unwrap();
        let mut locked = Locked::new(&tables, &server);
        let result = change(&mut locked);
        let wakes = locked.into_wakes();
        drop(held);
        wakes.deliver(&tables, &server);
        result
    }

    fn shared<R>(&self, me: Process, look: impl FnOnce(&Shared) -> R) -> R {
        let tables = self.memory.tables();
        let server = Acting { machine: &self.machine, me };
        let _held = self.lock.read().unwrap();
        look(&Shared::new(&tables, &server))
    }

    /// Sleeps until the latch is set, at most so long; false when it was not.
    fn sleep(&self, proc: u32, longest: Duration) -> bool {
        let deadline = Instant::now() + longest;
        while !self.machine.is_set(proc) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_micros(20));
        }
        self.machine.reset_latch(proc);
        true
    }

    fn wait_for_turn<T>(&self, proc: u32, longest: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
        loop {
            let found = ready();
            if found.is_some() || !self.sleep(proc, longest) {
                return found;
            }
        }
    }

    fn free_process(&self) -> Option<u32> {
        let mut processes = self.processes.lock().unwrap();
        let free = processes.iter().position(|taken| !taken)?;
        processes[free] = true;
        Some(LAUNCHERS + free as u32)
    }
}

/// A session that launches one job after the other.
fn launch_jobs<'s>(shop: &'s Shop, scope: &'s Scope<'s, '_>, proc: u32) {
    let me = shop.machine.start(proc);
    let mut dice = Dice(0x1234_5678_9abc_def1 + u64::from(proc));
    for n in 0..JOBS_EACH {
        let id = shop.next.fetch_add(1, Relaxed);
        let handle = id as u32;
        let segment = Arc::new(Segment { cookie: id, launcher: proc, ..Segment::default() });
        shop.segments.lock().unwrap().insert(handle, Arc::clone(&segment));
        let taken = [shop.machine.process(LAUNCHERS + proc).pid];
        let new = NewJob {
            cookie: id,
            database: 1,
            role: 10,
            launched_at: 1,
            query: b"SELECT 1",
            label: b"",
            per_role: if dice.roll(2) == 0 { 2 } else { 0 },
            give_up: Instant::now(),
            committed_by: None,
            wanted: Some(WorkerRequirements {
                key: Key { database: 1, user: 10, ..Key::default() },
                settings: dice.roll(2),
                handle,
                taken: if dice.roll(4) == 0 { &taken } else { &[] },
                likely: Some(dice.roll(5) as u32),
            }),
        };
        let (slot, claim) = admit(shop, me, &new);
        segment.slot.store(slot, Relaxed);
        if dice.roll(10) == 0 {
            // the launch fails
            if let Some(claim) = claim {
                shop.exclusive(me, |r| r.withdraw(&claim, id));
            }
            shop.exclusive(me, |r| r.give_up(slot, id));
            continue;
        }
        start(shop, scope, me, &new, handle, &segment, slot, claim);
        while !segment.has_left.load(Acquire) {
            let is_gone = !shop.memory.tables().is_running(slot, id);
            assert!(shop.sleep(proc, LONG), "job {n} of {proc} is over, or not (gone: {is_gone}), and nobody says so");
        }
        assert!(!shop.memory.tables().is_running(slot, id));
    }
}

fn admit(shop: &Shop, me: Process, new: &NewJob) -> (u32, Option<Claim>) {
    let asked = shop.exclusive(me, |r| match r.admit(new, None) {
        Admission::Admitted(slot, claim) => Ok((slot, claim)),
        Admission::Refused(_) => Err(r.join(new, Queue::ForSlot).unwrap()),
    });
    let ticket = match asked {
        Ok(place) => return place,
        Err(ticket) => ticket,
    };
    let mut has_just_asked = true;
    let admitted = shop.wait_for_turn(me.proc, LONG, || {
        if std::mem::take(&mut has_just_asked) {
            return None;
        }
        match shop.exclusive(me, |r| r.admit(new, Some(ticket))) {
            Admission::Admitted(slot, claim) => Some((slot, claim)),
            Admission::Refused(_) => None,
        }
    });
    admitted.expect("a launch that waits is admitted at last")
}

/// Gives the job to the claimed worker, or to another one, or to a new process.
#[allow(clippy::too_many_arguments)] // a launch, in parts
fn start<'s>(
    shop: &'s Shop,
    scope: &'s Scope<'s, '_>,
    me: Process,
    new: &NewJob,
    handle: u32,
    segment: &Arc<Segment>,
    slot: u32,
    mut claim: Option<Claim>,
) {
    loop {
        if let Some(claim) = claim {
            let is_used = new.wanted.as_ref().is_some_and(|wanted| wanted.taken.contains(&claim.pid));
            assert!(!is_used, "a worker was claimed whose pid the session still uses");
            segment.wants_reply.store(!claim.is_sure, Release);
            let there = shop.exclusive(me, |r| r.offer(&claim, slot, new.cookie, handle));
            if there && (claim.is_sure || is_taken(shop, me, segment, slot, &claim)) {
                return;
            }
        }
        segment.wants_reply.store(false, Release);
        let ticket = shop.exclusive(me, |r| r.join(new, Queue::ForProcess)).unwrap();
        let mut way_in = None;
        let deadline = Instant::now() + LONG;
        while way_in.is_none() {
            assert!(Instant::now() < deadline, "a launch that waits for a process gets none");
            way_in = shop.wait_for_turn(me.proc, Duration::from_millis(1), || {
                if !shop.shared(me, |r| r.is_next_for_process(Some(ticket))) {
                    return None;
                }
                let claim = shop.exclusive(me, |r| r.claim_for(slot, new));
                claim.map(Ok).or_else(|| shop.free_process().map(Err))
            });
            if way_in.is_none() {
                shop.exclusive(me, |r| r.dismiss_one());
            }
        }
        shop.exclusive(me, |r| r.quit(ticket));
        match way_in.unwrap() {
            Ok(found) => claim = Some(found),
            Err(worker) => {
                scope.spawn(move || work(shop, worker, handle));
                while !segment.was_attached.load(Acquire) {
                    assert!(shop.sleep(me.proc, LONG), "no worker came");
                }
                return;
            }
        }
    }
}

fn is_taken(shop: &Shop, me: Process, segment: &Segment, slot: u32, claim: &Claim) -> bool {
    loop {
        if segment.is_accepted.load(Acquire) {
            return true;
        }
        if !shop.shared(me, |r| r.is_on_its_way(claim, slot, segment.cookie)) {
            return segment.is_accepted.load(Acquire);
        }
        assert!(shop.sleep(me.proc, LONG), "an offer is not answered");
    }
}

/// A worker process: the job that it was started for, and those that come after it.
fn work(shop: &Shop, proc: u32, first: u32) {
    let me = shop.machine.start(proc);
    let mut dice = Dice(u64::from(first) + 77);
    let key = Key { database: 1, user: 10, ..Key::default() };
    let worker = shop.exclusive(me, |r| r.register_worker(&key)).unwrap();
    let tables = shop.memory.tables();
    let mut next = Some(first);
    let mut is_warm = false;
    while let Some(handle) = next.take() {
        let segment = Arc::clone(&shop.segments.lock().unwrap()[&handle]);
        let slot = segment.slot.load(Relaxed);
        let has_job = shop.exclusive(me, |r| r.take_job(worker, slot, segment.cookie));
        if has_job && is_warm && segment.wants_reply.load(Acquire) && dice.roll(8) == 0 {
            shop.exclusive(me, |r| r.refuse(worker));
            break;
        }
        let mut stays = has_job || is_warm;
        let mapped: [u32; MAPPED] = std::array::from_fn(|i| if i == 0 { handle } else { handle + 1 });
        if has_job {
            segment.is_accepted.store(true, Release);
            segment.was_attached.store(true, Release);
            shop.machine.set_latch(tables.job(slot).unwrap().launcher_proc());
            thread::sleep(Duration::from_micros(dice.roll(200)));
            stays = dice.roll(4) != 0;
            let promised = dice.roll(2) == 0;
            let after = if stays {
                AfterJob::Reset { promised, settings: 0, mapped, call: Call::Answered }
            } else {
                AfterJob::Leave
            };
            let end = end_of(dice.roll(4) as u8);
            shop.exclusive(me, |r| r.end_job(worker, slot, segment.cookie, &end, after));
            segment.has_left.store(true, Release);
            shop.machine.set_latch(segment.launcher);
        }
        is_warm = true;
        if stays && shop.exclusive(me, |r| r.become_idle(worker, 0, mapped)) != IdleOutcome::Leave {
            next = wait_for_job(shop, me, worker, &mut dice);
        }
    }
    shop.exclusive(me, |r| r.close(worker));
    while let Some(handle) = shop.exclusive(me, |r| r.worker_exits(worker, &End::lost_worker(2))) {
        assert_ne!(handle, 0);
    }
    shop.machine.end(proc);
    shop.processes.lock().unwrap()[(proc - LAUNCHERS) as usize] = false;
}

fn wait_for_job(shop: &Shop, me: Process, worker: u32, dice: &mut Dice) -> Option<u32> {
    let tables = shop.memory.tables();
    loop {
        if let Some(OfferedJob { handle, is_pinned: pinned }) = tables.offered(worker) {
            if pinned {
                tables.mark_unpinned(worker);
            }
            return Some(handle);
        }
        let must = tables.is_dismissed(worker) || shop.is_closed.load(Relaxed) || dice.roll(20) == 0;
        if must && shop.exclusive(me, |r| r.try_leave(worker, None)) {
            return None;
        }
        let is_claimed = tables.is_claimed(worker);
        let was_woken = shop.sleep(me.proc, if is_claimed { LONG } else { Duration::from_millis(2) });
        assert!(was_woken || !is_claimed, "a claimed worker is forgotten");
    }
}

/// Cancels what it finds, and dismisses workers now and then.
fn disturb(shop: &Shop) {
    let me = shop.machine.start(CANCELER);
    let mut dice = Dice(99);
    while !shop.is_closed.load(Acquire) {
        let tables = shop.memory.tables();
        for slot in tables.used_slots() {
            let cookie = shop.shared(me, |r| r.job(slot).map_or(0, |job| job.cookie.load(Relaxed)));
            shop.shared(me, |r| r.stop(slot, cookie, Stop::Now));
        }
        match dice.roll(20) {
            0 => shop.exclusive(me, |r| r.dismiss(0, 0)),
            1 => shop.exclusive(me, |r| r.dismiss(1, 0)),
            2 => assert!(!shop.exclusive(me, |r| r.reap()), "a job without a worker was found, and all are alive"),
            _ => {}
        }
        thread::sleep(Duration::from_micros(300));
    }
}

/// The last launcher closes the shop; one that fails does so at once, for the others would wait for it.
struct Closing<'a> {
    shop: &'a Shop,
    running: &'a AtomicU32,
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        if self.running.fetch_sub(1, AcqRel) == 1 || thread::panicking() {
            self.shop.is_closed.store(true, Release);
        }
    }
}

#[test]
fn processes_as_threads_leave_nothing() {
    let shop = Shop {
        memory: Memory::new(),
        machine: Machine::new(CANCELER as usize + 1),
        lock: RwLock::new(()),
        segments: Mutex::default(),
        processes: Mutex::default(),
        next: AtomicI64::new(1),
        is_closed: AtomicBool::new(false),
    };
    let running = AtomicU32::new(LAUNCHERS);
    thread::scope(|scope| {
        for proc in 0..LAUNCHERS {
            let (shop, running) = (&shop, &running);
            scope.spawn(move || {
                let _closing = Closing { shop, running };
                launch_jobs(shop, scope, proc);
            });
        }
        scope.spawn(|| disturb(&shop));
    });
    let mut world = World::after(shop.memory);
    world.drain().unwrap();
}
