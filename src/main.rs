//! The `wampgate` command.
fn main() {}
