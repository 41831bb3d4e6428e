//! How `meridian serve` starts, does not start, and stops.

use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use crate::support::dns::{Ask, connect, receive_framed, send_framed, socket};
use crate::support::program::{CONFIG, Files, Output, PATIENCE, Process, ZONE};

fn files() -> Files {
    Files::new().with(CONFIG, "[geoip]\ndatabases = []\n").with("zones/example.com.zone", ZONE)
}

/// Ended with 2 and said all of this on stderr, without colours.
fn assert_refused(output: &Output, parts: &[&str]) {
    assert_eq!(output.code, 2, "{output:?}");
    assert_eq!(output.stdout, "");
    for part in parts {
        assert!(output.stderr.contains(part), "{part:?} is not in:\n{}", output.stderr);
    }
    assert!(!output.stderr.contains('\x1b'), "{}", output.stderr);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

#[test]
fn both_signals_stop_it_in_order_with_exit_code_0() {
    let files = files();
    for signal in ["TERM", "INT"] {
        let mut serving = files.serve();
        assert_eq!(Ask::new("ns1.example.com", "A").udp(serving.address()).one(), "192.0.2.53");
        let address = serving.address();
        serving.process.signal(signal);
        assert_eq!(serving.process.wait().code(), Some(0));
        serving.log(&["stopping"]);
        // The port is free again at once.
        drop(UdpSocket::bind(address).unwrap());
        drop(TcpListener::bind(address).unwrap());
    }
}

#[test]
fn a_file_that_is_named_without_a_directory_finds_those_beside_it() {
    let server = "[server]\nzones = [\"*.zone\"]\npolicies = []\n[geoip]\ndatabases = []\n\
                  [admin]\nlisten = \"\"\n";
    let files = Files::new().with("server.toml", server).with("example.com.zone", ZONE);
    let arguments = ["serve", "--config", "server.toml", "--listen", "127.0.0.1:0"];
    let mut process = files.start(&arguments);
    process.stderr.wait("that it answers", |line| line.contains("answering for 1 zone"));
    assert_eq!(process.stop(), Some(0));
}

#[test]
fn a_connection_that_is_silent_does_not_hold_up_the_stop() {
    let files = files();
    let mut serving = files.serve();
    let mut stream = connect(serving.address());
    send_framed(&mut stream, &Ask::new("ns1.example.com", "A").message(1));
    assert!(receive_framed(&mut stream).is_some());
    assert_eq!(serving.process.stop(), Some(0));
    assert!(receive_framed(&mut stream).is_none());
}

#[test]
fn a_port_that_is_taken_is_named_with_what_to_do() {
    let files = files();
    let serving = files.serve();
    let address = serving.address().to_string();
    let second = files.run(&["serve", "--listen", &address]);
    assert_refused(&second, &[&format!("cannot listen on {address} (UDP)"), "ss -lntup"]);
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = tcp.local_addr().unwrap().to_string();
    let third = files.run(&["serve", "--listen", &address]);
    assert_refused(&third, &[&format!("cannot listen on {address} (TCP)")]);
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let output = files().run(&["serve", "--listen", "192.0.2.1:5300"]);
    assert_refused(&output, &["cannot listen on 192.0.2.1:5300", "no interface of this machine"]);
    let output = files().run(&["serve", "--listen", "localhost"]);
    assert_refused(&output, &["localhost", "--listen <ADDRESS:PORT>"]);
}

#[test]
fn a_missing_configuration_is_refused() {
    let output = Files::new().run(&["serve"]);
    assert_refused(&output, &["cannot read config/meridian.toml: there is no such file"]);
    let output = Files::new().run(&["serve", "--config", "elsewhere.toml"]);
    assert_refused(&output, &["cannot read elsewhere.toml"]);
}

#[test]
fn a_broken_configuration_is_shown_and_nothing_listens() {
    let files = files();
    files.write(
        "config/policies/broken.toml",
        "[pool.east]\nmembers = [\"192.0.2.10\"]\nbalanse = \"sticky\"\n[record.\"www.example.com\"]\nuse = \"esat\"\n",
    );
    let output = files.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_refused(
        &output,
        &[
            "config/policies/broken.toml:3:1",
            "3 | balanse = \"sticky\"",
            "did you mean `balance`?",
            "config/policies/broken.toml:5:7",
            "did you mean `east`?",
            "2 errors, 0 lints",
        ],
    );
    assert!(!output.stderr.contains("answering"), "{}", output.stderr);
}

#[test]
fn lints_are_shown_and_do_not_keep_it_from_serving() {
    let files = files();
    files.write("config/policies/unused.toml", "[pool.spare]\nmembers = [\"192.0.2.10\"]\n");
    let serving = files.serve();
    serving.log(&["lint[", "spare"]);
    assert_eq!(Ask::new("ns1.example.com", "A").udp(serving.address()).one(), "192.0.2.53");
}

#[test]
fn a_state_directory_that_cannot_be_written_is_warned_of_and_serving_goes_on() {
    let files = files();
    // A file where the directory should be; and something to remember.
    files.write("config/state", "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    files.write(
        "config/policies/web.toml",
        format!(
            "[monitor.web]\nkind = \"tcp\"\nport = {port}\n\
             [pool.east]\nmonitor = \"web\"\nmembers = [\"127.0.0.1\"]\n\
             [record.\"www.example.com\"]\nuse = \"east\"\n"
        ),
    );
    let mut serving = files.serve();
    assert_eq!(Ask::new("www.example.com", "A").udp(serving.address()).one(), "127.0.0.1");
    assert_eq!(serving.process.stop(), Some(0));
    serving.log(&["WARN", "config/state", "health state not written"]);
}

#[test]
fn the_log_is_json_when_asked_for_and_quiet_when_asked_for() {
    let files = files();
    files.write(CONFIG, "[geoip]\ndatabases = []\n[log]\nformat = \"json\"\n");
    let process = files.start(&["serve", "--listen", "127.0.0.1:0"]);
    let line = process.stderr.wait("a listening address", |line| line.contains("answering for"));
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "INFO");
    // Two servers do not share a control socket.
    drop(process);

    files.write(CONFIG, "[geoip]\ndatabases = []\n[log]\nlevel = \"error\"\n");
    let mut process = quiet(&files);
    assert_eq!(process.stop(), Some(0));
    assert_eq!(process.stderr.all(), "");
}

