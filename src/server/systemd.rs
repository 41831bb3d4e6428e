//! What systemd, or another service manager that speaks its protocol (`sd_notify(3)`), is told:
//! that the server answers, that it reloads, that it is alive, that it ends.
//!
//! Whoever is not started by one tells nobody. That a message does not get through keeps nothing
//! from going on.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use super::pulse::Pulse;

/// The server answers. `status` is shown by `systemctl status`.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The server is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// A reload is going on, until this is ended or dropped.
#[derive(Debug)]
pub(super) struct Reloading {
    status: Option<String>,
}

impl Reloading {
    pub(super) fn begin() -> Reloading {
        // systemd wants the time with it, to tell the messages of one reload from another's.
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!("systemd is not told of the reload: {error}"),
        }
        Reloading { status: None }
    }

    /// With the generation that is in force now, and whether it went well.
    pub(super) fn end(mut self, generation: u64, went_well: bool) {
        let failed = if went_well { "" } else { "; the last reload failed" };
        self.status = Some(format!("generation {generation} in force{failed}"));
    }
}

impl Drop for Reloading {
    fn drop(&mut self) {
        match &self.status {
            Some(status) => ready(status),
            // Given up half-way: what was in force still is.
            None => tell(&[NotifyState::Ready]),
        }
    }
}

/// Tells that all is well, twice in the time after which systemd ends the service for its silence,
/// as long as it is so. Ends at once where nobody waits for it.
pub async fn watchdog(mut pulse: Pulse) {
    let Some(period) = period(sd_notify::watchdog_enabled()) else { return };
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match pulse.feel(period).await {
            Ok(()) => tell(&[NotifyState::Watchdog]),
            Err(still) => tracing::error!("{still}: systemd is not told that all is well"),
        }
    }
}

/// The time between two messages, from that after which silence is an end.
fn period(silence: Option<Duration>) -> Option<Duration> {
    silence.map(|silence| silence / 2).filter(|period| !period.is_zero())
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("systemd is not told of {:?}: {error}", states);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_time_and_none_when_nobody_waits() {
        assert_eq!(period(Some(Duration::from_secs(30))), Some(Duration::from_secs(15)));
        assert_eq!(period(Some(Duration::ZERO)), None);
        assert_eq!(period(None), None);
    }
}
