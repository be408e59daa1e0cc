//! Texts of users and jobs as parts of the picture.

use std::borrow::Cow;
use std::fmt::{self, Display, Formatter, Write};

/// A text as XML, in attributes and between tags: printable ASCII without a backslash. All other characters are numeric
/// references; those that XML 1.0 does not allow, or discourages as controls, are U+FFFD.
pub fn escaped(text: &str) -> impl Display + '_ {
    Escaped(text)
}

struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => to.write_str("&amp;")?,
                '<' => to.write_str("&lt;")?,
                '>' => to.write_str("&gt;")?,
                '"' => to.write_str("&quot;")?,
                '\'' | '\\' | '\n' | '\t' => write!(to, "&#{};", u32::from(c))?,
                ' '..='~' => to.write_char(c)?,
                '\0'..='\u{9f}' | '\u{fdd0}'..='\u{fdef}' => to.write_str("&#65533;")?,
                _ if u32::from(c) & 0xfffe == 0xfffe => to.write_str("&#65533;")?,
                _ => write!(to, "&#{};", u32::from(c))?,
            }
        }
        Ok(())
    }
}

/// The text in one line: white space of any length is a space, none is at the ends.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many characters of a text. The last is an ellipsis if there are more.
pub fn clipped(text: &str, max: usize) -> Cow<'_, str> {
    if text.chars().nth(max).is_none() {
        return Cow::Borrowed(text);
    }
    let mut clipped: String = text.chars().take(max.saturating_sub(1)).collect();
    clipped.push('\u{2026}');
    Cow::Owned(clipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let text = "</svg><script>alert('1')</script> & \"\\\n";
        let expected = "&lt;/svg&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;&#92;&#10;";
        assert_eq!(escaped(text).to_string(), expected);
    }

    #[test]
    fn other_characters_are_references_and_controls_are_replaced() {
        assert_eq!(escaped("\u{e4}\u{20ac}\u{1f389}").to_string(), "&#228;&#8364;&#127881;");
        assert_eq!(escaped("a\0\u{1b}\r\u{7f}\u{85}\u{fffe}\u{1ffff}\u{fdd0}b").to_string(), {
            format!("a{}b", "&#65533;".repeat(8))
        });
    }

    #[test]
    fn a_clipped_text_has_no_more_characters_than_asked() {
        assert_eq!(clipped("abc", 3), "abc");
        assert_eq!(clipped("\u{e4}bcd", 3), "\u{e4}b\u{2026}");
        assert_eq!(clipped("ab", 0), "\u{2026}");
        assert_eq!(one_line("  SELECT\n\t1 "), "SELECT 1");
    }
}
