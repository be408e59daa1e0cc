//! A destination for the rows of a statement: the server's DestReceiver, with a [`Sink`] behind it.

use super::compat;
use super::entry::contain;
use super::error::{PgError, Result};
use super::foreign_types::Reader;
use super::foreign_values::{Dependence, PlainSettings};
use super::guard::guard;
use super::memory::Context;
use super::sys;
use super::tupdesc::{describe, sent_desc};
use super::value::{output, output_text, slice_or_empty};
use logic::sqlstate;
use logic::wire::batch::Batch;
use logic::wire::columns::{Column, Form};
use logic::wire::frame::{PIECE, Row};
use std::ffi::c_int;
use std::ptr;

/// Gets a statement's rows.
pub trait Sink {
    /// Who reads the rows in the end.
    fn reader(&self) -> Reader;
    /// Before the first row, and when there is none: what they look like. Rows of no columns are dropped.
    fn start(&mut self, columns: &[Column]) -> Result<()>;
    /// What rows are gathered in: MinimalTuples that have all of their values in themselves; columns that travel as
    /// text are text.
    fn batch(&mut self) -> &mut Batch;
    /// Sends the batch, which is empty afterwards. Called when it is full.
    fn send(&mut self) -> Result<()>;
    /// Sends a row of more than [`PIECE`] bytes. The batch is empty.
    fn long_row(&mut self, row: Row) -> Result<()>;
}

/// Gives a row to the sink.
pub(super) fn put(sink: &mut dyn Sink, row: Row) -> Result<()> {
    if row.len() > PIECE {
        sink.send()?;
        return sink.long_row(row);
    }
    if sink.batch().is_full_with(row.len()) {
        sink.send()?;
    }
    if sink.batch().add(row) { sink.send() } else { Ok(()) }
}

/// What [`append`] has done.
enum Appended {
    Yes,
    /// There is no room for so many bytes.
    NoRoom(usize),
    /// A value must be fetched from a TOAST table first.
    Elsewhere,
}

/// Forms the slot's row at the end of a batch's frame, where there is room for it.
///
/// # Safety
/// A valid slot. Throws.
unsafe fn append(slot: *mut sys::TupleTableSlot, frame: &mut Vec<u8>) -> Appended {
    // A longer row travels in pieces, whatever room the vector has.
    let (len, room) = (frame.len(), (frame.capacity() - frame.len()).min(PIECE));
    // SAFETY: the end of what the vector holds.
    let to = unsafe { frame.as_mut_ptr().add(len) };
    let room = if to.align_offset(8) == 0 { room } else { 0 };
    // SAFETY: so many bytes may be written there.
    let size = unsafe { sys::pgbg_put_slot(slot, to.cast(), room) };
    let padded = size.next_multiple_of(8);
    if size == 0 {
        Appended::Elsewhere
    } else if padded > room {
        Appended::NoRoom(padded)
    } else {
        // SAFETY: so many bytes were written, and the vector has room for them.
        unsafe { frame.set_len(len + padded) };
        Appended::Yes
    }
}

/// Where the server puts the rows of one statement. It belongs to the function that runs the statement, and is dropped
/// after the portal: also when the statement ends with an error, which the guard around the portal has caught by then.
#[repr(C)]
pub struct RowDestination<'a> {
    /// The server's part: its functions, to which the server passes this field's address. It is first, so that its
    /// address is that of the whole.
    base: sys::DestReceiver,
    /// The caller's, who lends it for the statement.
    sink: &'a mut dyn Sink,
    /// The columns as they are sent, from `start` on.
    columns: Vec<Column>,
    /// For each column that travels as text, the output function of its type, from `start` on. What the functions cache
    /// is in `context`.
    outputs: Vec<Option<sys::FmgrInfo>>,
    /// Is there any such column? If not, rows go to the sink as they are.
    has_text: bool,
    /// What the texts depend on that a reader of another database gets.
    dependence: Dependence,
    /// The descriptor of rows as they are sent, from `start` on; NULL before. It is in `context`.
    desc: sys::TupleDesc,
    /// Ours, under the session's top context, and deleted with this value.
    context: Context,
    /// Likewise; it holds the values and the tuple of one row, and is reset after each.
    scratch: Context,
    /// A statement has one result: `start` is called once.
    started: bool,
}

const _: () = assert!(std::mem::offset_of!(RowDestination, base) == 0);

impl<'a> RowDestination<'a> {
    pub fn new(sink: &'a mut dyn Sink) -> Result<Self> {
        Ok(Self {
            base: sys::DestReceiver {
                receiveSlot: Some(receive),
                rStartup: Some(startup),
                rShutdown: Some(nothing),
                rDestroy: Some(nothing),
                mydest: sys::CommandDest_DestTupleQueue,
            },
            sink,
            columns: Vec::new(),
            outputs: Vec::new(),
            has_text: false,
            dependence: Dependence::default(),
            desc: ptr::null_mut(),
            context: Context::new(c"pg_background receiver")?,
            scratch: Context::new(c"pg_background row")?,
            started: false,
        })
    }

    /// Good for the whole value, of which the server sees the beginning.
    pub(super) fn as_ptr(&mut self) -> *mut sys::DestReceiver {
        ptr::from_mut(self).cast()
    }

