//! Which leases were taken in since somebody last looked, so that not all of them need be looked at again.

use std::collections::VecDeque;

use schemas::Observable;

/// Most leases that are remembered; whoever missed more looks at all.
const REMEMBERED_MAX: usize = 4_096;

/// How far somebody has looked; to the first look everything is new.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen(u64);

/// The leases taken in last, in order.
#[derive(Debug)]
pub(crate) struct Changes {
    last: VecDeque<Observable>,
    /// How many changes there were in all.
    count: u64,
}

impl Default for Changes {
    fn default() -> Self {
        Changes { last: VecDeque::new(), count: 1 }
    }
}

impl Changes {
    pub(crate) fn one(&mut self, observable: Observable) {
        if self.last.len() == REMEMBERED_MAX {
            self.last.pop_front();
        }
        self.last.push_back(observable);
        self.count += 1;
    }

    pub(crate) fn any(&mut self) {
        self.last.clear();
        self.count += 1;
    }

    /// The leases taken in since the look that left `seen`, some perhaps named twice; none if anything may have changed.
    pub(crate) fn since(&self, seen: &mut Seen) -> Option<Vec<Observable>> {
        let missed = usize::try_from(self.count - seen.0).unwrap_or(usize::MAX);
        seen.0 = self.count;
        let known = self.last.len().checked_sub(missed)?;
        Some(self.last.range(known..).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observable(number: usize) -> Observable {
        Observable::client(std::net::Ipv4Addr::from(0x5102_0000 + number as u32).into())
    }

    #[test]
    fn a_look_is_told_what_came_since_its_last_or_that_it_may_be_anything() {
        let (mut changes, mut seen, mut other) =
            (Changes::default(), Seen::default(), Seen::default());
        assert_eq!(changes.since(&mut seen), None, "the first look");
        assert_eq!(changes.since(&mut seen), Some(Vec::new()));
        changes.one(observable(1));
        changes.one(observable(2));
        assert_eq!(changes.since(&mut seen), Some(vec![observable(1), observable(2)]));
        changes.one(observable(3));
        assert_eq!(changes.since(&mut seen), Some(vec![observable(3)]));
        assert_eq!(changes.since(&mut other), None, "another's first look");
        changes.any();
        changes.one(observable(4));
        assert_eq!(changes.since(&mut seen), None);
        (0..REMEMBERED_MAX).for_each(|number| changes.one(observable(number)));
        assert!(changes.since(&mut seen).is_some_and(|all| all.len() == REMEMBERED_MAX));
        (0..=REMEMBERED_MAX).for_each(|number| changes.one(observable(number)));
        assert_eq!(changes.since(&mut seen), None, "more than is remembered");
    }
}
