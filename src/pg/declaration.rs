//! How an exported function was declared. `CREATE FUNCTION` takes any declaration of a C function, so the library looks
//! for itself what it is given and what it is to give back, before anything is done.

use super::call::{Call, result_type};
use super::catalog::{missing, row};
use super::error::{PgError, Result, with_names};
use super::guard::guard;
use super::tupdesc::raw_columns;
use super::{compat_session, sys};
use logic::sqlstate;
use parking_lot::Mutex;
use std::ffi::{CStr, c_char};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Name and type.
pub type Column = (&'static str, u32);

/// What an argument is declared as.
#[derive(Clone, Copy)]
pub enum Argument {
    Type(u32),
    /// A composite type with just these columns, whatever its name is.
    Row(&'static [Column]),
    /// An array of such a type.
    Rows(&'static [Column]),
}

/// What a function gives back.
pub enum Returns {
    /// One value, or void.
    Value(u32),
    /// Values of one type.
    Set(u32),
    /// A row, or NULL: of a named type, or of OUT parameters.
    Row(&'static [Column]),
    /// Rows as the caller's column definition list has them.
    Records,
    /// Rows of just these columns.
    Rows(&'static [Column]),
    /// Nothing: it is a procedure.
    Nothing,
}

/// What a NULL argument does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum OnNull {
    /// The server does not call the function: it must be STRICT.
    ReturnsNull,
    /// The function knows what to do.
    Called,
}

/// A declaration that the library serves.
pub struct Form {
    pub arguments: &'static [Argument],
    pub on_null: OnNull,
    pub returns: Returns,
    pub body: fn(&Call) -> Result<sys::Datum>,
}

/// Makes the call as the body of the declared form sees it. A function that was declared otherwise is refused.
///
/// # Safety
/// `fcinfo` must be a valid call that outlives the result.
pub(super) unsafe fn check(
    fcinfo: sys::FunctionCallInfo,
    symbol: &str,
    forms: &'static [Form],
) -> Result<(Call, &'static Form)> {
    // SAFETY: promised by the caller; such a call has an FmgrInfo, or none where C calls the symbol directly.
    let info = unsafe { (*fcinfo).flinfo };
    // SAFETY: as above.
    let function = if info.is_null() { 0 } else { unsafe { (*info).fn_oid } };
    if function == 0 {
        return Err(PgError::new(
            sqlstate::INVALID_FUNCTION_DEFINITION,
            format!("C function \"{symbol}\" cannot be called without an SQL declaration"),
        ));
    }
    // SAFETY: only this function writes there, for as long as the FmgrInfo lives: the call's arguments are those of the
    // declaration that was looked at.
    let known = unsafe { (*info).fn_extra.cast::<Form>().as_ref() };
    if let Some(form) = known {
        // A row type may have been altered since.
        if let Some(call) = form.call(fcinfo)? {
            return Ok((call, form));
        }
    }
    watch()?;
    if let Some(form) = served_before(function, forms) {
        // SAFETY: as above.
        unsafe { (*info).fn_extra = std::ptr::from_ref(form).cast_mut().cast() };
        // SAFETY: promised by the caller.
        return Ok((unsafe { Call::new(fcinfo, None) }, form));
    }
    let declared = Declaration::of(function)?;
    for form in forms {
        if !form.is(&declared)? {
            continue;
        }
        if let Some(call) = form.call(fcinfo)? {
            note_served(function, forms, form);
            // SAFETY: as above.
            unsafe { (*info).fn_extra = std::ptr::from_ref(form).cast_mut().cast() };
            return Ok((call, form));
        }
    }
    Err(refusal(function, symbol, forms)?)
}

/// A function that was called, and the form as which it is served. Each execution of a query asks anew.
#[derive(Clone, Copy)]
struct Served {
    function: u32,
    /// Those of the C symbol that was called.
    forms: &'static [Form],
    form: &'static Form,
}

/// The functions whose forms depend on pg_proc alone, as long as nothing changes there.
static SERVED: Mutex<Vec<Served>> = Mutex::new(Vec::new());

/// Set by the server's invalidation messages.
static CHANGED: AtomicBool = AtomicBool::new(false);

/// So many functions are known, beyond which all are forgotten: more than the extension has.
const MAX_SERVED: usize = 128;

unsafe extern "C-unwind" fn changed(_arg: sys::Datum, _cache: compat_session::SysCacheId, _hash: u32) {
    CHANGED.store(true, Relaxed);
}

/// From now on the server's invalidation messages tell of changes.
fn watch() -> Result<()> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if !WATCHED.load(Relaxed) {
        let cache = sys::SysCacheIdentifier_PROCOID as _;
        // SAFETY: once in a process; the server has room for it, or ends the session.
        guard(|| unsafe { sys::CacheRegisterSyscacheCallback(cache, Some(changed), sys::Datum::default()) })?;
        WATCHED.store(true, Relaxed);
    }
    Ok(())
}

/// The form as which the symbol served the function before. The caller of the function has looked it up in this
/// execution, so all that was changed before is known.
fn served_before(function: u32, forms: &'static [Form]) -> Option<&'static Form> {
    let mut served = SERVED.lock();
    if CHANGED.swap(false, Relaxed) {
        served.clear();
    }
    served.iter().find(|served| served.function == function && std::ptr::eq(served.forms, forms)).map(|it| it.form)
}

fn note_served(function: u32, forms: &'static [Form], form: &'static Form) {
    if form.is_plain() && !CHANGED.load(Relaxed) {
        let mut served = SERVED.lock();
        if served.len() == MAX_SERVED {
            served.clear();
        }
        served.push(Served { function, forms, form });
    }
}

impl Argument {
    fn is(self, declared: u32) -> Result<bool> {
        let (row_type, columns) = match self {
            Self::Type(type_id) => return Ok(type_id == declared),
            Self::Row(columns) => (declared, columns),
            // SAFETY: a catalog lookup; 0 when the type is no array.
            Self::Rows(columns) => (guard(|| unsafe { sys::get_element_type(declared) })?, columns),
        };
        row_type_has(row_type, columns)
    }

    /// For messages.
    fn name(self) -> Result<String> {
        Ok(match self {
            Self::Type(type_id) => type_name(type_id)?,
            Self::Row(columns) => format!("({})", column_list(columns)?),
            Self::Rows(columns) => format!("({})[]", column_list(columns)?),
        })
    }
}

/// Is this a composite type with these columns?
fn row_type_has(type_id: u32, columns: &[Column]) -> Result<bool> {
    // SAFETY: catalog lookups; a type that does not exist has no kind. The descriptor is copied into the current
    // memory context.
    let desc = guard(|| unsafe {
        if type_id != 0 && sys::get_typtype(type_id) as u8 == sys::TYPTYPE_COMPOSITE {
            sys::lookup_rowtype_tupdesc_copy(type_id, -1)
        } else {
            std::ptr::null_mut()
        }
    })?;
    // SAFETY: a valid descriptor.
    Ok(!desc.is_null() && unsafe { has(desc, columns) })
}

impl Form {
    /// Does nothing but pg_proc decide whether a function has this form? No row type, which may be altered.
    fn is_plain(&self) -> bool {
        !matches!(self.returns, Returns::Row(_) | Returns::Rows(_))
            && self.arguments.iter().all(|argument| matches!(argument, Argument::Type(_)))
    }

    /// All but the columns.
    fn is(&self, declared: &Declaration) -> Result<bool> {
        let result = match self.returns {
            Returns::Value(type_id) => declared.result == type_id && !declared.returns_set,
            Returns::Set(type_id) => declared.result == type_id && declared.returns_set,
            Returns::Row(_) => !declared.returns_set,
            Returns::Records => declared.result == sys::RECORDOID && declared.returns_set,
            Returns::Rows(_) => declared.returns_set,
            Returns::Nothing => declared.result == sys::VOIDOID,
        };
        let kind =
            if matches!(self.returns, Returns::Nothing) { sys::PROKIND_PROCEDURE } else { sys::PROKIND_FUNCTION };
        if !declared.is_c
            || declared.kind != kind
            || declared.arguments().len() != self.arguments.len()
            || !(declared.is_strict || self.on_null == OnNull::Called)
            || !result
        {
            return Ok(false);
        }
        for (argument, type_id) in self.arguments.iter().zip(declared.arguments()) {
            if !argument.is(*type_id)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The call, with the type of its rows where that is part of the form; `None` if these are others.
    fn call(&self, fcinfo: sys::FunctionCallInfo) -> Result<Option<Call>> {
        let (Returns::Row(columns) | Returns::Rows(columns)) = self.returns else {
            // SAFETY: `check` was promised a valid call.
            return Ok(Some(unsafe { Call::new(fcinfo, None) }));
        };
        // SAFETY: as above.
        let desc = unsafe { result_type(fcinfo) }?;
        // SAFETY: as above; the descriptor is valid as long as the call.
        Ok(desc.filter(|desc| unsafe { has(*desc, columns) }).map(|desc| unsafe { Call::new(fcinfo, Some(desc)) }))
    }
}

/// Are these the columns?
///
/// # Safety
/// `desc` must be a valid descriptor.
unsafe fn has(desc: sys::TupleDesc, columns: &[Column]) -> bool {
    // SAFETY: promised by the caller.
    let there = unsafe { raw_columns(desc) };
    there.len() == columns.len()
        && there.iter().zip(columns).all(|(column, (name, type_id))| {
            // SAFETY: of the descriptor.
            column.type_id == *type_id && unsafe { column.name() } == name.as_bytes()
        })
}

/// What pg_proc has of a function.
#[derive(Clone, Copy)]
struct Declaration {
    result: u32,
    arguments: [u32; sys::FUNC_MAX_ARGS as usize],
    nargs: usize,
    returns_set: bool,
    is_strict: bool,
    /// Is it of the language C itself?
    is_c: bool,
    /// A function, a procedure, a window function.
    kind: u8,
}

impl Declaration {
    fn of(function: u32) -> Result<Self> {
        // SAFETY: `row` gives a row, in which so many arguments follow on the head of their array.
        let read = |function: *const sys::FormData_pg_proc| unsafe {
            let mut arguments = [0; sys::FUNC_MAX_ARGS as usize];
            let nargs = ((*function).pronargs.max(0) as usize).min(arguments.len());
            let types = (&raw const (*function).proargtypes.values).cast::<u32>();
            std::ptr::copy_nonoverlapping(types, arguments.as_mut_ptr(), nargs);
            Self {
                result: (*function).prorettype,
                arguments,
                nargs,
                returns_set: (*function).proretset,
                is_strict: (*function).proisstrict,
                is_c: (*function).prolang == sys::ClanguageId,
                kind: (*function).prokind as u8,
            }
        };
        row(function, read)?.ok_or_else(|| missing("function", function))
    }

    fn arguments(&self) -> &[u32] {
        &self.arguments[..self.nargs]
    }
}

#[cold]
fn refusal(function: u32, symbol: &str, forms: &[Form]) -> Result<PgError> {
    // SAFETY: a catalog lookup; the name is allocated in the current memory context.
    let name = guard(|| unsafe { sys::format_procedure(function) })?;
    // SAFETY: a C string of the server.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    let mut expected = String::new();
    for form in forms {
        let strict = if form.on_null == OnNull::ReturnsNull { " STRICT" } else { "" };
        let result = match form.returns {
            Returns::Value(type_id) => format!(" RETURNS {}", type_name(type_id)?),
            Returns::Set(type_id) => format!(" RETURNS SETOF {}", type_name(type_id)?),
            Returns::Row(columns) => format!(" RETURNS ({})", column_list(columns)?),
            Returns::Records => " RETURNS SETOF record".to_owned(),
            Returns::Rows(columns) => format!(" RETURNS TABLE ({})", column_list(columns)?),
            Returns::Nothing => String::new(),
        };
        let or = if expected.is_empty() { "" } else { ", or " };
        let kind = if matches!(form.returns, Returns::Nothing) { "a procedure " } else { "" };
        let _ = write!(expected, "{or}{kind}({}){result} LANGUAGE C{strict}", type_list(form.arguments)?);
    }
    let message = format!("declaration of function {{}} does not match C function \"{symbol}\"");
    Ok(PgError::new(sqlstate::INVALID_FUNCTION_DEFINITION, with_names(&message, &[name]))
        .detail(format!("The function must be declared as {expected}."))
        .hint("If the function belongs to the extension, run ALTER EXTENSION pg_background UPDATE."))
}

fn type_list(types: &[Argument]) -> Result<String> {
    Ok(types.iter().map(|argument| argument.name()).collect::<Result<Vec<_>>>()?.join(", "))
}

fn column_list(columns: &[Column]) -> Result<String> {
    let columns = columns.iter().map(|(name, type_id)| Ok(format!("{name} {}", type_name(*type_id)?)));
    Ok(columns.collect::<Result<Vec<_>>>()?.join(", "))
}

fn type_name(type_id: u32) -> Result<String> {
    // SAFETY: a catalog lookup; the name is allocated in the current memory context.
    Ok(c_string(guard(|| unsafe { sys::format_type_be(type_id) })?))
}

fn c_string(text: *const c_char) -> String {
    // SAFETY: a C string of the server.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
