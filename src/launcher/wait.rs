//! Every wait of a launcher: for a worker, for room, for a job.
//!
//! Each function here is told what is awaited and until when, and no other place of the launcher sleeps. A session
//! that waits here may hold what the awaited job needs, a lock say: waits that last look for such a deadlock, and end
//! with an error where they find one (`launcher::deadlock`).
//!
//! A launcher hears of what it awaits in one of these ways:
//!
//! - Its own workers, and the postmaster for them, set the launcher's latch: [`on_latch`]. So does whoever frees the
//!   place that a launch waits for: [`for_turn`].
//! - What other sessions and their workers bring about is told by condition variables of the registry:
//!   [`for_departure`], [`for_end`].
//! - Of jobs some of which are its own and some are others', it hears in both ways: [`for_ends`].
//! - The postmaster tells only the launcher of a worker that its process slot is free again. Any other launcher has
//!   to look now and then: [`in_pauses`]. So has any wait while jobs of a commit lack a dispatcher
//!   ([`with_dispatcher`]).
//!
//! All waits serve interrupts: a cancel, a termination or a statement timeout ends them with an error. None may begin
//! while the registry's lock is held.

use super::deadlock::{AwaitedJob, Awaits, Watch};
use crate::channel::Receiver;
use crate::pg::error::Result;
use crate::pg::latch::{self, Event};
use crate::registry::{self, Registry};
use std::slice;
use std::time::{Duration, Instant};

/// What is awaited on the latch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The next frame of a job of this session, or the job's end.
    Job(AwaitedJob),
    /// The end of a job that was asked to stop, and that will be stopped at the deadline.
    JobToStop,
    /// The reply of a warm worker, the process with that pid, to the offer of a job.
    Reply(i32),
    /// A free slot of `max_worker_processes`.
    ProcessSlot,
}

impl Awaited {
    /// As `pg_stat_activity` shows it.
    fn event(self) -> Event {
        match self {
            Self::Job(_) | Self::JobToStop => Event::Job,
            Self::Reply(_) | Self::ProcessSlot => Event::Launch,
        }
    }

    fn awaits(&self) -> Awaits<'_> {
        match self {
            Self::Job(job) => Awaits::All(slice::from_ref(job)),
            Self::Reply(worker) => Awaits::Worker(*worker),
            Self::JobToStop | Self::ProcessSlot => Awaits::Nothing,
        }
    }
}

/// What a look has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look<T> {
    /// What was awaited.
    Found(T),
    /// A part of it: the next look comes at once.
    More,
    Nothing,
}

/// Whether the deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    Left,
    Over,
}

/// Looks, and sleeps until the latch is set, in turns, until a look finds what is awaited. Returns that, or `None`
/// when a look that began after the deadline found nothing.
///
/// A worker that sends faster than its launcher receives never lets it sleep. So interrupts are served after each
/// look that found a part, too; and a look is told when the time is over, for it to come to an end by itself.
pub fn on_latch<T>(
    awaited: Awaited,
    deadline: Option<Instant>,
    look: impl FnMut(Time) -> Result<Look<T>>,
) -> Result<Option<T>> {
    in_turns(awaited.awaits(), deadline, look, |until| registry::wait(awaited.event(), until))
}

/// Looks, and sleeps until one of these jobs of this session may have ended, in turns: a launch waits to track another
/// in its place. Otherwise as [`on_latch`].
pub fn for_session_room<T>(
    jobs: &[AwaitedJob],
    deadline: Instant,
    look: impl FnMut(Time) -> Result<Look<T>>,
) -> Result<Option<T>> {
    in_turns(Awaits::Any(jobs), Some(deadline), look, |until| registry::wait(Event::Launch, until))
}

/// Looks at several jobs, and sleeps until one of them may have ended, in turns. The jobs of this session tell its
/// latch. For those of other sessions `mark` is called before the first look, and marks them in the registry
/// (`mark_awaited`); it is `None` where there are none. `awaits` says which jobs, and whether all of them or any.
/// Otherwise as [`on_latch`].
pub fn for_ends<T>(
    awaits: Awaits,
    mark: Option<(&Registry, impl FnOnce() -> Result<()>)>,
    deadline: Option<Instant>,
    look: impl FnMut(Time) -> Result<Look<T>>,
) -> Result<Option<T>> {
    let Some((registry, mark)) = mark else {
        return in_turns(awaits, deadline, look, |until| registry::wait(Event::Job, until));
    };
    let ends = registry.hear_of_ends()?;
    mark()?;
    in_turns(awaits, deadline, look, |until| ends.wait(Event::Job, until))
}

