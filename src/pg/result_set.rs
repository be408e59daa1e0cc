//! The rows of a result on their way to the executor, in a tuplestore, which spills to disk beyond work_mem.

use super::error::{PgError, Result};
use super::guard::guard;
use super::memory::{Context, Entered};
use super::sys;
use super::tupdesc::{self, Declared};
use super::value::{Value, fits};
use logic::sqlstate;
use std::ffi::c_int;

/// The result of a set-returning function, being filled. It belongs to the executor from [`ResultSet::finish`] on;
/// before, an error throws it away with the query's memory.
pub struct ResultSet {
    info: *mut sys::ReturnSetInfo,
    desc: sys::TupleDesc,
    store: *mut sys::Tuplestorestate,
}

impl ResultSet {
    /// # Safety
    /// `info` and `desc` must be those of a running call that outlives this value.
    pub(super) unsafe fn new(info: *mut sys::ReturnSetInfo, desc: sys::TupleDesc) -> Result<Self> {
        // SAFETY: promised by the caller.
        let modes = unsafe { (*info).allowedModes } as u32;
        if modes & sys::SetFunctionReturnMode_SFRM_Materialize == 0 {
            return Err(PgError::new(
                sqlstate::FEATURE_NOT_SUPPORTED,
                "materialize mode required, but it is not allowed in this context",
            ));
        }
        let random = modes & sys::SetFunctionReturnMode_SFRM_Materialize_Random != 0;
        // SAFETY: the per-query context outlives the call.
        let context = unsafe { Entered::new((*(*info).econtext).ecxt_per_query_memory) };
        // SAFETY: a live descriptor.
        let (store, desc) = guard(|| unsafe {
            (sys::tuplestore_begin_heap(random, false, sys::work_mem), sys::CreateTupleDescCopy(desc))
        })?;
        drop(context);
        Ok(Self { info, desc, store })
    }

    /// What the caller declared.
    pub fn declared(&self) -> Vec<Declared> {
        // SAFETY: our copy of the descriptor.
        unsafe { tupdesc::declared(self.desc) }
    }

    /// Appends a row of values, which must have the types of their columns.
    pub fn put(&mut self, scratch: &Context, values: Vec<Value>) -> Result<()> {
        if !fits(&values, &self.declared()) {
            return Err(PgError::new(sqlstate::DATATYPE_MISMATCH, "a row does not have the declared types"));
        }
        let entered = scratch.enter();
        let mut datums = Vec::with_capacity(values.len());
        let mut nulls = Vec::with_capacity(values.len());
        for value in values {
            let (datum, is_null) = value.into_datum()?;
            datums.push(datum);
            nulls.push(is_null);
        }
        self.put_datums(&datums, &nulls)?;
        drop(entered);
        scratch.reset()
    }

    pub(super) fn put_datums(&mut self, datums: &[sys::Datum], nulls: &[bool]) -> Result<()> {
        // SAFETY: our copy of the descriptor.
        let natts = unsafe { (*self.desc).natts };
        if datums.len() != nulls.len() || c_int::try_from(datums.len()) != Ok(natts) {
            return Err(PgError::new(sqlstate::INTERNAL_ERROR, "a row does not have the result's columns"));
        }
        let (store, desc, datums, nulls) = (self.store, self.desc, datums.as_ptr(), nulls.as_ptr());
        // Whoever makes many rows serves interrupts with each.
        // SAFETY: the arrays have as many elements as the descriptor has attributes.
        guard(|| unsafe {
            sys::pgbg_check_for_interrupts();
            sys::tuplestore_putvalues(store, desc, datums.cast_mut(), nulls.cast_mut());
        })
    }

    pub(super) fn store(&self) -> *mut sys::Tuplestorestate {
        self.store
    }

    /// Hands the rows to the executor.
    pub fn finish(self) {
        // SAFETY: the call that `new` was given is still running.
        unsafe {
            (*self.info).returnMode = sys::SetFunctionReturnMode_SFRM_Materialize;
            (*self.info).setResult = self.store;
            (*self.info).setDesc = self.desc;
        }
    }
}
