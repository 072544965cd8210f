//! What `--record` writes of choices: cases that `wampgate policy test` takes.

use std::{fs, time::Instant};

use serde_json::{Value, json};
use wampgate::{
    policy::PolicyOptions,
    testkit::{Cases, TestPolicy},
};

use super::{by_role, choosing, config, handshake, joe, named, opens, prepare};
use crate::support::{PATIENCE, config::With as _, upstream::Upstream};

#[test]
fn what_is_recorded_of_choices_passes_as_cases() {
    for (policy, is_choice) in [(by_role(), true), (choosing(&json!("asia")), false)] {
        let (eu, us) = (Upstream::echo(), Upstream::echo());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cases.jsonl");
        let config =
            config("websocket-proxy", &policy.with("headers", json!(["user-agent"])), &named(&eu, &us, "ws"));
        let gateway = prepare(&config).arguments(&["--record", &file.display().to_string()]).run();
        let mut jar = joe(&gateway);
        if is_choice {
            opens(&gateway, &mut jar);
        } else {
            handshake().cookie(jar.id.as_ref().unwrap()).is_refused(&gateway, 503);
        }
        // Joe's login, who he is at the other path, and where he goes from there.
        let end = Instant::now() + PATIENCE;
        let text = loop {
            let text = fs::read_to_string(&file).unwrap();
            if text.ends_with('\n') && text.lines().count() == 3 {
                break text;
            }
            assert!(Instant::now() < end, "{text}");
        };
        let choice: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(choice["expect"] == json!({ "upstream": "eu" }), is_choice, "{choice}");
        assert_eq!(choice["request"]["upstreams"], json!(["eu", "us"]));
        assert_eq!(choice["request"]["client"]["authid"], "joe");
        for part in ["hello", "methods", "roles"] {
            assert!(choice["request"].get(part).is_none(), "{choice}");
        }
        let options = PolicyOptions {
            config: config["transports"][0]["paths"]["ws"]["policy"]["config"].to_string(),
            deadline: PATIENCE,
            ..PolicyOptions::default()
        };
        let policy = TestPolicy::load_with(gateway.path().join("scripted.wasm"), options).unwrap();
        policy.run_cases(&Cases::read(&file).unwrap().cases).assert_passed();
    }
}