/// `sleep` returns when the latch was set, when interrupts were served, or at the instant that it is given. A deadlock
/// is looked for when there is nothing else to do: a fetch, say, that finds enough rows does not need the job's end.
fn in_turns<T>(
    awaits: Awaits,
    deadline: Option<Instant>,
    mut look: impl FnMut(Time) -> Result<Look<T>>,
    mut sleep: impl FnMut(Option<Instant>) -> Result<()>,
) -> Result<Option<T>> {
    let mut watch = Watch::new(awaits, deadline);
    loop {
        // Read before the look: what has come by the deadline is found.
        let over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        match look(if over { Time::Over } else { Time::Left })? {
            Look::Found(found) => return Ok(Some(found)),
            Look::More => latch::check_for_interrupts()?,
            Look::Nothing if over => return Ok(None),
            Look::Nothing => {
                watch.look_if_due()?;
                sleep(with_dispatcher(watch.sleep_until())?)?;
            }
        }
    }
}

/// Waits until `ready` gives something, for a launch that is in the registry's queue. It is called each time that the
/// launch may be able to go on: whoever frees a place sets the latches of those that it is for (`wake_next`). `None`:
/// the deadline passed first.
pub fn for_turn<T>(deadline: Instant, mut ready: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    loop {
        if let Some(found) = ready()? {
            return Ok(Some(found));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        latch::wait(Event::Launch, Some(deadline))?;
    }
}

/// Waits until `ready` gives something, looking each time that a job which starts at a commit is settled or leaves its
/// queue, or that a worker process is gone. `None`: the deadline passed first.
pub fn for_departure<T>(
    registry: &Registry,
    deadline: Option<Instant>,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    loop {
        let found = registry.wait_for_departure(with_dispatcher(deadline)?, &mut ready)?;
        if found.is_some() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(found);
        }
    }
}

/// When to look again, at the latest: `until`, or sooner as long as jobs wait for a dispatcher and there is no slot of
/// `max_worker_processes` for it. The awaited job may be one of them, and nobody tells that a slot is free again.
fn with_dispatcher(until: Option<Instant>) -> Result<Option<Instant>> {
    if registry::ensure_dispatcher()? {
        return Ok(until);
    }
    let soon = Instant::now() + LONGEST_PAUSE;
    Ok(Some(until.map_or(soon, |until| until.min(soon))))
}

/// Waits until the job of another session, which has that slot and that cookie, has ended. False: the deadline passed
/// first.
pub fn for_end(registry: &Registry, slot: u32, cookie: i64, awaits: Awaits, deadline: Option<Instant>) -> Result<bool> {
    let mut watch = Watch::new(awaits, deadline);
    loop {
        if registry.wait_for_end(slot, cookie, watch.sleep_until())? {
            return Ok(true);
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(false);
        }
        watch.look_if_due()?;
    }
}

/// Waits until the process that was started for a job has attached to the queue, or has ended, or will never start;
/// which of these, the segment's header tells afterwards. Here the server's own wait sleeps, under its event
/// `MessageQueueInternal`. It is part of no deadlock: the process takes no lock of a session's before it has attached.
pub fn for_process(receiver: &Receiver) -> Result<()> {
    receiver.wait_for_worker()
}

/// The first and the longest pause of [`in_pauses`].
pub const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
pub const LONGEST_PAUSE: Duration = Duration::from_millis(64);

/// Waits for something of which this process may not be told. `wait` waits until the instant that it is given, which
/// comes after a pause, twice as long each time. `fruitless` is called between two of them, with the length of the
/// pause before. `None`: time is over.
pub fn in_pauses<T>(
    give_up: Instant,
    mut wait: impl FnMut(Instant) -> Result<Option<T>>,
    mut fruitless: impl FnMut(Duration) -> Result<()>,
) -> Result<Option<T>> {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let next = Instant::now() + pause;
        let found = wait(next.min(give_up))?;
        if found.is_some() || Instant::now() >= give_up {
            return Ok(found);
        }
        fruitless(pause)?;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
