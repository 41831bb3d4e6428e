//! The files that come with the program: the template of the server's file, the example
//! policies, the schema.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use meridian::config::{self, Memory};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn template() -> String {
    fs::read_to_string(root().join("config/meridian.toml")).expect("the template")
}

/// The template with every option switched on: `#key = value` without the `#`.
fn switched_on() -> String {
    let switch_on = |line: &str| match line.strip_prefix('#') {
        Some(option) if option.starts_with(|c: char| c.is_ascii_lowercase()) => option.to_owned(),
        _ => line.to_owned(),
    };
    template().lines().map(|line| switch_on(line) + "\n").collect()
}

fn load_server_file(text: &str) -> config::Config {
    let files: Memory = [
        ("config/meridian.toml", text),
        ("zones/example.com.zone", ""),
        ("config/policies/a.toml", ""),
    ]
    .into_iter()
    .collect();
    match config::read(&files, "config/meridian.toml".as_ref()) {
        Ok(loaded) => loaded.config,
        Err(errors) => panic!("{}", config::render(&errors, false)),
    }
}

#[test]
fn the_examples_load_without_a_remark() {
    match config::load(&root().join("config/meridian.toml")) {
        Ok(loaded) => {
            assert_eq!(config::render(&loaded.lints, false), "");
            assert!(loaded.config.records.len() >= 10);
            assert_eq!(loaded.config.server.zones.len(), 2);
            assert_eq!(loaded.sources.len(), 1 + loaded.config.server.policies.len());
        }
        Err(errors) => panic!("{}", config::render(&errors, false)),
    }
}

#[test]
fn every_option_of_the_template_stands_at_its_default() {
    let mut defaults = load_server_file("");
    let mut written = load_server_file(&switched_on());
    assert_ne!(template(), switched_on());
    // Where a path is written differs, and nothing else may.
    for config in [&mut defaults, &mut written] {
        let server = config.server.zones.iter_mut().chain(&mut config.server.policies);
        for file in server.chain(&mut config.geoip.databases) {
            file.written = None;
        }
    }
    assert_eq!(written, defaults);
    assert_eq!(load_server_file(&template()).limits, defaults.limits);
}

#[test]
fn the_template_names_every_key() {
    let schema: serde_json::Value = serde_json::from_str(&config::schema()).unwrap();
    let template = template();
    let options: BTreeSet<(String, String)> = options(&switched_on());
    let tables = schema["$defs"]["ServerFile"]["properties"].as_object().unwrap();
    assert_eq!(tables.len(), 13);
    for (table, reference) in tables {
        if table == "keys" || table == "webhook" {
            assert!(template.contains(&format!("[{table}]")));
            continue;
        }
        let definition = reference["$ref"].as_str().unwrap().rsplit('/').next().unwrap();
        for key in schema["$defs"][definition]["properties"].as_object().unwrap().keys() {
            if key == "networks" || key == "zones" && table == "transfer" {
                assert!(template.contains(&format!("[{table}.{key}]")));
            } else {
                let option = (table.clone(), key.clone());
                assert!(options.contains(&option), "{table}.{key} is not in the template");
            }
        }
    }
}

/// The keys that are set, with their tables.
fn options(text: &str) -> BTreeSet<(String, String)> {
    let file: toml::Table = text.parse().expect("TOML");
    let keys = |(table, value): (&String, &toml::Value)| {
        let keys = value.as_table().expect("a table").keys();
        keys.map(|key| (table.clone(), key.clone())).collect::<Vec<_>>()
    };
    file.iter().flat_map(keys).collect()
}

#[test]
fn the_example_tables_of_the_template_can_be_used() {
    let on = |line: &str| match line.strip_prefix("#   \"") {
        Some(network) => format!("\"{network}\n"),
        None => format!("{line}\n"),
    };
    let text: String = template().lines().map(on).collect();
    let config = load_server_file(&text);
    let (key, zones) = (&config.keys[0], &config.transfer.zones);
    assert_eq!(key.name.to_string(), "transfer.example.com.");
    assert_eq!((zones.len(), zones[0].1.allow[1].key), (1, Some(0)));
    let networks = config.geoip.networks;
    assert_eq!(networks.len(), 1);
    assert_eq!(networks[0].subdivision.as_deref(), Some("DE-HE"));
    assert_eq!(networks[0].coordinates, Some((50.11, 8.68)));
}

#[test]
fn the_example_webhook_of_the_template_can_be_used() {
    let template = template();
    let (_, example) = template.split_once("#   [[webhook]]").unwrap();
    let lines = example.lines().skip(1).map_while(|line| line.strip_prefix("#   "));
    let text = lines.fold("[[webhook]]\n".to_owned(), |text, line| text + line + "\n");
    let hook = load_server_file(&text).webhooks.remove(0);
    assert_eq!(hook.name, "hooks.example.net");
    assert_eq!(hook.on, config::Topic::ALL);
    let keys: toml::Table = text.parse().unwrap();
    assert_eq!(keys["webhook"][0].as_table().unwrap().len(), 7);
}

#[test]
fn every_example_says_what_to_dig_and_has_its_own_names() {
    let mut with_records = 0;
    for path in example_files() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{} starts without an explanation", path.display());
        if text.contains("[record.") {
            assert!(text.contains("dig @127.0.0.1 -p 5300"), "{}", path.display());
            with_records += 1;
        }
    }
    assert!(with_records >= 10);
}

/// The TOML of a page of the documentation, as a file of policies and one of the server.
#[test]
fn the_examples_of_health_checks_in_the_documentation_load() {
    let page = fs::read_to_string(root().join("docs/health-checks.md")).unwrap();
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let (server, policies): (Vec<&str>, Vec<&str>) =
        blocks.partition(|block| block.starts_with("# meridian.toml"));
    let (server, policies) = (server.concat(), policies.concat());
    let files: Memory =
        [("config/meridian.toml", &*server), ("config/policies/page.toml", &*policies)]
            .into_iter()
            .collect();
    match config::read(&files, "config/meridian.toml".as_ref()) {
        Ok(loaded) => assert!(loaded.config.monitors.len() >= 13, "{policies}"),
        Err(errors) => panic!("{}", config::render(&errors, false)),
    }
    // Each kind has its example.
    let schema: serde_json::Value = serde_json::from_str(&config::schema()).unwrap();
    for kind in schema["$defs"]["MonitorSpec"]["oneOf"].as_array().unwrap() {
        let kind = kind["properties"]["kind"]["const"].as_str().unwrap();
        assert!(page.contains(&format!("`{kind}`")), "{kind} is not on the page");
    }
}

fn example_files() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join("config/policies")).expect("the examples");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|e| e == "toml")).collect()
}

/// `MERIDIAN_BLESS=1` writes the file anew; so does `meridian schema > config/schema.json`.
#[test]
fn the_schema_is_the_one_that_is_kept() {
    let path = root().join("config/schema.json");
    let schema = config::schema();
    if std::env::var_os("MERIDIAN_BLESS").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == schema, "config/schema.json is out of date: MERIDIAN_BLESS=1 writes it anew");
}
