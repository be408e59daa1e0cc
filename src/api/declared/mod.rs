//! How the exported functions may be declared, and which function here serves each form. The installed catalog may be
//! that of another release, or of the C extension, with the same symbol under other arguments: so the declaration
//! decides, not the symbol.

mod c_extension;
mod handles;
mod jobs;
mod views;

pub use c_extension::*;
pub use handles::*;
pub use jobs::*;
pub use views::*;

use crate::pg::call::Call;
use crate::pg::declaration::{Argument, Column, Form, OnNull, Returns};
use crate::pg::error::Result;
use crate::pg::types::{self, BOOL, INT4, INT8, TEXT};
use crate::pg::value::Datum;

type Body = fn(&Call) -> Result<Datum>;

/// A form that is declared STRICT.
const fn strict(arguments: &'static [Argument], returns: Returns, body: Body) -> Form {
    Form { arguments, on_null: OnNull::ReturnsNull, returns, body }
}

/// A form that may be declared STRICT, or not.
const fn called(arguments: &'static [Argument], returns: Returns, body: Body) -> Form {
    Form { arguments, on_null: OnNull::Called, returns, body }
}

const A_INT4: Argument = Argument::Type(INT4);
const A_INT8: Argument = Argument::Type(INT8);
const A_TEXT: Argument = Argument::Type(TEXT);
const A_TEXTS: Argument = Argument::Type(types::TEXT_ARRAY);
const A_BOOL: Argument = Argument::Type(BOOL);
const A_NAME: Argument = Argument::Type(types::NAME);
const A_RECORD: Argument = Argument::Type(types::RECORD);
const A_INTERVAL: Argument = Argument::Type(types::INTERVAL);
const A_JSONB: Argument = Argument::Type(types::JSONB);
const A_ELEMENT: Argument = Argument::Type(types::ANYELEMENT);
/// A handle in two arguments.
const HANDLE: &[Argument] = &[A_INT4, A_INT8];
const HANDLE_COLUMNS: &[Column] = &[("pid", INT4), ("cookie", INT8)];
const HANDLE_ROW: Returns = Returns::Row(HANDLE_COLUMNS);
/// A handle in one argument.
const A_HANDLE: Argument = Argument::Row(HANDLE_COLUMNS);
const A_HANDLES: Argument = Argument::Rows(HANDLE_COLUMNS);
