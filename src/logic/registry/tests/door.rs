//! The door: what was read last counts.

use super::memory::{Acting, Machine, Memory};
use crate::registry::door::CommonLimits;
use crate::registry::door::Door::{Closed, Open};
use crate::registry::locked::Locked;

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
fn the_limits_that_were_read_last_count_whoever_tells_them_when() {
    let (memory, machine) = (Memory::new(), Machine::new(1));
    machine.start(0);
    let (tables, server) = (memory.tables(), Acting { machine: &machine, me: machine.process(0) });
    let tell = |total, per_database, at| {
        let mut locked = Locked::new(&tables, &server);
        locked.tell_limits(CommonLimits { total, per_database }, at);
        locked.into_wakes().deliver(&tables, &server);
        let CommonLimits { total, per_database } = tables.common_limits();
        [total, per_database]
    };
    assert_eq!(tables.common_limits(), CommonLimits::default());
    assert_eq!(tell(1, 2, 200), [1, 2]);
    assert_eq!(tell(3, 4, 100), [1, 2]);
    assert!(tables.has_older_limits(201) && !tables.has_older_limits(200));
    assert_eq!(tell(0, 4, 300), [0, 4]);
    tables.set_max_total(7);
    assert_eq!(tell(1, 1, 300), [7, 4]);
}

#[test]
fn of_two_readings_at_the_same_time_the_closed_door_stands() {
    let memory = Memory::new();
    let tables = memory.tables();
    tables.tell_door(Closed, 100);
    tables.tell_door(Open, 100);
    assert_eq!(tables.door(), Closed);
}
