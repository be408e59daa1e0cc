//! Dynamic shared memory segments.

use super::error::{PgError, Result};
use super::guard::guard;
use super::sys;
use logic::segment::header::{JobHeader, Region};
use logic::segment::name::handle_in;
use logic::sqlstate;
use std::ffi::CStr;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A mapping of a job's segment, for as long as this process wants it. The segment itself goes with its last mapping,
/// whichever process that is; the server unmaps at exit what is still mapped then.
pub struct Segment {
    mapping: NonNull<sys::dsm_segment>,
    base: NonNull<u8>,
    len: usize,
    /// The worker has left it, and the launcher has read all: it may serve another job of this session.
    reusable: AtomicBool,
}

// SAFETY: a backend is one thread.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Drop for Segment {
    fn drop(&mut self) {
        let segment = self.mapping.as_ptr();
        // SAFETY: mapped by this value, unmapped once; nothing borrows from it any more.
        let _ = guard(|| unsafe { sys::dsm_detach(segment) });
    }
}

impl Segment {
    /// Creates a segment; `begin` writes its header, `fill` the regions that the header names.
    pub fn create(
        size: usize,
        begin: impl FnOnce(&mut JobHeader),
        fill: impl FnOnce(&mut Filler) -> Result<()>,
    ) -> Result<Arc<Self>> {
        Self::with(Self::new_raw(size, 0)?, begin, fill)
    }

    fn new_raw(size: usize, flags: u32) -> Result<*mut sys::dsm_segment> {
        // SAFETY: creates a segment; the mapping is taken away from the current resource owner.
        guard(|| unsafe {
            let segment = sys::dsm_create(size, flags as i32);
            if !segment.is_null() {
                sys::dsm_pin_mapping(segment);
            }
            segment
        })
        .inspect_err(forget_named)
    }

    fn with(
        raw: *mut sys::dsm_segment,
        begin: impl FnOnce(&mut JobHeader),
        fill: impl FnOnce(&mut Filler) -> Result<()>,
    ) -> Result<Arc<Self>> {
        let mut segment = Self::of(raw)?;
        if !segment.begin(begin) {
            return Err(PgError::new(sqlstate::INTERNAL_ERROR, "segment layout does not fit the segment"));
        }
        fill(&mut Filler(&segment))?;
        Ok(Arc::new(segment))
    }

    /// The bytes before the queue: the header as it is, and all regions. For a segment that no other process knows of.
    pub fn image(&self) -> Vec<u8> {
        let len = self.header().queue.offset as usize;
        // SAFETY: inside the mapping (is_valid), and nobody writes there.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), len) }.to_vec()
    }

    /// Creates a segment from [`Self::image`], with a new queue, and sizes as there. The bytes are checked. `None`: the
    /// server has as many segments as it can have.
    pub fn create_from_image(
        image: &[u8],
        fill: impl FnOnce(&mut Filler, Region) -> Result<()>,
    ) -> Result<Option<Arc<Self>>> {
        let damaged = || PgError::new(sqlstate::DATA_CORRUPTED, "the image of a job's segment is damaged");
        if image.len() < size_of::<JobHeader>() {
            return Err(damaged());
        }
        // SAFETY: so many bytes, of which any are valid values of the header's fields.
        let header = unsafe { image.as_ptr().cast::<JobHeader>().read_unaligned() };
        let size = usize::try_from(header.segment_size()).map_err(|_| damaged())?;
        if !header.is_valid(size) || header.queue.offset as usize > image.len() {
            return Err(damaged());
        }
        let rest =
            Region { offset: size_of::<JobHeader>() as u64, len: header.queue.offset - size_of::<JobHeader>() as u64 };
        let queue = header.queue;
        let raw = Self::new_raw(size, sys::DSM_CREATE_NULL_IF_MAXSEGMENTS)?;
        if raw.is_null() {
            return Ok(None);
        }
        Self::with(
            raw,
            |place| *place = header,
            |filler| {
                filler.put(rest, &image[size_of::<JobHeader>()..rest.offset as usize + rest.len as usize])?;
                fill(filler, queue)
            },
        )
        .map(Some)
    }

    /// Makes a segment that is reusable ready for another job, as [`Self::create`] makes one. False when it cannot be
    /// had for oneself, or is too small.
    pub fn renew(
        segment: &mut Arc<Self>,
        begin: impl FnOnce(&mut JobHeader),
        fill: impl FnOnce(&mut Filler) -> Result<()>,
    ) -> Result<bool> {
        let Some(alone) = Arc::get_mut(segment) else {
            return Ok(false);
        };
        if !alone.reusable.swap(false, Relaxed) || !alone.begin(begin) {
            return Ok(false);
        }
        fill(&mut Filler(alone))?;
        Ok(true)
    }

    /// Writes the header where it stands, for most of it need not be touched. False when the segment is too small for
    /// it. No other process looks: it does not know of the segment, or has left it.
    fn begin(&mut self, begin: impl FnOnce(&mut JobHeader)) -> bool {
        if self.len < size_of::<JobHeader>() {
            return false;
        }
        // SAFETY: as large as the header, page-aligned, and this process's own (see above); any bytes are valid values
        // of its fields.
        let header = unsafe { self.base.cast::<JobHeader>().as_mut() };
        begin(header);
        header.is_valid(self.len)
    }

    /// Records that the segment may serve another job of this session: the launch failed before any worker saw the
    /// segment, or the worker has left its queue.
    pub fn mark_reusable(&self) {
        self.reusable.store(true, Relaxed);
    }

