//! How far a statement is: what is estimated from what its worker reads of it.
//!
//! An estimate is made while the statement runs, in places that may neither allocate nor throw: all of it is on the
//! stack.

pub mod job;
pub mod nested;
pub mod plan;
pub mod utility;

/// Bytes of a phase, as [`crate::job::automatic::PHASE_SIZE`].
const PHASE_SIZE: usize = crate::job::automatic::PHASE_SIZE;

/// What a statement is doing, in a few words for a person.
#[derive(Clone, Copy)]
pub struct Phase {
    text: [u8; PHASE_SIZE],
    length: usize,
}

impl Phase {
    pub const fn new() -> Self {
        Self { text: [0; PHASE_SIZE], length: 0 }
    }

    /// Adds a text, cut where a character ends and the phase is full.
    pub fn push(&mut self, text: &str) {
        let room = PHASE_SIZE - self.length;
        let mut end = text.len().min(room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.push_bytes(&text.as_bytes()[..end]);
    }

    /// Adds bytes in the database's encoding, such as a relation's name. What does not fit whole is left out.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(place) = self.text.get_mut(self.length..end) {
            place.copy_from_slice(bytes);
            self.length = end;
        }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

impl Default for Phase {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&str> for Phase {
    fn from(text: &str) -> Self {
        let mut phase = Self::new();
        phase.push(text);
        phase
    }
}

impl PartialEq for Phase {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl std::fmt::Debug for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.bytes()))
    }
}

/// What is known of a statement that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Part of the statement's time that is over, less than 1; `None` where that cannot be known.
    pub fraction: Option<f64>,
    /// Rows that it has returned or changed so far.
    pub rows: Option<i64>,
    /// Rows that are expected of it.
    pub rows_estimated: Option<i64>,
    /// Empty if not known.
    pub phase: Phase,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phase_is_cut_where_a_character_ends() {
        let mut phase = Phase::from("sorting");
        phase.push_bytes(b" \xc3\xa9");
        assert_eq!(phase.bytes(), "sorting é".as_bytes());
        let mut full = Phase::from(&*"x".repeat(PHASE_SIZE - 1));
        full.push("é");
        full.push_bytes(b"yy");
        assert_eq!(full.bytes().len(), PHASE_SIZE - 1);
        full.push("y");
        assert_eq!(full.bytes().len(), PHASE_SIZE);
    }
}
