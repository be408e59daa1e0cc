//! How many jobs may run at a time, and in which order launches that wait are admitted.

/// Whose jobs a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Total,
    Database,
    Role,
    /// The slots of the registry itself.
    Slots,
}

/// 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub total: u32,
    pub per_database: u32,
    /// The launching session's: superusers may give each role its own.
    pub per_role: u32,
}

impl Limits {
    pub fn any(&self) -> bool {
        self.total != 0 || self.per_database != 0 || self.per_role != 0
    }
}

/// A launch that asks to be let in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub database: u32,
    pub role: u32,
    pub limits: Limits,
}

/// As many launches can wait at a time.
pub const MAX_WAITERS: usize = 128;

/// A job's database and role as one number.
pub fn kind(database: u32, role: u32) -> u64 {
    u64::from(database) << 32 | u64::from(role)
}

/// How many jobs run, as far as a number of requests want to know it. Counted in one pass over the jobs.
pub struct Running {
    total: u32,
    databases: Counts,
    roles: Counts,
}

impl Running {
    /// `total` jobs run, of these `kinds`.
    pub fn count<'a>(
        requests: impl Iterator<Item = &'a Request> + Clone,
        total: u32,
        kinds: impl Iterator<Item = u64>,
    ) -> Self {
        let databases = requests.clone().filter(|r| r.limits.per_database != 0).map(|r| r.database);
        let roles = requests.filter(|r| r.limits.per_role != 0).map(|r| r.role);
        let mut running = Self { total, databases: Counts::of(databases), roles: Counts::of(roles) };
        if running.databases.len + running.roles.len > 0 {
            for kind in kinds {
                running.databases.add((kind >> 32) as u32);
                running.roles.add(kind as u32);
            }
        }
        running
    }

    /// Only of scopes that are limited in one of the requests.
    pub fn within(&self, scope: Scope, request: &Request) -> u32 {
        match scope {
            Scope::Total | Scope::Slots => self.total,
            Scope::Database => self.databases.get(request.database),
            Scope::Role => self.roles.get(request.role),
        }
    }
}

/// Counters by number, in the order of the numbers. Without an allocation.
struct Counts {
    by_number: [(u32, u32); MAX_WAITERS + 1],
    len: usize,
}

impl Counts {
    fn of(numbers: impl Iterator<Item = u32>) -> Self {
        let mut counts = Self { by_number: [(0, 0); MAX_WAITERS + 1], len: 0 };
        for number in numbers {
            if let Err(place) = counts.find(number) {
                if counts.len <= MAX_WAITERS {
                    counts.by_number.copy_within(place..counts.len, place + 1);
                    counts.by_number[place] = (number, 0);
                    counts.len += 1;
                }
            }
        }
        counts
    }

    fn find(&self, number: u32) -> std::result::Result<usize, usize> {
        self.by_number[..self.len].binary_search_by_key(&number, |(number, _)| *number)
    }

    fn add(&mut self, number: u32) {
        if let Ok(place) = self.find(number) {
            self.by_number[place].1 += 1;
        }
    }

    fn get(&self, number: u32) -> u32 {
        self.find(number).map_or(0, |place| self.by_number[place].1)
    }
}

/// The first limit that keeps `me` out; `None`: it is admitted. `running` counts running jobs by scope; `ahead` are
/// those that asked before, in their order, at most [`MAX_WAITERS`]. A request ahead that could be admitted now goes
/// first; one that is kept out by a limit of its own keeps no other out.
pub fn verdict<'a>(
    me: &Request,
    ahead: impl Iterator<Item = &'a Request>,
    running: impl Fn(Scope, &Request) -> u32,
    free_slots: u32,
) -> Option<Scope> {
    let (admitted, count) = admissible(ahead, &running, free_slots, |_| {});
    limit(me, &admitted[..count], &running, free_slots)
}

