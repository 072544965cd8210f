//! A client's connections that are open side by side, and the logins on them.
//!
//! Tabs that are opened before a login have IDs of their own, and so have the logins on them: neither ID comes before the
//! other one in a line. A user who logs out in one tab means the browser, and the browser has the cookie of the tab that
//! was opened last. Such tabs have their public ID in common.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::cookie::{PrincipalMark, TrackingId};

/// How many logins of one client are kept. A browser has one cookie, and hardly as many tabs that log in by themselves.
const MAX_LOGINS: usize = 64;

/// The clients that have connections, by public ID.
#[derive(Default)]
pub struct Families(Mutex<HashMap<Arc<str>, Weak<Logins>>>);

type Logins = Mutex<FamilyLogins>;

/// The IDs of a family on which a login stands, each with its principal.
#[derive(Default)]
struct FamilyLogins {
    /// Where a client has logged in, oldest first, each with the principal of its last login.
    noted: Vec<(TrackingId, PrincipalMark)>,
    /// One for each open connection that came with a login on its cookie.
    carried: Vec<(TrackingId, PrincipalMark)>,
}

/// One connection's share in its family. The family is forgotten with its last connection: a browser that opens the next
/// one has one cookie again.
pub struct Family {
    families: Arc<Families>,
    public_id: Arc<str>,
    logins: Arc<Logins>,
    /// The ID of this connection, if it came with a login.
    carries: Option<TrackingId>,
}

impl Families {
    /// The family of a client, for one more connection.
    pub(super) fn enter(self: &Arc<Self>, public_id: &Arc<str>) -> Family {
        let mut families = lock(&self.0);
        let logins = families.get(public_id).and_then(Weak::upgrade).unwrap_or_else(|| {
            let logins = Arc::default();
            families.insert(Arc::clone(public_id), Arc::downgrade(&logins));
            logins
        });
        drop(families);
        Family { families: Arc::clone(self), public_id: Arc::clone(public_id), logins, carries: None }
    }

    /// The IDs with a login of the client that has this public ID, and of the one that has such an ID; as far as the client
    /// is connected here. For when the store cannot say it. Takes a look at all families.
    pub fn logins_of(&self, public_id: &str, id: Option<&TrackingId>) -> Vec<TrackingId> {
        let mut found = Vec::new();
        self.each(|name, logins| {
            let mut ids = logins.all().map(|(id, _)| id);
            if *name == *public_id || ids.any(|other| Some(other) == id) {
                found.extend(logins.all().map(|(id, _)| id.clone()));
            }
        });
        found
    }

    /// The IDs with a login of such a principal, as far as the client is connected here. Takes a look at all families.
    pub(super) fn logins_as(&self, is_wanted: impl Fn(PrincipalMark) -> bool) -> Vec<TrackingId> {
        let mut found = Vec::new();
        self.each(|_, logins| {
            found.extend(logins.all().filter(|(_, whose)| is_wanted(*whose)).map(|(id, _)| id.clone()));
        });
        found
    }

    /// Calls back for every family. Under the lock: a connection that leaves meanwhile has to see whether it is the last one.
    fn each(&self, mut each: impl FnMut(&str, &FamilyLogins)) {
        for (name, logins) in &*lock(&self.0) {
            if let Some(logins) = logins.upgrade() {
                each(name, &lock(&logins));
            }
        }
    }
}

impl Family {
    /// Notes a login on a connection that came with this ID.
    pub(super) fn note_login(&self, id: &TrackingId, principal: PrincipalMark) {
        let logins = &mut lock(&self.logins).noted;
        logins.retain(|(other, _)| other != id);
        if logins.len() == MAX_LOGINS {
            // A client that has planted its own ID is in the family as well. Its logins must not push out others'.
            let excess = logins.iter().position(|(_, other)| *other == principal).unwrap_or(0);
            logins.remove(excess);
        }
        logins.push((id.clone(), principal));
    }

    /// Notes that this connection came with a login on its cookie, for as long as it is open. So a logout finds its ID also
    /// while the store does not answer.
    pub(super) fn carry(&mut self, id: &TrackingId, principal: PrincipalMark) {
        let carried = &mut lock(&self.logins).carried;
        // Nearly every client has one such connection.
        carried.reserve_exact(1);
        carried.push((id.clone(), principal));
        self.carries = Some(id.clone());
    }

