//! A dynamic shared memory area (utils/dsa.h): memory that all processes share, taken and given back in pieces. Here
//! each piece is a [`Node`] of a list.

use super::dsm;
use super::error::{PgError, Result};
use super::guard::guard;
use super::lwlock::Lock;
use super::memory::Entered;
use super::sys;
use logic::sqlstate;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// The area, as this process has it mapped: until it ends.
pub struct NodeArea(NonNull<sys::dsa_area>);

// SAFETY: a backend is one thread.
unsafe impl Send for NodeArea {}
// SAFETY: as above.
unsafe impl Sync for NodeArea {}

/// A piece of the area: a head, and bytes that never change.
#[repr(C)]
pub struct Node {
    /// The address of another node; 0 is none.
    pub next: AtomicU64,
    /// For the users of the list.
    pub flag: AtomicU32,
    len: u32,
}

/// The biggest node, in bytes.
const MAX_LEN: usize = 1 << 30;

impl NodeArea {
    /// Makes an area whose locks count with `lock`. It goes with its last mapping, unless it is kept.
    pub fn create(lock: Lock) -> Result<Self> {
        let lock = lock.as_ptr();
        let session = Entered::session();
        // SAFETY: an initialized lock, which knows its tranche; the mapping is taken from the resource owner.
        let area = guard(|| unsafe {
            let area = sys::pgbg_dsa_create((*lock).tranche.into());
            sys::dsa_pin_mapping(area);
            area
        })?;
        drop(session);
        Self::of(area)
    }

    /// Maps the area with that handle, which is kept.
    pub fn attach(handle: u32) -> Result<Self> {
        let session = Entered::session();
        // SAFETY: an ERROR if there is none.
        let area = dsm::attaching(handle, || unsafe {
            let area = sys::dsa_attach(handle);
            sys::dsa_pin_mapping(area);
            area
        })?;
        drop(session);
        Self::of(area)
    }

    fn of(area: *mut sys::dsa_area) -> Result<Self> {
        NonNull::new(area).map(Self).ok_or_else(|| PgError::new(sqlstate::INTERNAL_ERROR, "shared memory has no area"))
    }

    pub fn handle(&self) -> u32 {
        // SAFETY: a mapped area.
        unsafe { sys::dsa_get_handle(self.0.as_ptr()) }
    }

    /// The area stays until the server ends.
    pub fn keep(&self) -> Result<()> {
        let area = self.0.as_ptr();
        // SAFETY: a mapped area that is not kept yet.
        guard(|| unsafe { sys::dsa_pin(area) })
    }

    /// Takes back [`Self::keep`] and unmaps the area: nobody else knows of it.
    pub fn discard(self) -> Result<()> {
        let area = self.0.as_ptr();
        // SAFETY: a mapped area, which is kept.
        guard(|| unsafe {
            sys::dsa_unpin(area);
            sys::dsa_detach(area);
        })
    }

    /// A new node with these bytes: its address in the area, and the node. It stays until it is freed.
    pub fn add(&self, bytes: &[u8]) -> Result<(u64, &'static Node)> {
        let (area, len) = (self.0.as_ptr(), bytes.len());
        if len > MAX_LEN {
            return Err(PgError::new(sqlstate::INVALID_PARAMETER_VALUE, "background job is too large"));
        }
        let size = size_of::<Node>() + len;
        let flags = if size > (1 << 29) { sys::DSA_ALLOC_HUGE } else { 0 };
        // SAFETY: a mapped area.
        let address = mapping(|| unsafe { sys::dsa_allocate_extended(area, size, flags as i32) })?;
        // SAFETY: as above.
        let place = mapping(|| unsafe { sys::dsa_get_address(area, address) })?.cast::<Node>();
        let node = Node { next: AtomicU64::new(0), flag: AtomicU32::new(0), len: len as u32 };
        // SAFETY: memory of that size, aligned to eight bytes, which nobody else knows of.
        unsafe {
            place.write(node);
            place.add(1).cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), len);
            Ok((address, &*place))
        }
    }

    /// The node with that address, which must not have been freed; nor may it be as long as the result is used.
    pub fn node(&self, address: u64) -> Result<&'static Node> {
        let area = self.0.as_ptr();
        // SAFETY: a mapped area; may map another segment of it.
        let place = mapping(|| unsafe { sys::dsa_get_address(area, address) })?.cast::<Node>();
        // SAFETY: `add` wrote it, and the caller promises that it is there.
        NonNull::new(place)
            .map(|place| unsafe { place.as_ref() })
            .ok_or_else(|| PgError::new(sqlstate::INTERNAL_ERROR, "a job that waits is gone"))
    }

    /// Gives memory that no node uses back to the system.
    pub fn trim(&self) -> Result<()> {
        let area = self.0.as_ptr();
        // SAFETY: a mapped area.
        mapping(|| unsafe { sys::dsa_trim(area) })
    }

    /// Frees the node with that address.
    pub fn free(&self, address: u64) -> Result<()> {
        let area = self.0.as_ptr();
        // SAFETY: a mapped area, and an address of it.
        mapping(|| unsafe { sys::dsa_free(area, address) })
    }
}

/// A call that may have to map a segment of the area which others have made. If it cannot, it can the next time.
///
/// dsa.c maps while it holds locks of the area, and not every caller ends its transaction for an error: a rollback goes
/// on, and so does a process that ends. So they are released here. The caller itself holds no LWLock.
fn mapping<R>(function: impl FnOnce() -> R) -> Result<R> {
    guard(function).inspect_err(|error| {
        // SAFETY: as the comment says, none is held but those that the call has left.
        let _ = guard(|| unsafe { sys::LWLockReleaseAll() });
        dsm::forget_named(error);
    })
}

impl Node {
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: they lie behind the head.
        unsafe { std::slice::from_raw_parts((&raw const *self).add(1).cast::<u8>(), self.len as usize) }
    }
}
