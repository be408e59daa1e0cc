//! NOTIFY at the end of a job.
//!
//! The notification has a transaction of its own, after the job has ended for all who may ask: the outcome is in the
//! segment, in the registry's history, and the launcher is awake. So whoever hears of the end finds the outcome. The
//! worker has no job by then: a cancel reaches nothing, and a termination asks the process to leave afterwards.
//!
//! A job whose process ends by FATAL is told of in the exit callback, last of all that is done there: see
//! [`tell_at_exit`]. Of these ends nothing is told: the connection to the database failed, so there is no session to
//! tell from; the job was promised to a worker that ended before it took the job; the whole server crashed.

use super::current::Current;
use super::idle;
use crate::pg::error::{self, PgError, Result, level};
use crate::pg::latch::{self, Event};
use crate::pg::{encoding, exit, notify, signals, xact};
use crate::point;
use crate::registry::Registration;
use logic::job::state::State;
use logic::sqlstate;
use logic::wire::extras::Extras;
use logic::wire::report::{Field, Report};
use std::time::{Duration, Instant};

/// A process that is to end waits so long, and no longer, while other transactions with a NOTIFY commit.
const LAST_WAIT: Duration = Duration::from_secs(1);
/// Between two looks whether it is this transaction's turn.
const PAUSE: Duration = Duration::from_millis(5);

/// What is told of a job that has its outcome. It is a copy: once the job has ended, the segment is its launcher's.
pub struct Notification {
    channel: Vec<u8>,
    pid: i32,
    cookie: i64,
    label: Vec<u8>,
    state: State,
    sqlstate: i32,
}

/// What has become of the worker that has sent a notification.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AfterNotification {
    AsBefore,
    /// It has left the registry, and the process must end.
    HasLeft,
}

/// How long the notification may wait for others.
#[derive(Clone, Copy)]
enum Wait {
    /// As long as the process is not told to end. A launcher that has claimed the worker of that slot meanwhile is not
    /// kept waiting.
    Longer(Option<Registration>),
    /// The process ends.
    AtExit,
}

impl Notification {
    /// The notification that the job's launcher has asked for, if it has. When the outcome was published, before the
    /// job ends in the registry.
    pub fn of(current: &Current) -> Result<Option<Self>> {
        let header = current.segment.header();
        let bytes = current.segment.bytes(header.extras);
        if bytes.is_empty() {
            return Ok(None);
        }
        let extras = Extras::decode(bytes)?;
        if extras.channel.is_empty() {
            return Ok(None);
        }
        let state = header.state().unwrap_or(State::Error);
        let report = match state {
            State::Error | State::Canceled => Report::decode(&header.outcome()).ok(),
            State::Starting | State::Running | State::Stopped => None,
        };
        Ok(Some(Self {
            channel: extras.channel.to_vec(),
            pid: header.worker_pid(),
            cookie: header.identity.cookie,
            label: extras.label.to_vec(),
            state,
            sqlstate: report.map_or(sqlstate::SUCCESSFUL_COMPLETION, |report| report.sqlstate),
        }))
    }

    /// Sends it. After the job has ended, outside a transaction. A failure changes nothing of the job: it is a warning
    /// in the server's log.
    pub fn tell(&self, registration: Option<Registration>) -> Result<AfterNotification> {
        let mut after = AfterNotification::AsBefore;
        self.send_or_warn(Wait::Longer(registration), &mut after)?;
        Ok(after)
    }

    /// Sends it while the process ends, connected, after its transaction was aborted: the server drops temporary tables
    /// at this time, in a transaction as well. Waits cannot be interrupted here, so there is none of more than a
    /// second.
    ///
    /// The server makes FATAL of an ERROR here, which goes on with the exit callbacks that are left, and not with this
    /// function. So this comes last of what the worker does; and the transaction is aborted by a callback, which is the
    /// next to be called as it is registered last.
    pub fn tell_at_exit(&self) -> Result<()> {
        exit::at_exit(xact::abort)?;
        self.send_or_warn(Wait::AtExit, &mut AfterNotification::HasLeft)
    }

    fn send_or_warn(&self, wait: Wait, after: &mut AfterNotification) -> Result<()> {
        let Err(error) = self.send(wait, after) else {
            return Ok(());
        };
        xact::abort()?;
        let cause = error.report();
        let message = format!("could not notify of the end of pg_background job {}", self.cookie);
        let mut warning = Report::new(level::WARNING, cause.sqlstate, message);
        warning.set(Field::Detail, cause.message());
        error::raise(&warning)
    }

    fn send(&self, wait: Wait, after: &mut AfterNotification) -> Result<()> {
        xact::begin_own()?;
        point::reach("notify")?;
        wait_for_turn(wait, after)?;
        let channel = encoding::made_valid(self.channel.clone())?;
        notify::notify(&channel, &self.payload()?)?;
        xact::commit()
    }

    fn payload(&self) -> Result<Vec<u8>> {
        let mut json = format!(r#"{{"pid": {}, "cookie": {}, "label": "#, self.pid, self.cookie).into_bytes();
        if self.label.is_empty() {
            json.extend_from_slice(b"null");
        } else {
            json.extend(notify::json_string(&encoding::made_valid(self.label.clone())?)?);
        }
        json.extend_from_slice(format!(r#", "state": "{}", "sqlstate": "#, self.state.name()).as_bytes());
        if self.sqlstate == sqlstate::SUCCESSFUL_COMPLETION {
            json.extend_from_slice(b"null}");
        } else {
            let code = sqlstate::unpack(self.sqlstate);
            json.extend_from_slice(format!(r#""{}"}}"#, String::from_utf8_lossy(&code)).as_bytes());
        }
        Ok(json)
    }
}

/// Waits until no other transaction with a NOTIFY is at its commit. The server would wait at this one's commit, but
/// there a process that was told to end could not give up.
///
/// Suppose that the other one waits for a standby that is gone, and that a launcher has claimed this worker, which it
/// expects to be ready in a moment: the worker leaves, so that the launcher finds another one, and then waits on.
fn wait_for_turn(wait: Wait, after: &mut AfterNotification) -> Result<()> {
    let begun = Instant::now();
    while !notify::try_turn()? {
        let ends = matches!(wait, Wait::AtExit) || signals::is_asked_to_leave();
        if ends && begun.elapsed() > LAST_WAIT {
            return Err(PgError::new(sqlstate::LOCK_NOT_AVAILABLE, "other notifications were not committed in time"));
        }
        match wait {
            Wait::AtExit => std::thread::sleep(PAUSE),
            Wait::Longer(registration) => {
                let claimed = registration.filter(|it| it.registry.is_claimed(it.worker));
                if let (Some(registration), AfterNotification::AsBefore) = (claimed, *after) {
                    idle::decline(registration)?;
                    *after = AfterNotification::HasLeft;
                }
                latch::wait(Event::Idle, Some(Instant::now() + PAUSE))?;
            }
        }
    }
    Ok(())
}
