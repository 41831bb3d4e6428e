//! What `top` shows: lines of text from what was read of a server. Knows no terminal.

use std::time::{Duration, SystemTime};

use crate::admin::Entry;
use crate::admin::message::{Health, MemberHealth, PoolHealth, Status, millis, utc};
use crate::cli::ctl::text::{short, since};
use crate::cli::report::plural;

/// A server at some moment.
#[derive(Debug)]
pub(super) struct Glance {
    pub(super) status: Status,
    pub(super) health: Health,
    /// The newest last.
    pub(super) events: Vec<Entry>,
    /// For each second.
    pub(super) queries: f64,
    /// For each second, by response code.
    pub(super) responses: Vec<(String, f64)>,
    /// For each second, by pool.
    pub(super) answers: Vec<(String, f64)>,
    pub(super) now: SystemTime,
    /// Why nothing newer is known.
    pub(super) trouble: Option<String>,
}

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
}

/// Where somebody looks.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The first line of pools and events that is shown.
    pub(super) first: usize,
    pub(super) is_paused: bool,
}

impl Place {
    /// Moves down by so many lines, or up.
    pub(super) fn turn(&mut self, lines: isize) {
        self.first = self.first.saturating_add_signed(lines);
    }
}

/// A line, and how it is to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) tone: Tone,
}

/// What a line says at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Plain,
    Title,
    Good,
    Bad,
    Doubtful,
}

impl Line {
    /// With colours, or as it is.
    pub(super) fn shown(&self, is_coloured: bool) -> String {
        let code = match self.tone {
            _ if !is_coloured => return self.text.clone(),
            Tone::Plain => return self.text.clone(),
            Tone::Title => "1",
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Doubtful => "33",
        };
        format!("\x1b[{code}m{}\x1b[0m", self.text)
    }
}

/// The head, and as much as fits of pools and events from where somebody looks. Moves `place` back
/// when it is beyond the end.
pub(super) fn lines(glance: &Glance, size: Size, place: &mut Place) -> Vec<Line> {
    let mut lines = head(glance, place.is_paused);
    let body = body(glance);
    let room = size.height.saturating_sub(lines.len()).max(1);
    place.first = place.first.min(body.len().saturating_sub(room));
    lines.extend(body.into_iter().skip(place.first).take(room));
    lines.truncate(size.height);
    for line in &mut lines {
        line.text = fitting(&line.text, size.width);
    }
    lines
}

fn head(glance: &Glance, is_paused: bool) -> Vec<Line> {
    let status = &glance.status;
    let uptime = short(Duration::from_secs(status.uptime_seconds));
    let paused = if is_paused { "   paused" } else { "" };
    let (zones, pools) = (plural(status.zone_count, "zone"), status.pools);
    let records = plural(status.record_count, "steered record");
    let rates: Vec<String> = glance
        .responses
        .iter()
        .filter(|(_, rate)| *rate > 0.0)
        .map(|(rcode, rate)| format!("{rcode} {}", number(*rate)))
        .collect();
    let mut lines = vec![
        line(
            Tone::Title,
            format!(
                "meridian {}{paused}   generation {}   up for {uptime}   {}",
                status.version,
                status.generation,
                utc(millis(glance.now)),
            ),
        ),
        line(
            Tone::Plain,
            format!(
                "{zones}, {records}; pools: {} up, {} down, {} drained",
                pools.up, pools.down, pools.drain
            ),
        ),
        line(Tone::Plain, format!("{} queries/s   {}", number(glance.queries), rates.join("  "))),
    ];
    lines.extend(glance.trouble.iter().map(|trouble| line(Tone::Bad, trouble.clone())));
    for name in &status.panics {
        lines.push(line(Tone::Bad, format!("nothing is up for {name}")));
    }
    if status.reload.as_ref().is_some_and(|reload| reload.error.is_some()) {
        let text = "the last reload was refused; `meridian ctl status` says why";
        lines.push(line(Tone::Bad, text.to_owned()));
    }
    for warning in &status.warnings {
        lines.push(line(Tone::Doubtful, warning.clone()));
    }
    lines
}

fn body(glance: &Glance) -> Vec<Line> {
    let mut lines = vec![line(Tone::Title, "POOLS".to_owned())];
    for pool in &glance.health.pools {
        lines.push(pool_line(pool, &glance.answers));
        lines.extend(pool.members.iter().map(|member| member_line(member, glance.now)));
    }
    if !glance.status.overrides.is_empty() {
        lines.push(line(Tone::Title, "OVERRIDES".to_owned()));
        for known in &glance.status.overrides {
            let until = known.until.map_or(String::new(), |at| format!(", until {}", utc(at)));
            lines.push(line(Tone::Doubtful, format!("{}: {known}{until}", known.pool)));
        }
    }
    lines.push(line(Tone::Title, "EVENTS".to_owned()));
    for event in glance.events.iter().rev() {
        let text =
            format!("{:>10} ago  {:<8}  {}", since(event.at, glance.now), event.kind, event.text);
        lines.push(line(Tone::Plain, text));
    }
    lines
}

fn pool_line(pool: &PoolHealth, answers: &[(String, f64)]) -> Line {
    let mut text = format!("{:<24} {:<8} by {}", pool.name, pool.state, pool.decided_by);
    if pool.state == "up" && pool.share < 1.0 {
        text.push_str(&format!("; keeps {:.0} % of its clients", pool.share * 100.0));
    }
    let rate = answers.iter().find(|(name, rate)| *name == pool.name && *rate > 0.0);
    if let Some((_, rate)) = rate {
        text.push_str(&format!("; {} answers/s", number(*rate)));
    }
    if let Some(load) = pool.load {
        text.push_str(&format!("; load {load:.2}"));
    }
    if let Some(held) = &pool.held {
        text.push_str(&format!("; {held}"));
    }
    line(tone(&pool.state), text)
}

