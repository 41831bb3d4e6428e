//! The check that runs a program.
//!
//! The program leads a process group of its own, which is killed when it has ended, when its time
//! is up and when nobody waits for it any more: what it started ends with it.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::marks::Marks;
use crate::health::check::{Check, Host};
use crate::health::failure::{Failure, Stage, Timing, shown};
use crate::health::kinds::Program;

/// Octets of output, and of errors, that a program may write.
const LIMIT: usize = 64 * 1024;

/// A program that can be run again and again.
#[derive(Debug)]
pub(super) struct Exec {
    program: Program,
    /// Told to the program in its environment.
    environment: Vec<(&'static str, String)>,
}

impl Exec {
    pub(super) fn new(check: &Check, program: &Program) -> Exec {
        let target = &check.target;
        let mut environment = vec![
            (
                "MERIDIAN_HOST",
                match target.host() {
                    Host::Address(address) | Host::Placed(_, address) => address.to_string(),
                    Host::Name(name) => name.clone(),
                },
            ),
            ("MERIDIAN_MONITOR", check.monitor.name.clone()),
        ];
        if target.port() != 0 {
            environment.push(("MERIDIAN_PORT", target.port().to_string()));
        }
        // Where programs are found is the one thing a script cannot do without.
        if let Ok(path) = std::env::var("PATH") {
            environment.push(("PATH", path));
        }
        Exec { program: program.clone(), environment }
    }

    pub(super) async fn run(&self, marks: &Marks) -> Result<Timing, Failure> {
        marks.other(Stage::Program);
        let mut command = Command::new(&self.program.path);
        command
            .args(&self.program.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        // A program that cannot be started says nothing of the target.
        let local = |e: io::Error| Failure::Local(format!("{}: {e}", self.program.path.display()));
        let mut child = command.spawn().map_err(local)?;
        let group = Group::of(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ended = async {
            let status = child.wait().await.map_err(local)?;
            // Else whatever it has left running would hold the pipes open.
            drop(group);
            Ok(status)
        };
        let (status, output, errors) =
            tokio::try_join!(ended, self.read(stdout), self.read(stderr))?;
        if status.success() {
            return Ok(marks.timing());
        }
        let line = first_line(&output).or_else(|| first_line(&errors));
        Err(self.failed(how(status), line))
    }

    /// All that comes, unless it is too much.
    async fn read(&self, stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, Failure> {
        let mut output = Vec::new();
        let Some(stream) = stream else { return Ok(output) };
        let read = stream.take(LIMIT as u64 + 1).read_to_end(&mut output).await;
        read.map_err(|e| Failure::Local(e.to_string()))?;
        if output.len() > LIMIT {
            let how = format!("wrote more than {} KiB", LIMIT / 1024);
            return Err(self.failed(how, first_line(&output)));
        }
        Ok(output)
    }

    fn failed(&self, how: String, line: Option<String>) -> Failure {
        let program = self.program.path.file_name().unwrap_or(self.program.path.as_os_str());
        Failure::Program { program: program.to_string_lossy().into_owned(), how, line }
    }
}

/// A process group that is killed when it is dropped.
#[derive(Debug)]
struct Group(Option<Pid>);

impl Group {
    /// That of a program which leads one. Its number is its own until the program has been waited
    /// for, and is not given anew in the moment between that and the kill.
    fn of(leader: &Child) -> Group {
        let number = leader.id().and_then(|id| i32::try_from(id).ok());
        Group(number.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails when nobody is left in it, and that is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

/// The first line with anything in it.
fn first_line(output: &[u8]) -> Option<String> {
    let line = output.split(|octet| *octet == b'\n').map(<[u8]>::trim_ascii);
    line.filter(|line| !line.is_empty()).map(shown).next()
}
