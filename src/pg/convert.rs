//! How the columns that a worker sends become those that a caller has declared.

use super::error::{PgError, Result};
use super::foreign_types::as_declared;
use super::foreign_values::Input;
use super::guard::guard;
use super::memory::Context;
use super::result_set::ResultSet;
use super::sys;
use super::tupdesc::{Declared, TEXT, raw_columns, sent_desc, type_name};
use super::types;
use super::value::{function, output, output_text, received};
use logic::sqlstate;
use logic::wire::columns::{Column, Form};
use logic::wire::frame;
use logic::wire::tuple::{self, Attribute};

/// What must be done to a column's values.
enum Conversion {
    None,
    /// Sent by one type's function and received by another's, which applies a declared length or precision.
    Receive {
        send: sys::FmgrInfo,
        receive: sys::FmgrInfo,
        typioparam: u32,
        typmod: i32,
    },
    /// Out by the type's function: for a type that other sessions cannot receive.
    ToText {
        out: sys::FmgrInfo,
    },
}

/// The conversions of one result's columns, from what is sent to what was declared.
pub struct Conversions {
    columns: Vec<Conversion>,
    /// What reads a column of another database, before the conversion.
    inputs: Vec<Option<Input>>,
    attributes: Vec<Attribute>,
    slot: *mut sys::TupleTableSlot,
    all_none: bool,
    /// Freed after each message.
    scratch: Context,
    /// Holds slot, descriptor and function caches.
    context: Context,
}

impl Drop for Conversions {
    fn drop(&mut self) {
        let slot = self.slot;
        let _entered = self.context.enter();
        // SAFETY: made by `new`, dropped once.
        let _ = guard(|| unsafe { sys::ExecDropSingleTupleTableSlot(slot) });
    }
}

#[cold]
fn mismatch() -> PgError {
    PgError::new(
        sqlstate::DATATYPE_MISMATCH,
        "remote query result rowtype does not match the specified FROM clause rowtype",
    )
}

impl Conversions {
    /// An error when the declared columns do not fit. Nothing of the result has been read then.
    pub fn new(sent: &[Column], declared: &[Declared]) -> Result<Self> {
        if sent.len() != declared.len() {
            return Err(mismatch().detail(&format!(
                "The query returns {} columns, but {} are declared.",
                sent.len(),
                declared.len()
            )));
        }
        let context = Context::new(c"pg_background conversions")?;
        let scratch = Context::new(c"pg_background conversion")?;
        let (mut columns, mut inputs) = (Vec::with_capacity(sent.len()), Vec::with_capacity(sent.len()));
        for (i, (from, to)) in sent.iter().zip(declared).enumerate() {
            let from = as_declared(from, to.type_id)?;
            columns.push(conversion(i, &from, *to, &context)?);
            inputs.push(Input::new(&from, &context)?);
        }
        let entered = context.enter();
        let desc = sent_desc(sent)?;
        // SAFETY: a descriptor of ours.
        let lie = unsafe { raw_columns(desc) };
        let attributes: Vec<_> = sent.iter().map(|column| column.attribute).collect();
        if lie.iter().zip(&attributes).any(|(here, there)| (here.len, here.align) != (there.len, there.align)) {
            return Err(PgError::new(sqlstate::DATA_CORRUPTED, "background worker sent columns of another shape"));
        }
        // SAFETY: a descriptor of ours, which lives as long as the slot.
        let slot = guard(|| unsafe { sys::MakeSingleTupleTableSlot(desc, &raw const sys::TTSOpsMinimalTuple) })?;
        drop(entered);
        let all_none =
            columns.iter().all(|column| matches!(column, Conversion::None)) && inputs.iter().all(Option::is_none);
        Ok(Self { columns, inputs, attributes, slot, all_none, scratch, context })
    }

    /// Appends rows as the worker sent them to a result set, checked and, where they must be, converted.
    pub fn put_all(&mut self, rows: &mut ResultSet, tuples: frame::BatchRows) -> Result<()> {
        let (slot, store) = (self.slot, rows.store());
        // Rows that need no conversion go to the server in one call, once all are checked.
        let (mut first, mut count) = (None, 0);
        for tuple in tuples {
            let tuple = tuple?;
            tuple::check(tuple, &self.attributes)?;
            let start = tuple.as_ptr();
            if start.align_offset(8) != 0 {
                return Err(PgError::new(sqlstate::INTERNAL_ERROR, "a row is not aligned"));
            }
            if self.all_none {
                first = first.or(Some(start));
                count += 1;
                continue;
            }
            // SAFETY: a checked, aligned tuple of the slot's descriptor, which the slot borrows until it is cleared or
            // given the next one; the server only reads it.
            guard(|| unsafe {
                sys::pgbg_check_for_interrupts();
                sys::ExecStoreMinimalTuple(start.cast_mut().cast(), slot, false);
                sys::pgbg_slot_deform(slot);
            })?;
            self.convert(rows)?;
        }
        if let Some(first) = first {
            // SAFETY: the same for all of them; a batch's rows lie one after the other, each padded to eight bytes.
            guard(|| unsafe { sys::pgbg_store_tuples(store, slot, first.cast(), count) })?;
        }
        // SAFETY: the tuple's memory is about to go.
        guard(|| unsafe { sys::pgbg_slot_clear(slot) })
    }

