//! Whether a server still does what it is there for: the threads that answer datagrams come for
//! more, and the control task answers.

use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::admin::Request;
use crate::transport::Meter;

/// A thread that did not come for datagrams for so long stands still: one that has none comes once
/// a second, one that has any comes far more often.
const STILL: Duration = Duration::from_secs(5);

/// Feels whether a server is alive.
#[derive(Debug)]
pub struct Pulse {
    meter: Meter,
    requests: mpsc::Sender<Request>,
    workers: Vec<Beat>,
}

/// How often a worker had come when it was last seen to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Beat {
    rounds: u64,
    since: Instant,
}

/// What does not move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Still {
    /// A UDP worker.
    #[error("the thread udp-{0} has not come for datagrams for {STILL:?}")]
    Worker(usize),
    /// The task that keeps answers current.
    #[error("the control task does not answer")]
    Control,
}

impl Pulse {
    pub(super) fn new(meter: Meter, requests: mpsc::Sender<Request>) -> Pulse {
        let now = Instant::now();
        let workers = meter.udp_rounds().into_iter().map(|rounds| Beat { rounds, since: now });
        Pulse { workers: workers.collect(), meter, requests }
    }

    /// Looks whether all is well, for `patience` at most.
    ///
    /// # Errors
    ///
    /// Names what does not move.
    pub async fn feel(&mut self, patience: Duration) -> Result<(), Still> {
        if let Some(worker) = still(&mut self.workers, &self.meter.udp_rounds(), Instant::now()) {
            return Err(Still::Worker(worker));
        }
        let (back, answer) = oneshot::channel();
        let ask = async {
            self.requests.send(Request::Status(back)).await.ok()?;
            answer.await.ok()
        };
        match timeout(patience, ask).await {
            Ok(Some(_)) => Ok(()),
            _ => Err(Still::Control),
        }
    }
}

/// Notes how often each worker has come by now; the first that stands still.
fn still(workers: &mut [Beat], rounds: &[u64], now: Instant) -> Option<usize> {
    for (beat, &rounds) in workers.iter_mut().zip(rounds) {
        if beat.rounds != rounds {
            *beat = Beat { rounds, since: now };
        }
    }
    workers.iter().position(|beat| now - beat.since > STILL)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arc_swap::ArcSwap;

    use super::*;
    use crate::engine::{self, Reply, Scratch};
    use crate::transport::{Bound, Respond, stream};

    #[test]
    fn a_worker_that_does_not_come_stands_still_until_it_comes_again() {
        let begin = Instant::now();
        let mut workers = [Beat { rounds: 7, since: begin }; 2];
        let mut after = |seconds, rounds: [u64; 2]| {
            still(&mut workers, &rounds, begin + Duration::from_secs(seconds))
        };
        assert_eq!(after(4, [8, 7]), None);
        assert_eq!(after(6, [9, 7]), Some(1));
        assert_eq!(after(8, [9, 8]), None);
        assert_eq!(after(12, [9, 9]), Some(0));
    }

    #[tokio::test]
    async fn a_control_task_that_is_gone_or_does_not_answer_is_told_of() {
        let bound = Bound::bind(&["127.0.0.1:0".parse().unwrap()], 1).unwrap();
        let limits = stream::Limits {
            connections: 1,
            per_client: 1,
            idle: Duration::from_secs(1),
            lifetime: Duration::from_secs(1),
        };
        let running = bound.start(&Arc::new(ArcSwap::from_pointee(Mute)), limits).unwrap();
        let (requests, asked) = mpsc::channel(1);
        let mut pulse = Pulse::new(running.meter(), requests);
        assert_eq!(pulse.feel(Duration::from_millis(10)).await, Err(Still::Control));
        drop(asked);
        assert_eq!(pulse.feel(Duration::from_secs(60)).await, Err(Still::Control));
    }

    /// Answers nothing.
    struct Mute;

    impl Respond for Mute {
        fn respond(&self, _: &engine::Request<'_>, _: &mut Scratch, _: &mut [u8]) -> Reply {
            Reply::Drop
        }
    }
}
