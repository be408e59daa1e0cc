//! Where a statement of a script ends: at the first semicolon that is in no parentheses and in no SQL-standard function
//! body. That is psql's rule, and the server's grammar has no other semicolon.
//!
//! What a token is says the server's lexer; so quotes, comments and numbers are none of this module's business. But
//! whether anything follows a statement is seen without the lexer ([`is_blank`]): its settings may change with the
//! statement before.

/// A token of the server's lexer, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token<'a> {
    /// An identifier or key word without quotes, as it is written.
    Word(&'a [u8]),
    Open,
    Close,
    Semicolon,
    Other,
}

/// Reads the tokens of a statement, to its end.
///
/// In the body of a function (`CREATE FUNCTION … BEGIN ATOMIC …; …; END`) semicolons end the body's statements. The
/// body begins with the words BEGIN ATOMIC, which no other CREATE has in a row, and lasts to its END; a CASE inside has
/// an END of its own.
#[derive(Default)]
pub struct StatementEnd {
    is_create: bool,
    has_begun: bool,
    /// The last token was the word BEGIN.
    after_begin: bool,
    parentheses: u32,
    /// A body and the CASEs in it that are open.
    blocks: u32,
}

impl StatementEnd {
    /// Takes the next token. True if it is the semicolon that ends the statement.
    pub fn take(&mut self, token: Token) -> bool {
        let after_begin = std::mem::take(&mut self.after_begin);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        match token {
            Token::Open => self.parentheses += 1,
            Token::Close => self.parentheses = self.parentheses.saturating_sub(1),
            Token::Word(word) if self.parentheses == 0 => self.see(word, is_first, after_begin),
            Token::Word(_) | Token::Other => {}
            Token::Semicolon => return self.parentheses == 0 && self.blocks == 0,
        }
        false
    }

    fn see(&mut self, word: &[u8], is_first: bool, after_begin: bool) {
        let is = |key: &str| word.eq_ignore_ascii_case(key.as_bytes());
        if is_first {
            self.is_create = is("create");
        } else if self.blocks == 0 {
            self.blocks = u32::from(self.is_create && after_begin && is("atomic"));
            self.after_begin = is("begin");
        } else if is("case") {
            self.blocks += 1;
        } else if is("end") {
            self.blocks -= 1;
        }
    }
}

/// The number of a parameter (`$1`) whose token begins the text; 0 if another token does. Names and numbers begin with
/// other characters, and the tag of a dollar-quoted string not with a digit.
pub fn parameter(text: &[u8]) -> u32 {
    let digits = text.strip_prefix(b"$").unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u32, digit| number.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}

/// How many bytes at the beginning of a text are white space.
pub fn white_space(text: &[u8]) -> usize {
    text.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)).count()
}

/// Is there no statement in the text, but white space, comments and semicolons alone? A comment without end counts as a
/// statement: the server has an error for it.
pub fn is_blank(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        rest = &rest[white_space(rest)..];
        let skipped = match rest {
            [] => return true,
            [b';', ..] => Some(1),
            [b'-', b'-', ..] => Some(rest.iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count()),
            [b'/', b'*', ..] => comment(rest),
            _ => None,
        };
        let Some(skipped) = skipped else {
            return false;
        };
        rest = &rest[skipped..];
    }
}