/// Starts a server that says nothing, and waits until it answers: nothing else tells that it does.
/// Its port is one that was free a moment ago; where another has it by then, the next is tried.
fn quiet(files: &Files) -> Process {
    let query = Ask::new("ns1.example.com", "A").message(1);
    let begin = Instant::now();
    loop {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut process = files.start(&["serve", "--listen", &port.to_string()]);
        let asking = socket(port);
        asking.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        while process.is_running() {
            if asking.send(&query).and_then(|_| asking.recv(&mut [0; 512])).is_ok() {
                return process;
            }
            assert!(begin.elapsed() < PATIENCE, "{}", process.stderr.all());
        }
        process.stderr.wait("a taken port", |line| line.contains("Address already in use"));
    }
}

#[test]
fn many_zones_are_served_each_by_its_longest_name() {
    let files = files();
    for zone in ["example.net", "sub.example.com", "co.uk"] {
        files.write(&format!("zones/{zone}.zone"), ZONE.replace("192.0.2.53", "192.0.2.99"));
    }
    let serving = files.serve();
    serving.log(&["answering for 4 zones"]);
    let ask = |name| Ask::new(name, "A").udp(serving.address());
    assert_eq!(ask("ns1.example.com").one(), "192.0.2.53");
    assert_eq!(ask("ns1.sub.example.com").one(), "192.0.2.99");
    assert_eq!(ask("ns1.co.uk").one(), "192.0.2.99");
}
