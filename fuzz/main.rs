//! The fuzzer: one program with every target in it. The environment names the target that runs,
//! `FUZZ_TARGET=message`; `list` prints them all.

#![no_main]

#[path = "targets/mod.rs"]
mod targets;

use std::process;
use std::sync::LazyLock;

/// The target that runs.
static RUN: LazyLock<targets::Run> = LazyLock::new(|| {
    let wanted = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let names: Vec<&str> = targets::ALL.iter().map(|(name, _)| *name).collect();
    if wanted == "list" {
        println!("{}", names.join(" "));
        process::exit(0);
    }
    let Some((_, run)) = targets::ALL.iter().find(|(name, _)| *name == wanted) else {
        eprintln!("FUZZ_TARGET is one of: {}", names.join(" "));
        process::exit(2);
    };
    *run
});

libfuzzer_sys::fuzz_target!(init: { LazyLock::force(&RUN); }, |data: &[u8]| RUN(data));
