//! What runs in what: the statement of the job, and those nested in it (functions, triggers, loops over cursors).

use crate::pg::memory::Execution;
use crate::pg::parse_tree::Destination;
use crate::pg::signal_cell::SignalCell;
use crate::pg::watched_plans;
use crate::worker::current;
use logic::estimate::Phase;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What the outermost statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// A plan: SELECT, INSERT, UPDATE, DELETE, MERGE.
    Plan,
    /// A command around a plan, as CREATE TABLE AS: the first plan that it starts whose rows go there stands for it.
    CommandWithPlan(Destination),
    /// A command that works by itself, or runs other statements (DO, CALL).
    Command,
}

/// A plan that was started and has not ended.
struct Started {
    execution: Execution,
    /// It stands for the outermost statement.
    is_main: bool,
    has_run: bool,
    /// How many plans and commands had begun to run when its last run had ended.
    begun_before: u64,
    /// The outermost statement in which it was started.
    statement: u64,
    /// Of one that is nested.
    text: Phase,
}

/// What is to be sampled.
#[derive(Clone, Copy)]
pub struct View {
    /// Stands for the statement.
    pub main: Option<Execution>,
    /// The cursor of a loop: a nested plan that stays open while other statements run. (Between the end of its run and
    /// its own end every plan is open for a moment: of a parallel one, as long as its workers take to leave.)
    pub cursor: Option<Execution>,
    /// The innermost nested plan that is not cheap, or else the cursor, and its text.
    pub nested: Option<(Execution, Phase)>,
    pub runs_command: bool,
}

pub struct Levels {
    /// Commands and watched plans that run in one another.
    depth: u32,
    top: Top,
    /// The outermost statements so far.
    statement: u64,
    /// The command has started the plan that stands for it.
    has_main: bool,
    /// The plan that stands for the statement is made, or started.
    prepares_main: bool,
    /// Plans and commands that have begun to run.
    begun: u64,
    started: Vec<Started>,
}

pub static LEVELS: SignalCell<Levels> = SignalCell::new(Levels::new());

static IS_DEEP: AtomicBool = AtomicBool::new(false);

/// Is every plan that starts now nested: in a plan, or in a command that has no plan of its own? It is asked for
/// statements of two microseconds in a function, and so is a load.
pub fn is_deep() -> bool {
    IS_DEEP.load(Relaxed)
}

impl Levels {
    const fn new() -> Self {
        Self {
            depth: 0,
            top: Top::Plan,
            statement: 0,
            has_main: false,
            prepares_main: false,
            begun: 0,
            started: Vec::new(),
        }
    }

    pub fn is_nested(&self) -> bool {
        self.depth > 0 || current::is_committing()
    }

    /// Where the rows of the plan must go that comes next, for it to stand for the outermost statement; `None` if
    /// there is no such plan to come.
    pub fn awaits_main(&self) -> Option<Destination> {
        match self.top {
            _ if !self.is_nested() => Some(Destination::Any),
            Top::CommandWithPlan(destination) => {
                // one that came first may have been another's, or there are several
                let is_first = !self.has_main;
                let follows = || destination.may_follow() && !self.started.iter().any(|one| one.is_main);
                let is_awaited = self.depth == 1 && (is_first || follows()) && !current::is_committing();
                is_awaited.then_some(destination)
            }
            Top::Plan | Top::Command => None,
        }
    }

    /// The plan that stands for the outermost statement is made, or started: what runs meanwhile is nested in it.
    /// Returns the depth to go back to.
    pub fn prepare_main(&mut self) -> u32 {
        let depth = self.enter_command(Top::Command);
        self.prepares_main = true;
        depth
    }

    pub fn leave_preparation(&mut self, depth: u32) {
        self.prepares_main = false;
        self.leave(depth);
    }

    /// Is a command the outermost statement?
    pub fn runs_command(&self) -> bool {
        self.depth > 0 && self.top != Top::Plan
    }

    /// An outermost plan begins.
    pub fn begin_plan(&mut self) {
        if self.depth == 0 {
            self.begin(Top::Plan);
        }
    }

    fn begin(&mut self, top: Top) {
        self.top = top;
        self.has_main = false;
        self.statement += 1;
    }

    /// A plan is watched from now on; `nested` is the text of one that does not stand for the outermost statement.
    pub fn add(&mut self, execution: Execution, nested: Option<Phase>) {
        let is_main = nested.is_none();
        let text = nested.unwrap_or_default();
        self.has_main |= is_main;
        let statement = self.statement;
        self.started.push(Started { execution, is_main, has_run: false, begun_before: 0, statement, text });
    }

    pub fn remove(&mut self, execution: Execution) {
        self.started.retain(|started| started.execution != execution);
    }

    /// A command begins to run. Returns the depth to go back to.
    pub fn enter_command(&mut self, top: Top) -> u32 {
        if !self.is_nested() {
            self.begin(top);
        }
        self.enter()
    }

    /// A watched plan begins to run, or goes on. Returns the depth to go back to.
    pub fn enter_plan(&mut self, execution: Execution) -> u32 {
        if let Some(started) = self.started.iter_mut().rev().find(|started| started.execution == execution) {
            started.has_run = true;
        }
        self.enter()
    }

    fn enter(&mut self) -> u32 {
        self.begun += 1;
        self.set_depth(self.depth + 1);
        self.depth - 1
    }

    fn set_depth(&mut self, depth: u32) {
        self.depth = depth;
        IS_DEEP.store(depth > 0 && matches!(self.top, Top::Plan | Top::Command), Relaxed);
    }

    /// A plan that is not watched begins to run.
    pub fn pass(&mut self) {
        self.begun += 1;
    }

    pub fn leave(&mut self, depth: u32) {
        self.set_depth(depth);
    }

    /// A watched plan has run well.
    pub fn leave_plan(&mut self, execution: Execution, depth: u32) {
        let begun = self.begun;
        if let Some(started) = self.started.iter_mut().rev().find(|started| started.execution == execution) {
            started.begun_before = begun;
        }
        self.leave(depth);
    }

    pub fn view(&self) -> View {
        let is_running = |started: &&Started| watched_plans::is_running(started.execution);
        let nested = || self.started.iter().filter(|one| !one.is_main && one.statement == self.statement);
        let cursor = nested().find(|one| one.has_run && self.begun > one.begun_before && !is_running(one));
        let innermost = nested().rev().find(is_running).or(cursor);
        View {
            main: self.started.iter().rev().filter(|one| one.is_main).find(is_running).map(|main| main.execution),
            // a loop in a function that is evaluated beforehand is not what the statement does
            cursor: cursor.filter(|_| !self.prepares_main).map(|cursor| cursor.execution),
            nested: innermost.map(|nested| (nested.execution, nested.text)),
            runs_command: self.runs_command(),
        }
    }
}
