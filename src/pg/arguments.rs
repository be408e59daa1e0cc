//! Arguments of an SQL function that are more than a number or a text.

use super::call::Call;
use super::error::Result;
use super::guard::guard;
use super::jsonb::{self, Members};
use super::sys;
use super::value::{Datum, slice_or_empty, varlena};
use std::ffi::CStr;
use std::ptr;

/// Pid and cookie of a job.
pub type Handle = (i32, i64);

/// An interval of SQL, as one length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// A month counts as 30 days, a day as 24 hours, as in comparisons of intervals.
    Microseconds(i128),
    /// Since 17.
    Infinite,
    NegativeInfinite,
}

impl Call {
    /// False when NULL.
    pub fn boolean(&self, n: usize) -> bool {
        self.arg(n).0 != 0
    }

    /// `None` when NULL.
    pub fn optional_text(&self, n: usize) -> Result<Option<&[u8]>> {
        if self.is_null(n) { Ok(None) } else { self.text(n).map(Some) }
    }

    /// A name; `None` when NULL. It lives as long as the call.
    pub fn name(&self, n: usize) -> Option<&[u8]> {
        let (datum, is_null) = self.arg(n);
        // SAFETY: the argument is a name by the function's declaration: 64 bytes, of which the last is NUL.
        (!is_null).then(|| unsafe { CStr::from_ptr(datum as *const _) }.to_bytes())
    }

    /// `None` when NULL.
    pub fn interval(&self, n: usize) -> Option<Interval> {
        const DAY: i128 = 86_400_000_000;
        let (datum, is_null) = self.arg(n);
        if is_null {
            return None;
        }
        // SAFETY: the argument is an interval by the function's declaration.
        let interval = unsafe { &*(datum as *const sys::Interval) };
        Some(match (interval.time, interval.day, interval.month) {
            (i64::MAX, i32::MAX, i32::MAX) => Interval::Infinite,
            (i64::MIN, i32::MIN, i32::MIN) => Interval::NegativeInfinite,
            (time, day, month) => {
                Interval::Microseconds(i128::from(time) + (i128::from(month) * 30 + i128::from(day)) * DAY)
            }
        })
    }

    /// The members of a jsonb object, name and value; `None` if it is no object. The argument must not be NULL.
    pub fn members(&self, n: usize) -> Result<Option<Members>> {
        // SAFETY: the argument is a jsonb by the function's declaration.
        unsafe { jsonb::members(self.arg(n).0) }
    }

    /// A handle in one argument: pid and cookie. `None` when it is NULL, or one of the two is.
    pub fn handle(&self, n: usize) -> Result<Option<Handle>> {
        let (datum, is_null) = self.arg(n);
        // SAFETY: the argument is a row (int4, int8) by the function's declaration.
        if is_null { Ok(None) } else { unsafe { handle(datum) } }
    }

    /// An array of handles, with `None` for an element that is NULL or has a NULL. `None` when the array is NULL.
    pub fn handles(&self, n: usize) -> Result<Option<Vec<Option<Handle>>>> {
        let (datum, is_null) = self.arg(n);
        if is_null {
            return Ok(None);
        }
        // SAFETY: the argument is an array of rows by the function's declaration.
        let (elements, _) = unsafe { elements(datum, sys::TYPALIGN_DOUBLE) }?;
        // SAFETY: an element that is a row (int4, int8).
        let handles = elements.into_iter().map(|element| element.map_or(Ok(None), |row| unsafe { handle(row) }));
        handles.collect::<Result<_>>().map(Some)
    }

    /// An array of texts; `None` when it is NULL. The texts live as long as the call.
    pub fn texts(&self, n: usize) -> Result<Option<Texts<'_>>> {
        let (datum, is_null) = self.arg(n);
        if is_null {
            return Ok(None);
        }
        // SAFETY: the argument is an array of texts by the function's declaration.
        let (elements, dimensions) = unsafe { elements(datum, sys::TYPALIGN_INT) }?;
        // SAFETY: an element that is a text, in the memory of the call.
        let texts = elements.into_iter().map(|element| element.map(|text| unsafe { varlena(text) }).transpose());
        Ok(Some(Texts { texts: texts.collect::<Result<_>>()?, dimensions }))
    }
}

/// An array of texts, as it is stored: the last subscript goes fastest.
pub struct Texts<'a> {
    /// `None` for an element that is NULL.
    pub texts: Vec<Option<&'a [u8]>>,
    /// 0 of an array without elements.
    pub dimensions: i32,
}

/// The elements of an array, with `None` for those that are NULL, and how many dimensions it has. They are in the
/// memory of the call.
///
/// # Safety
/// `datum` must be an array of varlenas of that alignment.
#[allow(clippy::cast_ptr_alignment)] // a value of 4 bytes or more is allocated aligned
unsafe fn elements(datum: Datum, align: u8) -> Result<(Vec<Option<Datum>>, i32)> {
    let (mut values, mut nulls, mut count) = (ptr::null_mut(), ptr::null_mut(), 0);
    let (values_at, nulls_at, count_at) = (&raw mut values, &raw mut nulls, &raw mut count);
    // SAFETY: promised by the caller; what the server makes of it is allocated in the memory of the call.
    let dimensions = guard(|| unsafe {
        let array = sys::pg_detoast_datum(datum as *mut sys::varlena).cast::<sys::ArrayType>();
        let element = (*array).elemtype;
        sys::deconstruct_array(array, element, -1, false, align as _, values_at, nulls_at, count_at);
        (*array).ndim
    })?;
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: so many elements stand there.
    let (values, nulls) = unsafe {
        let nulls: *mut bool = nulls;
        (slice_or_empty(values, count), slice_or_empty(nulls.cast::<u8>(), count))
    };
    Ok((values.iter().zip(nulls).map(|(value, is_null)| (*is_null == 0).then_some(*value)).collect(), dimensions))
}

/// # Safety
/// `datum` must be a row (int4, int8).
#[allow(clippy::cast_ptr_alignment)] // as above
unsafe fn handle(datum: Datum) -> Result<Option<Handle>> {
    let (mut no_pid, mut no_cookie) = (true, true);
    let (no_pid_at, no_cookie_at) = (&raw mut no_pid, &raw mut no_cookie);
    // SAFETY: promised by the caller.
    let (pid, cookie) = guard(|| unsafe {
        let row = sys::pg_detoast_datum(datum as *mut sys::varlena).cast::<sys::HeapTupleHeaderData>();
        (sys::GetAttributeByNum(row, 1, no_pid_at), sys::GetAttributeByNum(row, 2, no_cookie_at))
    })?;
    Ok((!no_pid && !no_cookie).then_some((pid as i32, cookie as i64)))
}
