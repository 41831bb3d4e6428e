//! `meridian demo`: the server with everything it needs inside, and regions to stop and start.
//!
//! The same server as `meridian serve`, from files embedded in the program.

mod guide;
pub mod region;

use std::io::{self, BufRead, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc;

use super::arguments::Demo;
use super::serve::Signals;
use super::{logging, report, serve};
use crate::admin::{self, History};
use crate::config::{self, LogFormat, LogLevel, Memory};
use crate::server::{Event, Fixed, Generation, Lineage, Origin, Server};
use crate::transport::Bound;
use region::Region;

const SERVER: &str = include_str!("files/meridian.toml");
const POLICIES: &str = include_str!("files/policies.toml");
const ZONE: &str = include_str!("files/example.com.zone");

/// The regions: the name of the pool, the word in the policies that becomes the port, and what
/// people call it.
const REGIONS: [(&str, &str, &str); 3] = [
    ("na", "PORT_NA", "North America"),
    ("eu", "PORT_EU", "Europe"),
    ("ap", "PORT_AP", "Asia-Pacific"),
];

/// Events that may wait to be printed.
const EVENTS: usize = 256;

pub(super) fn run(arguments: &Demo) -> anyhow::Result<ExitCode> {
    logging::start(LogLevel::Error, LogFormat::Text);
    let runtime = serve::runtime()?;
    let code = runtime.block_on(async {
        let regions = open_regions(arguments.regions).await?;
        let Some((config, generation)) = generation(&regions) else {
            anyhow::bail!("the embedded configuration has errors, which is a mistake of ours");
        };
        let bound = Bound::bind(&[arguments.listen], config.server.workers)?;
        let (sender, events) = mpsc::channel(EVENTS);
        let limits = serve::limits(&config.limits);
        let lineage = Lineage::none(Fixed::of(&config, true));
        let mut signals = Signals::listen()?;
        let history = Arc::new(History::open(None));
        let listen = Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let admin = admin::Bound::bind(None, listen)?.start(Arc::clone(&history), None)?;
        let start = Server::start(generation, lineage, bound, limits, None, history, sender);
        let mut server = tokio::select! {
            server = start => server?,
            () = signals.stop() => return Ok(ExitCode::SUCCESS),
        };
        server.open(admin, None);
        let address = server.addresses()[0];
        guide::write(&mut io::stdout().lock(), address, &regions)?;
        if let Some(admin) = server.admin().and_then(admin::Running::address) {
            guide::write_admin(&mut io::stdout().lock(), admin)?;
        }
        converse(&regions, address, events, &mut signals).await?;
        server.stop().await;
        anyhow::Ok(ExitCode::SUCCESS)
    })?;
    // The thread that reads stdin may be waiting for a line.
    runtime.shutdown_background();
    Ok(code)
}

/// Opens the regions on ports from `first` on, or on free ports when it is 0 or one is taken.
async fn open_regions(first: u16) -> anyhow::Result<Vec<Region>> {
    let mut regions = Vec::new();
    for ((pool, ..), offset) in REGIONS.iter().zip(0..) {
        let port = if first == 0 { 0 } else { first.saturating_add(offset) };
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let region = match Region::open(pool, wanted).await {
            Ok(region) => region,
            Err(_) => Region::open(pool, free)
                .await
                .with_context(|| format!("cannot open the region {pool} on 127.0.0.1"))?,
        };
        regions.push(region);
    }
    Ok(regions)
}

fn generation(regions: &[Region]) -> Option<(config::Config, Generation)> {
    let mut policies = POLICIES.to_owned();
    for ((_, word, _), region) in REGIONS.iter().zip(regions) {
        policies = policies.replace(word, &region.address().port().to_string());
    }
    let files = Memory::from_iter([
        ("meridian.toml", SERVER),
        ("policies.toml", &policies),
        ("example.com.zone", ZONE),
    ]);
    match config::read(&files, "meridian.toml".as_ref()) {
        Ok(loaded) => report::built(loaded, Origin::Embedded(&files)),
        Err(diagnostics) => {
            report::print(&diagnostics);
            None
        }
    }
}

/// Prints what happens and does what lines on stdin say, until it is told to stop.
async fn converse(
    regions: &[Region],
    address: SocketAddr,
    mut events: mpsc::Receiver<Event>,
    signals: &mut Signals,
) -> anyhow::Result<()> {
    let mut lines = lines();
    let mut is_read = true;
    loop {
        tokio::select! {
            () = signals.stop() => return Ok(()),
            Some(event) = events.recv() => tell(&event, address)?,
            line = lines.recv(), if is_read => match line {
                Some(line) => match obey(&line, regions, address)? {
                    Told::GoOn => {}
                    Told::Quit => return Ok(()),
                },
                // Nobody types any more; digs and HTTP calls still come.
                None => is_read = false,
            },
        }
    }
}

/// Lines of stdin, read by a thread of their own: reading cannot be called off.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(16);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

enum Told {
    GoOn,
    Quit,
}

fn obey(line: &str, regions: &[Region], address: SocketAddr) -> io::Result<Told> {
    let out = &mut io::stdout().lock();
    let mut words = line.split_whitespace();
    let verb = words.next();
    let region = words.next().and_then(|word| regions.iter().find(|r| r.name() == word));
    match (verb, region) {
        (None, _) => {}
        (Some("quit" | "exit"), _) => return Ok(Told::Quit),
        (Some("help"), _) => guide::write(out, address, regions)?,
        (Some("status"), _) => {
            for region in regions {
                let state = if region.is_running() { "running" } else { "stopped" };
                writeln!(out, "  {:<3} {state:<8} http://{}", region.name(), region.address())?;
            }
        }
        (Some("stop"), Some(region)) => {
            region.stop();
            writeln!(out, "  {} fails its health checks from now on …", region.name())?;
        }
        (Some("start"), Some(region)) => {
            region.start();
            writeln!(out, "  {} passes its health checks from now on …", region.name())?;
        }
        _ => writeln!(
            out,
            "  not understood; there are: stop REGION, start REGION, status, help, quit (REGION is na, eu or ap)"
        )?,
    }
    out.flush()?;
    Ok(Told::GoOn)
}

/// Prints what a person would want to hear.
fn tell(event: &Event, address: SocketAddr) -> io::Result<()> {
    let out = &mut io::stdout().lock();
    match event {
        Event::Pool { pool, is_up } => {
            writeln!(out, "  {event}. {}", guide::again(pool, *is_up, address))?;
        }
        Event::Verdict { reason: Some(reason), target, .. } => {
            writeln!(out, "  check of {target} failed: {reason}")?;
        }
        Event::Verdict { .. } | Event::Start { .. } => {}
        Event::Hold { .. }
        | Event::Warning { .. }
        | Event::Panic { .. }
        | Event::Share { .. }
        | Event::Held { .. }
        | Event::Maintenance { .. }
        | Event::Override { .. }
        | Event::Resume { .. }
        | Event::Report { .. }
        | Event::Reload { .. }
        | Event::Rollback { .. } => {
            writeln!(out, "  {event}")?;
        }
    }
    out.flush()
}
