//! The segments of this session's jobs. When a job is done its segment serves another: the worker that comes next has
//! it mapped, most often, and the memory is there already.
//!
//! The pool holds a reference to each pooled segment from its creation. A segment may be used again when the pool's
//! reference is the last in this process, and when worker and launcher have both left its queue
//! ([`Segment::is_reusable`]).

use super::settings_cache::SettingsCache;
use crate::errors;
use crate::pg::dsm::{Filler, Segment};
use crate::pg::error::Result;
use crate::pg::{guc_state, identity, mq};
use logic::segment::MAX_POOLED_SIZE;
use logic::segment::header::{Identity, JobHeader, Region};
use logic::wire::extras::Extras;
use parking_lot::Mutex;
use std::sync::Arc;

/// Regions begin at multiples of this, as what the server puts into shared memory does.
const ALIGNMENT: usize = 8;
/// The pool holds so many segments, none of more than [`MAX_POOLED_SIZE`] bytes, beyond which a worker does not keep
/// its mapping.
const POOLED_SEGMENTS: usize = 4;
/// Sizes are rounded up to a multiple of this, so that a segment still fits when the next text is longer.
const ROUNDED_TO: usize = 16 << 10;

static POOL: Mutex<Vec<Arc<Segment>>> = Mutex::new(Vec::new());

/// Lays the regions of a segment out one after the other, behind the header. Holds the end of the last one.
struct SegmentLayout(usize);

impl SegmentLayout {
    fn region(&mut self, len: usize) -> Result<Region> {
        let start = self.0.next_multiple_of(ALIGNMENT);
        self.0 = start.checked_add(len).ok_or_else(errors::job_too_large)?;
        Ok(Region { offset: start as u64, len: len as u64 })
    }
}

/// What a segment is filled with, beside the session's settings.
pub struct Content<'a> {
    /// The job's text, without a NUL.
    pub sql: &'a [u8],
    pub params: &'a [u8],
    pub extras: &'a Extras<'a>,
    /// Bytes.
    pub queue_size: usize,
}

/// Whether a segment may come from the pool, and go back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pooling {
    Yes,
    No,
}

/// A segment for a job, and the hash of the settings in it.
pub fn get(identity: Identity, content: &Content) -> Result<(Arc<Segment>, u64)> {
    make(identity, content, Pooling::Yes)
}

/// The same, but the segment never serves another job: other processes than the job's worker know of it.
pub fn get_alone(identity: Identity, content: &Content) -> Result<(Arc<Segment>, u64)> {
    make(identity, content, Pooling::No)
}

fn make(identity: Identity, content: &Content, pooling: Pooling) -> Result<(Arc<Segment>, u64)> {
    let settings = SettingsCache::take()?;
    let filled = if identity.is_elsewhere() {
        let state = guc_state::for_other_database(settings.bytes(), identity.encoding)?;
        (with_settings(identity, content, &state, pooling)?, guc_state::settings_hash(&state))
    } else {
        (with_settings(identity, content, settings.bytes(), pooling)?, settings.hash())
    };
    settings.put_back();
    Ok(filled)
}

fn with_settings(identity: Identity, content: &Content, state: &[u8], pooling: Pooling) -> Result<Arc<Segment>> {
    let Content { sql, params: values, queue_size, .. } = *content;
    let mut encoded = Vec::new();
    content.extras.encode(&mut encoded);
    let mut layout = SegmentLayout(size_of::<JobHeader>());
    let text = layout.region(sql.len() + 1)?;
    let settings = layout.region(state.len())?;
    let client_info = layout.region(identity::client_info_size())?;
    let params = layout.region(values.len())?;
    let extras = layout.region(encoded.len())?;
    let queue = layout.region(queue_size)?;
    let regions = [text, settings, client_info, params, extras, queue];
    let begin = |header: &mut JobHeader| header.begin(layout.0 as u64, identity, regions);
    let fill = |filler: &mut Filler| {
        filler.put(text, sql)?;
        filler.put(Region { offset: text.offset + sql.len() as u64, len: 1 }, &[0])?;
        filler.put(settings, state)?;
        filler.put(params, values)?;
        filler.put(extras, &encoded)?;
        if client_info.len > 0 {
            identity::save_client_info(filler, client_info)?;
        }
        mq::create(filler, queue)
    };
    if pooling == Pooling::No {
        return Segment::create(layout.0, begin, fill);
    }
    while let Some(mut pooled) = take(layout.0) {
        if Segment::renew(&mut pooled, begin, fill)? {
            pool(&pooled);
            return Ok(pooled);
        }
    }
    let segment = Segment::create(layout.0.next_multiple_of(ROUNDED_TO), begin, fill)?;
    pool(&segment);
    Ok(segment)
}

/// Takes the segment out of the pool that was used last, of those that are free and have `size` bytes.
fn take(size: usize) -> Option<Arc<Segment>> {
    let mut pool = POOL.lock();
    let fits =
        |segment: &Arc<Segment>| segment.is_reusable() && segment.len() >= size && Arc::strong_count(segment) == 1;
    let index = pool.iter().rposition(fits)?;
    Some(pool.remove(index))
}

/// Puts the segment into the pool, and lets go of the one that has not been used for longest.
fn pool(segment: &Arc<Segment>) {
    if segment.len() > MAX_POOLED_SIZE {
        return;
    }
    let dropped = {
        let mut pool = POOL.lock();
        pool.push(Arc::clone(segment));
        (pool.len() > POOLED_SEGMENTS).then(|| pool.remove(0))
    };
    drop(dropped);
}
