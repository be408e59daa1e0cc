//! How many rows there will be, from those that there are.

/// As long as less than this part has been read, the planner knows better.
const EARLY: f64 = 0.05;

/// The total, when `count` rows came of the part `fraction` of the input. Glides from the planner's number.
pub fn refine(planned: f64, count: Option<f64>, fraction: f64) -> f64 {
    let Some(count) = count else { return planned };
    if fraction <= 0.0 {
        return planned.max(count);
    }
    let observed = count / fraction.min(1.0);
    let trust = (fraction / EARLY).min(1.0);
    (planned * (1.0 - trust) + observed * trust).max(count)
}

/// The part of `total` that `count` is, where the total is a guess: above 80 % it slows down, and never reaches 1.
pub fn softly(count: f64, total: f64) -> f64 {
    let part = if total > 0.0 { count / total } else { 1.0 };
    if part < 0.8 { part } else { 1.0 - 0.2 * (-(part - 0.8) / 0.2).exp() }
}

/// Rows of a join before it has run: an estimate of more than twice the larger input is likely to be too much.
pub fn tame(planned: f64, inputs: f64) -> f64 {
    let most = 2.0 * inputs.max(1.0);
    if planned > most { most * (planned / most).powf(0.1) } else { planned }
}

/// Groups in `all` rows, when the first `rows` of them had `groups`. Rows fall at random into D groups, and so
/// g = D(1 − e^(−r/D)); D is found by halving.
pub fn groups(groups: f64, rows: f64, all: f64) -> f64 {
    if rows < 1.0 || groups < 1.0 || all <= rows {
        return groups.max(1.0);
    }
    // Almost every row is a group of its own: there is no telling.
    if groups >= 0.999 * rows {
        return all * groups / rows;
    }
    let in_rows = |rows: f64, total: f64| total * (1.0 - (-rows / total).exp());
    let (mut low, mut high) = (groups, groups * 2000.0);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if in_rows(rows, middle) < groups { low = middle } else { high = middle }
    }
    in_rows(all, f64::midpoint(low, high)).max(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(a: f64, b: f64) -> bool {
        (a - b).abs() <= 0.02 * b.abs()
    }

    #[test]
    fn the_planner_is_believed_at_first() {
        assert!(is_near(refine(1000.0, Some(1.0), 0.0), 1000.0));
        assert!(is_near(refine(1000.0, Some(10.0), 0.5), 20.0));
        assert!(is_near(refine(1000.0, None, 0.5), 1000.0));
        let glides = refine(1000.0, Some(0.0), 0.025);
        assert!(glides > 400.0 && glides < 600.0);
        assert!(refine(10.0, Some(500.0), 0.01) >= 500.0);
    }

    #[test]
    fn a_guessed_total_is_never_reached() {
        assert!(is_near(softly(50.0, 100.0), 0.5));
        assert!(softly(100.0, 100.0) < 1.0 && softly(100.0, 100.0) > 0.9);
        assert!(softly(120.0, 100.0) > softly(100.0, 100.0));
        assert!(softly(1.0, 0.0) <= 1.0);
    }

    #[test]
    fn a_join_of_a_billion_rows_is_not_believed() {
        assert!(is_near(tame(100.0, 100.0), 100.0));
        assert!(is_near(tame(204_800.0, 100.0), 400.0));
    }

    #[test]
    fn groups_are_told_from_the_first_rows() {
        for truth in [100.0, 10_000.0, 1e6_f64] {
            let seen = |rows: f64| truth * (1.0 - (-rows / truth).exp());
            assert!(is_near(groups(seen(1e5), 1e5, 1e6), seen(1e6)), "{truth}");
        }
        assert!(is_near(groups(1e5, 1e5, 1e6), 1e6));
        assert!(groups(0.0, 0.0, 10.0) >= 1.0);
    }
}
