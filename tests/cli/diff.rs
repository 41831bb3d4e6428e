//! `meridian diff` with a running server and with directories as sides.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use meridian::server::generations::Digest;
use serde_json::Value;

use crate::support::control::{done, http, http_address};
use crate::support::program::{CONFIG, Files, Output, Serving, run_in, until};

const ZONE: &str = "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.53\n";

const POLICIES: &str = r#"
[monitor.web]
kind = "http"
port = 9
headers = { Authorization = "Bearer in-a-header" }
[pool.us]
monitor = "web"
members = [{ address = "192.0.2.1", check = "127.0.0.1:9" }]
[pool.eu]
monitor = "web"
members = [{ address = "192.0.2.2", check = "127.0.0.1:9" }]
[policy.world]
kind = "geo"
rules = [
  { match = "continent:EU", to = "eu" },
  { match = "country:BR", to = "eu" },
]
default = "us"
[record."www.example.com"]
use = "world"
"#;

/// What nobody may be told who is told the rest.
const SECRETS: [&str; 5] = [
    "00112233445566778899aabbccddeeff",
    "a2V5LW9mLXRyYW5zZmVycw==",
    "T0/in-a-path",
    "in-a-header",
    "in-a-file",
];

/// Some of the world.
const WORLD: &str = r#"databases = []
[geoip.networks]
"81.0.0.0/8" = { country = "DE" }
"200.0.0.0/8" = { country = "BR" }
"8.0.0.0/8" = { country = "US" }
"#;

/// All of it, from the file of a database.
fn database(path: &str) -> String {
    format!("databases = [{path:?}]\n")
}

fn shipped() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("geoip/dbip-region.mmdb").display().to_string()
}

/// A server's file with secrets wherever there may be some.
fn server(world: &str, admin: &str) -> String {
    format!(
        "[server]\nzones = [\"../zones/*.zone\"]\npolicies = [\"policies/*.toml\"]\n\
         state = \"../state\"\nworkers = 1\ncookie_secret = \"{}\"\n\
         [geoip]\n{world}\
         [keys]\none = {{ secret = \"{}\" }}\ntwo = {{ secret_file = \"two.key\" }}\n\
         [[webhook]]\nurl = \"http://127.0.0.1:9/{}\"\n\
         [admin]\n{admin}\n",
        SECRETS[0], SECRETS[1], SECRETS[2]
    )
}

fn files(admin: &str) -> Files {
    Files::new()
        .with(CONFIG, server(WORLD, admin))
        .with("config/policies/p.toml", POLICIES)
        .with("config/two.key", "aW4tYS1maWxl")
        .with("zones/example.com.zone", ZONE)
}

const NO_TCP: &str = "listen = \"\"";
const TOKEN: &str = "listen = \"127.0.0.1:0\"\ntoken_file = \"token\"";

fn same(output: &Output) {
    assert_eq!((output.code, output.stdout.as_str()), (0, "no difference\n"), "{output:?}");
}

/// That exactly the people of Brazil go over to the United States, or come from there.
fn brazil_moves(output: &Output, from: &str, to: &str) {
    assert_eq!(output.code, 1, "{output:?}");
    let facts: Value = serde_json::from_str(&output.stdout).unwrap();
    let [name] = facts["names"].as_array().unwrap().as_slice() else { panic!("{facts:#}") };
    let [country] = name["countries"].as_array().unwrap().as_slice() else { panic!("{name:#}") };
    assert_eq!((&country[0], &country[1]), (&"BR Brazil".into(), &1.0.into()));
    let [way] = name["ways"].as_array().unwrap().as_slice() else { panic!("{name:#}") };
    assert_eq!((&way[0], &way[1]), (&from.into(), &to.into()));
    assert_eq!(facts["files"], serde_json::json!(["policies: 1 changed (world)"]));
}

fn without_brazil(files: &Files) {
    let gone = POLICIES.replace("country:BR", "country:FR");
    files.write("config/policies/p.toml", gone);
}

