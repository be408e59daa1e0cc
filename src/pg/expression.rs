//! Expressions over one value: built as the parser builds them, compiled once, evaluated for each row.

use super::error::Result;
use super::guard::guard;
use super::memory::Context;
use super::sys;
use super::value::Datum;
use std::ptr;

/// What expressions are evaluated in; the value is handed over here, and what an evaluation allocates is freed with the
/// next [`Evaluator::reset`].
pub(super) struct Evaluator(*mut sys::ExprContext);

impl Evaluator {
    /// It lives as long as `context`.
    pub(super) fn new(context: &Context) -> Result<Self> {
        let _entered = context.enter();
        // SAFETY: allocates in our context.
        guard(|| unsafe { sys::CreateStandaloneExprContext() }).map(Self)
    }

    /// Frees what evaluations have made.
    pub(super) fn reset(&self) -> Result<()> {
        let econtext = self.0;
        // SAFETY: a live context of its own.
        guard(|| unsafe { sys::MemoryContextReset((*econtext).ecxt_per_tuple_memory) })
    }
}

/// An expression over one value, ready to be evaluated. It lives as long as the context that it was compiled in.
pub(super) struct Expression(*mut sys::ExprState);

/// How values of one type are assigned to a column of another.
pub(super) enum Assignment {
    /// They are stored in the same way, and nothing is to be checked.
    AsTheyAre,
    By(Expression),
    /// There is no cast that an assignment may use.
    Impossible,
}

impl Expression {
    /// The conversion that INSERT applies to a value of the type `from` for a column of the type `to`: the assignment
    /// cast, the length or precision, the constraints of a domain.
    pub(super) fn assignment(from: (u32, i32), to: (u32, i32), context: &Context) -> Result<Assignment> {
        let ((from, from_typmod), (to, to_typmod)) = (from, to);
        if from == to && (to_typmod == -1 || to_typmod == from_typmod) {
            return Ok(Assignment::AsTheyAre);
        }
        let _entered = context.enter();
        let input = placeholder(from, from_typmod)?;
        // SAFETY: an expression of that type; NULL comes back when there is no cast.
        let mut made = guard(|| unsafe {
            sys::coerce_to_target_type(
                ptr::null_mut(),
                input,
                from,
                to,
                to_typmod,
                sys::CoercionContext_COERCION_ASSIGNMENT,
                sys::CoercionForm_COERCE_IMPLICIT_CAST,
                -1,
            )
        })?;
        if made.is_null() {
            return Ok(Assignment::Impossible);
        }
        let whole = made;
        // SAFETY: nodes, each with its tag; a relabelling has an argument.
        #[allow(clippy::cast_ptr_alignment)] // nodes are allocated aligned
        unsafe {
            while (*made).type_ == sys::NodeTag_T_RelabelType {
                made = (*made.cast::<sys::RelabelType>()).arg.cast();
            }
        }
        if made == input { Ok(Assignment::AsTheyAre) } else { compile(whole).map(Assignment::By) }
    }

    /// `to_jsonb` of a row.
    pub(super) fn row_to_jsonb(context: &Context) -> Result<Self> {
        let _entered = context.enter();
        let input = placeholder(sys::RECORDOID, -1)?;
        // SAFETY: a call of a function of the catalog with its one argument.
        let call = guard(|| unsafe {
            let arguments = sys::lappend(ptr::null_mut(), input.cast());
            let explicit = sys::CoercionForm_COERCE_EXPLICIT_CALL;
            sys::makeFuncExpr(sys::F_TO_JSONB, sys::JSONBOID, arguments, 0, 0, explicit)
        })?;
        compile(call.cast())
    }

    /// The expression's value for `input`; `None` is NULL on either side. It lives until `within` is reset.
    ///
    /// # Safety
    /// `input` must be a value of the type that the expression was made for.
    pub(super) unsafe fn evaluate(&self, within: &Evaluator, input: Option<Datum>) -> Result<Option<Datum>> {
        let (state, econtext) = (self.0, within.0);
        let (value, is_null) = (input.unwrap_or_default(), input.is_none());
        // SAFETY: compiled by the server, which sets the function; the value is of the expression's type.
        let (result, is_null) = guard(|| unsafe {
            (*econtext).caseValue_datum = value;
            (*econtext).caseValue_isNull = is_null;
            let before = sys::CurrentMemoryContext;
            sys::CurrentMemoryContext = (*econtext).ecxt_per_tuple_memory;
            let mut is_null = true;
            let result = match (*state).evalfunc {
                Some(function) => function(state, econtext, &raw mut is_null),
                None => 0,
            };
            sys::CurrentMemoryContext = before;
            (result, is_null)
        })?;
        Ok((!is_null).then_some(result))
    }
}

/// Stands for the value, which comes with each evaluation.
fn placeholder(type_id: u32, typmod: i32) -> Result<*mut sys::Node> {
    // SAFETY: all-zero is a node to fill, and that is its tag.
    #[allow(clippy::cast_ptr_alignment)] // palloc aligns for everything
    guard(|| unsafe {
        let node = sys::palloc0(size_of::<sys::CaseTestExpr>()).cast::<sys::CaseTestExpr>();
        (*node).xpr.type_ = sys::NodeTag_T_CaseTestExpr;
        (*node).typeId = type_id;
        (*node).typeMod = typmod;
        (*node).collation = sys::get_typcollation(type_id);
        node.cast()
    })
}

fn compile(node: *mut sys::Node) -> Result<Expression> {
    // SAFETY: an analysed expression. Compiling checks the right to execute its functions.
    guard(|| unsafe {
        sys::assign_expr_collations(ptr::null_mut(), node);
        sys::ExecInitExpr(sys::expression_planner(node.cast()), ptr::null_mut())
    })
    .map(Expression)
}
