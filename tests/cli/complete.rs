//! What a shell completes: names from a running server and from files.

use std::path::Path;
use std::process::Command;

use crate::support::control::done;
use crate::support::program::{CONFIG, Files, SERVER, until};

const ZONE: &str = "$TTL 300\n@ SOA ns1 h 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n";

const POLICIES: &str = r#"
[monitor.ci]
kind = "push"
ttl = "1h"
[pool.eu-west]
monitor = "ci"
members = ["192.0.2.10"]
[pool.eu-north]
members = ["192.0.2.20"]
[pool.us-east]
members = ["198.51.100.10"]
[policy.www]
kind = "failover"
targets = ["eu-west", "us-east", "eu-north"]
[record."www.example.com"]
use = "www"
[record."api.example.com"]
use = "eu-north"
"#;

fn files() -> Files {
    Files::new()
        .with(CONFIG, SERVER)
        .with("config/policies/services.toml", POLICIES)
        .with("zones/example.com.zone", ZONE)
}

/// A shell that finds `meridian` in its path, in the directory of the files.
fn shell(files: &Files, program: &str, script: &str) -> String {
    let own = Path::new(env!("CARGO_BIN_EXE_meridian")).parent().unwrap();
    let path = format!("{}:{}", own.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new(program);
    shell.args(["-c", script]).current_dir(files.path("")).env("PATH", path);
    // Shells keep things at home.
    shell.env("HOME", files.path(""));
    let output = shell.output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What bash makes of TAB at the end of a line: it runs the function that is registered, as readline
/// does.
fn completed(files: &Files, line: &str) -> Vec<String> {
    let script = format!(
        "source <(meridian completions bash)\n\
         registered=($(complete -p meridian))\n\
         IFS=' ' read -r -a COMP_WORDS <<<{line:?}\n\
         case {line:?} in *' ') COMP_WORDS+=('');; esac\n\
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) COMP_TYPE=9\n\
         for at in \"${{!registered[@]}}\"; do\n\
           [ \"${{registered[at]}}\" = -F ] && called=${{registered[at + 1]}}\n\
         done\n\
         \"$called\" meridian \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let text = shell(files, "bash", &script);
    let words = text.lines().filter(|word| !word.is_empty());
    // Options stand behind the values wherever nothing is begun.
    words.filter(|word| !word.starts_with('-') || !line.ends_with(' ')).map(str::to_owned).collect()
}

#[test]
fn names_of_a_running_server_are_completed() {
    let files = files();
    let _serving = files.serve();
    until("the generation is kept", || done(&files, "generations").contains("in force"));
    for (line, expected) in [
        ("meridian ctl drain ", vec!["eu-west", "eu-north", "us-east"]),
        ("meridian ctl drain eu", vec!["eu-west", "eu-north"]),
        ("meridian ctl restore us", vec!["us-east"]),
        ("meridian ctl health eu-n", vec!["eu-north"]),
        ("meridian ctl force us-east d", vec!["down", "drain"]),
        ("meridian ctl resume us", vec!["us-east/198.51.100.10", "us-east"]),
        ("meridian ctl report c", vec!["ci"]),
        ("meridian ctl report ci eu-w", vec!["eu-west/192.0.2.10", "eu-west"]),
        ("meridian ctl report ci eu-west ", vec!["up", "down"]),
        ("meridian ctl rollback ", vec!["1"]),
        ("meridian ctl explain www.example.com --down us", vec!["us-east"]),
    ] {
        assert_eq!(completed(&files, line), expected, "{line}");
    }
    // From the server and not from the files.
    files.write("config/policies/services.toml", POLICIES.replace("us-east", "us-west"));
    assert_eq!(completed(&files, "meridian ctl drain us"), ["us-east"]);
    let at = "meridian ctl --socket config/state/meridian.sock --config none.toml drain us";
    assert_eq!(completed(&files, at), ["us-east"]);
    let by_server =
        "meridian explain www.example.com --server config/state/meridian.sock --down us";
    assert_eq!(completed(&files, by_server), ["us-east"]);
    assert_eq!(completed(&files, "meridian explain www.example.com --down us"), ["us-west"]);
}

#[test]
fn names_in_files_are_completed_for_commands_that_read_files() {
    let files = files();
    for (line, expected) in [
        ("meridian explain ", vec!["api.example.com", "example.com", "www.example.com"]),
        ("meridian explain www.example.com AA", vec!["AAAA"]),
        ("meridian simulate w", vec!["www.example.com"]),
        ("meridian simulate --down eu", vec!["eu-north", "eu-west"]),
        ("meridian simulate --config config --down us", vec!["us-east"]),
        ("meridian simulate --config none.toml --down us", vec![]),
        ("meridian export map a", vec!["api.example.com"]),
        ("meridian export zone e", vec!["example.com"]),
        ("meridian diff serv", vec!["server"]),
        ("meridian diff server con", vec!["config/"]),
        ("meridian check --config config/m", vec!["config/meridian.toml"]),
        ("meridian simu", vec!["simulate"]),
        ("meridian export ", vec!["help", "map", "octodns", "zone"]),
        ("meridian simulate --every", vec!["--every-failure"]),
    ] {
        let mut found = completed(&files, line);
        found.sort();
        assert_eq!(found, expected, "{line}");
    }
}

/// Whether all of these are installed; says when one is not.
fn are_installed(programs: &[&str]) -> bool {
    let is_missing = |program: &&&str| Command::new(program).arg("--version").output().is_err();
    let missing = programs.iter().find(is_missing);
    if let Some(program) = missing {
        eprintln!("skipped: {program} is not installed");
    }
    missing.is_none()
}

/// That a person who types the beginning of a name and TAB in a shell, at a terminal, gives an order
/// about it.
fn a_tab_types_the_rest(files: &Files, shell_command: &str) {
    let _serving = files.serve();
    let script = format!(
        "printf 'meridian ctl drain eu-w\\t--reason works\\nexit\\n' |\n\
         script --quiet --return --command '{shell_command}' /dev/null"
    );
    let seen = shell(files, "bash", &script);
    assert!(done(files, "status").contains("override    eu-west: put to drain"), "{seen}");
}

#[test]
fn a_tab_in_bash_types_the_rest_of_a_name() {
    if are_installed(&["script"]) {
        let files = files().with("rc", "source <(meridian completions bash)\n");
        a_tab_types_the_rest(&files, "bash --rcfile rc -i");
    }
}

#[test]
fn a_tab_in_zsh_types_the_rest_of_a_name() {
    if are_installed(&["script", "zsh"]) {
        // As packages have it: a file that the shell loads with the first TAB.
        let rc = "mkdir functions\nmeridian completions zsh >functions/_meridian\n\
                  fpath=($PWD/functions $fpath)\nautoload -U compinit\ncompinit -u -D\n";
        a_tab_types_the_rest(&files().with(".zshrc", rc), "ZDOTDIR=$PWD zsh -i");
    }
}

#[test]
fn fish_completes_names_and_says_what_they_are() {
    if are_installed(&["fish"]) {
        let files = files();
        let _serving = files.serve();
        let script = "meridian completions fish | source; complete -C 'meridian ctl drain eu'";
        assert_eq!(shell(&files, "fish", script), "eu-west\tup\neu-north\tup\n");
    }
}

#[test]
fn without_a_server_there_are_no_names_and_no_noise() {
    let files = files();
    assert_eq!(completed(&files, "meridian ctl drain eu"), [""; 0]);
    assert_eq!(completed(&files, "meridian ctl rollback 1"), [""; 0]);
}
