//! What differs between major versions in the structures of a plan that runs.

use super::sys;

/// 15: the counts of a relation that is open have to be asked for; before, they are there. 16: other names. Can throw:
/// to be called in a guard.
///
/// # Safety
/// An open relation.
pub(super) unsafe fn prepare_table_counts(relation: sys::Relation) {
    #[cfg(pg15_up)]
    // SAFETY: promised by the caller.
    unsafe {
        if (*relation).pgstat_info.is_null() && (*relation).pgstat_enabled {
            sys::pgstat_assoc_relation(relation);
        }
    }
    #[cfg(not(pg15_up))]
    let _ = relation;
}

/// The rows of a relation that this transaction has returned and fetched; `None` where they are not counted.
///
/// # Safety
/// As [`prepare_table_counts`].
pub(super) unsafe fn table_counts(relation: sys::Relation) -> Option<(i64, i64)> {
    // SAFETY: promised by the caller.
    unsafe {
        let counts = &(*relation).pgstat_info.as_ref()?;
        #[cfg(pg16_up)]
        return Some((counts.counts.tuples_returned, counts.counts.tuples_fetched));
        #[cfg(not(pg16_up))]
        return Some((counts.t_counts.t_tuples_returned, counts.t_counts.t_tuples_fetched));
    }
}

/// The pages that the scan of a bitmap has read, those of which the bitmap has the rows and those it has as a whole.
/// 18: in a struct.
#[allow(clippy::cast_precision_loss)] // counts, which a float has exactly up to 2^53
pub(super) fn bitmap_pages(scan: &sys::BitmapHeapScanState) -> (f64, f64) {
    #[cfg(pg18_up)]
    let pages = (scan.stats.exact_pages, scan.stats.lossy_pages);
    #[cfg(not(pg18_up))]
    let pages = (scan.exact_pages, scan.lossy_pages);
    (pages.0 as f64, pages.1 as f64)
}

/// The first and the last row of a range of TIDs, as far as the table reaches. 18: in a union.
///
/// # Safety
/// The scan of such a range, which has begun.
pub(super) unsafe fn tid_range(scan: &sys::TableScanDescData) -> [sys::ItemPointerData; 2] {
    #[cfg(pg18_up)]
    // SAFETY: promised by the caller: this is the member in use.
    return unsafe { [scan.st.tidrange.rs_mintid, scan.st.tidrange.rs_maxtid] };
    #[cfg(not(pg18_up))]
    return [scan.rs_mintid, scan.rs_maxtid];
}

/// Does the node leave out rows by what window functions say of them (`rank() <= 3`)? 15: the uppermost window does,
/// of the functions of all; before, the node above the windows does.
pub(super) fn filters_windows(window: &sys::WindowAgg) -> bool {
    #[cfg(pg15_up)]
    return !window.plan.qual.is_null() || window.topWindow && !window.runCondition.is_null();
    #[cfg(not(pg15_up))]
    {
        let _ = window;
        false
    }
}