    pub fn is_reusable(&self) -> bool {
        self.reusable.load(Relaxed)
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Keeps the segment even should this process unmap it before the other one maps it.
    pub fn pin(&self) -> Result<()> {
        let segment = self.mapping.as_ptr();
        // SAFETY: a live segment that is not pinned.
        guard(|| unsafe { sys::dsm_pin_segment(segment) })
    }

    /// Maps another process's segment, which this one has not mapped; `None` when it is gone. Refuses a segment of
    /// another version of the library.
    pub fn attach(handle: u32) -> Result<Option<Arc<Self>>> {
        // SAFETY: an unknown handle gives NULL.
        let raw = attaching(handle, || unsafe {
            let segment = sys::dsm_attach(handle);
            if !segment.is_null() {
                sys::dsm_pin_mapping(segment);
            }
            segment
        })?;
        if raw.is_null() {
            return Ok(None);
        }
        let segment = Self::of(raw)?;
        segment.check()?;
        Ok(Some(Arc::new(segment)))
    }

    /// Was it written by this version of the library? Asked of each job that comes in it.
    pub fn check(&self) -> Result<()> {
        if self.len >= size_of::<JobHeader>() && self.header().is_valid(self.len) {
            return Ok(());
        }
        Err(PgError::new(
            sqlstate::OBJECT_NOT_IN_PREREQUISITE_STATE,
            "shared memory segment was written by another version of pg_background",
        )
        .hint("The library was exchanged while sessions were using it: reconnect."))
    }

    fn of(raw: *mut sys::dsm_segment) -> Result<Self> {
        // SAFETY: a live segment.
        let (base, len) = unsafe { (sys::dsm_segment_address(raw).cast::<u8>(), sys::dsm_segment_map_length(raw)) };
        match (NonNull::new(raw), NonNull::new(base)) {
            (Some(mapping), Some(base)) => Ok(Self { mapping, base, len, reusable: AtomicBool::new(false) }),
            _ => Err(PgError::new(sqlstate::INTERNAL_ERROR, "shared memory segment has no address")),
        }
    }

    pub fn handle(&self) -> u32 {
        // SAFETY: a live segment.
        unsafe { sys::dsm_segment_handle(self.mapping.as_ptr()) }
    }

    pub fn header(&self) -> &JobHeader {
        // SAFETY: written by `create` or checked by `attach`; its plain fields no longer change and the others are
        // atomics.
        unsafe { self.base.cast::<JobHeader>().as_ref() }
    }

    pub(super) fn raw(&self) -> *mut sys::dsm_segment {
        self.mapping.as_ptr()
    }

    /// The start of a region that the header names: `is_valid` checked that it lies inside.
    pub(super) fn at(&self, region: Region) -> *mut u8 {
        // SAFETY: see above.
        unsafe { self.base.as_ptr().add(region.offset as usize) }
    }

    /// A region's bytes. Written before the segment was shared, and constant since; the queue is not read this way.
    pub fn bytes(&self, region: Region) -> &[u8] {
        // SAFETY: inside the mapping, which lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.at(region), region.len as usize) }
    }

    /// The job's text.
    pub fn sql(&self) -> Result<&CStr> {
        CStr::from_bytes_with_nul(self.bytes(self.header().sql))
            .map_err(|_| PgError::new(sqlstate::DATA_CORRUPTED, "the job's text is damaged"))
    }
}

/// A call that maps the segment with that handle. If it cannot, it can the next time.
pub(super) fn attaching<R>(handle: u32, function: impl FnOnce() -> R) -> Result<R> {
    // SAFETY: looks through a list.
    let is_mapped = unsafe { !sys::dsm_find_mapping(handle).is_null() };
    guard(function).inspect_err(|_| {
        if !is_mapped {
            forget_unmapped(handle);
        }
    })
}

/// Lets go of a segment that could not be mapped: memory was short, say. dsm.c has it in its list by then, and refuses
/// to map it again as long as it is there. A resource owner takes it out, but not every call has one: none outside of
/// transactions, and since 17 none that maps more of an area of dsa.c that is to stay.
pub(super) fn forget_unmapped(handle: u32) {
    // SAFETY: the newest of that handle is found; the call that made it has failed, so nobody has a pointer into it.
    let _ = guard(|| unsafe {
        let segment = sys::dsm_find_mapping(handle);
        if !segment.is_null() {
            sys::dsm_detach(segment);
        }
    });
}

/// The same for the segment that an error of dsm_impl.c names, if it names one: one that could not be made, say.
pub(super) fn forget_named(error: &PgError) {
    if let Some(handle) = handle_in(error.report().message()) {
        forget_unmapped(handle);
    }
}

/// Takes back [`Segment::pin`], in whichever process.
pub fn unpin(handle: u32) -> Result<()> {
    // SAFETY: the segment exists as long as it is pinned.
    guard(|| unsafe { sys::dsm_unpin_segment(handle) })
}

/// Writes the regions of a segment that is the process's own.
pub struct Filler<'a>(&'a Segment);

impl Filler<'_> {
    /// Copies `bytes` to the region's start; what does not fit is an error.
    pub fn put(&mut self, region: Region, bytes: &[u8]) -> Result<()> {
        if bytes.len() as u64 > region.len {
            return Err(PgError::new(sqlstate::INTERNAL_ERROR, "a region of the segment is too small"));
        }
        // SAFETY: inside the mapping, and nobody else maps it yet.
        unsafe {
            self.0.at(region).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        };
        Ok(())
    }

    pub(super) fn start(&self, region: Region) -> *mut u8 {
        self.0.at(region)
    }
}
