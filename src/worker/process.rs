//! The life of a worker process.
//!
//! A process is started for one job. It connects, runs the job, and then runs the jobs that launchers offer to it, one
//! after the other, until something makes it end. This module has that story; what happens to one job is in `job`, the
//! wait between two jobs in `idle`, and what the server calls in the process in `callbacks`.
//!
//! Invariants: the callbacks are installed before the process takes a job, so that whatever ends the process ends its
//! job. No transaction is open between two jobs. A job begins in a session that the launcher cannot tell from a new one
//! ([`Baseline`]).

use super::current::{Current, Start};
use super::idle::{self, NextJob};
use super::job::{self, Performed};
use super::mapped_segments::MappedSegments;
use super::notify::{AfterNotification, Notification};
use super::session::Serves;
use super::session::baseline::{Baseline, Verdict};
use super::{callbacks, outcome};
use crate::pg::dsm::Segment;
use crate::pg::error::Result;
use crate::pg::memory::Context;
use crate::pg::{activity, bgworker, entry, identity, latch, procs, signals};
use crate::point;
use crate::registry::{self, AfterJob, Call, IdleOutcome, Registration};
use crate::settings;
use logic::registry::door::Door;
use std::sync::Arc;

/// Runs the job in the segment with that handle, for which this process was started, and the jobs that it is offered
/// later. Returns when the process is to end; an error becomes the outcome of the job that the process has then.
pub fn run(handle: u32) -> Result<()> {
    live(handle).and_then(|()| idle::linger()).inspect_err(|error| callbacks::keep_cause_of_exit(error.report()))
}

fn live(handle: u32) -> Result<()> {
    // Let signals in. Without a job, a termination asks this process to leave when it is idle next.
    signals::accept()?;
    entry::install_panic_hook();

    // Map the segment of the job. The launcher keeps it mapped until the queue has a writer, so a segment that is gone
    // means that the launcher gave up: its wait was interrupted, or its session ended. Its caller has an error and no
    // handle: there is no job to end.
    let Some(segment) = Segment::attach(handle)? else {
        return Ok(());
    };

    // From here on an error is not lost: the exit callback makes it the job's outcome.
    callbacks::install()?;

    // Register as a worker. A launcher that has no registry has given the job no slot; then this process runs the one
    // job.
    let registration =
        if segment.header().slot().is_some() { Registration::new(&segment.header().identity)? } else { None };

    point::reach("begin")?;
    // Take the job. The launcher may have given it up while this process was starting, and has freed its slot then:
    // again its caller has an error and no handle. Another job has perhaps the slot by now; the cookie tells them
    // apart.
    let Some(current) = job::take(&segment, registration, Start::New)? else {
        return Ok(());
    };
    let mut mapped = MappedSegments::default();
    mapped.put(&segment);
    drop(segment);

    // Connect, and run the job. If the connection fails the error is the job's outcome, which the launcher reads like
    // any other. The process ends here also when it could not serve another job: see `Worker::may_stay`.
    let Some(mut worker) = Worker::connect(&current, registration, mapped)? else {
        return Ok(());
    };
    if !worker.run(&current)? {
        return Ok(());
    }
    drop(current);

    // A worker without a registry cannot be offered another job. (`Worker::run` has said so already.)
    let Some(registration) = registration else {
        return Ok(());
    };

    // Run the jobs that launchers offer. No launcher waits for this process while it is idle. A launcher that has
    // claimed it while it was preparing is told when it leaves, and finds another worker.
    while worker.prepare(registration)? {
        let Some(offered) = worker.wait_for_job(registration)? else {
            break;
        };
        // `None`: the launcher has given up the job meanwhile. That is no reason to leave.
        if let Some(current) = offered.take(registration)? {
            if !worker.run(&current)? {
                break;
            }
        }
    }
    Ok(())
}

/// This process once it is connected: what it keeps from one job to the next.
struct Worker {
    baseline: Baseline,
    /// Parse and plan trees of a job's statements; emptied after each job.
    trees: Context,
    mapped: MappedSegments,
    jobs_run: i64,
    began_in_recovery: bool,
}

impl Worker {
    /// Connects to the launcher's database as its authenticated user. `None` if that fails: the job has the error then,
    /// and the process must end. Once per process, after it has taken its first job.
    fn connect(current: &Current, registration: Option<Registration>, mapped: MappedSegments) -> Result<Option<Self>> {
        let trees = Context::new(c"pg_background statements")?;
        match Self::open_session(current, registration) {
            Ok(baseline) => {
                Ok(Some(Self { baseline, trees, mapped, jobs_run: 0, began_in_recovery: identity::is_in_recovery()? }))
            }
            Err(error) => {
                job::fail(current, &error)?;
                outcome::end_job(current, AfterJob::Leave)?;
                Ok(None)
            }
        }
    }

    /// Connects. If other jobs may come, it remembers what the new session is like, and shows in the registry which
    /// launchers it may serve.
    fn open_session(current: &Current, registration: Option<Registration>) -> Result<Baseline> {
        let header = current.segment.header();
        identity::connect(&header.identity)?;
        callbacks::note_connection();
        let may_serve_others = settings::max_idle_workers() > 0 && settings::worker_max_jobs() > 1;
        let Some(registration) = registration.filter(|_| may_serve_others) else {
            return Baseline::new(Serves::OneJob);
        };
        registration.show_key(&header.identity, current.segment.bytes(header.client_info))?;
        let baseline = Baseline::new(Serves::Several)?;
        if let Some(library) = baseline.stateful_library() {
            registration.show_library(library)?;
        }
        Ok(baseline)
    }