/// The length of the comment with which the text begins; it may hold others. `None` if it has no end.
fn comment(text: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0);
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The statements of a text that has no quotes.
    fn split(text: &str) -> Vec<String> {
        let spaced = text.replace('(', " ( ").replace(')', " ) ").replace(';', " ; ").replace(',', " , ");
        let (mut statements, mut statement, mut end) = (Vec::new(), Vec::new(), StatementEnd::default());
        for word in spaced.split_whitespace() {
            statement.push(word);
            let token = match word {
                "(" => Token::Open,
                ")" => Token::Close,
                ";" => Token::Semicolon,
                _ if word.starts_with(char::is_alphabetic) => Token::Word(word.as_bytes()),
                _ => Token::Other,
            };
            if end.take(token) {
                statements.push(std::mem::take(&mut statement).join(" "));
                end = StatementEnd::default();
            }
        }
        if !statement.is_empty() {
            statements.push(statement.join(" "));
        }
        statements
    }

    #[test]
    fn a_semicolon_ends_a_statement() {
        assert_eq!(split("SELECT 1; SELECT 2"), ["SELECT 1 ;", "SELECT 2"]);
        assert_eq!(split("BEGIN; END; CASE; SELECT 1"), ["BEGIN ;", "END ;", "CASE ;", "SELECT 1"]);
        assert_eq!(split(";;"), [";", ";"]);
    }

    #[test]
    fn a_semicolon_in_parentheses_does_not() {
        let rule = "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT (2); ); SELECT 3";
        assert_eq!(split(rule).len(), 2);
        assert_eq!(split("SELECT 1); SELECT 2").len(), 2, "a parenthesis too many does not swallow the rest");
        assert_eq!(split("SELECT (1; SELECT 2").len(), 1);
    }

    #[test]
    fn a_function_body_is_one_statement() {
        for create in ["CREATE FUNCTION f()", "create or replace procedure p(a int)"] {
            let body =
                "begin atomic SELECT CASE WHEN a THEN CASE WHEN b THEN 1 END END; SELECT (CASE WHEN a THEN 1 END); END";
            let split = split(&format!("{create} LANGUAGE sql {body}; SELECT 3"));
            assert_eq!(split.len(), 2, "{create}");
            assert!(split[0].ends_with("END ;") && split[1] == "SELECT 3");
        }
        assert_eq!(split("CREATE FUNCTION begin() RETURNS int RETURN 1; SELECT 2").len(), 2);
        assert_eq!(split("CREATE FUNCTION atomic() RETURNS int RETURN end; SELECT 2").len(), 2);
        assert_eq!(split("BEGIN ATOMIC; SELECT 2; END").len(), 3, "only in a CREATE");
    }

    #[test]
    fn a_parameter_is_a_dollar_and_digits() {
        for (text, number) in [("$1", 1), ("$12, $3", 12), ("$07", 7), ("$99999999999", u32::MAX)] {
            assert_eq!(parameter(text.as_bytes()), number, "{text}");
        }
        for text in ["", "$", "$$1$$", "$a$1$a$", "1", "a$1", "'$1'"] {
            assert_eq!(parameter(text.as_bytes()), 0, "{text}");
        }
    }

    #[test]
    fn what_lies_between_statements_is_blank() {
        for blank in ["", " \t\r\n\x0b\x0c", ";; ;", "-- it's", "--\n;", "/* a /* b; */ ' */ ; -- /*", "/**/", "--\r--"]
        {
            assert!(is_blank(blank.as_bytes()), "{blank:?}");
        }
        for statement in ["x", " ; x", "-- a\nx", "/* a */x", "/* a", "/* a /* b */", "-", "/", "\u{a0}"] {
            assert!(!is_blank(statement.as_bytes()), "{statement:?}");
        }
    }

    proptest! {
        #[test]
        fn survives_any_text(text in "[-/*; \nx\"']{0,12}") {
            let (with_more, with_end) = (text.clone() + "\nx", text.clone() + "\n;");
            prop_assert!(!is_blank(with_more.as_bytes()));
            prop_assert_eq!(is_blank(text.as_bytes()), is_blank(with_end.as_bytes()));
        }

        #[test]
        fn survives_any_tokens(tokens in proptest::collection::vec(0usize..8, 0..40)) {
            let mut end = StatementEnd::default();
            for token in tokens {
                let words: [&[u8]; 5] = [b"create", b"BEGIN", b"atomic", b"Case", b"end"];
                end.take(match token {
                    5 => Token::Open,
                    6 => Token::Close,
                    7 => Token::Semicolon,
                    word => Token::Word(words[word]),
                });
            }
        }
    }
}
