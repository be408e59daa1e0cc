//! How the columns that a worker sends become those that a caller has declared.

use super::error::{PgError, Result, with_names};
use super::expression::{Assignment, Evaluator, Expression};
use super::foreign_types::as_declared;
use super::foreign_values::Input;
use super::guard::guard;
use super::memory::Context;
use super::result_set::ResultSet;
use super::sys;
use super::tupdesc::{Declared, TEXT, raw_columns, row_desc, sent_desc, type_name};
use super::types;
use super::value::{Datum, function, output, output_text, received, slice_or_empty, text_datum};
use logic::sqlstate;
use logic::wire::columns::{Column, Form};
use logic::wire::frame;
use logic::wire::shape::Shape;
use logic::wire::tuple::Attribute;

/// Which columns fit those that are declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// As in 1.8: of the declared type, or of a domain over it; a length or precision is applied.
    Strict,
    /// As in INSERT: what an assignment cast makes the declared type of.
    Assignment,
}

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
    /// A NULL is converted, too: a domain may forbid it.
    Assign(Expression),
}

/// What becomes of a row.
enum Made {
    /// The row as it was sent.
    Same,
    /// A row with its columns converted.
    Columns(Vec<Conversion>),
    /// One value, made of the whole row.
    Json { row: sys::TupleDesc, row_to_jsonb: Expression },
}

/// The conversions of one result's rows, from what is sent to what was declared.
pub struct Conversions {
    made: Made,
    /// What reads a column of another database, before the conversion.
    inputs: Vec<Option<Input>>,
    shape: Shape,
    slot: *mut sys::TupleTableSlot,
    evaluator: Evaluator,
    /// Freed after each row.
    scratch: Context,
    /// Holds slot, descriptor, expressions and function caches.
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
    /// From the columns that are sent to those that are declared. An error when they do not fit. Nothing of the result
    /// has been read then.
    pub fn new(sent: &[Column], declared: &[Declared], fit: Fit) -> Result<Self> {
        if sent.len() != declared.len() {
            return Err(mismatch().detail(format!(
                "The query returns {} columns, but {} are declared.",
                sent.len(),
                declared.len()
            )));
        }
        let context = Context::new(c"pg_background conversions")?;
        let taken = sent.iter().zip(declared).map(|(from, to)| as_declared(from, to.type_id));
        let taken = taken.collect::<Result<Vec<_>>>()?;
        let mut columns = Vec::with_capacity(sent.len());
        for (i, (from, to)) in taken.iter().zip(declared).enumerate() {
            columns.push(match fit {
                Fit::Strict => conversion(i, from, *to, &context)?,
                Fit::Assignment => assignment(i, from, *to, &context)?,
            });
        }
        let is_same = columns.iter().all(|column| matches!(column, Conversion::None));
        Self::of(&taken, if is_same { Made::Same } else { Made::Columns(columns) }, context)
    }

    /// From the columns that are sent to one of type jsonb, whose values are objects: `to_jsonb` of each row. An error
    /// when there is not the type of a column: it was dropped since the job returned values of it.
    pub fn to_jsonb(sent: &[Column]) -> Result<Self> {
        if let Some(position) = unknown_type(sent)? {
            return Err(mismatch().detail(format!("Column {} is of a type that does not exist.", position + 1)));
        }
        let context = Context::new(c"pg_background conversions")?;
        let row_to_jsonb = Expression::row_to_jsonb(&context)?;
        let entered = context.enter();
        let row = row_desc(sent)?;
        // SAFETY: a descriptor of ours; rows that become values of type record need the number of its type.
        let row = guard(|| unsafe { sys::BlessTupleDesc(row) })?;
        drop(entered);
        Self::of(sent, Made::Json { row, row_to_jsonb }, context)
    }