    /// Runs the job to its end and hands over its outcome. False if the process must end.
    fn run(&mut self, current: &Current) -> Result<bool> {
        self.jobs_run += 1;
        if job::perform(current, &mut self.baseline, &self.trees)? == Performed::Refused {
            return Ok(false);
        }
        let stays = self.may_stay(current);
        let notification = Notification::of(current)?;
        // If it is in vain, this worker may have to make way: see `Locked::end_job`.
        let call = if registry::ensure_dispatcher()? { Call::Answered } else { Call::InVain };
        let launcher = Launcher::of(current);
        let after = if stays { self.after_job(launcher, notification.as_ref(), call)? } else { AfterJob::Leave };
        outcome::end_job(current, after)?;
        // A launcher that slept was woken, perhaps on this very processor. What is left to do here takes longer than
        // what it has waited for; where other jobs run, the processor goes round anyway. One that waits awake is not
        // woken, and offers its processor itself.
        if launcher == Launcher::Asleep
            && current.registration.is_none_or(|registration| registration.registry.running() == 0)
        {
            latch::yield_processor();
        }
        self.trees.reset()?;
        let told = notification.map_or(Ok(AfterNotification::AsBefore), |it| it.tell(current.registration))?;
        Ok(stays && told == AfterNotification::AsBefore)
    }

    /// May this process wait for another job, as far as can be said before its session is reset?
    fn may_stay(&self, current: &Current) -> bool {
        self.baseline.serves() == Serves::Several
            && current.slot.is_some()
            && current.registration.is_some_and(|registration| registration.registry.door() == Door::Open)
            && self.jobs_run < settings::worker_max_jobs()
            && settings::max_idle_workers() > 0
            && !self.baseline.is_outdated()
            && !signals::is_asked_to_leave()
    }

    /// What the registry is told of a worker that stays, when its job ends.
    ///
    /// A launcher may claim the worker from that moment on, before its session is reset. If the worker has promised
    /// that the reset will succeed, and with which settings, a launcher that has the same settings need not await a
    /// reply. To be able to promise, the worker must look at its session for some microseconds before it wakes the
    /// launcher of the present job. A launcher that sleeps hardly notices, beside its wake-up; one that waits awake
    /// would wait that much longer, so then nothing is promised. Nor is it by a worker that has a notification to send,
    /// which may take its time.
    fn after_job(&mut self, launcher: Launcher, notification: Option<&Notification>, call: Call) -> Result<AfterJob> {
        Ok(AfterJob::Reset {
            promised: launcher == Launcher::Asleep && notification.is_none() && self.baseline.promise_reset()?,
            settings: self.baseline.settings_hash(),
            mapped: self.mapped.handles(),
            call,
        })
    }

    /// Makes the session as new after a job, and shows in the registry that this worker is idle. False if the process
    /// must end: its session cannot be made as new, or the registry does not want the worker any more.
    fn prepare(&mut self, registration: Registration) -> Result<bool> {
        if let Verdict::Retire(reason) = self.baseline.reset()? {
            activity::debug(&format!("background worker ends: {reason}"))?;
            idle::decline(registration)?;
            return Ok(false);
        }
        // all of them: the next job would find what is held back in pg_stat_xact_...
        activity::send_statistics()?;
        bgworker::show_idle()?;
        let (settings, mapped) = (self.baseline.settings_hash(), self.mapped.handles());
        let outcome = registration.exclusive(|r, me| r.become_idle(me, settings, mapped))?;
        Ok(outcome != IdleOutcome::Leave)
    }

    /// Waits until a launcher offers a job, and maps its segment; `None` if the process is to end.
    fn wait_for_job(&mut self, registration: Registration) -> Result<Option<Offered>> {
        let next = idle::wait(registration, &mut self.baseline, &mut self.mapped, self.began_in_recovery)?;
        let NextJob::Offered(job) = next else {
            return Ok(None);
        };
        let Some(segment) = registration.map(self.mapped.take(job.handle), job)? else {
            return Ok(None);
        };
        callbacks::keep_offered(Some(&segment));
        self.mapped.put(&segment);
        Ok(Some(Offered(segment)))
    }
}

/// How the job's launcher awaits its end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Launcher {
    /// So does any without a registry.
    Asleep,
    /// It waits awake, or does something else.
    Awake,
}

impl Launcher {
    fn of(current: &Current) -> Self {
        let sleeps = current.slot.is_none_or(|slot| procs::is_asleep(slot.launcher_proc()));
        if sleeps { Self::Asleep } else { Self::Awake }
    }
}

/// A job that this worker was offered. Should the process end now, its exit callback has the segment.
struct Offered(Arc<Segment>);

impl Offered {
    /// Takes the job; `None` if its launcher has given it up.
    fn take(self, registration: Registration) -> Result<Option<Arc<Current>>> {
        point::reach("take")?;
        let current = job::take(&self.0, Some(registration), Start::Warm)?;
        callbacks::keep_offered(None);
        Ok(current)
    }
}
