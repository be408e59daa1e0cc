//! The queue of a job: one shm_mq in its segment, written by the worker, read by the launcher.

use super::compat;
use super::dsm::{Filler, Segment};
use super::error::{PgError, Result};
use super::guard::guard;
use super::memory::Entered;
use super::sys;
use logic::segment::header::Region;
use logic::sqlstate;
use std::ptr::{self, NonNull};
use std::sync::Arc;

/// The smallest queue that the server makes, in bytes.
pub fn minimum_size() -> usize {
    // SAFETY: reads a constant.
    unsafe { sys::shm_mq_minimum_size }
}

/// Makes an empty queue in the region; this process is its reader.
pub fn create(filler: &mut Filler, region: Region) -> Result<()> {
    let (start, len) = (filler.start(region), region.len as usize);
    // SAFETY: the region is inside the segment, eight-byte aligned by its maker, and at least `minimum_size` long.
    guard(|| unsafe {
        sys::shm_mq_set_receiver(sys::shm_mq_create(start.cast(), len), sys::MyProc);
    })
}

/// One end of a queue. Sends and receives never wait, and so serve no interrupt: after an ERROR of either, what was
/// half sent or half received goes on where it was. Dropping it tells the other end, which then gets what was sent
/// and no more.
pub struct Queue {
    handle: NonNull<sys::shm_mq_handle>,
    /// Outlives the handle.
    segment: Arc<Segment>,
    /// The writer has left, and all that it sent has been received.
    ended: bool,
    /// What [`Self::receive`] has found last.
    message: (*const u8, usize),
}

// SAFETY: a backend is one thread.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Drop for Queue {
    fn drop(&mut self) {
        let (handle, len) = (self.handle.as_ptr(), self.segment.header().queue.len as usize);
        let quietly = self.ended;
        // SAFETY: attached by this value, detached once.
        let _ = guard(|| unsafe { if quietly { detach_quietly(handle, len) } else { sys::shm_mq_detach(handle) } });
        if quietly {
            self.segment.mark_reusable();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// [`Queue::message`] has it.
    Message,
    Nothing,
    /// The sender is gone and everything it sent has been received.
    End,
}

/// When the reader hears of a message; each wake-up costs both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    Now,
    /// When the queue has filled a good part, or its end has come.
    Later,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Yes,
    /// The queue is full, and its reader awake. The same message must be sent again before any other, once the latch
    /// is set.
    Full,
    /// The reader is gone.
    NoReader,
}

impl Queue {
    /// The launcher's end. `worker` lets a wait notice that a worker that is to be started never comes.
    pub fn reader(segment: &Arc<Segment>, worker: Option<&super::bgworker::Handle>) -> Result<Self> {
        Self::attach(segment, worker.map_or(ptr::null_mut(), super::bgworker::Handle::as_ptr))
    }

    /// The end of a worker that was started for the job. Wakes the launcher.
    pub fn writer(segment: &Arc<Segment>) -> Result<Self> {
        let mq = queue_of(segment);
        // SAFETY: the launcher made the queue; this process is its only sender.
        guard(|| unsafe { sys::shm_mq_set_sender(mq, sys::MyProc) })?;
        Self::attach(segment, ptr::null_mut())
    }

    /// The end of a worker that [`appoint_writer`] named.
    pub fn appointed_writer(segment: &Arc<Segment>) -> Result<Self> {
        Self::attach(segment, ptr::null_mut())
    }

    fn attach(segment: &Arc<Segment>, worker: *mut sys::BackgroundWorkerHandle) -> Result<Self> {
        let (mq, raw) = (queue_of(segment), segment.raw());
        let session = Entered::session();
        // SAFETY: the queue is in the segment, and this process is its sender or receiver.
        let handle = guard(|| unsafe { sys::shm_mq_attach(mq, raw, worker) })?;
        drop(session);
        let handle =
            NonNull::new(handle).ok_or_else(|| PgError::new(sqlstate::INTERNAL_ERROR, "could not attach to queue"))?;
        Ok(Self { handle, segment: Arc::clone(segment), ended: false, message: (ptr::null(), 0) })
    }

    /// The writer is to be that process: see [`Self::reader`].
    pub fn expect(&mut self, worker: &super::bgworker::Handle) {
        // SAFETY: live handles; the server only notes it.
        unsafe { sys::shm_mq_set_handle(self.handle.as_ptr(), worker.as_ptr()) };
    }