    /// The IDs on which this principal has logged in last, and those with which open connections came as this principal.
    pub fn logins(&self, principal: PrincipalMark) -> Vec<TrackingId> {
        let logins = lock(&self.logins);
        logins.all().filter(|(_, other)| *other == principal).map(|(id, _)| id.clone()).collect()
    }
}

impl FamilyLogins {
    fn all(&self) -> impl Iterator<Item = &(TrackingId, PrincipalMark)> {
        self.noted.iter().chain(&self.carried)
    }
}

// Held for one operation and never across an await; what a panic leaves is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(id) = &self.carries {
            let carried = &mut lock(&self.logins).carried;
            if let Some(place) = carried.iter().position(|(other, _)| other == id) {
                carried.swap_remove(place);
            }
        }
        let mut families = lock(&self.families.0);
        // No other connection has it, and one that looks for it waits for the lock.
        if Arc::strong_count(&self.logins) == 1 {
            families.remove(&self.public_id);
        }
    }
}

impl fmt::Debug for Families {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Families(..)")
    }
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Family({})", self.public_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u64) -> PrincipalMark {
        PrincipalMark::from_number(number).unwrap()
    }

    fn id(number: usize) -> TrackingId {
        TrackingId::parse(&format!("secret-{number:04}")).unwrap()
    }

    #[test]
    fn a_family_lasts_as_long_as_one_of_its_connections() {
        let families = Arc::new(Families::default());
        let (joe, ann) = (Arc::from("joe"), Arc::from("ann"));
        let (first, other) = (families.enter(&joe), families.enter(&ann));
        first.note_login(&id(1), mark(1));
        let second = families.enter(&joe);
        second.note_login(&id(2), mark(1));
        drop(first);
        assert_eq!(second.logins(mark(1)), [id(1), id(2)]);
        assert!(other.logins(mark(1)).is_empty());
        drop(second);
        assert!(families.enter(&joe).logins(mark(1)).is_empty());
        drop(other);
        assert!(lock(&families.0).is_empty(), "nothing stays behind");
    }

    #[test]
    fn an_id_that_came_with_a_login_is_known_while_its_connection_is_open() {
        let families = Arc::new(Families::default());
        let joe = Arc::from("joe");
        let (first, mut second) = (families.enter(&joe), families.enter(&joe));
        first.note_login(&id(1), mark(1));
        second.carry(&id(2), mark(1));
        assert_eq!(first.logins(mark(1)), [id(1), id(2)]);
        assert_eq!(families.logins_of("joe", None), [id(1), id(2)]);
        assert_eq!(families.logins_of("", Some(&id(2))), [id(1), id(2)]);
        assert!(families.logins_of("ann", Some(&id(3))).is_empty());
        assert_eq!(families.logins_as(|principal| principal == mark(1)), [id(1), id(2)]);
        assert!(families.logins_as(|principal| principal == mark(2)).is_empty());
        drop(second);
        assert_eq!(first.logins(mark(1)), [id(1)]);
    }

    #[test]
    fn the_last_logins_are_kept_each_once() {
        let family = Arc::new(Families::default()).enter(&Arc::from("joe"));
        (0..MAX_LOGINS).for_each(|number| family.note_login(&id(number), mark(1)));
        family.note_login(&id(0), mark(1));
        family.note_login(&id(MAX_LOGINS), mark(1));
        let logins = family.logins(mark(1));
        assert_eq!((logins.len(), &logins[0]), (MAX_LOGINS, &id(2)));
        assert_eq!(logins[MAX_LOGINS - 2..], [id(0), id(MAX_LOGINS)]);
        assert!(!format!("{family:?}").contains("secret"));
    }

    #[test]
    fn logins_of_one_principal_neither_name_nor_push_out_those_of_another_one() {
        let family = Arc::new(Families::default()).enter(&Arc::from("joe"));
        family.note_login(&id(0), mark(1));
        (1..2 * MAX_LOGINS).for_each(|number| family.note_login(&id(number), mark(2)));
        assert_eq!(family.logins(mark(1)), [id(0)]);
        assert_eq!(family.logins(mark(2)).len(), MAX_LOGINS - 1);
        assert!(family.logins(mark(3)).is_empty());
    }
}
