//! Segments that stay mapped between jobs: mapping one costs as much as the rest of a short job.

use crate::pg::dsm::Segment;
use logic::registry::layout::MAPPED;
use logic::segment::MAX_POOLED_SIZE;
use std::sync::Arc;

/// The last used is the last.
#[derive(Default)]
pub struct MappedSegments(Vec<Arc<Segment>>);

impl MappedSegments {
    pub fn take(&mut self, handle: u32) -> Option<Arc<Segment>> {
        let index = self.0.iter().rposition(|segment| segment.handle() == handle)?;
        Some(self.0.remove(index))
    }

    /// Forgets the one that was not used for longest, when there are too many.
    pub fn put(&mut self, segment: &Arc<Segment>) {
        if segment.len() > MAX_POOLED_SIZE {
            return;
        }
        if self.0.len() >= MAPPED {
            self.0.remove(0);
        }
        self.0.push(Arc::clone(segment));
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    pub fn handles(&self) -> [u32; MAPPED] {
        std::array::from_fn(|i| self.0.get(i).map_or(0, |segment| segment.handle()))
    }
}
