//! Frames that wait for a reader, in a tuplestore, which spills to disk beyond work_mem; and the buffer that
//! they are read into.

use super::compat;
use super::error::{PgError, Result};
use super::guard::guard;
use super::memory::Context;
use super::sys;
use super::value::{slice_or_empty, text_datum};
use logic::sqlstate;
use std::ffi::c_int;
use std::ptr;

/// Messages in the order in which they came, kept for as long as the value lives: also across transactions.
///
/// A message is read once, by [`Spool::next`]; or on trial: [`Spool::begin_trial`], then [`Spool::try_next`] as often
/// as needed, then [`Spool::commit`]. Without the last, the next read begins where the trial began.
pub struct Spool {
    store: *mut sys::Tuplestorestate,
    desc: sys::TupleDesc,
    slot: *mut sys::TupleTableSlot,
    /// Holds all of the above.
    context: Context,
    scratch: Context,
    unread: u64,
    /// How many of these the present trial has read.
    tried: u64,
    /// A read failed in the middle of a message: where the next begins is not known any more.
    broken: bool,
}

// SAFETY: a backend is one thread.
unsafe impl Send for Spool {}
// SAFETY: as above.
unsafe impl Sync for Spool {}

impl Drop for Spool {
    fn drop(&mut self) {
        let (store, slot) = (self.store, self.slot);
        let _entered = self.context.enter();
        // SAFETY: made by `new`, ended once; temporary files go with it.
        let _ = guard(|| unsafe {
            sys::ExecDropSingleTupleTableSlot(slot);
            sys::tuplestore_end(store);
        });
    }
}

impl Spool {
    pub fn new() -> Result<Self> {
        let context = Context::new(c"pg_background spool")?;
        let scratch = Context::new(c"pg_background spool row")?;
        let entered = context.enter();
        // SAFETY: all three live in our context; `true` keeps the files of the store over the transaction's end, for
        // which it must not be tied to the transaction's resource owner.
        let made = guard(|| unsafe {
            let desc = sys::CreateTemplateTupleDesc(1);
            sys::TupleDescInitEntry(desc, 1, c"frame".as_ptr(), sys::BYTEAOID, -1, 0);
            compat::finish_desc(desc);
            let slot = sys::MakeSingleTupleTableSlot(desc, &raw const sys::TTSOpsMinimalTuple);
            let owner = sys::CurrentResourceOwner;
            sys::CurrentResourceOwner = ptr::null_mut();
            let store = sys::tuplestore_begin_heap(false, true, sys::work_mem);
            sys::CurrentResourceOwner = owner;
            sys::tuplestore_alloc_read_pointer(store, 0);
            (store, desc, slot)
        });
        drop(entered);
        let (store, desc, slot) = made?;
        Ok(Self { store, desc, slot, context, scratch, unread: 0, tried: 0, broken: false })
    }

    pub fn put(&mut self, frame: &[u8]) -> Result<()> {
        let (store, desc) = (self.store, self.desc);
        let entered = self.scratch.enter();
        // a text and a bytea of the same bytes are the same varlena
        let mut datum = text_datum(frame)?;
        let mut is_null = false;
        let (datum, is_null) = (&raw mut datum, &raw mut is_null);
        // SAFETY: one value for one attribute.
        guard(|| unsafe { sys::tuplestore_putvalues(store, desc, datum, is_null) })?;
        drop(entered);
        self.unread += 1;
        self.scratch.reset()
    }

    /// The oldest message, copied into `frame`, whose start is aligned to eight bytes.
    pub fn next(&mut self, frame: &mut AlignedBuffer) -> Result<bool> {
        if self.broken {
            return Err(unreadable());
        }
        if self.unread == 0 {
            return Ok(false);
        }
        self.broken = true;
        self.read(Self::KEPT, frame)?;
        self.broken = false;
        self.unread -= 1;
        if self.unread == 0 {
            self.clear()?;
        }
        Ok(true)
    }

