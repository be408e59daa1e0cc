//! The rows of a result on their way to the executor, in a tuplestore, which spills to disk beyond work_mem.

use super::compat;
use super::error::{PgError, Result};
use super::expression::{Assignment, Evaluator, Expression};
use super::guard::guard;
use super::memory::{Context, Entered};
use super::sys;
use super::tupdesc::{self, Declared, raw_columns};
use super::value::{Value, fits};
use logic::sqlstate;

/// The result of a set-returning function, being filled. It belongs to the executor from [`ResultSet::finish`] on;
/// before, an error throws it away with the query's memory.
pub struct ResultSet {
    info: *mut sys::ReturnSetInfo,
    desc: sys::TupleDesc,
    store: *mut sys::Tuplestorestate,
    /// Of the descriptor's attributes those that have not been dropped, by their place. `None`: all of them.
    live: Option<Vec<usize>>,
    /// When the rows are values of a domain over a row type.
    domain: Option<RowDomain>,
}

/// The constraints of a domain over a row type.
struct RowDomain {
    check: Expression,
    evaluator: Evaluator,
    /// Holds both.
    _context: Context,
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
        // SAFETY: our copy of the descriptor.
        let is_dropped: Vec<bool> = unsafe { raw_columns(desc) }.iter().map(|column| column.is_dropped).collect();
        let live = is_dropped.contains(&true).then(|| (0..is_dropped.len()).filter(|i| !is_dropped[*i]).collect());
        Ok(Self { info, desc, store, live, domain: None })
    }

    /// For rows of one column of that type.
    ///
    /// # Safety
    /// As for [`Self::new`].
    pub(super) unsafe fn of_scalar(info: *mut sys::ReturnSetInfo, type_id: u32) -> Result<Self> {
        // SAFETY: makes a descriptor.
        let desc = guard(|| unsafe {
            let desc = sys::CreateTemplateTupleDesc(1);
            sys::TupleDescInitEntry(desc, 1, c"value".as_ptr(), type_id, -1, 0);
            compat::finish_desc(desc);
            desc
        })?;
        // SAFETY: promised by the caller; a descriptor of ours.
        unsafe { Self::new(info, desc) }
    }

    /// For values of a domain over the row type that `desc` describes.
    ///
    /// # Safety
    /// As for [`Self::new`].
    pub(super) unsafe fn of_row_domain(
        info: *mut sys::ReturnSetInfo,
        desc: sys::TupleDesc,
        domain: u32,
    ) -> Result<Self> {
        // SAFETY: promised by the caller.
        let mut set = unsafe { Self::new(info, desc) }?;
        let context = Context::new(c"pg_background domain")?;
        // SAFETY: our copy of the descriptor.
        let base = unsafe { ((*set.desc).tdtypeid, (*set.desc).tdtypmod) };
        if let Assignment::By(check) = Expression::assignment(base, (domain, -1), &context)? {
            set.domain = Some(RowDomain { check, evaluator: Evaluator::new(&context)?, _context: context });
        }
        Ok(set)
    }

    /// May rows of the declared columns be stored as they are?
    pub(super) fn takes_rows_as_they_are(&self) -> bool {
        self.live.is_none() && self.domain.is_none()
    }

    /// What the caller declared, dropped attributes left out.
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

    /// Appends a row of the declared columns. What is made on the way is in the current memory context.
    pub(super) fn put_datums(&mut self, datums: &[sys::Datum], nulls: &[bool]) -> Result<()> {
        // SAFETY: our copy of the descriptor.
        let natts = unsafe { (*self.desc).natts } as usize;
        let columns = self.live.as_ref().map_or(natts, Vec::len);
        if datums.len() != columns || nulls.len() != columns {
            return Err(PgError::new(sqlstate::INTERNAL_ERROR, "a row does not have the result's columns"));
        }
        match &self.live {
            None => self.put_attributes(datums, nulls),
            Some(live) => {
                let (mut all, mut all_nulls) = (vec![sys::Datum::default(); natts], vec![true; natts]);
                for (i, place) in live.iter().enumerate() {
                    (all[*place], all_nulls[*place]) = (datums[i], nulls[i]);
                }
                self.put_attributes(&all, &all_nulls)
            }
        }
    }

    /// Appends a row with a value for each attribute of the descriptor.
    fn put_attributes(&self, datums: &[sys::Datum], nulls: &[bool]) -> Result<()> {
        let (store, desc) = (self.store, self.desc);
        let (datums, nulls) = (datums.as_ptr().cast_mut(), nulls.as_ptr().cast_mut());
        if let Some(domain) = &self.domain {
            // SAFETY: the arrays have as many elements as the descriptor, of a named row type, has attributes.
            let row =
                guard(|| unsafe { sys::HeapTupleHeaderGetDatum((*sys::heap_form_tuple(desc, datums, nulls)).t_data) })?;
            // SAFETY: a value of the row type that the domain is over.
            unsafe { domain.check.evaluate(&domain.evaluator, Some(row)) }?;
            domain.evaluator.reset()?;
        }
        // Whoever makes many rows serves interrupts with each.
        // SAFETY: the arrays have as many elements as the descriptor has attributes.
        guard(|| unsafe {
            sys::pgbg_check_for_interrupts();
            sys::tuplestore_putvalues(store, desc, datums, nulls);
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
