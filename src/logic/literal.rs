//! String literals of a statement whose value may be the time at which they are read.
//!
//! A literal is read once, when its statement is analysed, by the input function of the type that it turns out to be
//! of. "now" (datetime.c) is the time of the transaction then, for all types that a date or a time is part of: arrays,
//! ranges, rows. Which type it is, is not known here: a text of that word counts, too.

/// What begins with that text, in which a token of the server's lexer begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Literal {
    /// A string; the lexer tells its value.
    Plain,
    /// `U&'…'`: the lexer leaves its escapes to the parser.
    Unicode,
    /// No string.
    None,
}

impl Literal {
    pub fn at(text: &[u8]) -> Self {
        match text {
            // the lexer has a token for the letter of N'…', and another one for what follows it
            [b'\'', ..] | [b'e' | b'E', b'\'', ..] => Self::Plain,
            [b'u' | b'U', b'&', b'\'', ..] => Self::Unicode,
            [b'$', next, ..] if !next.is_ascii_digit() => Self::Plain,
            _ => Self::None,
        }
    }
}

/// May there be a string in the text? Without a quote or the beginning of a dollar quote there is none, and no need to
/// look at its tokens.
pub fn may_be_in(text: &[u8]) -> bool {
    text.contains(&b'\'') || text.windows(2).any(|pair| pair[0] == b'$' && !pair[1].is_ascii_digit())
}

/// May a type read the time of day from a literal of that value? It has the word "now", in whatever case, and no letter
/// beside it. Arrays, ranges and rows drop quotes and backslashes, wherever they are.
pub fn may_be_now(value: &[u8]) -> bool {
    let is_letter = |at: Option<usize>| at.and_then(|at| value.get(at)).is_some_and(u8::is_ascii_alphabetic);
    (0..value.len()).any(|at| {
        let end = word_end(value, at, b"now");
        end.is_some_and(|end| !is_letter(at.checked_sub(1)) && !is_letter(Some(end)))
    })
}

/// Where the word ends that begins there.
fn word_end(value: &[u8], mut at: usize, word: &[u8]) -> Option<usize> {
    for (n, letter) in word.iter().enumerate() {
        while n > 0 && matches!(value.get(at), Some(b'"' | b'\\')) {
            at += 1;
        }
        value.get(at).filter(|byte| byte.eq_ignore_ascii_case(letter))?;
        at += 1;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_by_their_beginning() {
        for text in ["'", "'a'", "e'\\x'", "E'", "$$a$$", "$a$", "$_1$"] {
            assert_eq!(Literal::at(text.as_bytes()), Literal::Plain, "{text}");
            assert!(may_be_in(text.as_bytes()), "{text}");
        }
        assert_eq!(Literal::at(b"u&'a'"), Literal::Unicode);
        assert_eq!(Literal::at(b"U&'"), Literal::Unicode);
        for text in ["", "$", "$1", "e", "each", "u & 'a'", "U&\"a\"", "n'a'", "x'a'", "b'0'", "\"a\"", "1", "-- '"] {
            assert_eq!(Literal::at(text.as_bytes()), Literal::None, "{text}");
        }
    }

    #[test]
    fn texts_without_strings() {
        assert!(!may_be_in(b"INSERT INTO t VALUES ($1, $12, 3) -- $"));
        assert!(may_be_in(b"SELECT U&'now'"));
    }

    #[test]
    fn what_may_be_now() {
        let now =
            ["now", "NOW", " Now ", "(now", "+now", "now utc", "now_", "1now2", "{a,now}", "[\"now\",)", "\u{e4}now"];
        let without_quotes = ["n\\ow", "(n\"o\"w)", "n\\\\\\\"o\\\\\\\"w", "\\now", "no\"w\"", "know now", "nnow\"now"];
        for value in now.iter().chain(&without_quotes) {
            assert!(may_be_now(value.as_bytes()), "{value}");
        }
        for value in ["", "n", "no", "no w", "n\\o", "know", "known", "nows", "wnow", "today", "n/o/w"] {
            assert!(!may_be_now(value.as_bytes()), "{value}");
        }
    }
}
