//! Segments that stay mapped between jobs: mapping one costs as much as the rest of a short job.

use crate::model::slot::MAPPED;
use crate::pg::dsm::Segment;
use std::sync::Arc;

/// Larger segments do not stay, here or at their launcher.
pub const KEPT_SIZE: usize = 256 << 10;

/// The last used is the last.
#[derive(Default)]
pub struct Kept(Vec<Arc<Segment>>);

impl Kept {
    pub fn take(&mut self, handle: u32) -> Option<Arc<Segment>> {
        let index = self.0.iter().rposition(|segment| segment.handle() == handle)?;
        Some(self.0.remove(index))
    }

    /// Forgets the one that was not used for longest, when there are too many.
    pub fn put(&mut self, segment: &Arc<Segment>) {
        if segment.len() > KEPT_SIZE {
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
