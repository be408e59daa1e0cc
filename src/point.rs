//! Points at which a test can hold a process, or make it fail: to test a race is to decide it.
//!
//! Built with the feature "points" only; otherwise a point is nothing. A file `pg_background_points/NAME` in the data
//! directory arms the point of that name. Its first word says what happens to a process that reaches the point: "hold"
//! (the process waits until the file is gone, serving no interrupt), "error" (an ERROR, 53200, as when memory is
//! short), or "fatal" (the process ends, as when a list of Rust cannot grow). A second word, a pid, arms the point for
//! that process only. A process that is held creates a file `NAME.PID`, and removes it when it goes on.

use crate::pg::error::Result;

/// Does what the test has ordered for this point. Where it may be called, an ERROR must be harmless, and so must a
/// wait.
#[cfg(feature = "points")]
pub fn reach(name: &str) -> Result<()> {
    use crate::pg::error::{self, PgError};
    use crate::pg::identity;
    use logic::sqlstate;
    use std::{fs, path::PathBuf, thread, time::Duration};

    let armed = PathBuf::from("pg_background_points").join(name);
    let me = identity::process_id().to_string();
    let held = armed.with_file_name(format!("{name}.{me}"));
    while let Ok(order) = fs::read_to_string(&armed) {
        let mut words = order.split_whitespace();
        let action = words.next();
        if words.next().is_some_and(|pid| pid != me) {
            break;
        }
        match action {
            Some("error") => {
                return Err(PgError::new(sqlstate::OUT_OF_MEMORY, format!("out of memory at point \"{name}\"")));
            }
            Some("fatal") => error::out_of_memory(),
            Some("hold") => {
                let _ = fs::write(&held, "");
                thread::sleep(Duration::from_millis(1));
            }
            // the test is still writing the file
            _ => thread::sleep(Duration::from_millis(1)),
        }
    }
    let _ = fs::remove_file(&held);
    Ok(())
}

#[cfg(not(feature = "points"))]
#[inline(always)]
#[allow(clippy::inline_always, clippy::unnecessary_wraps)] // no trace of it may be left in a release; its type is the other's
pub fn reach(_name: &str) -> Result<()> {
    Ok(())
}
