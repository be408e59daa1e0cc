//! Where the statements of a text end, by the server's own lexer (parser/scanner.h): quotes, comments and numbers are
//! what they are for the parser, on each major. The rule is `logic::statement_end`'s.
//!
//! A lexer reads its text once, from the beginning to the end, so a text of many statements is not read again for each
//! of them. What depends on settings (`standard_conforming_strings`) it is told anew for each statement, as psql is by
//! the server.

use super::compat_session;
use super::error::Result;
use super::guard::guard;
use super::memory::Context;
use super::sys;
use logic::literal::{Literal, may_be_in, may_be_now};
use logic::statement_end::{StatementEnd, Token, parameter, white_space};
use std::ffi::{CStr, c_int};
use std::ops::Range;
use std::ptr;

/// Reads a text, statement by statement.
pub struct Splitter<'a> {
    text: &'a CStr,
    /// Where the lexer has begun to read.
    from: usize,
    /// Where the next statement begins, or the white space before it.
    at: usize,
    lexer: sys::core_yyscan_t,
    /// What the lexer shares with its user.
    shared: Box<Shared>,
    /// The lexer's memory: its copy of the text, a buffer for literals.
    _memory: Context,
}

struct Shared {
    lexer: sys::core_yy_extra_type,
    /// None: a key word is a word like others.
    key_words: sys::ScanKeywordList,
}

impl<'a> Splitter<'a> {
    /// Reads the text from there on.
    pub fn new(text: &'a CStr, from: usize) -> Result<Self> {
        let memory = Context::new(c"pg_background script")?;
        // SAFETY: plain data, which the lexer fills in; no list of key words is looked into when its longest has no
        // character.
        let mut shared: Box<Shared> = Box::new(unsafe { std::mem::zeroed() });
        shared.key_words.kw_string = c"".as_ptr();
        let start = text.to_bytes_with_nul()[from..].as_ptr().cast();
        let (extra, key_words) = (&raw mut shared.lexer, &raw const shared.key_words);
        let entered = memory.enter();
        // SAFETY: what is shared lives as long as the lexer, at its place.
        let lexer = guard(|| unsafe { sys::scanner_init(start, extra, key_words, ptr::null()) })?;
        drop(entered);
        Ok(Self { text, from, at: from, lexer, shared, _memory: memory })
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.text.to_bytes()[self.at..]
    }

    /// Reads the next statement, its semicolon included, or what is left. Semicolons before it are passed over. The
    /// lexer's own errors have their position in the whole text. Tokens are allocated in the current context.
    pub fn next(&mut self) -> Result<Range<usize>> {
        self.follow_settings();
        let _quiet = Quiet::new();
        let text = self.text.to_bytes();
        let (mut end, mut is_empty) = (StatementEnd::default(), true);
        loop {
            let (code, at, _) = self.token()?;
            let at = (self.from + at).min(text.len());
            let is_end = end.take(token(code, &text[at..]));
            if is_end || code == 0 {
                let next = if is_end { at + 1 } else { text.len() };
                let start = std::mem::replace(&mut self.at, next);
                if !is_empty || code == 0 {
                    return Ok(start + white_space(&text[start..next])..next);
                }
                end = StatementEnd::default();
                continue;
            }
            is_empty = false;
        }
    }

    fn follow_settings(&mut self) {
        compat_session::follow_standard_strings(&mut self.shared.lexer);
        // SAFETY: reads a variable.
        self.shared.lexer.backslash_quote = unsafe { sys::backslash_quote };
    }

    /// The next token's code, 0 at the end, where it begins, and its value, of the kind that such tokens have.
    fn token(&mut self) -> Result<(c_int, usize, sys::core_YYSTYPE)> {
        let lexer = self.lexer;
        // SAFETY: a union of a pointer and numbers.
        let mut value: sys::core_YYSTYPE = unsafe { std::mem::zeroed() };
        let mut at: c_int = 0;
        let (value_at, at_at) = (&raw mut value, &raw mut at);
        // SAFETY: a lexer of ours, and places for what it tells.
        let code = guard(|| unsafe { sys::core_yylex(value_at, at_at, lexer) })?;
        Ok((code, usize::try_from(at).unwrap_or(0), value))
    }
}

/// The greatest number of a parameter (`$1`) in the text, which the parser has taken under the same settings; 0 if
/// there is none.
pub(super) fn greatest_parameter(text: &CStr) -> Result<u32> {
    let mut greatest = 0;
    each_token(text, |token, _| {
        greatest = greatest.max(parameter(token));
        true
    })?;
    Ok(greatest)
}

/// Is there a string in the text, which the parser has taken under the same settings, that a type may read as the time
/// of the transaction?
pub(super) fn may_say_now(text: &CStr) -> Result<bool> {
    if !may_be_in(text.to_bytes()) {
        return Ok(false);
    }
    let mut found = false;
    each_token(text, |token, value| {
        found = match Literal::at(token) {
            Literal::None => false,
            Literal::Unicode => true,
            // SAFETY: the value of a string, a C string.
            Literal::Plain => may_be_now(unsafe { CStr::from_ptr(value.str_) }.to_bytes()),
        };
        !found
    })?;
    Ok(found)
}

/// Reads the tokens, each at the beginning of what is left of the text, with its value, as long as `see` wants more.
fn each_token(text: &CStr, mut see: impl FnMut(&[u8], sys::core_YYSTYPE) -> bool) -> Result<()> {
    let memory = Context::new(c"pg_background tokens")?;
    let mut lexer = Splitter::new(text, 0)?;
    lexer.follow_settings();
    let _quiet = Quiet::new();
    let _entered = memory.enter();
    loop {
        let (code, at, value) = lexer.token()?;
        if code == 0 || !see(text.to_bytes().get(at..).unwrap_or_default(), value) {
            return Ok(());
        }
    }
}

/// No message below ERROR is raised until this is dropped. What the lexer warns of (an identifier that is too long, a
/// backslash in a string) the parser's lexer will say again.
struct Quiet {
    client: c_int,
    log: c_int,
}

impl Quiet {
    fn new() -> Self {
        let least = sys::ERROR as c_int;
        let log_level = compat_session::log_level();
        // SAFETY: variables of this one thread. Errors are raised and logged as they were.
        unsafe {
            let before = Self { client: sys::client_min_messages, log: *log_level };
            sys::client_min_messages = before.client.max(least);
            *log_level = before.log.max(least);
            before
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { (sys::client_min_messages, *compat_session::log_level()) = (self.client, self.log) };
    }
}

/// What the token with that code, at the beginning of `text`, is. A character that is a token has its own code.
fn token(code: c_int, text: &[u8]) -> Token<'_> {
    match u8::try_from(code) {
        Ok(b'(') => Token::Open,
        Ok(b')') => Token::Close,
        Ok(b';') => Token::Semicolon,
        Ok(_) => Token::Other,
        Err(_) => {
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..);
            match text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len()) {
                0 => Token::Other,
                len => Token::Word(&text[..len]),
            }
        }
    }
}
