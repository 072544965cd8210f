//! What the faults of a configuration leave open about the gateway's own realms. What seems to be missing may be in what is faulty, so that
//! nothing is said to be missing then.

use super::reader::Walk;

/// The values that say which realms and roles there are, without their places in lists.
const NAMES: [&str; 4] = ["realms", "realms.name", "realms.roles", "realms.roles.name"];

/// Whether it is known which realms the gateway has, and which roles these have.
pub(super) fn are_named(walk: &Walk<'_>) -> bool {
    !faults(walk).any(|place| NAMES.contains(&place.as_str()))
}

/// Whether it is also known what each role may do.
pub(super) fn are_permissions_known(walk: &Walk<'_>) -> bool {
    are_named(walk) && !faults(walk).any(|place| place.starts_with("realms.roles.permissions"))
}

/// The faults in the realms, of Crossbar's workers too, by their paths without places in lists: `realms.roles.name`.
fn faults(walk: &Walk<'_>) -> impl Iterator<Item = String> {
    walk.fault_paths().filter_map(|path| {
        let keys: String = path.split(['[', ']']).step_by(2).collect();
        match keys.strip_prefix("workers") {
            // What cannot be read may be a router with realms.
            Some("" | ".type") => Some("realms".to_owned()),
            Some(inside) => inside.strip_prefix('.').filter(|inside| is_of_realms(inside)).map(str::to_owned),
            None => is_of_realms(&keys).then_some(keys),
        }
    })
}

fn is_of_realms(keys: &str) -> bool {
    keys.strip_prefix("realms").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
