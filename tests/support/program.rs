//! The program itself, run as a user runs it: files in a directory, a process, what it prints.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than anything takes that is to happen at all.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where `meridian` looks for its configuration when it is not told.
pub const CONFIG: &str = "config/meridian.toml";

/// A configuration of the server that finds zones and policies beside it, and no location.
pub const SERVER: &str = r#"
[server]
zones    = ["../zones/*.zone"]
policies = ["policies/*.toml"]
state    = "../state"
workers  = 2
[geoip]
databases = []
"#;

/// A zone with nothing in the way of steered names.
pub const ZONE: &str =
    "$TTL 300\n@ SOA ns1 hostmaster 1 7200 900 1209600 60\n@ NS ns1\nns1 A 192.0.2.53\n";

/// A directory with files, in which commands are run.
pub struct Files {
    directory: TempDir,
}

/// What a command that ended had to say.
#[derive(Debug)]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Files {
    pub fn new() -> Files {
        Files { directory: TempDir::new().unwrap() }
    }

    /// Those of a server: its configuration, a policy file, and `ZONE` as `example.com`.
    pub fn of(config: impl AsRef<[u8]>, policies: impl AsRef<[u8]>) -> Files {
        Files::new()
            .with(CONFIG, config)
            .with("config/policies/services.toml", policies)
            .with("zones/example.com.zone", ZONE)
    }

    /// With this file in it.
    pub fn with(self, path: &str, content: impl AsRef<[u8]>) -> Files {
        self.write(path, content);
        self
    }

    /// A configuration of a server gets no listener for metrics unless it speaks of [admin]: the
    /// default is one port, and tests run beside each other.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let mut content = content.as_ref().to_vec();
        if path == CONFIG && !content.windows(7).any(|part| part == b"[admin]") {
            content.extend_from_slice(b"\n[admin]\nlisten = \"\"\n");
        }
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run_in(self.directory.path(), arguments)
    }

    /// Starts a command that goes on.
    pub fn start(&self, arguments: &[&str]) -> Process {
        Process::start(self.directory.path(), arguments)
    }

    /// Starts a command that goes on, in an environment with these variables too.
    pub fn start_with(&self, variables: &[(&str, &Path)], arguments: &[&str]) -> Process {
        let mut command = command(self.directory.path(), arguments);
        command.envs(variables.iter().copied());
        Process::piped(command)
    }

    /// Starts a command that goes on with sockets that it is passed, one for UDP and one for TCP,
    /// as systemd passes them.
    pub fn start_passed(
        &self,
        udp: &UdpSocket,
        tcp: &TcpListener,
        variables: &[(&str, &Path)],
        arguments: &[&str],
    ) -> Process {
        // A shell moves them to where systemd puts the first two.
        let exec = "LISTEN_FDS=2 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 4<&1 </dev/null >/dev/null";
        let mut command = Command::new("sh");
        command.args(["-c", exec, env!("CARGO_BIN_EXE_meridian")]).args(arguments);
        command.current_dir(self.directory.path()).env_remove("RUST_LOG");
        command.envs(variables.iter().copied());
        command.stdin(OwnedFd::from(udp.try_clone().unwrap()));
        command.stdout(OwnedFd::from(tcp.try_clone().unwrap()));
        Process::spawn(command)
    }

    /// Starts a server on free ports of these addresses and waits until it answers.
    pub fn serve_on(&self, listen: &[&str]) -> Serving {
        let mut arguments = vec!["serve"];
        for address in listen {
            arguments.extend(["--listen", address]);
        }
        Files::answering(self.start(&arguments), listen)
    }

    /// Starts a server on a free port of 127.0.0.1 that cannot write an octet to any file, as if
    /// disks were full, and waits until it answers.
    pub fn serve_on_full_disk(&self) -> Serving {
        let limited = "trap '' XFSZ && ulimit -f 0 && exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", limited, env!("CARGO_BIN_EXE_meridian")]);
        command.args(["serve", "--listen", "127.0.0.1:0"]);
        command.current_dir(self.directory.path()).env_remove("RUST_LOG");
        Files::answering(Process::piped(command), &["127.0.0.1:0"])
    }

    fn answering(process: Process, listen: &[&str]) -> Serving {
        let mut addresses = Vec::new();
        for index in 0..listen.len() {
            let line = process
                .stderr
                .nth(index, "a listening address", |line| line.contains("answering for "));
            addresses.push(address_in(&line));
        }
        Serving { process, addresses }
    }

    /// Starts a server on a free port of 127.0.0.1 and waits until it answers.
    pub fn serve(&self) -> Serving {
        self.serve_on(&["127.0.0.1:0"])
    }
}

