//! Link arguments for the component. Here, and not among the flags of `.cargo/config.toml`: those would be gone as soon
//! as RUSTFLAGS is set.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").as_deref() == Ok("wasm") {
        // Stack, statics and heap share the first 64 KiB page; a second page costs about half a microsecond per answer.
        println!("cargo::rustc-link-arg-cdylib=-zstack-size=32768");
    }
}
