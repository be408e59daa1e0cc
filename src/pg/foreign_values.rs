//! Values that travel to another database as text: written so that they are read as what they were, and read.

use super::error::Result;
use super::foreign_types::{Room, describe, resolved};
use super::guard::guard;
use super::memory::Context;
use super::types::TEXT;
use super::value::{Datum, function, text_datum};
use super::{encoding, sys};
use logic::wire::columns::{Column, Foreign, Form};
use logic::wire::type_tree::{Definition, TypeTree};
use std::ffi::{CStr, CString, c_char, c_int};

/// Reads values that have come as text.
pub(super) struct Input {
    function: sys::FmgrInfo,
    typioparam: u32,
    typmod: i32,
    encoding: i32,
    dependence: Dependence,
}

impl Input {
    /// Of a column that `foreign_types::localized` has given its type; `None` if its values are what they should be.
    /// What the function caches lives in the context.
    pub(super) fn new(column: &Column, context: &Context) -> Result<Option<Self>> {
        let Form::Foreign(Foreign { encoding, tree }) = &column.form else { return Ok(None) };
        let encoding = *encoding;
        if column.type_id == TEXT && encoding == encoding::of_database() {
            return Ok(None);
        }
        Self::of(column.type_id, column.typmod, encoding, tree, context).map(Some)
    }

    fn of(type_id: u32, typmod: i32, encoding: i32, tree: &TypeTree, context: &Context) -> Result<Self> {
        let (mut id, mut typioparam) = (0, 0);
        let (id_at, typioparam_at) = (&raw mut id, &raw mut typioparam);
        // SAFETY: a catalog lookup.
        guard(|| unsafe { sys::getTypeInputInfo(type_id, id_at, typioparam_at) })?;
        Ok(Self {
            function: function(id, context)?,
            typioparam,
            typmod,
            encoding,
            dependence: Dependence::of_reader(tree),
        })
    }

    /// The value, in the current memory context.
    ///
    /// # Safety
    /// A text that is not NULL.
    pub(super) unsafe fn read(&mut self, text: Datum) -> Result<Datum> {
        // SAFETY: promised by the caller.
        let text = guard(|| unsafe { sys::text_to_cstring(text as *const _) })?;
        // SAFETY: a C string of the server.
        let sent = unsafe { CStr::from_ptr(text) }.to_bytes();
        let converted = encoding::converted(sent, self.encoding, encoding::of_database())?
            .map(|converted| CString::new(converted).unwrap_or_default());
        let text = converted.as_ref().map_or(text, |converted| converted.as_ptr().cast_mut());
        let (input, typioparam, typmod) = (&raw mut self.function, self.typioparam, self.typmod);
        let settings = PlainSettings::enter(self.dependence)?;
        // SAFETY: a type's input function and a C string.
        let value = guard(|| unsafe { sys::InputFunctionCall(input, text, typioparam, typmod) })?;
        settings.leave()?;
        Ok(value)
    }
}

/// Which settings values depend on that are written as text.
#[derive(Clone, Copy, Default)]
pub(super) struct Dependence {
    /// On those of dates, intervals and numbers, and on search_path, which names are written by.
    on_styles: bool,
    on_money: bool,
}

impl Dependence {
    /// Of a writer of the column.
    pub(super) fn of_writer(column: &Column) -> Self {
        match &column.form {
            Form::Foreign(Foreign { tree, .. }) => Self::of(column.type_id, tree),
            Form::Native | Form::Text => Self::default(),
        }
    }

    fn of(type_id: u32, tree: &TypeTree) -> Self {
        let is_characters = matches!(
            type_id,
            TEXT | sys::VARCHAROID | sys::BPCHAROID | sys::NAMEOID | sys::CHAROID | sys::JSONOID | sys::JSONBOID
        );
        let is_enum = matches!(tree, TypeTree::Named { definition: Definition::Enum, .. });
        Self { on_styles: !is_characters && !is_enum, on_money: tree.has(sys::MONEYOID) }
    }

    fn of_reader(tree: &TypeTree) -> Self {
        Self { on_styles: false, on_money: tree.has(sys::MONEYOID) }
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self { on_styles: self.on_styles || other.on_styles, on_money: self.on_money || other.on_money }
    }
}

