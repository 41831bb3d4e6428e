//! Checks that run a program.

use std::path::PathBuf;

use super::{Monitor, MonitorKind, Port, port_number};
use crate::config::reader::Reader;
use crate::config::rhythm::Rhythm;
use crate::config::source::Located;
use crate::config::spec::monitor::ExecSpec;

/// A check by the exit code of a program: 0 is a success.
#[derive(Debug, Clone, PartialEq)]
pub struct Exec {
    /// The program; never looked for in `PATH`, never run by a shell.
    pub program: Located<PathBuf>,
    /// What it is given.
    pub arguments: Vec<String>,
}

impl Exec {
    pub(super) fn resolve(
        name: &Located<String>,
        spec: ExecSpec,
        reader: &mut Reader<'_>,
    ) -> Monitor {
        let rhythm = Rhythm::resolve(spec.rhythm(), reader);
        for word in spec.command.words.iter().filter(|word| word.value.contains('\0')) {
            reader.invalid(&word.range, "a program cannot be given a zero octet", "");
        }
        let mut words = spec.command.words.iter();
        let first = words.next().filter(|program| !program.value.is_empty());
        if first.is_none() {
            let help = "write the path of a program, and what it is given: [\"check-db\", \"-v\"]";
            reader.invalid(&spec.command.range, "`command` names no program", help);
        }
        let (path, range) = match first {
            Some(program) => (reader.path(&program.value), &program.range),
            None => (PathBuf::new(), &spec.command.range),
        };
        let exec = Exec {
            program: Located { value: path, span: reader.span(range) },
            arguments: words.map(|word| word.value.clone()).collect(),
        };
        let port = port_number(spec.port.as_ref(), reader).map_or(Port::Needless, Port::Written);
        rhythm.monitor(name, MonitorKind::Exec(exec), port)
    }
}