    fn of(sent: &[Column], made: Made, context: Context) -> Result<Self> {
        let scratch = Context::new(c"pg_background conversion")?;
        let evaluator = Evaluator::new(&context)?;
        let inputs = sent.iter().map(|column| Input::new(column, &context)).collect::<Result<Vec<_>>>()?;
        let entered = context.enter();
        let desc = sent_desc(sent)?;
        // SAFETY: a descriptor of ours.
        let lie = unsafe { raw_columns(desc) };
        let attributes: Vec<Attribute> = sent.iter().map(|column| column.attribute).collect();
        if lie.iter().zip(&attributes).any(|(here, there)| (here.len, here.align) != (there.len, there.align)) {
            return Err(PgError::new(sqlstate::DATA_CORRUPTED, "background worker sent columns of another shape"));
        }
        // SAFETY: a descriptor of ours, which lives as long as the slot.
        let slot = guard(|| unsafe { sys::MakeSingleTupleTableSlot(desc, &raw const sys::TTSOpsMinimalTuple) })?;
        drop(entered);
        Ok(Self { made, inputs, shape: Shape::new(attributes), slot, evaluator, scratch, context })
    }

    /// Appends rows as the worker sent them to a result set, checked and, where they must be, converted.
    pub fn put_all(&mut self, rows: &mut ResultSet, tuples: frame::BatchRows) -> Result<()> {
        let (slot, store) = (self.slot, rows.store());
        let is_same = matches!(self.made, Made::Same) && self.inputs.iter().all(Option::is_none);
        let as_they_are = is_same && rows.takes_rows_as_they_are();
        // Rows that need no conversion go to the server in one call, once all are checked.
        let (mut first, mut count) = (None, 0);
        for tuple in tuples {
            let tuple = tuple?;
            self.shape.check(tuple)?;
            let start = tuple.as_ptr();
            if start.align_offset(8) != 0 {
                return Err(PgError::new(sqlstate::INTERNAL_ERROR, "a row is not aligned"));
            }
            if as_they_are {
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
            self.put_slot(rows)?;
        }
        if let Some(first) = first {
            // SAFETY: the same for all of them; a batch's rows lie one after the other, each padded to eight bytes.
            guard(|| unsafe { sys::pgbg_store_tuples(store, slot, first.cast(), count) })?;
        }
        // SAFETY: the tuple's memory is about to go.
        guard(|| unsafe { sys::pgbg_slot_clear(slot) })
    }

    /// Appends a row of one text: what is sent must be one column of that type.
    pub fn put_text(&mut self, rows: &mut ResultSet, text: &[u8]) -> Result<()> {
        let entered = self.scratch.enter();
        let value = text_datum(text)?;
        drop(entered);
        self.put_values(rows, &[value], &[false])
    }

    /// Appends the row in the slot, which has been deformed.
    fn put_slot(&mut self, rows: &mut ResultSet) -> Result<()> {
        let natts = self.shape.len();
        // SAFETY: the slot has been deformed: both arrays have that many elements, which are there as long as its row.
        let (values, nulls) = unsafe {
            let slot = &*self.slot;
            (slice_or_empty(slot.tts_values, natts), slice_or_empty(slot.tts_isnull, natts))
        };
        if self.inputs.iter().all(Option::is_none) {
            return self.put_values(rows, values, nulls);
        }
        let entered = self.scratch.enter();
        let mut read = values.to_vec();
        for (i, input) in self.inputs.iter_mut().enumerate() {
            if let Some(input) = input.as_mut().filter(|_| !nulls[i]) {
                // SAFETY: such columns are sent as text.
                read[i] = unsafe { input.read(values[i]) }?;
            }
        }
        drop(entered);
        self.put_values(rows, &read, nulls)
    }

    /// Appends the row of these values, converted.
    fn put_values(&mut self, rows: &mut ResultSet, values: &[Datum], nulls: &[bool]) -> Result<()> {
        let entered = self.scratch.enter();
        let evaluator = &self.evaluator;
        match &mut self.made {
            Made::Same => rows.put_datums(values, nulls)?,
            Made::Json { row, row_to_jsonb } => {
                let (desc, values, nulls) = (*row, values.as_ptr().cast_mut(), nulls.as_ptr().cast_mut());
                // SAFETY: the arrays have as many elements as the descriptor, of a registered type, has attributes.
                let row = guard(|| unsafe {
                    sys::HeapTupleHeaderGetDatum((*sys::heap_form_tuple(desc, values, nulls)).t_data)
                })?;
                // SAFETY: a row.
                let value = unsafe { row_to_jsonb.evaluate(evaluator, Some(row)) }?;
                rows.put_datums(&[value.unwrap_or_default()], &[value.is_none()])?;
            }
            Made::Columns(columns) => {
                let mut converted = Vec::with_capacity(columns.len());
                let mut is_null = Vec::with_capacity(columns.len());
                for (i, conversion) in columns.iter_mut().enumerate() {
                    let value = (!nulls[i]).then_some(values[i]);
                    // SAFETY: a value of the column for which the conversion was made.
                    let value = unsafe { conversion.apply(evaluator, value) }?;
                    converted.push(value.unwrap_or_default());
                    is_null.push(value.is_none());
                }
                rows.put_datums(&converted, &is_null)?;
            }
        }
        drop(entered);
        self.evaluator.reset()?;
        self.scratch.reset()
    }
}

impl Conversion {
    /// # Safety
    /// `value` must be of the type from which this converts; `None` is NULL.
    unsafe fn apply(&mut self, evaluator: &Evaluator, value: Option<Datum>) -> Result<Option<Datum>> {
        // SAFETY: promised by the caller; the functions are those of the value's type and of the declared one.
        unsafe {
            match (self, value) {
                (Self::Assign(expression), value) => expression.evaluate(evaluator, value),
                (Self::None, _) | (_, None) => Ok(value),
                (Self::ToText { out }, Some(value)) => output_text(out, value).map(Some),
                (Self::Receive { send, receive, typioparam, typmod }, Some(value)) => {
                    let (send, receive, typioparam, typmod): (*mut _, *mut _, _, _) =
                        (send, receive, *typioparam, *typmod);
                    guard(|| received(send, receive, value, typioparam, typmod)).map(Some)
                }
            }
        }
    }
}

/// Are all types of these columns known to this transaction? Not if the job has made one and has not committed, or if
/// one was dropped.
pub fn are_types_known(columns: &[Column]) -> Result<bool> {
    Ok(unknown_type(columns)?.is_none())
}

/// The place of the first column whose type this transaction does not know.
fn unknown_type(columns: &[Column]) -> Result<Option<usize>> {
    for (position, column) in columns.iter().enumerate().filter(|(_, column)| column.form == Form::Native) {
        if typtype(column.type_id)? == 0 {
            return Ok(Some(position));
        }
    }
    Ok(None)
}

fn assignment(position: usize, from: &Column, to: Declared, context: &Context) -> Result<Conversion> {
    let source = match &from.form {
        Form::Text => (TEXT, -1),
        // of another database: the type here
        Form::Native | Form::Foreign(_) => (from.type_id, from.typmod),
    };
    if source.0 != to.type_id && typtype(source.0)? == 0 {
        return Err(mismatch());
    }
    match Expression::assignment(source, (to.type_id, to.typmod), context)? {
        Assignment::AsTheyAre => Ok(Conversion::None),
        Assignment::By(expression) => Ok(Conversion::Assign(expression)),
        Assignment::Impossible => {
            let hint = "Cast the column in the job's SQL, or declare it with a type to which it can be assigned.";
            Err(wrong_type(position, from, to).hint(hint))
        }
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
    let detail = format!("Column {} is of type {{}}, but is declared as {{}}.", position + 1);
    mismatch().detail(with_names(&detail, &[&type_name(from.type_id), &type_name(to.type_id)]))
}

fn typtype(type_id: u32) -> Result<u8> {
    // SAFETY: a catalog lookup; 0 when there is no such type.
    Ok(guard(|| unsafe { sys::get_typtype(type_id) })? as u8)
}
