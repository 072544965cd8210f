//! Where a realm's identifiers come from (section "IDs"): one source, which the realm's owner has.
//!
//! Identifiers of invocations are not made here: they count from 1 in each session.

use crate::wamp::random_id;

/// Makes identifiers that no other subscription, registration or publication of the realm has.
#[derive(Debug)]
pub(super) struct Identifiers {
    publications: Draw,
    last_subscription: u64,
    last_registration: u64,
}

/// How identifiers in the global scope are drawn.
#[derive(Debug)]
enum Draw {
    Random,
    #[cfg(test)]
    Counting(u64),
}

impl Identifiers {
    /// Identifiers of a new realm.
    pub(super) const fn new() -> Self {
        Self { publications: Draw::Random, last_subscription: 0, last_registration: 0 }
    }

    /// The next publication's: in the global scope, at random.
    pub(super) fn publication(&mut self) -> u64 {
        match &mut self.publications {
            Draw::Random => random_id(),
            #[cfg(test)]
            Draw::Counting(last) => {
                *last += 1;
                *last
            }
        }
    }

    /// One of so many places, each as likely as the others; 0 of none.
    pub(super) fn choice(&mut self, places: usize) -> usize {
        match &mut self.publications {
            Draw::Random if places > 1 => {
                use rand::RngExt as _;
                rand::rng().random_range(..places)
            }
            Draw::Random => 0,
            #[cfg(test)]
            Draw::Counting(last) => {
                *last += 1;
                usize::try_from(*last).unwrap() % places.max(1)
            }
        }
    }

    /// The next subscription's. In the router scope, which the specification leaves to the router: counted.
    pub(super) const fn subscription(&mut self) -> u64 {
        self.last_subscription += 1;
        self.last_subscription
    }

    /// The next registration's; counted as well.
    pub(super) const fn registration(&mut self) -> u64 {
        self.last_registration += 1;
        self.last_registration
    }
}

#[cfg(test)]
impl Identifiers {
    /// Publications are counted, from the number after this one.
    pub(super) const fn counting_from(last: u64) -> Self {
        Self { publications: Draw::Counting(last), ..Self::new() }
    }
}
