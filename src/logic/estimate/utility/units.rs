//! The parts of a command that come one after the other: the tables of a VACUUM, the indexes of a REINDEX.

/// Which part runs, and what the others weigh. Nothing here allocates once it is made.
#[derive(Clone, Debug)]
pub struct Units {
    /// By key.
    parts: Vec<Unit>,
    total: f64,
    done: f64,
    current: Option<usize>,
    begun: u32,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    key: u64,
    weight: f64,
    /// Its place among the facts.
    place: usize,
    is_done: bool,
}

/// The part that runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct At {
    /// Its place among the facts; `None` if they do not know it.
    pub place: Option<usize>,
    /// Shares of the whole.
    pub before: f64,
    pub share: f64,
    /// Counts from 1.
    pub number: u32,
    pub of: u32,
}

impl Units {
    /// `units`: keys (OIDs, mostly), places among the facts, and weights. Empty parts are given some weight: they too
    /// take time.
    pub fn new(units: impl Iterator<Item = (u64, usize, f64)>) -> Self {
        let mut units: Vec<_> =
            units.map(|(key, place, weight)| Unit { key, weight: weight.max(1.0), place, is_done: false }).collect();
        units.sort_by_key(|unit| unit.key);
        let total = units.iter().map(|unit| unit.weight).sum();
        Self { parts: units, total, done: 0.0, current: None, begun: 0 }
    }

    /// The part of that key runs now: the one before it has ended. With a key that the facts do not know, the part that
    /// runs is the one before, or the only one.
    pub fn at(&mut self, key: u64) -> At {
        let found = self.parts.binary_search_by_key(&key, |unit| unit.key).ok();
        let found = found.or((self.parts.len() == 1).then_some(0));
        if found.is_some() && found != self.current {
            let ended = self.current.and_then(|current| self.parts.get_mut(current));
            if let Some(unit) = ended.filter(|unit| !unit.is_done) {
                unit.is_done = true;
                self.done += unit.weight;
            }
            self.current = found;
            self.begun += 1;
        }
        self.here(self.current)
    }

    fn here(&self, found: Option<usize>) -> At {
        let total = if self.total > 0.0 { self.total } else { 1.0 };
        let of = self.parts.len() as u32;
        let (before, number) = (self.done / total, self.begun.clamp(1, of.max(1)));
        match found.and_then(|found| self.parts.get(found)) {
            Some(unit) if !unit.is_done => {
                At { place: Some(unit.place), before, share: unit.weight / total, number, of }
            }
            // again
            Some(unit) => At { place: Some(unit.place), before, share: 0.0, number, of },
            None => At { place: None, before, share: 0.0, number, of },
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // exact
mod tests {
    use super::*;

    #[test]
    fn parts_end_when_the_next_begins() {
        let mut units = Units::new([(30, 0, 50.0), (10, 1, 25.0), (20, 2, 25.0)].into_iter());
        let at = |place, before, share, number| At { place: Some(place), before, share, number, of: 3 };
        assert_eq!(units.at(20), at(2, 0.0, 0.25, 1));
        assert_eq!(units.at(20), at(2, 0.0, 0.25, 1));
        assert_eq!(units.at(30), at(0, 0.25, 0.5, 2));
        // unknown: the one before it goes on
        assert_eq!(units.at(99), at(0, 0.25, 0.5, 2));
        assert_eq!(units.at(30), at(0, 0.25, 0.5, 2));
        assert_eq!(units.at(10), at(1, 0.75, 0.25, 3));
        assert_eq!(units.at(20), at(2, 1.0, 0.0, 3));
    }

    #[test]
    fn empty_parts_weigh_a_little() {
        let mut units = Units::new([(1, 0, 0.0), (2, 1, 0.0)].into_iter());
        units.at(1);
        assert_eq!(units.at(2).before, 0.5);
        assert_eq!(Units::new(std::iter::empty()).at(7).of, 0);
        assert_eq!(Units::new([(1, 5, 0.0)].into_iter()).at(7).place, Some(5));
    }
}
