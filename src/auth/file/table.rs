//! All principals of a file that belong to a method. A look-up takes the same time however many there are.

use std::{
    collections::{HashMap, hash_map::RandomState},
    fmt,
    hash::BuildHasher as _,
    sync::OnceLock,
};

use hashbrown::HashTable;
use serde::{
    Deserializer as _,
    de::{Error, MapAccess, Visitor},
};

use super::{
    FilePrincipal, KnownRealm,
    entry::{Entry, Object, Text},
};
use crate::{cookie::PublicIdKey, identity::Name, wamp::Uri};

/// How many faults of a file are told.
const MAX_FAULTS: usize = 20;

/// How many principals may stand in for names that do not exist. They are chosen by their names, so that they stay the same when
/// others come and go.
const MAX_STAND_INS: usize = 1024;

/// The principals of a method by authid.
pub struct Table<P> {
    entries: Vec<(Name, P)>,
    hasher: RandomState,
    /// The places of the entries, by name.
    names: HashTable<u32>,
    /// The entries of public keys that one principal alone has; none: several have it.
    owners: HashMap<[u8; 32], Option<u32>>,
    /// Entries that may stand in for others.
    sample: Vec<u32>,
    /// The same by places that a key has drawn, in order.
    ring: OnceLock<Vec<(u64, u32)>>,
}

/// What is wrong with a file. Nothing in it is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(Vec<String>);

impl<P> Default for Table<P> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            hasher: RandomState::new(),
            names: HashTable::new(),
            owners: HashMap::new(),
            sample: Vec::new(),
            ring: OnceLock::new(),
        }
    }
}

impl<P: FilePrincipal> Table<P> {
    /// Reads the text of a file. Roles and realms must be among `realms`, where they are known.
    pub fn parse(bytes: &[u8], realms: Option<&[KnownRealm]>) -> Result<Self, Faults> {
        let mut reading =
            Reading { table: Self::default(), realms, roles: HashMap::new(), faults: Vec::new(), seen: 0 };
        // The parser would repeat any other value, which may be a secret.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(Faults::one(
                "is no file of principals: line 1 must begin an object of principals by authid".to_owned(),
            ));
        }
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let read = json.deserialize_map(&mut reading).and_then(|()| json.end());
        if let Err(error) = read {
            reading.faults.push(format!("cannot be read: {error}"));
        }
        if !reading.faults.is_empty() {
            return Err(Faults(reading.faults));
        }
        let mut table = reading.table;
        table.entries.shrink_to_fit();
        table.choose_stand_ins();
        Ok(table)
    }

    fn add(&mut self, name: Name, principal: P) -> Result<(), String> {
        let place =
            u32::try_from(self.entries.len()).map_err(|_| "there are too many principals".to_owned())?;
        for key in principal.keys() {
            self.owners.entry(*key).and_modify(|owner| *owner = None).or_insert(Some(place));
        }
        let Self { entries, hasher, names, .. } = self;
        let name_at = |place: &u32| entries.get(*place as usize).map(|(name, _)| name.as_str());
        let hash = hasher.hash_one(name.as_str());
        if names.find(hash, |place| name_at(place) == Some(&name)).is_some() {
            return Err("stands twice in the file: keep one of them".to_owned());
        }
        names.insert_unique(hash, place, |place| hasher.hash_one(name_at(place).unwrap_or_default()));
        entries.push((name, principal));
        Ok(())
    }

    /// By a hash without a key, which is quick. A key draws their places later, as for the principals of a configuration.
    fn choose_stand_ins(&mut self) {
        let places = 0..u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let mut drawn: Vec<(u32, u32)> = places
            .zip(&self.entries)
            .map(|(place, (name, _))| (crc32fast::hash(name.as_bytes()), place))
            .collect();
        if drawn.len() > MAX_STAND_INS {
            drawn.select_nth_unstable(MAX_STAND_INS);
            drawn.truncate(MAX_STAND_INS);
        }
        self.sample = drawn.into_iter().map(|(_, place)| place).collect();
    }
}

impl<P> Table<P> {
    /// How many principals there are.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The principal of an authid.
    pub fn get(&self, authid: &str) -> Option<(&Name, &P)> {
        let hash = self.hasher.hash_one(authid);
        let is_it = |place: &u32| self.at(*place).is_some_and(|(name, _)| name.as_str() == authid);
        self.at(*self.names.find(hash, is_it)?)
    }

    /// With how many names a look-up compares.
    #[cfg(test)]
    pub(super) fn compared(&self, authid: &str) -> usize {
        let mut compared = 0;
        self.names.find(self.hasher.hash_one(authid), |place| {
            compared += 1;
            self.at(*place).is_some_and(|(name, _)| name.as_str() == authid)
        });
        compared
    }

