//! How far the scan of a bitmap's pages is.
//!
//! The index says how many rows are in the bitmap, and the table how many were fetched. But a bitmap that has outgrown
//! `work_mem` has some of its pages as a whole ("lossy"), and of such a page every row is fetched. How many of them the
//! bitmap had is told by the rows that come out, where the scan has no other condition. Else it is guessed, between
//! those that come out and all that are fetched: what an exact page has on average, where enough of them are exact; or
//! by counting pages, as many as rows that lie anywhere in the table are on.

/// What was read of the scan of a bitmap.
#[derive(Clone, Copy, Debug)]
pub struct Bitmap {
    /// In the bitmap, as the index counts them.
    pub rows: f64,
    pub index: Index,
    /// Rows read of the table.
    pub fetched: f64,
    /// Rows that came out of the scan; `None` if they are not counted.
    pub returned: Option<f64>,
    /// Pages read of which the bitmap has the rows.
    pub exact: f64,
    /// Pages read that it has as a whole.
    pub lossy: f64,
    /// The part of the last of these pages that is behind the scan. (Rows are counted one by one: what a page has would
    /// else be too little while its first rows come.)
    pub on_page: f64,
    /// The table's pages; 0 where they are not known.
    pub pages: f64,
    /// Rows a page of the table, on average; 0 where that is not known.
    pub density: f64,
}

/// What the bitmap's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Index {
    /// Those that come out.
    Final,
    /// Those of which some come out: they are tested again, or for more.
    Candidates,
    /// All of whole pages, for each of which the index counts ten (BRIN).
    Pages,
}

/// The part of the pages that are to be exact: the table's rows a page are known to some hundredths at best.
const ENOUGH: f64 = 0.2;

impl Bitmap {
    /// The part that is done; `None` where the bitmap is empty.
    pub fn position(&self) -> Option<f64> {
        if self.rows <= 0.0 {
            return None;
        }
        let most = self.fetched / self.rows;
        let least = self.returned.map(|returned| returned / self.rows);
        let done = match (self.index, least) {
            (Index::Pages, _) => 10.0 * self.read() / self.rows,
            _ if self.lossy <= 0.0 => most,
            (Index::Final, Some(least)) => least,
            (_, least) => self.guess().map_or(most, |guess| guess.min(most).max(least.unwrap_or(0.0))),
        };
        Some(done.min(1.0))
    }

    /// Pages.
    fn read(&self) -> f64 {
        (self.exact + self.lossy - 1.0 + self.on_page).max(0.0)
    }

    fn guess(&self) -> Option<f64> {
        let Self { rows, fetched, exact, lossy, pages, density, .. } = *self;
        if pages <= 0.0 || density <= 0.0 {
            return None;
        }
        let read = self.read();
        let a_page = (fetched - lossy * density) / exact;
        let is_told = exact >= ENOUGH * lossy && (ENOUGH..=density).contains(&a_page);
        let expected = pages * (1.0 - (-rows / pages).exp());
        Some(if is_told { a_page * read / rows } else { read / expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of a thousand pages with ten rows on each.
    fn seen(index: Index, rows: f64, fetched: f64, exact: f64, lossy: f64) -> Bitmap {
        Bitmap { rows, index, fetched, returned: None, exact, lossy, on_page: 1.0, pages: 1000.0, density: 10.0 }
    }

    fn percent(bitmap: Bitmap) -> Option<f64> {
        bitmap.position().map(|position| (100.0 * position).round())
    }

    #[test]
    fn rows_of_exact_pages_are_those_of_the_bitmap() {
        assert_eq!(percent(seen(Index::Candidates, 400.0, 100.0, 90.0, 0.0)), Some(25.0));
        assert_eq!(percent(seen(Index::Final, 400.0, 500.0, 90.0, 0.0)), Some(100.0));
        assert_eq!(percent(seen(Index::Final, 0.0, 0.0, 0.0, 0.0)), None);
    }

    #[test]
    fn of_a_lossy_page_those_that_come_out_are_in_the_bitmap() {
        let bitmap = Bitmap { returned: Some(30.0), ..seen(Index::Final, 1000.0, 300.0, 0.0, 30.0) };
        assert_eq!(percent(bitmap), Some(3.0));
        // all rows of a part of the table
        let bitmap = Bitmap { returned: Some(300.0), ..bitmap };
        assert_eq!(percent(bitmap), Some(30.0));
    }

    #[test]
    fn with_more_conditions_an_exact_page_tells() {
        // two rows of ten on each page, half of the pages lossy, a quarter of all read
        assert_eq!(percent(seen(Index::Candidates, 2000.0, 125.0 * 2.0 + 125.0 * 10.0, 125.0, 125.0)), Some(25.0));
        // all rows of a part of the table
        assert_eq!(percent(seen(Index::Candidates, 2000.0, 1000.0, 50.0, 50.0)), Some(50.0));
    }

    #[test]
    fn pages_are_counted_where_most_are_lossy() {
        // a row a page, by chance: 632 pages of 1000 have some
        let bitmap = seen(Index::Candidates, 1000.0, 315.0 * 10.0 + 1.6, 1.0, 315.0);
        assert_eq!(percent(bitmap), Some(50.0));
        // pages that are fuller than others
        assert_eq!(percent(Bitmap { fetched: 315.0 * 14.0, ..bitmap }), Some(50.0));
        // not above what was fetched, nor below what came out
        assert_eq!(percent(Bitmap { fetched: 300.0, ..bitmap }), Some(30.0));
        assert_eq!(percent(Bitmap { returned: Some(700.0), ..bitmap }), Some(70.0));
        // nothing is known of the table
        assert_eq!(percent(Bitmap { pages: 0.0, fetched: 600.0, ..bitmap }), Some(60.0));
        assert_eq!(percent(Bitmap { density: 0.0, fetched: 600.0, ..bitmap }), Some(60.0));
    }

    #[test]
    fn whole_ranges_of_pages_are_counted() {
        let bitmap = seen(Index::Pages, 1000.0, 500.0, 0.0, 50.0);
        assert_eq!(percent(bitmap), Some(50.0));
        assert_eq!(percent(Bitmap { on_page: 0.0, ..bitmap }), Some(49.0));
        assert_eq!(percent(Bitmap { lossy: 0.0, on_page: 0.5, ..bitmap }), Some(0.0));
    }
}
