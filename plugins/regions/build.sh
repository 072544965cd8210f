#!/usr/bin/env bash
# Makes component.wasm. Needs Rust with rustup, or with the target wasm32-unknown-unknown.
exec "$(dirname "$0")/../build-member.sh" regions wampgate-regions-policy