    /// Waits until a worker has attached; false when it ended, or will never come.
    pub fn wait_for_writer(&self) -> Result<bool> {
        let handle = self.handle.as_ptr();
        // SAFETY: a live handle.
        let result = guard(|| unsafe { sys::shm_mq_wait_for_attach(handle) })?;
        Ok(result == sys::shm_mq_result_SHM_MQ_SUCCESS)
    }

    /// The job's segment, in which the queue is.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Looks for the next message.
    pub fn receive(&mut self) -> Result<Received> {
        let (handle, mut len, mut data) = (self.handle.as_ptr(), 0, ptr::null_mut());
        self.message = (ptr::null(), 0);
        // SAFETY: a live handle, and places for the answers.
        let result = guard(|| unsafe { sys::shm_mq_receive(handle, &raw mut len, &raw mut data, true) })?;
        Ok(match result {
            sys::shm_mq_result_SHM_MQ_SUCCESS => {
                self.message = (data.cast::<u8>(), len);
                Received::Message
            }
            sys::shm_mq_result_SHM_MQ_DETACHED => {
                self.ended = true;
                Received::End
            }
            _ => Received::Nothing,
        })
    }

    /// The message that the last [`Self::receive`] has found; nothing if it has found none.
    pub fn message(&self) -> &[u8] {
        let (start, len) = self.message;
        // SAFETY: the server keeps the message until the next receive, for which `self` must not be borrowed.
        unsafe { super::value::slice_or_empty(start, len) }
    }

    /// Sends a message, or as much of it as there is room for. Does not wait: the ERROR of an interrupt in there would
    /// lose count of the bytes that are in the queue.
    pub fn send(&mut self, message: &[u8], wake: Wake) -> Result<Sent> {
        let (handle, start, len) = (self.handle.as_ptr(), message.as_ptr(), message.len());
        let flush = wake == Wake::Now;
        // SAFETY: a live handle, and the bytes of one slice.
        let result = guard(|| unsafe { compat::mq_send(handle, len, start.cast(), true, flush) })?;
        Ok(match result {
            sys::shm_mq_result_SHM_MQ_SUCCESS => Sent::Yes,
            sys::shm_mq_result_SHM_MQ_DETACHED => Sent::NoReader,
            _ => Sent::Full,
        })
    }
}

/// The launcher names the process that will write, so that its coming need not wake anybody.
///
/// The server sets the latch of the queue's reader: of this process itself. It stays set, so that the next wait looks
/// once more. Suppose it were reset here, at the moment when another process has set it, or a signal handler of a
/// background worker that launches jobs: what they have set it for would wait for the next wake-up.
pub fn appoint_writer(segment: &Segment, proc: u32) {
    let mq = queue_of(segment);
    // SAFETY: the queue has no sender yet; the number is that of a living process. Takes a spinlock, throws nothing.
    unsafe { sys::shm_mq_set_sender(mq, sys::pgbg_proc(proc)) };
}

/// Sets the latch of the process that writes, if one has attached yet. Should it be gone, the process that has its
/// place by now wakes for nothing.
pub fn wake_writer(segment: &Segment) {
    // SAFETY: a queue; takes a spinlock, throws nothing.
    unsafe { sys::pgbg_wake(sys::shm_mq_get_sender(queue_of(segment))) };
}

/// Sets the latch of the process that reads.
pub fn wake_reader(segment: &Segment) {
    // SAFETY: as above.
    unsafe { sys::pgbg_wake(sys::shm_mq_get_receiver(queue_of(segment))) };
}

/// Detaches from a queue whose other end has gone. `shm_mq_detach` would wake that process, which has long turned to
/// something else; a queue that is made anew knows no process to wake.
///
/// # Safety
/// A live handle of this process, of a queue of that length that no other process uses; it is gone then.
unsafe fn detach_quietly(handle: *mut sys::shm_mq_handle, len: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        let mq = sys::shm_mq_get_queue(handle);
        // takes the spinlock, and so waits until the other process has released it
        sys::shm_mq_get_sender(mq);
        sys::shm_mq_set_receiver(sys::shm_mq_create(mq.cast(), len), sys::MyProc);
        sys::shm_mq_detach(handle);
    }
}

/// Makes the queue anew, for another writer. Nobody is attached to it.
pub fn renew(segment: &Segment) -> Result<()> {
    let (mq, len) = (queue_of(segment), segment.header().queue.len as usize);
    // SAFETY: as in `create`.
    guard(|| unsafe {
        sys::shm_mq_set_receiver(sys::shm_mq_create(mq.cast(), len), sys::MyProc);
    })
}

fn queue_of(segment: &Segment) -> *mut sys::shm_mq {
    segment.at(segment.header().queue).cast()
}
