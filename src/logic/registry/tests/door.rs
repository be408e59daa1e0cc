//! The door: what was read last counts.

use super::memory::Memory;
use crate::registry::door::Door::{Closed, Open};

#[test]
fn a_new_registry_has_an_open_door() {
    assert_eq!(Memory::new().tables().door(), Open);
}

#[test]
fn what_was_read_last_counts_whoever_tells_it_when() {
    let memory = Memory::new();
    let tables = memory.tables();
    assert!(tables.tell_door(Closed, 200));
    assert!(!tables.tell_door(Open, 100), "an old reading opens nothing");
    assert_eq!(tables.door(), Closed);
    assert!(!tables.tell_door(Closed, 300), "a door that is closed already wakes nobody");
    assert!(!tables.tell_door(Open, 400));
    assert_eq!(tables.door(), Open);
    assert!(!tables.tell_door(Closed, 399));
    assert_eq!(tables.door(), Open);
    assert!(tables.tell_door(Closed, 401));
    assert_eq!(tables.door(), Closed);
}

#[test]
fn the_one_who_sets_it_need_not_be_later() {
    let memory = Memory::new();
    let tables = memory.tables();
    tables.set_door(Closed, 200);
    tables.set_door(Open, 100);
    assert_eq!(tables.door(), Open);
}

#[test]
fn of_two_readings_at_the_same_time_the_closed_door_stands() {
    let memory = Memory::new();
    let tables = memory.tables();
    tables.tell_door(Closed, 100);
    tables.tell_door(Open, 100);
    assert_eq!(tables.door(), Closed);
}
