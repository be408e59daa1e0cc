//! The line that the log gets of a job's end (`pg_background.log_min_duration`). Its form is documented: programs read
//! it.

use super::state::State;
use super::usage::Usage;
use crate::sqlstate;

pub struct LogLine<'a> {
    pub cookie: i64,
    pub state: State,
    /// As the server packs it; 0 without an error.
    pub sqlstate: i32,
    /// Microseconds; 0 of a job that has never begun.
    pub run_time: i64,
    pub used: Usage,
    /// Empty where they are not known, as are these two in a process that has not connected.
    pub user: &'a [u8],
    pub database: &'a [u8],
    pub label: &'a [u8],
}

/// Is there a line of a job that ended so? `least` is the setting, in milliseconds: -1 is none, and otherwise all that
/// did not end well have one.
pub fn is_wanted(least: i32, state: State, run_time: i64) -> bool {
    least >= 0 && (state != State::Stopped || run_time >= i64::from(least) * 1000)
}

impl LogLine<'_> {
    pub fn text(&self) -> Vec<u8> {
        let ms = |microseconds: i64| format!("{}.{:03} ms", microseconds / 1000, microseconds % 1000);
        let mut line = format!(
            "background job ended: cookie={} state={} sqlstate={} run_time={} cpu_user={} cpu_system={}",
            self.cookie,
            self.state.name(),
            String::from_utf8_lossy(&sqlstate::unpack(self.sqlstate)),
            ms(self.run_time),
            ms(self.used.cpu_user),
            ms(self.used.cpu_system),
        )
        .into_bytes();
        for (key, value) in [("user", self.user), ("database", self.database), ("label", self.label)] {
            line.extend_from_slice(format!(" {key}=\"").as_bytes());
            for byte in value {
                match byte {
                    b'"' => line.extend_from_slice(b"\"\""),
                    // the line stays one
                    0..=31 | 127 => line.push(b'?'),
                    _ => line.push(*byte),
                }
            }
            line.push(b'"');
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_documented_form() {
        let mut line = LogLine {
            cookie: -42,
            state: State::Error,
            sqlstate: sqlstate::QUERY_CANCELED,
            run_time: 1_234_567,
            used: Usage { cpu_user: 12_005, cpu_system: 7, ..Usage::default() },
            user: b"app",
            database: b"a \"b\"",
            label: b"one\ntwo\t",
        };
        assert_eq!(
            String::from_utf8(line.text()).unwrap(),
            "background job ended: cookie=-42 state=error sqlstate=57014 run_time=1234.567 ms cpu_user=12.005 ms \
             cpu_system=0.007 ms user=\"app\" database=\"a \"\"b\"\"\" label=\"one?two?\""
        );
        line.sqlstate = 0;
        assert!(line.text().windows(14).any(|part| part == b"sqlstate=00000"));
    }

    #[test]
    fn jobs_that_fail_or_last_have_a_line() {
        for (least, state, run_time, wanted) in [
            (-1, State::Error, i64::MAX, false),
            (0, State::Stopped, 0, true),
            (5, State::Stopped, 4999, false),
            (5, State::Stopped, 5000, true),
            (5, State::Error, 0, true),
            (i32::MAX, State::Canceled, 0, true),
            (i32::MAX, State::Stopped, i64::from(i32::MAX), false),
        ] {
            assert_eq!(is_wanted(least, state, run_time), wanted);
        }
    }
}
