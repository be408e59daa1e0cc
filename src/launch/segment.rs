//! The segment of a new job.

use crate::model::header::{Identity, JobHeader, Region};
use crate::model::sqlstate;
use crate::pg::dsm::Segment;
use crate::pg::error::{PgError, Result};
use crate::pg::{guc, identity, mq};
use std::sync::Arc;

/// As the server aligns what it puts into shared memory.
const ALIGNMENT: usize = 8;

/// Lays regions out one after the other, behind the header.
struct Layout(usize);

impl Layout {
    fn region(&mut self, len: usize) -> Result<Region> {
        let start = self.0.next_multiple_of(ALIGNMENT);
        self.0 = start
            .checked_add(len)
            .ok_or_else(|| PgError::new(sqlstate::INVALID_PARAMETER_VALUE, "background job is too large"))?;
        Ok(Region { offset: start as u64, len: len as u64 })
    }
}

/// `sql` is the job's text, without a NUL; `queue_size` is in bytes.
pub fn create(identity: Identity, sql: &[u8], queue_size: usize) -> Result<Arc<Segment>> {
    let mut layout = Layout(size_of::<JobHeader>());
    let text = layout.region(sql.len() + 1)?;
    let settings = layout.region(guc::estimate()?)?;
    let client_info = layout.region(identity::client_info_size())?;
    let queue = layout.region(queue_size)?;
    let header = JobHeader::new(layout.0 as u64, identity, [text, settings, client_info, queue]);
    Segment::create(header, layout.0, |filler| {
        filler.put(text, sql)?;
        filler.put(Region { offset: text.offset + sql.len() as u64, len: 1 }, &[0])?;
        guc::save(filler, settings)?;
        if client_info.len > 0 {
            identity::save_client_info(filler, client_info)?;
        }
        mq::create(filler, queue)
    })
}
