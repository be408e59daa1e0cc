//! A procedure that ends transactions (executor/spi.h).

use super::compat_timeout;
use super::error::Result;
use super::guard::guard;
use super::sys;

/// A connection to SPI, by which a procedure commits that was not called in an atomic context. The server takes it back
/// with the transaction where an error keeps it from being finished.
pub struct Procedure(());

#[allow(clippy::unused_self)] // there must be a connection
impl Procedure {
    pub fn connect() -> Result<Self> {
        // SAFETY: a transaction is open.
        guard(|| unsafe { sys::SPI_connect_ext(sys::SPI_OPT_NONATOMIC as i32) })?;
        Ok(Self(()))
    }

    /// Commits, as COMMIT in a procedure does, and begins the next transaction. Cursors that loops are at are kept with
    /// all their rows; the snapshots of the statements that led here are given back, and none is taken.
    ///
    /// After an error, SPI has begun a new transaction in place of the one that failed. Its resources are the current
    /// ones, not those of the failed transaction, to which the guard goes back.
    pub fn commit(&self) -> Result<()> {
        // SAFETY: connected, by the value. The second function is for releases before 14.3, which begin the next
        // transaction there; later ones have done so, and it does nothing.
        let committed = guard(|| unsafe {
            sys::SPI_commit();
            sys::SPI_start_transaction();
        });
        if committed.is_err() {
            // SAFETY: plain variables of this one thread.
            unsafe { sys::CurrentResourceOwner = sys::TopTransactionResourceOwner };
        }
        committed
    }

    /// The same, to wait then until the next commit. SPI has to be in a transaction, but this one is empty: without a
    /// number, a snapshot, or a lock. So it counts for nothing: other sessions see none (the view pg_stat_activity),
    /// and `transaction_timeout` does not end it.
    pub fn commit_to_wait(&self) -> Result<()> {
        self.commit()?;
        // SAFETY: in a transaction, of which others are told this and no more.
        guard(|| unsafe {
            compat_timeout::disable_transaction_timeout();
            sys::pgstat_report_xact_timestamp(0);
        })
    }

    pub fn finish(self) -> Result<()> {
        // SAFETY: connected, by the value.
        guard(|| unsafe { sys::SPI_finish() }).map(drop)
    }
}
