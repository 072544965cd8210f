//! The dashboard and the alert rules ask for nothing that a running gateway does not tell.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use serde_json::{Value, json};

use super::metrics::metrics;
use crate::support::{
    Client, Gateway, Jar,
    config::{endpoint, metrics_transport, stores, tracked},
    tls::Authority,
};

const ALERTS: &str = include_str!("../../packaging/monitoring/alerts.yml");
const DASHBOARD: &str = include_str!("../../packaging/monitoring/dashboard.json");

/// Each name with the values of each label, as far as a gateway with TLS, forward-auth and a store on disk tells them.
type Told = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn told() -> Told {
    let mut service = tracked();
    service["cookie"]["store"] = stores()[1].clone();
    let mut with_tls = endpoint();
    with_tls["tls"] = json!({ "certificate": "server.pem", "key": "server.key" });
    let paths = json!({ "ws": service, "asked": { "type": "forward-auth", "websocket": "front/ws" } });
    let config = json!({ "transports": [
        { "type": "web", "id": "front", "endpoint": endpoint(), "paths": paths },
        metrics_transport(),
        { "type": "web", "id": "tls", "endpoint": with_tls, "paths": { "ws": tracked() } },
    ]});
    let gateway = Gateway::prepare(&config);
    Authority::new().issue(&["gateway.example"]).write(gateway.path(), "server");
    let gateway = gateway.run();
    Client::open(&gateway, &mut Jar::default()).joins();

    let label = Regex::new(r#"(\w+)="((?:[^"\\]|\\.)*)""#).unwrap();
    let mut told = Told::new();
    for line in metrics(&gateway).lines().filter(|line| !line.starts_with('#')) {
        let (name, labels) = line.split_once(['{', ' ']).unwrap();
        let known = told.entry(name.to_owned()).or_default();
        for found in label.captures_iter(labels) {
            known.entry(found[1].to_owned()).or_default().insert(found[2].to_owned());
        }
    }
    // What Prometheus adds itself.
    for labels in told.values_mut() {
        labels.extend(
            [("job", "wampgate"), ("instance", "")]
                .map(|(name, value)| (name.to_owned(), [value.to_owned()].into())),
        );
    }
    told.insert("up".to_owned(), BTreeMap::from([("job".to_owned(), ["wampgate".to_owned()].into())]));
    told
}

/// Checks that there are the metrics of an expression, their labels, and the values that it compares them with.
fn check(expression: &str, told: &Told) -> usize {
    let metric = Regex::new(r"(?-u:\b)((?:wampgate|process)_\w+|up)(?-u:\b)(?:\{([^}]*)\})?").unwrap();
    let matcher = Regex::new(r#"(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)""#).unwrap();
    let mut found = 0;
    for named in metric.captures_iter(expression) {
        let labels = told.get(&named[1]).unwrap_or_else(|| panic!("no {} is told: {expression}", &named[1]));
        for compared in matcher.captures_iter(named.get(2).map_or("", |labels| labels.as_str())) {
            let [name, operator, value] = [1, 2, 3].map(|part| compared[part].to_owned());
            let values =
                labels.get(&name).unwrap_or_else(|| panic!("{} has no {name}: {expression}", &named[1]));
            if value.starts_with('$') {
                continue;
            }
            let pattern = if operator.ends_with('~') { value.clone() } else { regex::escape(&value) };
            let pattern = Regex::new(&format!("^(?:{pattern})$")).unwrap();
            assert!(
                values.iter().any(|value| pattern.is_match(value)),
                "no {name} of {} is {value}: {expression}",
                &named[1]
            );
        }
        found += 1;
    }
    let grouped = Regex::new(r"(?-u:\b)(?:by|ignoring|on|without)\s*\(([^)]*)\)").unwrap();
    for group in grouped.captures_iter(expression) {
        for name in group[1].split(',').map(str::trim) {
            let is_told = told.values().any(|labels| labels.contains_key(name));
            assert!(is_told, "no metric has {name}: {expression}");
        }
    }
    found
}

/// The texts of a YAML file under a key: those of one line, and those that are indented behind a `|`.
fn under<'t>(yaml: &'t str, key: &str) -> Vec<&'t str> {
    let mark = format!("{key}: ");
    let ends = Regex::new(r"\n {8}\w").unwrap();
    let text = |rest: &'t str| match rest.strip_prefix('|') {
        Some(block) => &block[..ends.find(block).unwrap().start()],
        None => rest.lines().next().unwrap(),
    };
    yaml.split(&mark).skip(1).map(text).collect()
}

#[test]
fn the_dashboard_and_the_alerts_ask_for_what_a_gateway_tells() {
    let told = told();
    let rules = under(ALERTS, "expr");
    assert!(rules.len() > 15 && rules.len() == ALERTS.matches("- alert: ").count(), "{rules:?}");
    for rule in &rules {
        assert!(check(rule, &told) > 0, "{rule}");
    }

    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(expressions.len() > 30, "{expressions:?}");
    for expression in &expressions {
        assert!(check(expression, &told) > 0, "{expression}");
    }
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");

    // The other way round: what a gateway tells is shown, or raises an alarm.
    let asked = [rules, expressions].concat().join("\n");
    for name in told.keys() {
        let family = name.trim_end_matches("_sum").trim_end_matches("_count").trim_end_matches("_bucket");
        let is_asked = asked.contains(family) || name == "wampgate_info";
        assert!(is_asked, "{name} is neither on the dashboard nor in an alert");
    }
}

#[test]
fn what_an_alert_names_is_what_its_expression_leaves() {
    let label = Regex::new(r"\$labels\.(\w+)").unwrap();
    for rule in ALERTS.split("- alert: ").skip(1) {
        let grouped: Vec<_> = under(&format!("{rule}\n        x"), "expr")
            .concat()
            .split("by (")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap().to_owned())
            .collect();
        for named in label.captures_iter(rule) {
            for group in &grouped {
                assert!(
                    group.split(", ").any(|name| name == &named[1]),
                    "{} is not in ({group}): {rule}",
                    &named[1]
                );
            }
        }
    }
}
