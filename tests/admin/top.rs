//! `meridian top` beside real servers, alone and in a terminal.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::support::dns::Ask;
use crate::support::program::{CONFIG, Files, SERVER};
use crate::support::service::POLICIES;

fn files() -> Files {
    Files::of(format!("{SERVER}[admin]\nlisten = \"127.0.0.1:0\"\n"), POLICIES)
}

#[test]
fn one_frame_over_the_socket_and_over_http() {
    let files = files();
    let serving = files.serve();
    assert_eq!(Ask::new("www.example.com", "A").udp(serving.address()).one(), "192.0.2.10");
    assert_eq!(files.run(&["ctl", "drain", "eu-west", "--reason", "works"]).code, 0);
    let line = serving.log(&["metrics and control: http://"]);
    let (_, address) = line.rsplit_once("http://").unwrap();
    let url = format!("http://{}", address.trim_end_matches('/'));
    let ways: [&[&str]; 2] = [&["top", "--once"], &["top", "--server", &url]];
    for way in ways {
        let output = files.run(way);
        assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{way:?}");
        for part in [
            "generation 1",
            "1 up, 0 down, 1 drained",
            "queries/s",
            "eu-west ",
            "works",
            "  198.51.100.10 ",
            "OVERRIDES",
            "EVENTS",
            "ago",
        ] {
            assert!(output.stdout.contains(part), "{part:?} is not in:\n{}", output.stdout);
        }
        assert!(!output.stdout.contains('\x1b'), "no colours in a pipe");
    }
}

#[test]
fn no_server_is_an_error() {
    let output = files().run(&["top", "--once"]);
    assert!(output.code == 2 && output.stderr.contains("no server is reached"), "{output:?}");
}

/// With `script`, which gives it a terminal; without that program it is left out, and says so.
#[test]
fn in_a_terminal_it_runs_until_q_and_leaves_the_screen_as_it_was() {
    let is_here = Command::new("script").arg("--version").output();
    if !is_here.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: script (util-linux) is not installed");
        return;
    }
    let files = files();
    let _serving = files.serve();
    let command = format!(
        "stty rows 20 cols 70; {} top --config {}",
        env!("CARGO_BIN_EXE_meridian"),
        files.path(CONFIG).display()
    );
    let mut child = Command::new("script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut screen = String::new();
    let mut stdout = child.stdout.take().unwrap();
    let mut read_until = |part: &str| {
        let mut octets = [0; 4096];
        while !screen.contains(part) {
            let count = stdout.read(&mut octets).unwrap();
            assert!(count > 0, "{part:?} is not in:\n{screen}");
            screen.push_str(&String::from_utf8_lossy(&octets[..count]));
        }
    };
    read_until("\x1b[?1049h");
    read_until("eu-west");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"p").unwrap();
    read_until("paused");
    stdin.write_all(b"q").unwrap();
    read_until("\x1b[?1049l");
    assert!(child.wait().unwrap().success());
}
