//! `meridian schema`, `completions` and `man`: texts that follow from the code.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::arguments::Arguments;
use super::complete;
use crate::{admin, config};

pub(super) fn schema(api: bool) -> anyhow::Result<ExitCode> {
    let text = if api { admin::description() } else { config::schema() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    io::stdout().write_all(complete::script(shell)?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(directory: Option<&Path>) -> anyhow::Result<ExitCode> {
    let command = Arguments::command();
    match directory {
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(command).render(&mut text)?;
            io::stdout().write_all(&text)?;
        }
        Some(directory) => fs::create_dir_all(directory)
            .and_then(|()| clap_mangen::generate_to(command, directory))
            .with_context(|| format!("cannot write manual pages to {}", directory.display()))?,
    }
    Ok(ExitCode::SUCCESS)
}