/// Of requests that wait, in their order and at most [`MAX_WAITERS`], those that could be admitted now, one after the
/// other, and how many they are. `each` is told their numbers. For each of them [`verdict`] finds no limit.
pub fn admissible<'a>(
    waiting: impl Iterator<Item = &'a Request>,
    running: &impl Fn(Scope, &Request) -> u32,
    free_slots: u32,
    mut each: impl FnMut(usize),
) -> ([Request; MAX_WAITERS], usize) {
    let mut admitted = [Request::default(); MAX_WAITERS];
    let mut count = 0;
    for (number, request) in waiting.take(MAX_WAITERS).enumerate() {
        if limit(request, &admitted[..count], running, free_slots).is_none() {
            admitted[count] = *request;
            count += 1;
            each(number);
        }
    }
    (admitted, count)
}

fn limit(
    request: &Request,
    admitted: &[Request],
    running: &impl Fn(Scope, &Request) -> u32,
    free_slots: u32,
) -> Option<Scope> {
    if admitted.len() as u32 >= free_slots {
        return Some(Scope::Slots);
    }
    let exceeded = |scope, limit: u32, alike: &dyn Fn(&Request) -> bool| {
        limit != 0 && running(scope, request) + admitted.iter().filter(|r| alike(r)).count() as u32 >= limit
    };
    let limits = &request.limits;
    if exceeded(Scope::Total, limits.total, &|_| true) {
        Some(Scope::Total)
    } else if exceeded(Scope::Database, limits.per_database, &|r| r.database == request.database) {
        Some(Scope::Database)
    } else if exceeded(Scope::Role, limits.per_role, &|r| r.role == request.role) {
        Some(Scope::Role)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn request(database: u32, role: u32, limits: [u32; 3]) -> Request {
        let [total, per_database, per_role] = limits;
        Request { database, role, limits: Limits { total, per_database, per_role } }
    }

    fn ask(me: Request, ahead: &[Request], running: &[(u32, u32)], free: u32) -> Option<Scope> {
        let kinds = running.iter().map(|(database, role)| kind(*database, *role));
        let running = Running::count(ahead.iter().chain([&me]), running.len() as u32, kinds);
        verdict(&me, ahead.iter(), |scope, request| running.within(scope, request), free)
    }

    #[test]
    fn counts_for_as_many_requests_as_there_can_be() {
        let requests: Vec<_> = (0..=MAX_WAITERS as u32).rev().map(|n| request(n + 1, 1000 - n, [0, 1, 1])).collect();
        let kinds = (0..=MAX_WAITERS as u32).flat_map(|n| (0..n).map(move |_| kind(n + 1, 1000 - n)));
        let running = Running::count(requests.iter(), 7, kinds);
        for (n, request) in (0..=MAX_WAITERS as u32).rev().zip(&requests) {
            assert_eq!(running.within(Scope::Database, request), n);
            assert_eq!(running.within(Scope::Role, request), n);
            assert_eq!(running.within(Scope::Total, request), 7);
        }
    }

    /// A verdict is made under the registry's lock.
    #[test]
    fn a_verdict_looks_once_at_each_request() {
        let requests: Vec<_> = (1..=MAX_WAITERS as u32).map(|n| request(n, n, [0, 1, 1])).collect();
        let looks = Cell::new(0);
        let running = Running::count(requests.iter(), 2000, (0..2000).map(|n| kind(n % 128 + 1, n % 128 + 1)));
        let within = |scope, request: &Request| {
            looks.set(looks.get() + 1);
            running.within(scope, request)
        };
        assert_eq!(verdict(&requests[0], requests.iter(), within, 9), Some(Scope::Database));
        assert_eq!(looks.take(), MAX_WAITERS + 1);
    }

    #[test]
    fn names_the_limit_that_is_reached() {
        let running = [(1, 10), (1, 11), (2, 10)];
        assert_eq!(ask(request(1, 10, [0, 0, 0]), &[], &running, 9), None);
        assert_eq!(ask(request(1, 10, [3, 0, 0]), &[], &running, 9), Some(Scope::Total));
        assert_eq!(ask(request(1, 10, [4, 2, 0]), &[], &running, 9), Some(Scope::Database));
        assert_eq!(ask(request(2, 10, [4, 2, 2]), &[], &running, 9), Some(Scope::Role));
        assert_eq!(ask(request(2, 12, [4, 2, 2]), &[], &running, 9), None);
        assert_eq!(ask(request(2, 12, [0, 0, 0]), &[], &running, 0), Some(Scope::Slots));
    }

    #[test]
    fn first_come_first_served() {
        let total = request(1, 10, [2, 0, 0]);
        assert_eq!(ask(total, &[total], &[(1, 10)], 9), Some(Scope::Total));
        assert_eq!(ask(total, &[], &[(1, 10)], 9), None);
        assert_eq!(ask(total, &[total], &[], 1), Some(Scope::Slots));
    }

    /// Who of those that wait is to be woken.
    fn next(waiting: &[Request], running: &[(u32, u32)], free: u32) -> Vec<usize> {
        let kinds = running.iter().map(|(database, role)| kind(*database, *role));
        let running = Running::count(waiting.iter(), running.len() as u32, kinds);
        let mut found = Vec::new();
        admissible(waiting.iter(), &|scope, request| running.within(scope, request), free, |n| found.push(n));
        found
    }

    #[test]
    fn a_place_that_is_freed_is_for_the_first_that_it_lets_in() {
        let total = request(1, 10, [2, 0, 0]);
        assert_eq!(next(&[total; 3], &[(1, 10)], 9), [0]);
        assert_eq!(next(&[total; 3], &[], 9), [0, 1]);
        assert_eq!(next(&[total; 3], &[(1, 10); 2], 9), []);
        let unlimited = request(1, 10, [0, 0, 0]);
        assert_eq!(next(&[unlimited; 3], &[(1, 10); 5], 1), [0]);
        assert_eq!(next(&[unlimited; 3], &[(1, 10); 5], 0), []);
    }

    #[test]
    fn a_place_goes_to_one_behind_where_the_first_is_kept_out_by_its_own_limit() {
        let full_role = request(1, 10, [3, 0, 1]);
        let other_role = request(2, 11, [3, 2, 1]);
        assert_eq!(next(&[full_role, full_role, other_role, other_role], &[(1, 10)], 9), [2]);
        let other_database = request(3, 12, [3, 1, 0]);
        assert_eq!(next(&[other_role, other_database, other_database], &[(2, 10); 2], 9), [1]);
    }

    #[test]
    fn whoever_is_woken_is_let_in() {
        let roles = [
            request(1, 10, [4, 2, 1]),
            request(1, 11, [4, 2, 1]),
            request(2, 10, [4, 0, 3]),
            request(2, 12, [3, 1, 0]),
        ];
        let waiting: Vec<_> = (0..12).map(|n| roles[n * 7 % 5 % 4]).collect();
        for running in [&[][..], &[(1, 10)], &[(1, 11), (2, 12)], &[(2, 10), (2, 10), (1, 11)]] {
            let woken = next(&waiting, running, 9);
            for (n, me) in waiting.iter().enumerate() {
                assert_eq!(woken.contains(&n), ask(*me, &waiting[..n], running, 9).is_none(), "{n} of {running:?}");
            }
        }
    }

    #[test]
    fn who_is_kept_out_by_a_limit_of_his_own_keeps_nobody_else_out() {
        let full_role = request(1, 10, [3, 0, 1]);
        let other = request(1, 11, [3, 0, 1]);
        assert_eq!(ask(other, &[full_role, full_role], &[(1, 10)], 9), None);
        assert_eq!(ask(other, &[full_role, other], &[(1, 10)], 9), Some(Scope::Role));
    }
}
