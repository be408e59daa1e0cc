//! Statements that run in others: what the outermost one shows when it knows nothing of itself, as `SELECT f()`, CALL
//! and DO.

use super::{Estimate, Phase};
use crate::job::automatic::PHASE_SIZE;

/// A statement that runs in the outermost one, or the cursor of a loop.
#[derive(Clone, Copy)]
pub struct Nested {
    /// Its text, as [`one_line`] makes it.
    pub text: Phase,
    pub fraction: Option<f64>,
}

/// What to show of a statement. `cursor` is that of a loop, whose fraction is the loop's.
pub fn combine(known: Option<Estimate>, cursor: Option<Estimate>, nested: Option<Nested>) -> Estimate {
    let mut estimate = known.unwrap_or_default();
    if estimate.fraction.is_some() {
        return estimate;
    }
    estimate.fraction = cursor.and_then(|cursor| cursor.fraction);
    if let Some(nested) = nested {
        estimate.phase = phase_of(&nested);
    }
    estimate
}

/// `37 % of INSERT INTO …`, or `running INSERT INTO …`.
fn phase_of(nested: &Nested) -> Phase {
    let mut phase = Phase::new();
    match nested.fraction {
        Some(fraction) => {
            let percent = (fraction.clamp(0.0, 1.0) * 100.0) as u8;
            let digits = [b'0' + percent / 100, b'0' + percent / 10 % 10, b'0' + percent % 10];
            let first = if percent >= 100 { 0 } else { usize::from(percent < 10) + 1 };
            phase.push_bytes(&digits[first..]);
            phase.push(" % of ");
        }
        None => phase.push("running "),
    }
    phase.push_bytes(nested.text.bytes());
    phase
}

/// Bytes of a text that fit behind the longest beginning of a phase.
pub const TEXT_SIZE: usize = PHASE_SIZE - "100 % of ".len();

/// The beginning of a statement's text, with a single space where it has several, or lines. `clip` says how many of
/// so many bytes are whole characters.
pub fn one_line(text: &[u8], clip: impl Fn(&[u8], usize) -> usize) -> Phase {
    // a whole character beyond the end, which `clip` looks at
    let enough = TEXT_SIZE + 8;
    let mut line = Vec::with_capacity(enough);
    for byte in text.iter().copied() {
        let byte = if byte.is_ascii_whitespace() { b' ' } else { byte };
        if byte == b' ' && matches!(line.last(), None | Some(b' ')) {
            continue;
        }
        line.push(byte);
        if line.len() == enough {
            break;
        }
    }
    line.truncate(clip(&line, TEXT_SIZE));
    let mut phase = Phase::new();
    phase.push_bytes(line.trim_ascii_end());
    phase
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Phase {
        one_line(text.as_bytes(), |line, max| {
            let mut end = line.len().min(max);
            while std::str::from_utf8(&line[..end]).is_err() {
                end -= 1;
            }
            end
        })
    }

    fn estimate(fraction: Option<f64>) -> Estimate {
        Estimate { fraction, phase: "scanning".into(), ..Estimate::default() }
    }

    #[test]
    fn a_text_becomes_a_line_that_fits() {
        assert_eq!(line("  SELECT 1\n\t FROM  t\n").bytes(), b"SELECT 1 FROM t");
        let long = line(&"é".repeat(100));
        assert_eq!(long.bytes().len(), TEXT_SIZE - 1);
        let shown = phase_of(&Nested { text: line(&"x".repeat(200)), fraction: Some(1.0) });
        assert_eq!(shown.bytes().len(), 128);
    }

    #[test]
    fn the_statement_itself_comes_first() {
        let nested = Some(Nested { text: line("SELECT 2"), fraction: Some(0.07) });
        assert_eq!(combine(Some(estimate(Some(0.5))), None, nested), estimate(Some(0.5)));
        let shown = combine(Some(estimate(None)), Some(estimate(Some(0.25))), nested);
        assert_eq!((shown.fraction, shown.phase.bytes()), (Some(0.25), &b"7 % of SELECT 2"[..]));
        let unknown = Some(Nested { text: line("SELECT 2"), fraction: None });
        let shown = combine(None, None, unknown);
        assert_eq!((shown.fraction, shown.phase.bytes()), (None, &b"running SELECT 2"[..]));
        assert_eq!(combine(Some(estimate(None)), None, None), estimate(None));
    }

    #[test]
    fn percent_has_no_leading_zeros() {
        let phase = |fraction| phase_of(&Nested { text: line("x"), fraction: Some(fraction) }).bytes().to_vec();
        assert_eq!([phase(0.0), phase(0.1), phase(1.0)], [&b"0 % of x"[..], b"10 % of x", b"100 % of x"]);
    }
}
