//! The segments of this session's jobs. A few are kept when their jobs are done, and serve again.

use crate::errors;
use crate::pg::dsm::Segment;
use crate::pg::error::Result;
use crate::pg::{guc, identity, mq};
use logic::segment::MAX_POOLED_SIZE;
use logic::segment::header::{Identity, JobHeader, Region};
use parking_lot::Mutex;
use std::sync::Arc;

/// As the server aligns what it puts into shared memory.
const ALIGNMENT: usize = 8;
/// As many segments are kept, none larger than a worker keeps. The last used is the first to be used again: a worker has it
/// mapped.
const POOLED_SEGMENTS: usize = 4;
/// New segments get more room than they need, so that a longer text or more settings still fit.
const ROUNDED_TO: usize = 16 << 10;

static POOL: Mutex<Vec<Arc<Segment>>> = Mutex::new(Vec::new());

/// Lays regions out one after the other, behind the header.
struct Layout(usize);

impl Layout {
    fn region(&mut self, len: usize) -> Result<Region> {
        let start = self.0.next_multiple_of(ALIGNMENT);
        self.0 = start.checked_add(len).ok_or_else(errors::job_too_large)?;
        Ok(Region { offset: start as u64, len: len as u64 })
    }
}

/// This session's settings as they were at the last launch: the room is used again. A comparison takes less than a hash.
#[derive(Default)]
struct Settings {
    now: guc::State,
    hashed: Vec<u8>,
    hash: u64,
}

static SETTINGS: Mutex<Option<Settings>> = Mutex::new(None);

impl Settings {
    fn take(&mut self) -> Result<()> {
        self.now.take()?;
        if self.hashed != self.now.bytes() {
            self.hashed.clear();
            self.hashed.extend_from_slice(self.now.bytes());
            self.hash = guc::settings_hash(&self.hashed);
        }
        Ok(())
    }
}

/// A segment for a job, and the hash of the settings in it. `sql` is the job's text, without a NUL; `queue_size` is in bytes.
pub fn get(identity: Identity, sql: &[u8], queue_size: usize) -> Result<(Arc<Segment>, u64)> {
    let mut settings = SETTINGS.lock().take().unwrap_or_default();
    settings.take()?;
    let segment = with_settings(identity, sql, queue_size, settings.now.bytes())?;
    let hash = settings.hash;
    *SETTINGS.lock() = Some(settings);
    Ok((segment, hash))
}

fn with_settings(identity: Identity, sql: &[u8], queue_size: usize, state: &[u8]) -> Result<Arc<Segment>> {
    let mut layout = Layout(size_of::<JobHeader>());
    let text = layout.region(sql.len() + 1)?;
    let settings = layout.region(state.len())?;
    let client_info = layout.region(identity::client_info_size())?;
    let queue = layout.region(queue_size)?;
    let header = || JobHeader::new(layout.0 as u64, identity, [text, settings, client_info, queue]);
    let fill = |filler: &mut crate::pg::dsm::Filler| {
        filler.put(text, sql)?;
        filler.put(Region { offset: text.offset + sql.len() as u64, len: 1 }, &[0])?;
        filler.put(settings, state)?;
        if client_info.len > 0 {
            identity::save_client_info(filler, client_info)?;
        }
        mq::create(filler, queue)
    };
    while let Some(mut kept) = take(layout.0) {
        if Segment::renew(&mut kept, header(), fill)? {
            keep(&kept);
            return Ok(kept);
        }
    }
    let segment = Segment::create(header(), layout.0.next_multiple_of(ROUNDED_TO), fill)?;
    keep(&segment);
    Ok(segment)
}

/// The last one that was used, is free, and has so much room.
fn take(size: usize) -> Option<Arc<Segment>> {
    let mut pool = POOL.lock();
    let fits =
        |segment: &Arc<Segment>| segment.is_reusable() && segment.len() >= size && Arc::strong_count(segment) == 1;
    let index = pool.iter().rposition(fits)?;
    Some(pool.remove(index))
}

/// Remembers the segment for later; forgets the one that was not used for longest.
fn keep(segment: &Arc<Segment>) {
    if segment.len() > MAX_POOLED_SIZE {
        return;
    }
    let forgotten = {
        let mut pool = POOL.lock();
        pool.push(Arc::clone(segment));
        (pool.len() > POOLED_SEGMENTS).then(|| pool.remove(0))
    };
    drop(forgotten);
}