    /// The row in the slot, value by value.
    fn convert(&mut self, rows: &mut ResultSet) -> Result<()> {
        let entered = self.scratch.enter();
        let natts = self.columns.len();
        // SAFETY: the slot has been deformed: both arrays have that many elements.
        let (values, nulls) = unsafe {
            let slot = &*self.slot;
            (std::slice::from_raw_parts(slot.tts_values, natts), std::slice::from_raw_parts(slot.tts_isnull, natts))
        };
        let mut converted = Vec::with_capacity(natts);
        for (i, conversion) in self.columns.iter_mut().enumerate() {
            let value = match &mut self.inputs[i] {
                // SAFETY: such columns are sent as text.
                Some(input) if !nulls[i] => unsafe { input.read(values[i]) }?,
                _ => values[i],
            };
            converted.push(match conversion {
                _ if nulls[i] => value,
                Conversion::None => value,
                Conversion::ToText { out } => {
                    // SAFETY: the output function of the value's type.
                    unsafe { output_text(out, value) }?
                }
                Conversion::Receive { send, receive, typioparam, typmod } => {
                    let (send, receive, typioparam, typmod): (*mut _, *mut _, _, _) =
                        (send, receive, *typioparam, *typmod);
                    // SAFETY: send function of the value's type, receive function of the declared one.
                    guard(|| unsafe { received(send, receive, value, typioparam, typmod) })?
                }
            });
        }
        rows.put_datums(&converted, nulls)?;
        drop(entered);
        self.scratch.reset()
    }
}

fn conversion(position: usize, from: &Column, to: Declared, context: &Context) -> Result<Conversion> {
    if from.form == Form::Text {
        return if to.type_id == TEXT { Ok(Conversion::None) } else { Err(wrong_type(position, from, to)) };
    }
    if from.type_id == to.type_id && (to.typmod == -1 || to.typmod == from.typmod) {
        return Ok(Conversion::None);
    }
    // A type that this transaction cannot see yet is not one that the caller could declare.
    let kind = typtype(from.type_id)?;
    if kind == 0 {
        return Err(mismatch());
    }
    let (mut base, mut base_typmod) = (from.type_id, from.typmod);
    if kind == sys::TYPTYPE_DOMAIN {
        let typmod = &raw mut base_typmod;
        // SAFETY: a catalog lookup of a type that exists.
        base = guard(|| unsafe { sys::getBaseTypeAndTypmod(from.type_id, typmod) })?;
    }
    if to.type_id == from.type_id || to.type_id == base {
        if to.typmod == -1 || to.typmod == base_typmod {
            return Ok(Conversion::None);
        }
        let (mut send, mut receive, mut typioparam, mut is_varlena) = (0, 0, 0, false);
        let (send_at, varlena_at) = (&raw mut send, &raw mut is_varlena);
        let (receive_at, typioparam_at) = (&raw mut receive, &raw mut typioparam);
        // SAFETY: catalog lookups of types that exist.
        guard(|| unsafe {
            sys::getTypeBinaryOutputInfo(from.type_id, send_at, varlena_at);
            sys::getTypeBinaryInputInfo(to.type_id, receive_at, typioparam_at);
        })?;
        return Ok(Conversion::Receive {
            send: function(send, context)?,
            receive: function(receive, context)?,
            typioparam,
            typmod: to.typmod,
        });
    }
    if to.type_id == TEXT && !types::has_receive(from.type_id)? {
        return Ok(Conversion::ToText { out: output(from.type_id, context)? });
    }
    Err(wrong_type(position, from, to))
}

#[cold]
fn wrong_type(position: usize, from: &Column, to: Declared) -> PgError {
    mismatch().detail(&format!(
        "Column {} is of type {}, but is declared as {}.",
        position + 1,
        type_name(from.type_id),
        type_name(to.type_id)
    ))
}

fn typtype(type_id: u32) -> Result<u8> {
    // SAFETY: a catalog lookup; 0 when there is no such type.
    Ok(guard(|| unsafe { sys::get_typtype(type_id) })? as u8)
}