/// Has a setting's variable this text?
fn is(variable: *const c_char, text: &CStr) -> bool {
    // SAFETY: a variable of a setting: a C string or NULL.
    !variable.is_null() && unsafe { CStr::from_ptr(variable) } == text
}

/// Settings under which what is written as text is read as what it was, wherever it is read. [`Self::leave`] takes
/// them back; after an error the end of the transaction does.
pub(super) struct PlainSettings(Option<c_int>);

impl PlainSettings {
    pub(super) fn enter(dependence: Dependence) -> Result<Self> {
        let mut needed: [Option<(&CStr, &CStr)>; 5] = [None; 5];
        // SAFETY: variables of settings.
        unsafe {
            if dependence.on_styles {
                needed[0] = (sys::DateStyle != sys::USE_ISO_DATES as c_int).then_some((c"DateStyle", c"ISO"));
                let style = sys::IntervalStyle;
                needed[1] = (style != sys::INTSTYLE_POSTGRES as c_int).then_some((c"IntervalStyle", c"postgres"));
                // from 1 on a number is written so that it is read as the same number
                needed[2] = (sys::extra_float_digits < 1).then_some((c"extra_float_digits", c"1"));
                // names are written with their schemas
                let path = sys::namespace_search_path;
                needed[3] = (!is(path, c"pg_catalog")).then_some((c"search_path", c"pg_catalog"));
            }
            if dependence.on_money {
                needed[4] = (!is(sys::locale_monetary, c"C")).then_some((c"lc_monetary", c"C"));
            }
        }
        if needed.iter().all(Option::is_none) {
            return Ok(Self(None));
        }
        // SAFETY: a number of this transaction.
        let level = guard(|| unsafe { sys::NewGUCNestLevel() })?;
        for (name, value) in needed.into_iter().flatten() {
            let (name, value) = (name.as_ptr(), value.as_ptr());
            let (context, source) = (sys::GucContext_PGC_USERSET, sys::GucSource_PGC_S_SESSION);
            let action = sys::GucAction_GUC_ACTION_SAVE;
            // SAFETY: C strings, which the server copies.
            guard(|| unsafe { sys::set_config_option(name, value, context, source, action, true, 0, false) })?;
        }
        Ok(Self(Some(level)))
    }

    pub(super) fn leave(self) -> Result<()> {
        match self.0 {
            // SAFETY: the level that was entered.
            Some(level) => guard(|| unsafe { sys::AtEOXact_GUC(true, level) }),
            None => Ok(()),
        }
    }
}

/// What a value is for another database: the description of its type, encoded, and its text.
///
/// # Safety
/// A value of that type; `None` is NULL.
pub(super) unsafe fn write(type_id: u32, value: Option<Datum>, room: &mut Room) -> Result<(Vec<u8>, Option<Vec<u8>>)> {
    let tree = describe(type_id, room)?;
    let mut encoded = Vec::new();
    tree.encode(&mut encoded);
    let Some(value) = value else { return Ok((encoded, None)) };
    let (mut output, mut is_varlena) = (0, false);
    let (output_at, varlena_at) = (&raw mut output, &raw mut is_varlena);
    let settings = PlainSettings::enter(Dependence::of(type_id, &tree))?;
    // SAFETY: the output function of the value's type.
    let text = guard(|| unsafe {
        sys::getTypeOutputInfo(type_id, output_at, varlena_at);
        sys::OidOutputFunctionCall(output, value)
    })?;
    settings.leave()?;
    // SAFETY: a C string of the server.
    Ok((encoded, Some(unsafe { CStr::from_ptr(text) }.to_bytes().to_vec())))
}

/// The type of what [`write`] has written in a database with that encoding, and the value, in the memory of `context`.
pub(super) fn read(tree: &[u8], text: Option<&[u8]>, encoding: i32, context: &Context) -> Result<(u32, Option<Datum>)> {
    let tree = TypeTree::decode(tree)?.try_map(&mut |name| encoding::readable(name, encoding))?;
    let type_id = resolved(&tree)?;
    let Some(text) = text else { return Ok((type_id, None)) };
    let mut input = Input::of(type_id, -1, encoding, &tree, context)?;
    let entered = context.enter();
    // SAFETY: a text.
    let value = unsafe { input.read(text_datum(text)?) }?;
    drop(entered);
    Ok((type_id, Some(value)))
}
