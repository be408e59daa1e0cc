//! Segments that stay mapped between jobs: to map one costs as much as the rest of a short job.
//!
//! A session's next job most often comes in a segment that it has used before. The worker shows in the registry which
//! segments it has mapped, and launchers prefer a worker that has theirs.

use crate::pg::dsm::Segment;
use logic::registry::layout::MAPPED;
use logic::segment::MAX_POOLED_SIZE;
use std::sync::Arc;

/// At most [`MAPPED`] segments, the last used at the end.
#[derive(Default)]
pub struct MappedSegments(Vec<Arc<Segment>>);

impl MappedSegments {
    /// Takes out the segment, if it is mapped.
    pub fn take(&mut self, handle: u32) -> Option<Arc<Segment>> {
        let index = self.0.iter().rposition(|segment| segment.handle() == handle)?;
        Some(self.0.remove(index))
    }

    /// Keeps the segment mapped, unless it is large, in place of the one that was not used for longest.
    pub fn put(&mut self, segment: &Arc<Segment>) {
        if segment.len() > MAX_POOLED_SIZE {
            return;
        }
        if self.0.len() >= MAPPED {
            self.0.remove(0);
        }
        self.0.push(Arc::clone(segment));
    }

    /// Unmaps all of them, but for one that a job still uses.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// For the registry; 0 is none.
    pub fn handles(&self) -> [u32; MAPPED] {
        std::array::from_fn(|i| self.0.get(i).map_or(0, |segment| segment.handle()))
    }
}
