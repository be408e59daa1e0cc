//! What goes through a job's queue: the worker's [`Sender`] and the launcher's [`Receiver`].
//!
//! Rows, messages and long tags are frames in the queue, read once. The outcome is in the segment's header, can be
//! read at any time, and is published before the worker leaves the queue. So the end of the queue is the end of the
//! job, and what the header then says is what became of it.

mod batch;
mod receiver;
mod sender;

pub use batch::Batch;
pub use receiver::{Frame, Received, Receiver};
pub use sender::{Audience, Full, Sender};
