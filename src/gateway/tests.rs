use std::collections::BTreeSet;

use super::*;
use crate::config::{ConfigSource, load};

/// A configuration with this many principals.
fn config(folder: &Path, principals: usize) -> Config {
    let principals = (0..principals).map(|number| {
        (
            format!("user{number}"),
            serde_json::json!({ "ticket": format!("secret{number}"), "role": "anonymous" }),
        )
    });
    let principals: serde_json::Map<_, _> = principals.collect();
    let service = serde_json::json!({ "type": "websocket", "cookie": { "store": { "type": "memory" } },
        "auth": { "anonymous": { "type": "static" }, "ticket": { "type": "static", "principals": principals } } });
    let endpoint = serde_json::json!({ "type": "tcp", "interface": "127.0.0.1", "port": 0 });
    let transport = serde_json::json!({ "type": "web", "endpoint": endpoint, "paths": { "ws": service } });
    let text = serde_json::json!({ "transports": [transport] }).to_string();
    let config = load(&ConfigSource::Text { node_dir: folder.to_owned(), text }).unwrap().config;
    // The bound holds for the process, whose other tests count on there being none.
    Config { max_memory: Some(usize::MAX), ..config }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_old_configuration_is_left_after_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start(config(folder.path(), 1)).unwrap();
    let reconfigurer = gateway.reconfigurer();
    let mut old = Vec::new();
    for round in 2..22 {
        let transport = Arc::clone(&gateway.transports()[0]);
        old.push((Arc::downgrade(&transport.post.serving().edge), Arc::downgrade(&transport)));
        drop(transport);
        let (reconfigurer, config) = (reconfigurer.clone(), config(folder.path(), round));
        let reconfigured = tokio::task::spawn_blocking(move || reconfigurer.reconfigure(config));
        let report = reconfigured.await.unwrap().unwrap();
        assert_eq!(report.changed, ["the path /ws at 127.0.0.1:0"]);
        assert!(report.needs_restart.is_empty() && report.ended == 0, "{report}");
    }
    assert!(old.iter().all(|(edge, transport)| edge.strong_count() == 0 && transport.strong_count() == 0));
    let names: BTreeSet<_> = gateway.stores().iter().map(|store| store.name().to_owned()).collect();
    assert_eq!((names.len(), gateway.stores().len()), (1, 1), "the store is the one that was there");
    drop(gateway);
    let ended = tokio::task::spawn_blocking(move || reconfigurer.reconfigure(config(Path::new("/"), 1)));
    assert!(matches!(ended.await.unwrap(), Err(ReloadError::Ended)));
}
