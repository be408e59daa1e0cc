//! Random moves of launchers, workers and other sessions over a small registry; processes end at every step.
//!
//! A case is a list of pairs: which process, and which of its moves. So a failure shrinks to the few moves that make
//! it. The cases are the same each time; `RANDOM_MOVES=20000 cargo test -p pg_background_logic random_moves` plays so
//! many others.

use super::model::{END, LAST, NEXT, Planted, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::cell::RefCell;

fn runner(cases: u32) -> TestRunner {
    let others = std::env::var("RANDOM_MOVES").ok().and_then(|cases| cases.parse().ok());
    let cases = others.unwrap_or(cases);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2000, ..Config::default() };
    match others {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    }
}

/// Most moves are what a process does next. Few are a cancel or a failure, fewer the process's end or a dismissal.
fn moves() -> impl Strategy<Value = Vec<(u8, u8)>> {
    let what = prop_oneof![30 => 0_u8..NEXT, 2 => NEXT..END, 1 => END..=LAST];
    prop::collection::vec((0_u8..8, what), 0..500)
}

/// Plays one case: all that happened, or what was found to be wrong.
fn play(moves: &[(u8, u8)], planted: Planted, is_brutal: bool) -> Result<String, String> {
    let mut world = World::new(planted, is_brutal);
    moves.iter().try_for_each(|(who, what)| world.step(*who, *what))?;
    world.drain()?;
    Ok(world.trace.join("\n"))
}

/// Plays many cases: all that happened, or the shortest failure that was found, with its moves.
fn play_all(cases: u32, planted: Planted, is_brutal: bool) -> Result<String, String> {
    let seen = RefCell::new(String::new());
    let outcome = runner(cases).run(&moves(), |moves| {
        seen.borrow_mut().push_str(&play(&moves, planted, is_brutal).map_err(TestCaseError::fail)?);
        Ok(())
    });
    match outcome {
        Ok(()) => Ok(seen.take()),
        Err(TestError::Abort(reason)) => Err(reason.message().to_string()),
        Err(TestError::Fail(_, moves)) => {
            let moves = shortest(moves, |moves| play(moves, planted, is_brutal).is_err());
            let why = play(&moves, planted, is_brutal).unwrap_err();
            Err(format!("{why}\n{} moves: {moves:?}", moves.len()))
        }
    }
}

/// Leaves out moves, some at a time, as long as the case fails without them; proptest tries each of them once only.
fn shortest(mut moves: Vec<(u8, u8)>, fails: impl Fn(&[(u8, u8)]) -> bool) -> Vec<(u8, u8)> {
    let mut len = moves.len() + 1;
    while moves.len() < len {
        len = moves.len();
        for count in [32, 8, 4, 3, 2, 1] {
            for index in (0..len).rev().filter(|index| index + count <= len) {
                let mut fewer = moves.clone();
                fewer.drain(index.min(fewer.len())..(index + count).min(fewer.len()));
                if fewer.len() < moves.len() && fails(&fewer) {
                    moves = fewer;
                }
            }
        }
    }
    moves
}

#[test]
fn all_holds_after_each_move() {
    let seen = play_all(1000, Planted::Nothing, false).unwrap_or_else(|why| panic!("{why}"));
    // what is rare did happen
    let rare = [
        "true))", // a sure claim
        "finds its claim gone",
        "withdraws its claim",
        "sees the worker gone",
        "could not start a process",
        "becomes idle: Claimed",
        "becomes idle: Leave",
        "dismisses one",
        "refuses",
        "declines",
        "cannot map the segment",
        "fails before it takes the job",
        "unpins a segment",
        "joins for a process",
        "sees the workers gone",
        "sees the end of one of",
        "to stop: AfterStatement",
        "forgets its mappings",
        "reaps",
        "reads the configuration",
    ];
    for what in rare {
        assert!(seen.contains(what), "no process {what}");
    }
}

#[test]
fn nothing_is_left_of_processes_that_vanish() {
    play_all(300, Planted::Nothing, true).unwrap_or_else(|why| panic!("{why}"));
}

/// The invariants find the planted fault, and say it in these words.
fn is_found(planted: Planted, words: &str) {
    let Err(why) = play_all(1000, planted, false) else {
        panic!("{planted:?} was not found");
    };
    let first = why.lines().next().unwrap_or_default();
    assert!(first.ends_with(words), "{planted:?} was found as: {why}");
    println!("{planted:?}: {why}");
}

#[test]
fn a_lost_wake_of_a_worker_is_found() {
    is_found(Planted::DropLatch, "sleeps, but it was offered a job");
}

#[test]
fn a_lost_wake_of_launches_that_wait_is_found() {
    is_found(Planted::DropTurns, "sleeps, but would be admitted");
}

#[test]
fn a_launch_that_leaves_the_queue_without_a_word_is_found() {
    is_found(Planted::QuitSilently, "sleeps, but would be admitted");
}

#[test]
fn a_raise_of_which_nobody_hears_is_found() {
    is_found(Planted::RaiseSilently, "sleeps, but would be admitted");
}

#[test]
fn a_lost_wake_of_a_session_that_waits_for_several_jobs_is_found() {
    is_found(Planted::DropEnds, "sleeps, but one of its jobs has ended");
}

#[test]
fn a_slot_that_is_freed_twice_is_found() {
    is_found(Planted::FreeTwice, "the list of free slots goes round");
}

#[test]
fn a_claim_that_is_forgotten_is_found() {
    is_found(Planted::ForgetClaim, "is claimed by no launcher");
}
