//! `meridian test`: holds policies to the cases that users keep beside them.
//!
//! Nothing that moves is looked at: no verdict of a running server, no load, no time. What a case
//! does not take down is up.

mod judge;
mod junit;
mod text;

pub(super) use junit::escaped;

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;

use super::arguments::Test;
use super::report;
use crate::config::{self, Case, Diagnostic, Disk};
use crate::wire::Type;

/// Some case does not hold.
const SOME_FAIL: u8 = 1;

/// The cases of one file, and what became of them.
#[derive(Debug)]
struct Suite<'a> {
    path: &'a Path,
    outcomes: Vec<Outcome>,
}

/// What became of a case.
#[derive(Debug)]
struct Outcome {
    title: String,
    /// `file:line`
    site: String,
    /// What is otherwise than expected; empty when the case holds.
    differences: Vec<Difference>,
    /// What `explain` says of it.
    why: String,
    seconds: f64,
}

impl Outcome {
    fn holds(&self) -> bool {
        self.differences.is_empty()
    }
}

/// One thing that is otherwise than expected.
#[derive(Debug)]
struct Difference {
    /// `pool`, `answers`, `scope`, `nodata` or `rcode`.
    key: &'static str,
    expected: String,
    got: String,
}

pub(super) fn run(arguments: &Test) -> anyhow::Result<ExitCode> {
    let Some((config, generation)) = report::generation(&arguments.config.config) else {
        return Ok(ExitCode::from(super::FAILED));
    };
    let mut found = Vec::new();
    let mut files = Vec::new();
    for path in &arguments.cases {
        match config::cases::read(&Disk, path, &config) {
            Ok(cases) => files.push((path, typed(cases, &mut found))),
            Err(diagnostics) => found.extend(diagnostics),
        }
    }
    if !found.is_empty() {
        report::print(&found);
        return Ok(ExitCode::from(super::FAILED));
    }
    let mut suites = Vec::new();
    let mut judge = judge::Judge::new(&generation);
    for (path, cases) in &files {
        let mut outcomes = Vec::new();
        for (case, rtype) in cases {
            let begin = Instant::now();
            let (differences, why) = judge.judge(case, *rtype)?;
            let site = case.title.span.site();
            outcomes.push(Outcome {
                title: case.title.value.clone(),
                site: format!("{}:{}", site.file.display(), site.line),
                differences,
                why,
                seconds: begin.elapsed().as_secs_f64(),
            });
        }
        suites.push(Suite { path, outcomes });
    }
    if let Some(path) = &arguments.junit {
        fs::write(path, junit::document(&suites)).with_context(|| path.display().to_string())?;
    }
    text::write(&suites, report::is_coloured(&io::stdout()), &mut io::stdout().lock())?;
    let all_hold = suites.iter().flat_map(|suite| &suite.outcomes).all(Outcome::holds);
    Ok(if all_hold { ExitCode::SUCCESS } else { ExitCode::from(SOME_FAIL) })
}

/// Cases with the types they ask for; reports what is no type.
fn typed(cases: Vec<Case>, found: &mut Vec<Diagnostic>) -> Vec<(Case, Type)> {
    let mut typed = Vec::new();
    for case in cases {
        match case.rtype.as_ref().map(|rtype| (rtype.value.parse::<Type>(), &rtype.span)) {
            None => typed.push((case, Type::A)),
            Some((Ok(rtype), _)) => typed.push((case, rtype)),
            Some((Err(error), span)) => {
                let d = Diagnostic::error("invalid-value", error.to_string()).at(span, "");
                found.push(d.help("write A, AAAA, HTTPS or another type"));
            }
        }
    }
    typed
}
