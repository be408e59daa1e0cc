//! What a plan is doing, in words: the stage that is active, and the relation that drives it.

use super::super::Phase;
use super::model::State;
use super::node::{Grouping, Kind, Node, Plan, Reading, Role};

pub fn of(plan: &Plan, reading: &Reading, states: &[State]) -> Phase {
    if reading.is_waiting {
        return Phase::from("waiting for parallel workers");
    }
    if reading.trigger_runs > 0.0 {
        return Phase::from("running triggers");
    }
    let finder = Finder { plan, reading, states };
    let (mut verb, mut at) = ("scanning", 0);
    // Each step goes one node down.
    for _ in 0..plan.nodes.len() {
        match finder.step(at, verb) {
            Step::Down(next_verb, next) => (verb, at) = (next_verb, next),
            Step::Found(text, driver) => return finder.say(text, driver),
        }
    }
    Phase::from(verb)
}

enum Step {
    Down(&'static str, usize),
    /// The words, and the node whose relation follows them.
    Found(&'static str, Option<usize>),
}

struct Finder<'a> {
    plan: &'a Plan,
    reading: &'a Reading,
    states: &'a [State],
}

impl Finder<'_> {
    fn step(&self, at: usize, verb: &'static str) -> Step {
        let node = &self.plan.nodes[at];
        let is_filled = self.reading.nodes[at].is_filled;
        if let Some(sub) = node.children.iter().copied().find(|&child| self.is_running_apart(child)) {
            return Step::Down("scanning", sub);
        }
        let outer = self.child(node, Role::Outer);
        let inner = self.child(node, Role::Inner);
        match (node.kind, outer) {
            (Kind::Sort | Kind::Agg(Grouping::Hashed), _) if is_filled => {
                Step::Found(if node.kind == Kind::Sort { "returning sorted rows" } else { "returning groups" }, None)
            }
            (Kind::Sort, Some(input)) if self.states[input].fraction >= 0.999 => Step::Found("sorting", None),
            (Kind::Sort, Some(input)) => Step::Down("sorting", input),
            (Kind::Hash, Some(input)) => Step::Down("hashing", input),
            (Kind::Agg(_), Some(input)) => Step::Down("aggregating", input),
            (Kind::Window { .. }, Some(input)) => Step::Down("computing windows over", input),
            (Kind::Modify { .. }, Some(input)) if self.is_ready(input) => Step::Found("writing", Some(at)),
            (Kind::HashJoin, Some(outer)) if !is_filled && self.is_ready(outer) => match inner {
                Some(inner) => Step::Down(verb, inner),
                None => Step::Found("joining", Some(outer)),
            },
            (Kind::HashJoin | Kind::MergeJoin | Kind::NestLoop, Some(outer)) => {
                match [Some(outer), inner].into_iter().flatten().find(|&input| !self.is_ready(input)) {
                    Some(input) => Step::Down(verb, input),
                    None => Step::Found("joining", Some(outer)),
                }
            }
            (Kind::Append { .. } | Kind::MergeAppend, _) => {
                let current = self.reading.nodes[at].member.unwrap_or(0);
                let members = node.children.iter().filter(|&&child| self.plan.nodes[child].role == Role::Member);
                members.copied().nth(current).map_or(Step::Found(verb, None), |member| Step::Down(verb, member))
            }
            (_, Some(input)) => Step::Down(verb, input),
            (_, None) => Step::Found(verb, Some(at)),
        }
    }

    /// Has all been done that comes before its first row?
    fn is_ready(&self, at: usize) -> bool {
        let state = &self.states[at];
        state.before_done >= 0.9999 * state.before
    }

    /// A subplan that runs once, and has begun and not ended.
    fn is_running_apart(&self, child: usize) -> bool {
        let is_once = matches!(self.plan.nodes[child].role, Role::Once | Role::HashedSubplan);
        is_once && !self.reading.nodes[child].is_over && self.states[child].done() > 0.0
    }

    fn child(&self, node: &Node, role: Role) -> Option<usize> {
        node.children.iter().copied().find(|&child| self.plan.nodes[child].role == role)
    }

    /// The relation is that of the node, or of what drives it.
    fn say(&self, text: &str, driver: Option<usize>) -> Phase {
        let mut phase = Phase::from(text);
        let mut at = driver;
        for _ in 0..self.plan.nodes.len() {
            let Some(node) = at.map(|at| &self.plan.nodes[at]) else { break };
            if !node.name().is_empty() {
                phase.push(" ");
                phase.push_bytes(node.name());
                break;
            }
            at = self.child(node, Role::Outer);
        }
        if at.is_none()
            || driver.is_some_and(|at| self.plan.nodes[at].children.is_empty()) && phase.bytes().len() == text.len()
        {
            return Phase::from(match text {
                "scanning" => "producing rows",
                "computing windows over" => "computing windows",
                other => other,
            });
        }
        phase
    }
}