fn member_line(member: &MemberHealth, now: SystemTime) -> Line {
    let age = member.since.map_or(String::new(), |at| since(at, now));
    let took = member.took_ms.map_or(String::new(), |ms| format!("{ms:.0} ms"));
    let mut text = format!("  {:<22} {:<8} {age:>12} {took:>8}", member.name, member.verdict);
    let reasons = member.reason.iter().chain(&member.course.hold).chain(&member.course.warnings);
    for reason in reasons {
        text.push_str("  ");
        text.push_str(reason);
    }
    let tone = match tone(&member.verdict) {
        Tone::Good if !member.course.warnings.is_empty() => Tone::Doubtful,
        tone => tone,
    };
    line(tone, text.trim_end().to_owned())
}

fn tone(state: &str) -> Tone {
    match state {
        "up" => Tone::Good,
        "down" => Tone::Bad,
        _ => Tone::Doubtful,
    }
}

fn line(tone: Tone, text: String) -> Line {
    Line { text, tone }
}

/// Cut where the screen ends. What a server says may hold signs that move a cursor: they are left
/// out.
fn fitting(text: &str, width: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(width).collect()
}

/// `0`, `3.2`, `1500`.
fn number(rate: f64) -> String {
    match rate {
        0.0 => "0".to_owned(),
        rate if rate < 10.0 => format!("{rate:.1}"),
        rate => format!("{rate:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn glance() -> Glance {
        let member = |name: &str, verdict: &str, reason: Option<&str>| {
            json!({
                "name": name, "verdict": verdict, "decided_by": "monitor web", "monitor": "web",
                "target": name, "reason": reason, "since": 60_000, "checked": 119_000,
                "server_ms": 1.0, "took_ms": 12.0,
            })
        };
        let pool = |name: &str, state: &str, members: serde_json::Value| {
            json!({
                "name": name, "state": state, "decided_by": "checks", "healthy": state == "up",
                "share": 1.0, "load": null, "override": null, "members": members,
            })
        };
        let health = json!({ "pools": [
            pool("eu", "up", json!([member("192.0.2.1", "up", None)])),
            pool("us", "down", json!([member("192.0.2.2", "down", Some("refused\u{1b}[2J"))])),
        ] });
        let status = json!({
            "version": "0.1.0", "generation": 7, "started": 0, "uptime_seconds": 120,
            "zone_count": 1, "zones": [], "record_count": 1, "records": [],
            "pools": { "up": 1, "down": 1, "drain": 0 },
            "panics": [], "overrides": [], "reload": null, "databases": [], "warnings": [],
        });
        let event = |number: u64| {
            json!({
                "number": number, "at": 100_000, "kind": "pool", "subject": "us", "state": "down",
                "who": "checks", "why": null, "text": format!("pool us is down ({number})"),
            })
        };
        Glance {
            status: serde_json::from_value(status).unwrap(),
            health: serde_json::from_value(health).unwrap(),
            events: (1..=20).map(|n| serde_json::from_value(event(n)).unwrap()).collect(),
            queries: 1234.4,
            responses: vec![("NOERROR".to_owned(), 1230.0), ("NXDOMAIN".to_owned(), 4.4)],
            answers: vec![("eu".to_owned(), 12.0)],
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(120),
            trouble: None,
        }
    }

    fn texts(size: Size, place: &mut Place) -> Vec<String> {
        lines(&glance(), size, place).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_frame_has_pools_members_rates_and_the_newest_event_first() {
        let size = Size { width: 120, height: usize::MAX };
        let text = texts(size, &mut Place::default());
        assert_eq!(text[0], "meridian 0.1.0   generation 7   up for 2 min   1970-01-01 00:02:00Z");
        assert_eq!(text[2], "1234 queries/s   NOERROR 1230  NXDOMAIN 4.4");
        assert_eq!(text[4], "eu                       up       by checks; 12 answers/s");
        assert_eq!(text[7], "  192.0.2.2              down            1 min    12 ms  refused[2J");
        assert_eq!(text[8], "EVENTS");
        assert!(text[9].ends_with("20 s ago  pool      pool us is down (20)"), "{}", text[9]);
        assert_eq!(text.len(), 29);
    }

    #[test]
    fn a_frame_fits_the_screen_and_turns_to_its_end_and_back() {
        let size = Size { width: 30, height: 10 };
        let mut place = Place::default();
        place.turn(1000);
        let end = texts(size, &mut place);
        assert_eq!(end.len(), 10);
        assert!(end.iter().all(|line| line.chars().count() <= 30));
        assert_eq!(place.first, 26 - 7);
        place.turn(-1000);
        assert_eq!(texts(size, &mut place)[3], "POOLS");
        for height in 0..5 {
            assert!(texts(Size { width: 0, height }, &mut place).len() <= height);
        }
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        let all = lines(&glance(), Size { width: 80, height: 50 }, &mut Place::default());
        let down = all.iter().find(|line| line.text.starts_with("us ")).unwrap();
        assert_eq!(down.tone, Tone::Bad);
        assert!(down.shown(true).starts_with("\x1b[31mus "));
        assert_eq!(down.shown(false), down.text);
    }
}
