//! What stands behind a path: one upstream, or several with names, of which the path's policy chooses.

/// One, or several with names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Among<T> {
    /// The only one.
    One(T),
    /// Each with its name, in the order of the configuration.
    Named(Box<[(Box<str>, T)]>),
}

impl<T> Among<T> {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        let (one, named) = match self {
            Self::One(one) => (Some(one), &[][..]),
            Self::Named(named) => (None, &named[..]),
        };
        one.into_iter().chain(named.iter().map(|(_, each)| each))
    }

    /// The same, to change them.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut T> {
        let (one, named) = match self {
            Self::One(one) => (Some(one), None),
            Self::Named(named) => (None, Some(named)),
        };
        one.into_iter().chain(named.into_iter().flatten().map(|(_, each)| each))
    }

    /// The names; none where there is one.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::One(_) => Vec::new(),
            Self::Named(named) => named.iter().map(|(name, _)| &**name).collect(),
        }
    }

    /// The one with this name.
    pub fn named(&self, name: &str) -> Option<&T> {
        match self {
            Self::One(_) => None,
            Self::Named(named) => named.iter().find(|(other, _)| **other == *name).map(|(_, each)| each),
        }
    }

    /// The same of something else that is made of each.
    pub fn map<U>(&self, mut make: impl FnMut(Option<&str>, &T) -> U) -> Among<U> {
        match self {
            Self::One(one) => Among::One(make(None, one)),
            Self::Named(named) => Among::Named(
                named.iter().map(|(name, each)| (name.clone(), make(Some(name), each))).collect(),
            ),
        }
    }
}

/// How the log and the metrics name the upstream of this name at a path. No path has the sign in it.
pub fn place_of(path: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{path}#{name}"),
        None => path.to_owned(),
    }
}

/// The name of the upstream at such a place, if the path has several.
pub(super) fn name_in(place: &str) -> Option<&str> {
    place.split_once('#').map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_no_name_and_the_others_are_found_by_theirs() {
        let one = Among::One(1);
        assert_eq!((one.all().count(), one.names(), one.named("")), (1, vec![], None));
        let two = Among::Named(Box::new([("eu".into(), 1), ("us".into(), 2)]));
        assert_eq!(two.all().copied().collect::<Vec<_>>(), [1, 2]);
        assert_eq!((two.names(), two.named("us"), two.named("asia")), (vec!["eu", "us"], Some(&2), None));
        let places = two.map(|name, _| place_of("/app", name));
        assert_eq!(places.all().collect::<Vec<_>>(), ["/app#eu", "/app#us"]);
        assert_eq!(one.map(|name, _| place_of("/app", name)), Among::One("/app".to_owned()));
        assert_eq!(["/app#eu", "/app"].map(name_in), [Some("eu"), None]);
    }
}
