//! A text that is run statement by statement, as psql runs a script: a statement is parsed when its turn has come, and
//! those before it have been committed.
//!
//! The text is not parsed as a whole. A syntax error in the third statement must leave what the first two have done;
//! and `SET standard_conforming_strings` decides how the statements after it are read. So the next statement is cut off
//! ([`Splitter`]), and parsed by itself, as the server parses what psql sends.

use super::encoding;
use super::error::Result;
use super::guard::guard;
use super::memory::Context;
use super::splitter::Splitter;
use super::statement::Script;
use super::sys;
use logic::statement_end::is_blank;
use std::ffi::CStr;

pub struct Parts<'a> {
    text: &'a CStr,
    splitter: Splitter<'a>,
    /// Where the statement that was read last begins, in bytes and in characters.
    start: usize,
    characters: i32,
    /// Its text, and what it was parsed into; both are in the context, which is emptied for the next statement.
    part: Option<&'a CStr>,
    script: Option<Script<'a>>,
    context: &'a Context,
}

impl<'a> Parts<'a> {
    /// The statements of the text; their trees go into the context.
    pub fn new(text: &'a CStr, context: &'a Context) -> Result<Self> {
        let splitter = Splitter::new(text, 0)?;
        Ok(Self { text, splitter, start: 0, characters: 0, part: None, script: None, context })
    }

    /// Is there no further statement?
    pub fn is_at_end(&self) -> bool {
        is_blank(self.splitter.rest())
    }

    /// Reads the next statement; to be called before the end. The one before it is gone then. Returns how many
    /// characters of the text lie before the statement: it is parsed and run as a text of its own, which the log and
    /// pg_stat_activity show, so the positions in its errors count from there. The positions in an error of this
    /// function count from the beginning of the text.
    pub fn next(&mut self) -> Result<i32> {
        (self.part, self.script) = (None, None);
        let (whole, context) = (self.text.as_ptr(), self.context.as_ptr());
        // SAFETY: the whole text outlives this; nothing refers any more to what is in the context.
        guard(|| unsafe {
            sys::debug_query_string = whole;
            sys::MemoryContextReset(context);
        })?;
        let entered = self.context.enter();
        let part = self.splitter.next()?;
        let bytes = self.text.to_bytes();
        self.characters += encoding::characters(&bytes[self.start..part.start]);
        self.start = part.start;
        let (start, len) = (bytes[part.clone()].as_ptr(), part.len());
        // SAFETY: so many bytes, to which the copy adds a NUL.
        let copy = guard(|| unsafe { sys::pnstrdup(start.cast(), len) })?;
        drop(entered);
        // SAFETY: as above; it stays until the context is emptied.
        self.part = Some(unsafe { CStr::from_ptr(copy) });
        Ok(self.characters)
    }

    /// Parses the statement that was read: a script of at most one statement. Inside a transaction. `detail` says which
    /// job it is, for the log.
    ///
    /// The parser has the last word on where a statement ends. Suppose that the body of a function has a column named
    /// "case" without quotes: the splitter waits for one END more, and takes the next statement for a part of this one.
    /// What the parser does not count to the first statement is read again.
    pub fn parse(&mut self, detail: &CStr) -> Result<&Script<'a>> {
        let mut script = Script::parse(self.part.unwrap_or_default(), self.context, detail)?;
        if let Some(len) = script.keep_first() {
            self.splitter = Splitter::new(self.text, self.start + len)?;
        }
        Ok(self.script.insert(script))
    }

    /// Logs the duration of the statement that was parsed last, when the settings ask for it.
    pub fn log_duration(&self, detail: &CStr) -> Result<()> {
        self.script.as_ref().map_or(Ok(()), |script| script.log_duration(detail))
    }
}
