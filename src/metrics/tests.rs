use super::*;

#[test]
fn the_text_is_what_prometheus_reads() {
    let registry = Registry::new();
    let (served, sessions) = (Counters::<2>::default(), Readings::<1>::default());
    registry.register("wampgate_served", "What was served.", served.clone());
    registry.register("wampgate_sessions", "Sessions that are joined.", sessions.clone());
    let version = format!(
        "# HELP wampgate_info The gateway's version.\n# TYPE wampgate_info gauge\n\
         wampgate_info{{version=\"{}\"}} 1\n",
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(registry.render(), version, "what has no value is not there");

    served.get_or_create_owned(&[("path", "/a".to_owned()), ("status", "200".to_owned())]).inc_by(2);
    sessions.add([("realm", "realm1".to_owned())], || 3);
    let expected = version
        + "# HELP wampgate_served_total What was served.\n# TYPE wampgate_served_total counter\n\
           wampgate_served_total{path=\"/a\",status=\"200\"} 2\n\
           # HELP wampgate_sessions Sessions that are joined.\n# TYPE wampgate_sessions gauge\n\
           wampgate_sessions{realm=\"realm1\"} 3\n";
    assert_eq!(registry.render(), expected);
}

#[test]
fn a_value_cannot_end_its_label() {
    let registry = Registry::new();
    let counters = Counters::<1>::default();
    registry.register("a", "A.", counters.clone());
    counters.get_or_create(&[("b", "x\"y\\z\n".to_owned())]).inc();
    assert!(registry.render().contains(r#"a_total{b="x\"y\\z\n"} 1"#), "{}", registry.render());
}

#[test]
fn a_handle_counts_wherever_it_came_from() {
    let counters = Counters::<1>::default();
    let labels = [("policy", "default".to_owned())];
    let (one, other) = (counters.get_or_create_owned(&labels), counters.get_or_create_owned(&labels));
    one.inc();
    other.inc();
    assert_eq!((one.get(), other.get()), (2, 2));
}

#[test]
fn what_is_read_is_read_anew_each_time() {
    let registry = Registry::new();
    let sessions = Readings::<0>::default();
    registry.register("wampgate_sessions", "Sessions.", sessions.clone());
    let count = prometheus_client::metrics::gauge::Gauge::<i64>::default();
    let counted = count.clone();
    sessions.add([], move || usize::try_from(counted.get()).unwrap_or_default());
    for value in [1, 5, 0] {
        count.set(value);
        assert!(registry.render().contains(&format!("wampgate_sessions {value}\n")), "{}", registry.render());
    }
}

#[test]
fn a_part_has_one_value_for_as_long_as_it_is_there() {
    let registry = Registry::new();
    let sessions = Readings::<1>::default();
    registry.register("wampgate_sessions", "Sessions.", sessions.clone());
    let labels = [("realm", "realm1".to_owned())];
    let (old, new) = (Arc::new(1), Arc::new(2));
    sessions.watch(labels.clone(), &old, |count| *count);
    sessions.watch(labels, &new, |count| *count);
    let values = || registry.render().matches("wampgate_sessions{").count();
    assert!(registry.render().contains("wampgate_sessions{realm=\"realm1\"} 2\n"), "{}", registry.render());
    assert_eq!(values(), 1, "the new part's value is there instead of the old one's");
    drop(new);
    assert_eq!(values(), 0, "{}", registry.render());
}
