use super::*;
use crate::wamp::pattern::UriMatch;

fn rule(matching: UriMatch, uri: &str) -> Permission {
    Permission {
        uri: uri.to_owned(),
        matching,
        call: false,
        register: false,
        publish: false,
        subscribe: false,
        disclose_caller: false,
        disclose_publisher: false,
    }
}

fn exact(uri: &str) -> Permission {
    rule(UriMatch::Exact, uri)
}

fn prefix(uri: &str) -> Permission {
    rule(UriMatch::Prefix, uri)
}

fn wildcard(uri: &str) -> Permission {
    rule(UriMatch::Wildcard, uri)
}

fn may_call(permission: Permission) -> Permission {
    Permission { call: true, ..permission }
}

fn compile(permissions: Vec<Permission>) -> Permissions {
    Permissions::new(&Roles::Listed(vec![RoleOptions {
        name: crate::identity::Name::known("user"),
        permissions,
        authorizer: None,
    }]))
}

fn allowed(permissions: &Permissions, action: Action, uri: &str) -> bool {
    permissions.check(permissions.role("user"), action, uri).is_some()
}

fn callable(permissions: Vec<Permission>, uri: &str) -> bool {
    allowed(&compile(permissions), Action::Call, uri)
}

#[test]
fn open_realm_allows_everything_to_any_role_and_discloses_no_session_unasked() {
    let open = Permissions::new(&Roles::Open);
    assert!(open.has_role("any"));
    for action in [Action::Call, Action::Register, Action::Publish, Action::Subscribe] {
        assert_eq!(open.check(open.role("any"), action, "com.x"), Some(Grant { disclose: false }));
    }
}

#[test]
fn listed_realm_denies_what_no_rule_allows() {
    assert!(!callable(vec![], "com.x"));
    assert!(!callable(vec![may_call(exact("com.y"))], "com.x"));
}

#[test]
fn role_that_the_realm_does_not_have_may_do_nothing() {
    let permissions = compile(vec![may_call(prefix(""))]);
    assert!(permissions.has_role("user"));
    assert!(!permissions.has_role("admin"));
    assert_eq!(permissions.check(permissions.role("admin"), Action::Call, "com.x"), None);
}

#[test]
fn each_action_has_its_own_right() {
    let base = || exact("com.x");
    let cases = [
        (Action::Call, Permission { call: true, ..base() }),
        (Action::Register, Permission { register: true, ..base() }),
        (Action::Publish, Permission { publish: true, ..base() }),
        (Action::Subscribe, Permission { subscribe: true, ..base() }),
    ];
    for (granted, permission) in cases {
        let permissions = compile(vec![permission]);
        for action in [Action::Call, Action::Register, Action::Publish, Action::Subscribe] {
            assert_eq!(
                allowed(&permissions, action, "com.x"),
                action == granted,
                "{action:?} by {granted:?}"
            );
        }
    }
}

#[test]
fn disclosure_is_by_rule_and_by_action() {
    let permissions = compile(vec![
        Permission { call: true, publish: true, disclose_caller: true, ..exact("com.caller") },
        Permission { call: true, publish: true, disclose_publisher: true, ..exact("com.publisher") },
    ]);
    let discloses =
        |action, uri| permissions.check(permissions.role("user"), action, uri).map(|grant| grant.disclose);
    assert_eq!(discloses(Action::Call, "com.caller"), Some(true));
    assert_eq!(discloses(Action::Publish, "com.caller"), Some(false));
    assert_eq!(discloses(Action::Call, "com.publisher"), Some(false));
    assert_eq!(discloses(Action::Publish, "com.publisher"), Some(true));
}

#[test]
fn only_the_most_specific_rule_counts() {
    assert!(!callable(vec![may_call(prefix("com.app.x")), exact("com.app.x")], "com.app.x"));
    assert!(!callable(vec![may_call(wildcard("com.app.")), prefix("com.")], "com.app.x"));
    assert!(callable(vec![wildcard("com.app."), may_call(prefix("com."))], "com.app.x"));
}

#[test]
fn of_two_rules_with_the_same_pattern_the_first_counts() {
    for make in [exact, prefix, wildcard] {
        assert!(callable(vec![may_call(make("com.x")), make("com.x")], "com.x"));
        assert!(!callable(vec![make("com.x"), may_call(make("com.x"))], "com.x"));
    }
}