    fn start(&mut self, desc: sys::TupleDesc) -> Result<()> {
        if self.started {
            return Err(PgError::new(sqlstate::INTERNAL_ERROR, "a statement has two results"));
        }
        self.started = true;
        // SAFETY: the server's descriptor of the rows to come.
        self.columns = unsafe { describe(desc, self.sink.reader()) }?;
        for column in &self.columns {
            self.outputs.push(match column.form {
                Form::Native => None,
                Form::Text | Form::Foreign(_) => Some(output(column.type_id, &self.context)?),
            });
            self.dependence = self.dependence.or(Dependence::of_writer(column));
        }
        self.has_text = self.outputs.iter().any(Option::is_some);
        let entered = self.context.enter();
        self.desc = sent_desc(&self.columns)?;
        drop(entered);
        self.sink.start(&self.columns)
    }

    /// A row some of whose values live elsewhere, or must become text.
    fn rebuild(&mut self, slot: *mut sys::TupleTableSlot) -> Result<()> {
        let settings = PlainSettings::enter(self.dependence)?;
        let entered = self.scratch.enter();
        // SAFETY: a valid slot.
        guard(|| unsafe { sys::pgbg_slot_deform(slot) })?;
        let natts = self.columns.len();
        // SAFETY: the slot was deformed and is of the descriptor that `start` saw: so many elements.
        let (values, nulls) = unsafe {
            let slot = &*slot;
            (slice_of(slot.tts_values, natts), slice_of(slot.tts_isnull, natts))
        };
        let mut flat = Vec::with_capacity(natts);
        let mut is_null = Vec::with_capacity(natts);
        for (i, column) in self.columns.iter().enumerate() {
            let value = values[i];
            is_null.push(nulls[i]);
            flat.push(if nulls[i] {
                value
            } else if let Some(out) = &mut self.outputs[i] {
                // SAFETY: the output function of the value's type.
                unsafe { output_text(out, value) }?
            } else if column.attribute.len == -1 {
                // SAFETY: a varlena, by its column.
                guard(|| unsafe {
                    if sys::pgbg_is_external(value as *const _) {
                        sys::detoast_external_attr(value as *mut _) as sys::Datum
                    } else {
                        value
                    }
                })?
            } else {
                value
            });
        }
        let (desc, flat, is_null) = (self.desc, flat.as_mut_ptr(), is_null.as_mut_ptr());
        // SAFETY: as many values as the descriptor has attributes.
        let tuple = guard(|| unsafe { compat::form_minimal_tuple(desc, flat, is_null) })?;
        // SAFETY: the tuple was just formed.
        let bytes = unsafe { tuple_bytes(tuple) };
        // before the row goes, for its way may be long and interrupted
        settings.leave()?;
        put(self.sink, Row::whole(bytes))?;
        drop(entered);
        self.scratch.reset()
    }
}

/// # Safety
/// As for `slice::from_raw_parts`, but a NULL of no elements is fine.
unsafe fn slice_of<'b, T>(start: *const T, len: usize) -> &'b [T] {
    // SAFETY: promised by the caller.
    if len == 0 { &[] } else { unsafe { std::slice::from_raw_parts(start, len) } }
}

/// # Safety
/// A valid tuple, which must outlive the result.
unsafe fn tuple_bytes<'b>(tuple: sys::MinimalTuple) -> &'b [u8] {
    // SAFETY: `t_len` is the tuple's length.
    unsafe { slice_or_empty(tuple.cast::<u8>(), (*tuple).t_len as usize) }
}

unsafe extern "C-unwind" fn startup(this: *mut sys::DestReceiver, _operation: c_int, desc: sys::TupleDesc) {
    // SAFETY: the server passes back our destination, which lives as long as the statement runs.
    unsafe { super::entry::callback(|| (*this.cast::<RowDestination>()).start(desc)) };
}

unsafe extern "C-unwind" fn receive(slot: *mut sys::TupleTableSlot, this: *mut sys::DestReceiver) -> bool {
    // Calls that can throw leave this frame by longjmp: it holds nothing that has a destructor.
    // SAFETY: the server passes back our destination and a valid slot.
    unsafe {
        let this = &mut *this.cast::<RowDestination>();
        if this.columns.is_empty() {
            return true;
        }
        let mut appended =
            if this.has_text { Appended::Elsewhere } else { append(slot, this.sink.batch().frame_for(0)) };
        if let Appended::NoRoom(size @ ..=PIECE) = appended {
            if let Err(thrown) = contain(|| this.sink.send()) {
                thrown.throw();
            }
            appended = append(slot, this.sink.batch().frame_for(size));
        }
        let done = match appended {
            Appended::Yes if !this.sink.batch().added() => return true,
            Appended::Yes => contain(|| this.sink.send()),
            Appended::Elsewhere => contain(|| this.rebuild(slot)),
            Appended::NoRoom(_) => {
                let mut should_free = false;
                let tuple = sys::pgbg_slot_tuple(slot, &raw mut should_free);
                let done = contain(|| put(this.sink, Row::whole(tuple_bytes(tuple))));
                if should_free {
                    sys::pfree(tuple.cast());
                }
                done
            }
        };
        if let Err(thrown) = done {
            thrown.throw();
        }
    }
    true
}

unsafe extern "C-unwind" fn nothing(_this: *mut sys::DestReceiver) {}
