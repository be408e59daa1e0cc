//! The states of a job.
//!
//! ```text
//! starting ──▶ running ──▶ stopped | error | canceled
//!     └──────────────────▶ error | canceled
//! ```
//!
//! The worker moves a job forward, the launcher only looks. The last three are final.

/// What a job is doing, or how it ended. The numbers travel in shared memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// The worker has the job and is connecting to the database.
    Starting = 1,
    Running = 2,
    /// Ended well: everything is committed.
    Stopped = 3,
    /// Stopped by a cancel: nothing is committed but what a command or procedure had committed itself.
    Canceled = 4,
    Error = 5,
}

impl State {
    /// `None` for a number that no version of this library wrote.
    pub fn from_u32(value: u32) -> Option<Self> {
        Some(match value {
            1 => Self::Starting,
            2 => Self::Running,
            3 => Self::Stopped,
            4 => Self::Canceled,
            5 => Self::Error,
            _ => return None,
        })
    }

    pub fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Canceled | Self::Error)
    }

    /// As `pg_background_list_v2()` shows it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Canceled => "canceled",
            Self::Error => "error",
        }
    }
}

/// What a launcher asks of a running job; a later request only ever adds to an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Stop {
    No = 0,
    /// Finish the running statement, start no other.
    AfterStatement = 1,
    Now = 2,
}

impl Stop {
    /// An unknown number asks for the most.
    pub fn from_u32(value: u32) -> Self {
        match value {
            0 => Self::No,
            1 => Self::AfterStatement,
            _ => Self::Now,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_strangers_are_refused() {
        for state in [State::Starting, State::Running, State::Stopped, State::Canceled, State::Error] {
            assert_eq!(State::from_u32(state as u32), Some(state));
        }
        assert_eq!(State::from_u32(0), None);
        assert_eq!(State::from_u32(6), None);
        for stop in [Stop::No, Stop::AfterStatement, Stop::Now] {
            assert_eq!(Stop::from_u32(stop as u32), stop);
        }
        assert_eq!(Stop::from_u32(77), Stop::Now);
    }

    #[test]
    fn only_ended_states_are_final() {
        let ended: Vec<_> = (0..9).filter_map(State::from_u32).filter(|s| s.is_final()).map(State::name).collect();
        assert_eq!(ended, ["stopped", "canceled", "error"]);
    }
}