#[test]
fn a_running_server_does_not_differ_from_its_files_until_they_are_edited() {
    let files = files(NO_TCP);
    let _serving = files.serve();
    until("the generation is kept", || done(&files, "generations").contains("in force"));
    same(&files.run(&["diff", "server", CONFIG]));
    same(&files.run(&["diff", "config", "server"]));
    same(&files.run(&["diff", "server", "config/state/meridian.sock"]));
    without_brazil(&files);
    brazil_moves(&files.run(&["diff", "server", CONFIG, "--json"]), "eu", "us");
    brazil_moves(&files.run(&["diff", ".", "config/state/meridian.sock", "--json"]), "us", "eu");
    done(&files, "reload");
    same(&files.run(&["diff", "server", CONFIG]));
    // What is in force counts, and not what was read last.
    done(&files, "rollback");
    brazil_moves(&files.run(&["diff", "server", CONFIG, "--json"]), "eu", "us");
}

#[test]
fn the_server_of_another_configuration_file_is_named_with_config() {
    let files = files(NO_TCP).with("elsewhere/README", "");
    let _serving = files.serve();
    let arguments = ["diff", "server", "../config", "--config", ".."];
    same(&run_in(&files.path("elsewhere"), &arguments));
}

#[test]
fn over_http_the_token_opens_and_no_secret_comes() {
    let files = files(TOKEN).with("config/token", "sesame\n");
    let serving = files.serve();
    let url = format!("http://{}", http_address(&serving));
    same(&files.run(&["diff", &url, CONFIG, "--token-file", "config/token"]));
    let closed = files.run(&["diff", &url, CONFIG]);
    assert_eq!(closed.code, 2, "{closed:?}");
    assert!(closed.stderr.contains("does not give its files"), "{closed:?}");
    assert!(closed.stderr.contains("with a token of the server (`--token-file`"), "{closed:?}");

    let api = http_address(&serving);
    let get = |path: &str, token: &str| http(api, "GET", path, token, "");
    assert_eq!(get("/v1/files", "").0, 403);
    let token = "Authorization: Bearer sesame\r\n";
    let (status, text) = get("/v1/files", token);
    assert_eq!(status, 200, "{text}");
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    assert!(!text.contains("two.key\""), "keys are not among the files");
    // Not even by one's digest is a file with secrets had.
    let part = |path: &str| {
        let digest = Digest::of(&fs::read(files.path(path)).unwrap()).hex();
        assert!(path.ends_with(".zone") == text.contains(&digest), "{path}");
        let path = format!("/v1/files/part?sha256={digest}");
        assert_eq!(get(&path, "").0, 403);
        get(&path, token)
    };
    assert_eq!(part("zones/example.com.zone"), (200, ZONE.to_owned()));
    for path in [CONFIG, "config/policies/p.toml", "config/two.key"] {
        assert_eq!(part(path).0, 404, "{path}");
    }
    assert_eq!(get("/v1/files/part?sha256=1", token).0, 404);
}

#[test]
fn files_over_tcp_are_off_without_a_token_file() {
    let files = files("listen = \"127.0.0.1:0\"");
    let serving = files.serve();
    let url = format!("http://{}", http_address(&serving));
    let closed = files.run(&["diff", &url, CONFIG]);
    assert!(closed.code == 2 && closed.stderr.contains("set `token_file`"), "{closed:?}");
}

#[test]
fn a_server_that_is_not_there_is_told_of() {
    let files = files(NO_TCP);
    let nobody: SocketAddr =
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (side, said) in [
        ("server", "no server is reached at config/state/meridian.sock"),
        (&format!("http://{nobody}"), "no server is reached at http://127.0.0.1:"),
        ("ftp://127.0.0.1", "write it as http://127.0.0.1:9153"),
    ] {
        let output = files.run(&["diff", side, CONFIG]);
        assert!(output.code == 2 && output.stderr.contains(said), "{side}: {output:?}");
    }
}

/// A server with a database of its own, which is gone from where it was.
fn database_gone(more: &str) -> (Files, Serving) {
    let own = server(&database("../own.mmdb"), NO_TCP)
        .replace("workers = 1\n", &format!("workers = 1\n{more}"));
    let files = files(NO_TCP).with(CONFIG, own).with("own.mmdb", fs::read(shipped()).unwrap());
    let serving = files.serve();
    (files, serving)
}