    /// The one principal with this key; none if several have it.
    pub fn owner(&self, key: &[u8; 32]) -> Option<&Name> {
        self.at((*self.owners.get(key)?)?).map(|(name, _)| name)
    }

    /// The principal whose parameters the challenge of an unknown authid has: always the same one for the same name and key.
    pub(crate) fn stand_in(&self, authid: &str, key: &PublicIdKey) -> Option<(&Name, &P)> {
        let ring = self.ring.get_or_init(|| {
            let place = |entry: &u32| Some((drawn(self.at(*entry)?.0, key), *entry));
            let mut ring: Vec<_> = self.sample.iter().filter_map(place).collect();
            ring.sort_unstable();
            ring
        });
        let from = drawn(authid, key);
        let next = ring.partition_point(|(place, _)| *place < from);
        let (_, entry) = ring.get(next).or_else(|| ring.first())?;
        self.at(*entry)
    }

    fn at(&self, place: u32) -> Option<(&Name, &P)> {
        self.entries.get(place as usize).map(|(name, principal)| (name, principal))
    }
}

fn drawn(name: &str, key: &PublicIdKey) -> u64 {
    key.mock("stand-in", name).first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// A file that is being read, principal by principal: the text is not kept as values beside the table.
struct Reading<'r, P> {
    table: Table<P>,
    realms: Option<&'r [KnownRealm]>,
    /// Roles that were checked: a million principals share a few names.
    roles: HashMap<(String, String), (Name, Option<Uri>)>,
    faults: Vec<String>,
    seen: usize,
}

impl<'de, P: FilePrincipal> Visitor<'de> for &mut Reading<'_, P> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of principals by authid")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(Text(authid)) = members.next_key()? {
            if authid == "$comment" {
                members.next_value::<Text<'_>>()?;
                continue;
            }
            let Object(entry) = members.next_value()?;
            self.seen += 1;
            if let Err(fault) = self.take(&authid, &entry) {
                self.faults.push(format!("principal {} {fault}", named(&authid, self.seen)));
                if self.faults.len() >= MAX_FAULTS {
                    return Err(A::Error::custom("there are too many faults to go on"));
                }
            }
        }
        Ok(())
    }
}

/// An authid in a message, if it is one.
fn named(authid: &str, place: usize) -> String {
    match Name::parse(authid) {
        Ok(name) => format!("`{name}`"),
        Err(_) => format!("{place} of the file"),
    }
}

impl<P: FilePrincipal> Reading<'_, P> {
    fn take(&mut self, authid: &str, entry: &Entry<'_>) -> Result<(), String> {
        let name = Name::parse(authid).map_err(|error| format!("has no valid authid ({error})"))?;
        if entry.credential()? != P::CREDENTIAL {
            return Ok(());
        }
        let (role, realm) = self.home(entry)?;
        let principal = P::read(entry, role, realm)?;
        self.table.add(name, principal)
    }

    fn home(&mut self, entry: &Entry<'_>) -> Result<(Name, Option<Uri>), String> {
        let text = |text: &Option<Text<'_>>| text.as_ref().map(|text| text.0.to_string()).unwrap_or_default();
        let key = (text(&entry.role), text(&entry.realm));
        if let Some(known) = self.roles.get(&key) {
            return Ok(known.clone());
        }
        let role =
            Name::parse(&key.0).map_err(|_| format!("has no `role`, or one that is not {}", Name::RULE))?;
        let realm = match &entry.realm {
            Some(text) => Some(Uri::parse(&text.0).map_err(|_| "has a `realm` that is no URI".to_owned())?),
            None => None,
        };
        let exists = |(name, roles): &KnownRealm| {
            realm.as_ref().is_none_or(|realm| realm == name)
                && roles.as_ref().is_none_or(|roles| roles.contains(&role))
        };
        if !self.realms.is_none_or(|realms| realms.iter().any(exists)) {
            return Err(match &realm {
                Some(realm) => format!(
                    "belongs to the realm `{realm}` with the role `{role}`, and there is none: add it to `realms`"
                ),
                None => format!("has the role `{role}`, which no realm has: add it to a realm's `roles`"),
            });
        }
        self.roles.insert(key, (role.clone(), realm.clone()));
        Ok((role, realm))
    }
}

impl Faults {
    pub(super) fn one(message: String) -> Self {
        Self(vec![message])
    }

    /// The faults of several methods that share a file, each of them once.
    pub(crate) fn of_all(faults: impl IntoIterator<Item = Self>) -> Result<(), Self> {
        let mut all = Vec::new();
        for fault in faults.into_iter().flat_map(|Self(faults)| faults) {
            if !all.contains(&fault) {
                all.push(fault);
            }
        }
        if all.is_empty() { Ok(()) } else { Err(Self(all)) }
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl std::error::Error for Faults {}

impl<P> fmt::Debug for Table<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.len())
    }
}
