//! Tables that clients fill and empty. A table keeps its places when its entries are gone, and nothing is charged for those: a client
//! could fill one after the other, and the gateway would hold all of them.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher, Hash},
};

/// Up to so many places stay, so that small tables are not made again and again.
const KEPT: usize = 64;

/// A table that gives places back.
pub(super) trait Table {
    /// How many entries there are.
    fn count(&self) -> usize;

    /// How many there are places for.
    fn places(&self) -> usize;

    /// Keeps so many places, or as many as there are entries if these are more.
    fn keep(&mut self, places: usize);

    /// Gives the places back that many entries have needed, once most of those are gone.
    fn give_back(&mut self) {
        let (count, places) = (self.count(), self.places());
        if places > KEPT && count < places / 4 {
            self.keep(count * 2);
        }
    }
}

macro_rules! table {
    ($table:ty where [$($of:tt)*]) => {
        impl<$($of)*> Table for $table {
            fn count(&self) -> usize {
                self.len()
            }

            fn places(&self) -> usize {
                self.capacity()
            }

            fn keep(&mut self, places: usize) {
                self.shrink_to(places);
            }
        }
    };
}

table! { HashMap<K, V, S> where [K: Eq + Hash, V, S: BuildHasher] }
table! { HashSet<K, S> where [K: Eq + Hash, S: BuildHasher] }
table! { Vec<T> where [T] }
table! { VecDeque<T> where [T] }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_with_most_of_the_entries_and_a_few_stay() {
        let mut table: Vec<usize> = (0..10_000).collect();
        let places = table.capacity();
        table.truncate(places / 4);
        table.give_back();
        assert_eq!(table.capacity(), places);
        table.truncate(places / 4 - 1);
        table.give_back();
        assert_eq!(table.capacity(), 2 * (places / 4 - 1));
        table.clear();
        table.give_back();
        assert_eq!(table.capacity(), 0);
        table.reserve_exact(KEPT);
        table.give_back();
        assert_eq!(table.capacity(), KEPT);
    }
}
