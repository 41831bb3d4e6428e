//! Commands that print: `geoip`, `schema`, `completions`, `man`, and help.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::program::{CONFIG, Files, run_in};

const COMMANDS: [&str; 17] = [
    "serve",
    "demo",
    "check",
    "explain",
    "simulate",
    "diff",
    "ctl",
    "top",
    "test",
    "import",
    "export",
    "external-dns",
    "geoip",
    "latency",
    "schema",
    "completions",
    "man",
];

/// What a command prints that succeeds, run where there is nothing.
fn printed(arguments: &[&str]) -> String {
    let output = Files::new().run(arguments);
    assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{arguments:?}");
    output.stdout
}

fn database() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip/dbip-region.mmdb").display().to_string()
}

#[test]
fn help_names_every_command_and_every_command_has_help() {
    let help = printed(&["--help"]);
    for command in COMMANDS {
        assert!(help.contains(&format!("  {command} ")), "{command} is not in:\n{help}");
        assert!(printed(&[command, "--help"]).contains("Usage: meridian"));
    }
    assert_eq!(printed(&["--version"]), concat!("meridian ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_commands_exit_with_2() {
    let files = Files::new();
    let nothing = files.run(&[]);
    assert!(nothing.code == 2 && nothing.stderr.contains("Usage: meridian"), "{nothing:?}");
    let near = files.run(&["sevre"]);
    assert!(near.code == 2 && near.stderr.contains("serve"), "{near:?}");
    let unknown = files.run(&["serve", "--port", "53"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("--port"), "{unknown:?}");
}

#[test]
fn geoip_lookup_says_where_addresses_are_and_who_says_so() {
    let text =
        printed(&["geoip", "lookup", "81.2.69.142", "2001:218::1", "--database", &database()]);
    let [london, tokyo] = text.split("\n\n").collect::<Vec<_>>()[..] else {
        panic!("two addresses in:\n{text}")
    };
    assert!(
        london.starts_with("81.2.69.142\n") && london.contains("GB (United Kingdom)"),
        "{london}"
    );
    assert!(london.contains("dbip-region.mmdb, built 20"), "{london}");
    assert!(tokyo.starts_with("2001:218::1\n") && tokyo.contains("JP (Japan)"), "{tokyo}");
}

#[test]
fn geoip_goes_by_the_configuration_when_no_database_is_named() {
    let files = Files::new().with(
        CONFIG,
        format!(
            "[server]\nzones = []\n[geoip]\ndatabases = [{:?}]\n[geoip.networks]\n\"10.0.0.0/8\" = {{ country = \"DE\" }}\n",
            database()
        ),
    );
    let output = files.run(&["geoip", "lookup", "10.1.2.3"]);
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stdout.contains("DE (Germany)"), "{}", output.stdout);
    assert!(output.stdout.contains("network 10.0.0.0/8 of the configuration"), "{}", output.stdout);
}

#[test]
fn geoip_info_says_what_a_database_is_and_holds() {
    let text = printed(&["geoip", "info", "--database", &database()]);
    for part in ["dbip-region.mmdb", "DB-IP", "built", "IPv4 and IPv6", "country", "100.0 %"] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn geoip_refuses_what_is_no_database_and_what_is_no_address() {
    let files = Files::new().with("noise.mmdb", "not a database");
    for (arguments, part) in [
        (&["geoip", "info", "--database", "noise.mmdb"][..], "noise.mmdb"),
        (&["geoip", "info", "--database", "none.mmdb"], "none.mmdb"),
        (&["geoip", "lookup", "example.com", "--database", "noise.mmdb"], "example.com"),
        (&["geoip", "lookup", "192.0.2.1"], "config/meridian.toml"),
        (&["geoip", "lookup"], "<IP>"),
    ] {
        let output = files.run(arguments);
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{output:?}");
        assert!(output.stderr.contains(part), "{}", output.stderr);
        assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
    }
}

#[test]
fn the_description_of_the_api_is_the_one_in_the_repository_and_hangs_together() {
    let text = printed(&["schema", "--api"]);
    let api: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(api["openapi"], "3.1.0");
    for part in text.split("\"$ref\": \"#").skip(1) {
        let place = part.split('"').next().unwrap();
        assert!(api.pointer(place).is_some(), "{place} is nowhere");
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    assert!(
        fs::read_to_string(kept).unwrap() == text,
        "run `meridian schema --api >docs/openapi.json`"
    );
}

#[test]
fn the_schema_is_json_and_the_one_in_the_repository() {
    let text = printed(&["schema"]);
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"));
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/schema.json");
    assert_eq!(
        fs::read_to_string(kept).unwrap(),
        text,
        "run `meridian schema >config/schema.json`"
    );
}

#[test]
fn every_shell_gets_a_script_that_asks_this_program() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = printed(&["completions", shell]);
        assert!(text.contains("MERIDIAN_COMPLETE"), "{shell}: {text}");
    }
}

#[test]
fn manual_pages_are_printed_or_written_one_for_each_command() {
    let text = printed(&["man"]);
    assert!(text.contains(".TH meridian 1") && text.contains("demo"), "{text}");
    let files = Files::new();
    let pages = files.path("pages");
    assert_eq!(files.run(&["man", "pages"]).code, 0, "it makes its directory");
    assert!(pages.join("meridian.1").is_file());
    for command in COMMANDS {
        assert!(pages.join(format!("meridian-{command}.1")).is_file(), "{command}");
    }
    let no_directory = run_in(&pages, &["man", "meridian.1/pages"]);
    assert!(
        no_directory.code == 2 && no_directory.stderr.contains("meridian.1/pages"),
        "{no_directory:?}"
    );
}