/// Runs a command to its end in any directory.
pub fn run_in(directory: &Path, arguments: &[&str]) -> Output {
    let output = command(directory, arguments).stdin(Stdio::null()).output().unwrap();
    Output {
        code: output.status.code().expect("an exit code and not a signal"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meridian"));
    command.args(arguments).current_dir(directory).env_remove("RUST_LOG");
    command
}

/// `… on 127.0.0.1:35831, UDP and TCP`
fn address_in(line: &str) -> SocketAddr {
    let (_, rest) = line.rsplit_once(" on ").unwrap();
    rest.split(',').next().unwrap().parse().unwrap()
}

/// A server that answers; it is ended when it is dropped.
pub struct Serving {
    pub process: Process,
    addresses: Vec<SocketAddr>,
}

impl Serving {
    /// The first address it answers on.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All of them, in the order of the command line.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits for a line in the log that has all of this in it.
    pub fn log(&self, parts: &[&str]) -> String {
        self.process
            .stderr
            .wait(&format!("{parts:?}"), |line| parts.iter().all(|part| line.contains(part)))
    }
}

/// A process whose output is read line by line; it is ended when it is dropped.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    pub stdout: Lines,
    pub stderr: Lines,
}

impl Process {
    fn start(directory: &Path, arguments: &[&str]) -> Process {
        Process::piped(command(directory, arguments))
    }

    fn piped(mut command: Command) -> Process {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Process::spawn(command)
    }

    fn spawn(mut command: Command) -> Process {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = match child.stdout.take() {
            Some(stdout) => Lines::of(stdout),
            None => Lines::of(std::io::empty()),
        };
        let stderr = Lines::of(child.stderr.take().unwrap());
        Process { child, stdin, stdout, stderr }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// Ends its input, as Ctrl-D does.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "still running; it said:\n{}", self.stderr.all());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Asks it to stop and waits until it has; its exit code.
    pub fn stop(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.wait().code()
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already, and that is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines that a process writes, as they come.
#[derive(Clone)]
pub struct Lines(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    is_over: bool,
}

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Lines {
        let lines = Lines(Arc::default());
        let shared = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                shared.0.0.lock().unwrap().lines.push(line);
                shared.0.1.notify_all();
            }
            shared.0.0.lock().unwrap().is_over = true;
            shared.0.1.notify_all();
        });
        lines
    }

    /// Everything so far.
    pub fn all(&self) -> String {
        self.0.0.lock().unwrap().lines.join("\n")
    }

    /// How many lines there are so far.
    pub fn count(&self) -> usize {
        self.0.0.lock().unwrap().lines.len()
    }

    /// Waits for a line, which may have come already.
    pub fn wait(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.nth(0, what, is_it)
    }

    /// Waits for a line that comes after the first `count`.
    pub fn wait_after(&self, count: usize, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.find(what, |lines| lines.iter().skip(count).find(|line| is_it(line)).cloned())
    }

    /// Waits for the line of this number, from 0, among those wanted.
    pub fn nth(&self, index: usize, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        self.find(what, |lines| lines.iter().filter(|line| is_it(line)).nth(index).cloned())
    }

    fn find(&self, what: &str, find: impl Fn(&[String]) -> Option<String>) -> String {
        let begin = Instant::now();
        let (written, more) = &*self.0;
        let mut written = written.lock().unwrap();
        loop {
            if let Some(line) = find(&written.lines) {
                return line;
            }
            let waited = begin.elapsed();
            if written.is_over || waited >= PATIENCE {
                let all = written.lines.join("\n");
                drop(written);
                panic!("no line with {what} in:\n{all}");
            }
            written = more.wait_timeout(written, PATIENCE - waited).unwrap().0;
        }
    }
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
