//! Paths of the crate `logic` whose instructions `make bench-check` counts, under valgrind: each is a function that is not
//! inlined, and is called many times.

use logic::registry::quota::{self, Limits, MAX_WAITERS, Request, Running};
use logic::session::change;
use logic::session::settings::{self, Roles, Setting};
use logic::wire::frame::{self, Kind, Row};
use logic::wire::params::{self, Encoder, Param, Value};
use logic::wire::shape::Shape;
use logic::wire::tuple::{self, Attribute};
use std::hint::black_box;

const ROUNDS: usize = 1000;
/// Rows of a batch.
const ROWS: usize = 100;

/// As many settings as a session has that a client has connected.
fn state(work_mem: &[u8]) -> Vec<u8> {
    let setting = Setting { name: b"", value: b"", has_file: false, source: 5, context: 6, role: 10 };
    let mut body = Vec::new();
    for i in 0..24 {
        let name = format!("setting_number_{i}");
        settings::append_setting(&mut body, name.as_bytes(), b"some value", &setting, Roles::Written);
    }
    settings::append_setting(&mut body, b"work_mem", work_mem, &setting, Roles::Written);
    let mut state = body.len().to_ne_bytes().to_vec();
    state.extend(body);
    state
}

/// A row of so many columns of four bytes, as the server forms it.
fn tuple_of(columns: usize) -> Vec<u8> {
    let mut tuple = vec![0; 16 + 4 * columns];
    let size = tuple.len() as u32;
    tuple[..4].copy_from_slice(&size.to_ne_bytes());
    tuple[tuple::INFOMASK2_AT] = columns as u8;
    tuple[tuple::HOFF_AT] = 24;
    tuple
}

#[inline(never)]
fn parse_settings(state: &[u8]) -> usize {
    settings::parse(state, Roles::Written).map_or(0, |settings| settings.now.len())
}

#[inline(never)]
fn compare_settings(mine: &[Setting], theirs: &[Setting]) -> usize {
    change::difference(mine, theirs).map_or(0, |change| change.len())
}

#[inline(never)]
fn fill_batch(batch: &mut Vec<u8>, row: &[u8]) -> usize {
    frame::begin(Kind::Batch, 0, batch);
    for _ in 0..ROWS {
        frame::put_row(batch, Row::whole(row));
    }
    frame::set_count(batch, ROWS as u32);
    batch.len()
}

#[inline(never)]
fn read_batch(batch: &[u8], columns: &Shape) -> usize {
    let (_, count, body) = frame::parse(batch).expect("a batch");
    frame::rows(count, body).filter(|row| row.as_ref().is_ok_and(|row| columns.check(row).is_ok())).count()
}

#[inline(never)]
fn encode_parameters(count: usize) -> Vec<u8> {
    let mut encoder = Encoder::new(count, 6).expect("few parameters");
    for i in 0..count {
        let param = Param::Native { type_id: 23, len: 4, value: Value::ByValue(i as u64) };
        encoder.push(param).expect("a small parameter");
    }
    encoder.finish(&[]).expect("a small message")
}

#[inline(never)]
fn decode_parameters(message: &[u8]) -> usize {
    params::decode(message).map_or(0, |params| params.params.len())
}

/// What it takes to refuse a launch behind so many others.
#[inline(never)]
fn judge_launch(waiting: &[Request], kinds: &[u64]) -> usize {
    let running = Running::count(waiting.iter(), kinds.len() as u32, kinds.iter().copied());
    let (me, ahead) = waiting.split_last().expect("a launch");
    let verdict = quota::verdict(me, ahead.iter(), |scope, request| running.within(scope, request), 9);
    verdict.map_or(0, |scope| scope as usize)
}

fn main() {
    let (mine, theirs) = (state(b"4096"), state(b"64"));
    let parsed = |state| settings::parse(state, Roles::Written).expect("a state").now;
    let (ours, others) = (parsed(&mine), parsed(&theirs));
    let columns = Shape::new(vec![Attribute::new(4, 4).expect("an int4"); 50]);
    let (narrow, wide) = (tuple_of(1), tuple_of(50));
    let (mut batch, mut of_wide) = (Vec::new(), Vec::new());
    fill_batch(&mut of_wide, &wide);
    let message = encode_parameters(2);
    let limits = Limits { total: 0, per_database: 0, per_role: 1 };
    let waiting: Vec<_> = (1..=MAX_WAITERS as u32).map(|role| Request { database: 5, role, limits }).collect();
    let kinds: Vec<_> = waiting.iter().map(|request| quota::kind(request.database, request.role)).collect();
    let mut sum = 0;
    for _ in 0..ROUNDS {
        sum += parse_settings(black_box(&mine));
        sum += compare_settings(black_box(&ours), black_box(&others));
        sum += fill_batch(black_box(&mut batch), black_box(&narrow));
        sum += read_batch(black_box(&of_wide), black_box(&columns));
        sum += encode_parameters(black_box(2)).len();
        sum += decode_parameters(black_box(&message));
        sum += judge_launch(black_box(&waiting), black_box(&kinds));
    }
    println!("{}", black_box(sum));
}
