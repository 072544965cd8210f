//! A gateway in a program of its own.
//!
//! `cargo run --example embed` serves a page and a WebSocket on a free port of this machine. Open the address that it prints,
//! and press Enter to stop it.

#![allow(clippy::print_stdout, reason = "an example tells on its terminal what it does")]

use std::{error::Error, io};

use wampgate::{
    CancellationToken, Gateway,
    config::{self, ConfigSource},
};

/// What a configuration file would say; `docs/` describes all of it. Port 0 is any free port.
const CONFIG: &str = r#"{
    "transports": [
        {
            "type": "web",
            "endpoint": { "type": "tcp", "interface": "127.0.0.1", "port": 0 },
            "paths": {
                "/": { "type": "page" },
                "ws": { "type": "websocket", "cookie": { "store": { "type": "memory" } } }
            }
        }
    ]
}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // The error names everything that is wrong with the configuration, each fault with its place.
    let source = ConfigSource::Text { node_dir: ".".into(), text: CONFIG.to_owned() };
    let loaded = config::load(&source)?;
    for warning in &loaded.warnings {
        println!("warning: {warning}");
    }

    // Opens the stores, loads the policies, and binds the ports.
    let gateway = Gateway::start(loaded.config)?;
    let server = gateway.bind()?;
    for url in server.urls() {
        println!("open {url}/ in a browser, press Enter to stop");
    }

    // Serves until the token is canceled; clients get a moment to leave.
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(gateway.serve(server, shutdown.clone()));
    tokio::task::spawn_blocking(|| io::stdin().read_line(&mut String::new())).await??;
    shutdown.cancel();
    serving.await?;
    println!("stopped");
    Ok(())
}
