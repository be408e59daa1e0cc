//! What goes through a job's queue: the worker's [`Sender`] and the launcher's [`Receiver`].
//!
//! Rows, messages and long tags are frames in the queue, read once. While the launcher does not read, those that the
//! queue has no room for go into temporary files (`spill`). The outcome is in the segment's header, can be
//! read at any time, and is published before the worker leaves the queue. So the end of the queue is the end of the
//! job, and what the header then says is what became of it.

mod receiver;
mod sender;
mod spill;

pub use receiver::{Frame, Places, Received, Receiver};
pub use sender::{Audience, Full, Sender};
pub use spill::{Attending, Watched, check_limit_of_session};
