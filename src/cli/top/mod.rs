//! `meridian top`: a running server at a glance, for people in a terminal.
//!
//! Asks the control API as `ctl` does, once a second. What is shown is made by [`frame`] from what
//! was read; how a terminal is spoken to is [`terminal`]'s.

mod frame;
mod terminal;

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use self::frame::{Glance, Place, Size};
use self::terminal::{Key, Terminal};
use super::arguments::Top;
use super::ctl::reach::{Failure, Server};
use super::report;

/// Between two looks at the server.
const EVERY: Duration = Duration::from_secs(1);
/// How large a frame is where nobody says how large it may be.
const PAGE: Size = Size { width: 100, height: usize::MAX };
/// Events that are asked for; a screen shows fewer.
const EVENTS: &str = "50";

/// The server did not answer as it should.
const REFUSED: u8 = 1;

pub(super) fn run(arguments: &Top) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        let server = Server::at(&arguments.reach)?;
        let before = counted(&server).await?;
        tokio::time::sleep(EVERY).await;
        let (glance, counts) = look(&server, &before).await?;
        match arguments.once || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            true => once(&glance),
            false => watch(&server, glance, counts).await,
        }
    });
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Failure::Refused(text)) => {
            report::say(&text);
            Ok(ExitCode::from(REFUSED))
        }
        Err(Failure::NotReached(text)) => anyhow::bail!(text),
        Err(Failure::Output(error)) => Err(error.into()),
    }
}

/// One frame, as long as it is, without colours where they do not belong.
fn once(glance: &Glance) -> Result<(), Failure> {
    let size = match terminal::size() {
        Some(size) => Size { height: usize::MAX, ..size },
        None => PAGE,
    };
    let is_coloured = report::is_coloured(&io::stdout());
    let out = &mut io::stdout().lock();
    for line in frame::lines(glance, size, &mut Place::default()) {
        writeln!(out, "{}", line.shown(is_coloured))?;
    }
    Ok(out.flush()?)
}

/// Frames until somebody has seen enough.
async fn watch(server: &Server, mut glance: Glance, mut counts: Counts) -> Result<(), Failure> {
    let is_coloured = report::is_coloured(&io::stdout());
    let terminal = Terminal::take()?;
    let mut keys = terminal::keys();
    let mut resized = signal(SignalKind::window_change())?;
    let mut ended = signal(SignalKind::terminate())?;
    let mut clock = tokio::time::interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock.tick().await;
    let mut place = Place::default();
    loop {
        let size = terminal::size().unwrap_or(Size { height: 24, ..PAGE });
        let lines = frame::lines(&glance, size, &mut place);
        let lines: Vec<String> = lines.iter().map(|line| line.shown(is_coloured)).collect();
        terminal.show(&lines)?;
        tokio::select! {
            key = keys.recv() => match key {
                None | Some(Key::Quit) => return Ok(()),
                Some(Key::Pause) => place.is_paused = !place.is_paused,
                Some(Key::Lines(lines)) => place.turn(lines),
                Some(Key::Pages(pages)) => place.turn(pages * size.height.saturating_sub(2) as isize),
            },
            _ = clock.tick() => if !place.is_paused {
                match look(server, &counts).await {
                    Ok(seen) => (glance, counts) = seen,
                    // It may come back: what was last seen stays, and the trouble stands above.
                    Err(Failure::NotReached(text) | Failure::Refused(text)) => {
                        glance.trouble = Some(text);
                    }
                    Err(failure) => return Err(failure),
                }
            },
            _ = resized.recv() => {}
            _ = ended.recv() => return Ok(()),
        }
    }
}

/// What the metrics had counted at some time.
struct Counts {
    at: Instant,
    queries: f64,
    /// By response code.
    responses: BTreeMap<String, f64>,
    /// With steered names, by pool.
    answers: BTreeMap<String, f64>,
}

async fn counted(server: &Server) -> Result<Counts, Failure> {
    let metrics = server.octets("/metrics").await?;
    let metrics = String::from_utf8_lossy(&metrics);
    let responses = sums(&metrics, "meridian_responses_total{", ",rcode=\"");
    let answers = sums(&metrics, "meridian_answers_total{", ",pool=\"");
    let queries = metrics.lines().filter(|line| line.starts_with("meridian_queries_total{"));
    Ok(Counts { at: Instant::now(), queries: queries.map(value).sum(), responses, answers })
}

/// The sums of a metric's samples by one label.
fn sums(metrics: &str, metric: &str, label: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with(metric)) {
        let named = line.split_once(label).and_then(|(_, rest)| rest.split('"').next());
        *sums.entry(named.unwrap_or_default().to_owned()).or_default() += value(line);
    }
    sums
}

/// The value of a sample.
fn value(line: &str) -> f64 {
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).unwrap_or(0.0)
}

async fn look(server: &Server, before: &Counts) -> Result<(Glance, Counts), Failure> {
    let status = server.read("/v1/status").await?;
    let health = server.read("/v1/health").await?;
    let events = server.ask("/v1/events", &[("limit", EVENTS.to_owned())]).await?;
    let counts = counted(server).await?;
    let seconds = (counts.at - before.at).as_secs_f64();
    // A server that was started anew counts from 0.
    let rate = |now: f64, then: f64| if now < then { 0.0 } else { (now - then) / seconds };
    let rates = |now: &BTreeMap<String, f64>, before: &BTreeMap<String, f64>| {
        let then = |name: &str| before.get(name).copied().unwrap_or(0.0);
        now.iter().map(|(name, now)| (name.clone(), rate(*now, then(name)))).collect()
    };
    let glance = Glance {
        status,
        health,
        events,
        queries: rate(counts.queries, before.queries),
        responses: rates(&counts.responses, &before.responses),
        answers: rates(&counts.answers, &before.answers),
        now: SystemTime::now(),
        trouble: None,
    };
    Ok((glance, counts))
}