    /// Read pointers of the store: of what is unread, and of a trial.
    const KEPT: c_int = 0;
    const TRIAL: c_int = 1;

    pub fn begin_trial(&mut self) -> Result<()> {
        let store = self.store;
        self.tried = 0;
        // SAFETY: both pointers are the store's.
        guard(|| unsafe { sys::tuplestore_copy_read_pointer(store, Self::KEPT, Self::TRIAL) })
    }

    /// The next message of the trial.
    pub fn try_next(&mut self, frame: &mut AlignedBuffer) -> Result<bool> {
        if self.tried == self.unread {
            return Ok(false);
        }
        self.read(Self::TRIAL, frame)?;
        self.tried += 1;
        Ok(true)
    }

    /// What the trial has read is read for good.
    pub fn commit(&mut self) -> Result<()> {
        let (store, slot) = (self.store, self.slot);
        if self.tried == self.unread {
            self.clear()?;
        } else {
            // SAFETY: both pointers are the store's; the slot may refer to what is freed.
            guard(|| unsafe {
                sys::pgbg_slot_clear(slot);
                sys::tuplestore_copy_read_pointer(store, Self::TRIAL, Self::KEPT);
                sys::tuplestore_trim(store);
            })?;
        }
        self.unread -= self.tried;
        self.tried = 0;
        Ok(())
    }

    fn read(&self, pointer: c_int, frame: &mut AlignedBuffer) -> Result<()> {
        let (store, slot) = (self.store, self.slot);
        let (mut len, mut start, mut is_there) = (0, ptr::null(), false);
        // a row that comes from disk is allocated, and is the slot's, which outlives the caller's context
        let _entered = self.context.enter();
        // SAFETY: a row of one bytea, not toasted.
        guard(|| unsafe {
            sys::tuplestore_select_read_pointer(store, pointer);
            is_there = sys::tuplestore_gettupleslot(store, true, false, slot);
            if is_there {
                sys::pgbg_slot_deform(slot);
                start = sys::pgbg_varlena(*(*slot).tts_values as *const _, &raw mut len);
            }
        })?;
        if !is_there {
            return Err(unreadable()); // a file of the store that was cut off
        }
        // SAFETY: the slot keeps the row until the next call.
        frame.set(unsafe { slice_or_empty(start.cast::<u8>(), len) });
        Ok(())
    }

    /// Everything was read: the room, and a file, can be used again.
    fn clear(&mut self) -> Result<()> {
        let (store, slot) = (self.store, self.slot);
        // SAFETY: a live store and slot.
        guard(|| unsafe {
            sys::pgbg_slot_clear(slot);
            sys::tuplestore_clear(store);
        })
    }
}

#[cold]
fn unreadable() -> PgError {
    PgError::new(sqlstate::DATA_CORRUPTED, "what was kept of the result cannot be read any more")
}

/// Bytes that start at an address divisible by eight.
#[derive(Default)]
pub struct AlignedBuffer {
    words: Vec<u64>,
    len: usize,
}

impl AlignedBuffer {
    pub const fn new() -> Self {
        Self { words: Vec::new(), len: 0 }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// Forgets the bytes, and gives back the memory of something large.
    pub fn clear(&mut self) {
        self.len = 0;
        if self.words.len() > 1 << 16 {
            self.words = Vec::new();
        }
    }

    pub fn set(&mut self, bytes: &[u8]) {
        self.clear();
        self.extend(bytes);
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        let old = self.len;
        let new = old + bytes.len();
        self.words.resize(self.words.len().max(new.div_ceil(8)), 0);
        // SAFETY: the words cover `new` bytes, and a u64 may be written as bytes.
        unsafe {
            let to = self.words.as_mut_ptr().cast::<u8>().add(old);
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        self.len = new;
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `extend` wrote so many bytes.
        unsafe { std::slice::from_raw_parts(self.words.as_ptr().cast::<u8>(), self.len) }
    }
}
