//! Tables that clients fill and empty. A table keeps its places when its entries are gone, and nothing is charged for those: a client
//! could fill one after the other, and the gateway would hold all of them.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher, Hash},
};

/// Up to so many places stay, so that small tables are not made again and again.
const KEPT: usize = 64;

/// The same where a session may have thousands of tables, which are charged for little more than what is in them.
pub(super) const KEPT_OF_MANY: usize = 4;

/// A table that gives places back.
pub(super) trait Table {
    /// Gives the places back that many entries have needed, once most of those are gone.
    fn give_back(&mut self) {
        self.give_back_beyond(KEPT);
    }

    /// The same, where other than the usual number of places may stay.
    fn give_back_beyond(&mut self, kept: usize);
}

macro_rules! hashed {
    ($table:ty where [$($of:tt)*]) => {
        impl<$($of)*> Table for $table {
            // `capacity` says nothing: it leaves out places whose entries were removed from amidst others, which clients that choose the
            // keys can bring about for all places. The true number is a power of two, and shrinking to less than half of that is the only
            // one that does anything: then so many entries come or go until the next time.
            fn give_back_beyond(&mut self, kept: usize) {
                self.shrink_to((self.len() * 2).max(kept * 7 / 8));
            }
        }
    };
}

macro_rules! in_order {
    ($table:ty where [$($of:tt)*]) => {
        impl<$($of)*> Table for $table {
            fn give_back_beyond(&mut self, kept: usize) {
                let (count, places) = (self.len(), self.capacity());
                if places > kept && count < places / 4 {
                    self.shrink_to(count * 2);
                }
            }
        }
    };
}

hashed! { HashMap<K, V, S> where [K: Eq + Hash, V, S: BuildHasher] }
hashed! { HashSet<K, S> where [K: Eq + Hash, S: BuildHasher] }
in_order! { Vec<T> where [T] }
in_order! { VecDeque<T> where [T] }

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasherDefault, Hasher};

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

    #[test]
    fn a_hash_table_gives_places_back_whatever_keys_it_has_had() {
        const COUNT: u64 = 7 << 10;
        let mut table = HashMap::with_hasher(BuildHasherDefault::<Itself>::default());
        // All are at their places, one behind the other, and there is room for no more.
        table.extend((0..COUNT).map(|key| (key, key)));
        assert_eq!(table.capacity(), table.len());
        let mut moves = 0;
        for key in 0..COUNT {
            table.remove(&key);
            let before = table.capacity();
            table.give_back();
            moves += usize::from(table.capacity() != before);
        }
        table.extend((0..50).map(|key| (key, key)));
        assert!(table.capacity() <= 2 * KEPT, "{}", table.capacity());
        assert!(moves <= 10, "{moves}");
    }

    /// A hash that clients know.
    #[derive(Default)]
    struct Itself(u64);

    impl Hasher for Itself {
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, _bytes: &[u8]) {}

        fn write_u64(&mut self, key: u64) {
            self.0 = key;
        }
    }
}
