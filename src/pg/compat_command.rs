//! What differs between major versions where utility commands are followed. See `compat`.

use super::sys;
use std::ffi::c_void;
#[cfg(pg19_up)]
use std::ptr;

/// 19: progress of CLUSTER is counted as that of REPACK.
#[cfg(not(pg19_up))]
pub const COUNTED_AS_CLUSTER: sys::ProgressCommandType = sys::ProgressCommandType_PROGRESS_COMMAND_CLUSTER;
#[cfg(pg19_up)]
pub const COUNTED_AS_CLUSTER: sys::ProgressCommandType = sys::ProgressCommandType_PROGRESS_COMMAND_REPACK;

/// The table that a CLUSTER names; NULL: all. 19: it may have a list of columns.
///
/// # Safety
/// `node` must be a CLUSTER.
pub unsafe fn clustered(node: *const sys::Node) -> *const sys::RangeVar {
    #[cfg(not(pg19_up))]
    // SAFETY: promised by the caller.
    return unsafe { (*node.cast::<c_void>().cast::<sys::ClusterStmt>()).relation };
    #[cfg(pg19_up)]
    // SAFETY: as above.
    return unsafe {
        (*node.cast::<c_void>().cast::<sys::RepackStmt>()).relation.as_ref().map_or(ptr::null(), |named| named.relation)
    };
}

/// 16: REINDEX DATABASE leaves the catalogs out.
pub const REINDEX_DATABASE_TAKES_CATALOGS: bool = cfg!(not(pg16_up));

/// 16: CREATE INDEX counts the partitions of all levels; before, those of one level over those of another.
pub const CREATE_INDEX_COUNTS_ALL_LEVELS: bool = cfg!(pg16_up);

/// 18: VACUUM and ANALYZE take what inherits from the table that is named, too; with ONLY, not even its partitions.
pub const VACUUM_TAKES_CHILDREN: bool = cfg!(pg18_up);