#[test]
fn what_is_not_here_any_more_comes_from_the_server() {
    let (files, _serving) = database_gone("");
    until("the generation is kept", || done(&files, "generations").contains("in force"));
    fs::remove_file(files.path("own.mmdb")).unwrap();
    files.write("zones/example.com.zone", ZONE.replace(" 1 2 3 4 5", " 2 2 3 4 5"));
    files.write("new/meridian.toml", server(&database(&shipped()), NO_TCP));
    files.write("new/two.key", "aW4tYS1maWxl");
    files.write("new/policies/p.toml", POLICIES);
    let output = files.run(&["diff", "server", "new"]);
    let said =
        "zones: 1 changed (example.com. (serial 1, now 2))\nno client moves to another pool\n";
    assert_eq!((output.code, output.stdout.as_str()), (1, said), "{output:?}");
    // The same by hand: the database of the server, and one that is here instead.
    files.write("zones/example.com.zone", ZONE);
    same(&files.run(&["diff", "new", "server", "--database", &shipped()]));
}

#[test]
fn what_nobody_has_any_more_is_named() {
    let (files, _serving) = database_gone("generations = 0\n");
    same(&files.run(&["diff", "server", CONFIG]));
    without_brazil(&files);
    let output = files.run(&["diff", "server", CONFIG]);
    assert_eq!(output.code, 2, "{output:?}");
    let said = "p.toml was changed after it had been read, and what it said is not kept";
    assert!(output.stderr.contains(said), "{output:?}");
}

fn git(files: &Files, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=t", "-c", "user.email=t@example.com"]);
    let done = git.args(arguments).current_dir(files.path("")).output().unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn a_directory_is_a_side_also_in_a_revision() {
    let files = files(NO_TCP).with(".gitignore", "*.key\n");
    git(&files, &["init", "-q"]);
    git(&files, &["add", "."]);
    git(&files, &["commit", "-q", "-m", "first"]);
    git(&files, &["tag", "v1.2"]);
    for (old, new) in [
        (".", "config"),
        ("config/", CONFIG),
        ("v1.2:.", "."),
        ("HEAD:config", "config"),
        ("HEAD:config/", "v1.2:config/meridian.toml"),
    ] {
        same(&files.run(&["diff", old, new]));
    }
    same(&run_in(&files.path("config"), &["diff", "HEAD:.", "."]));
    without_brazil(&files);
    brazil_moves(&files.run(&["diff", "v1.2:.", ".", "--json"]), "eu", "us");
    for (side, said) in [
        ("zones", "zones: the directory has neither meridian.toml nor config/meridian.toml"),
        ("HEAD:zones", "HEAD:zones: the directory has neither meridian.toml nor config/meri"),
        ("HEAD:none", "the revision has no file none"),
    ] {
        let output = files.run(&["diff", side, CONFIG]);
        assert!(output.code == 2 && output.stderr.contains(said), "{side}: {output:?}");
    }
}

#[test]
fn keys_and_certificates_need_not_be_in_a_repository() {
    let tls =
        "[tls]\ncertificate = \"none.pem\"\nkey = \"none.key\"\nlisten_dot = [\"127.0.0.1:0\"]\n";
    let own = format!("{}{tls}", server(WORLD, NO_TCP));
    let files = files(NO_TCP).with(CONFIG, own).with(".gitignore", "*.key\n");
    git(&files, &["init", "-q"]);
    git(&files, &["add", "."]);
    git(&files, &["commit", "-q", "-m", "first"]);
    same(&files.run(&["diff", "HEAD:.", "."]));
    let missing = files.run(&["diff", ".", "."]);
    assert!(missing.code == 2 && missing.stderr.contains("none.pem"), "{missing:?}");
}

#[test]
fn every_command_takes_the_directory_of_a_configuration() {
    let files = files(NO_TCP);
    let _serving = files.serve();
    for line in [
        "check --config .",
        "check --config config",
        "explain www.example.com --client 192.0.2.1 --config .",
        "explain www.example.com --client 192.0.2.1 --server --config .",
        "simulate --config .",
        "export zone example.com --client 192.0.2.1 --config config",
        "geoip lookup 192.0.2.1 --config .",
        "ctl status --config .",
        "top --once --config config",
    ] {
        let output = files.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(output.code, 0, "{line}: {output:?}");
    }
    for line in ["check --config zones", "ctl status --config zones", "serve --config zones"] {
        let output = files.run(&line.split(' ').collect::<Vec<_>>());
        let said = "'--config <FILE>': the directory has neither meridian.toml nor config/meridian";
        assert!(output.code == 2 && output.stderr.contains(said), "{line}: {output:?}");
    }
}
