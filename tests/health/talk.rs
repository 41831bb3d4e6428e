//! What is said over a TCP connection.

use std::time::Duration;

use meridian::health::{Failure, Kind, Monitor, Stage, Talk, Timing};

use crate::support::checks::{SHORT, check, monitor, outcome};
use crate::support::hostile::{Behaviour, Refusing, Server};

/// The server reads up to an empty line.
const PING: &[u8] = b"PING\r\n\r\n";

fn talking(send: &[u8], answer: &[u8], timeout: Duration) -> Monitor {
    let talk = Talk { send: send.to_vec(), answer: answer.to_vec() };
    Monitor { timeout, ..monitor(Kind::Talk(talk)) }
}

async fn ping(behaviour: Behaviour) -> Result<Timing, Failure> {
    let server = Server::start(behaviour).await;
    let monitor = talking(PING, b"+PONG", crate::support::checks::LONG);
    outcome(check(server.address, monitor)).await
}

async fn ping_shortly(behaviour: Behaviour) -> Failure {
    let server = Server::start(behaviour).await;
    outcome(check(server.address, talking(PING, b"+PONG", SHORT))).await.unwrap_err()
}

#[tokio::test]
async fn the_right_answer_is_a_success_and_what_was_sent_was_as_written() {
    let server = Server::start(Behaviour::ReplyThenHang(b"+PONG\r\n".into())).await;
    let monitor = talking(PING, b"+PONG", crate::support::checks::LONG);
    let timing = outcome(check(server.address, monitor)).await.unwrap();
    assert!(timing.server.is_some(), "the time to the answer is the server's");
    assert_eq!(server.requests(), [String::from_utf8(PING.into()).unwrap()]);
}

#[tokio::test]
async fn an_answer_in_pieces_is_an_answer() {
    let piece = Duration::from_millis(5);
    let drip = Behaviour::ReplyThenRepeat(b"+P".into(), b"ONG\r\n+P".into(), piece);
    ping(drip).await.unwrap();
    let late = Behaviour::ReplyThenRepeat(vec![b'.'; 60_000], b"+PONG".into(), piece);
    ping(late).await.unwrap();
}

#[tokio::test]
async fn a_greeting_is_an_answer_to_nothing() {
    let server = Server::start(Behaviour::Greet(b"220 ready for mail\r\n".into())).await;
    let monitor = talking(b"", b"220 ", crate::support::checks::LONG);
    outcome(check(server.address, monitor)).await.unwrap();
}

#[tokio::test]
async fn another_answer_is_a_failure_that_shows_it() {
    let failure = ping(Behaviour::Reply(b"-LOADING\r\n".into())).await.unwrap_err();
    assert_eq!(failure.to_string(), "another answer; it begins `-LOADING  `, wanted `+PONG`");
}

#[tokio::test]
async fn no_answer_is_a_failure() {
    let closed = ping(Behaviour::Close).await.unwrap_err();
    assert!(
        matches!(&closed, Failure::Answer { start, .. } if start.is_empty())
            || closed == Failure::Reset(Stage::Answer),
        "{closed:?}"
    );
    let ended = ping(Behaviour::Reply(Vec::new())).await.unwrap_err();
    assert_eq!(ended.to_string(), "nothing came back, wanted `+PONG`");
    let reset = ping(Behaviour::ReplyThenReset(Vec::new())).await.unwrap_err();
    assert_eq!(reset.to_string(), "connection reset while waiting for the answer");
    let nobody = Refusing::new();
    let refused = outcome(check(nobody.address, talking(PING, b"+PONG", SHORT))).await;
    assert_eq!(refused, Err(Failure::Refused));
}

#[tokio::test]
async fn silence_times_out() {
    let silent = Failure::TimedOut { after: SHORT, stage: Stage::Answer };
    assert_eq!(ping_shortly(Behaviour::Hang).await, silent);
    assert_eq!(silent.to_string(), "timed out after 300ms waiting for the answer");
    assert_eq!(ping_shortly(Behaviour::ReplyThenHang(b"+PON".into())).await, silent);
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_a_limit() {
    let flood = vec![b'x'; 16 * 1024];
    let endless = Behaviour::ReplyThenRepeat(flood.clone(), flood, Duration::from_millis(1));
    let failure = ping(endless).await.unwrap_err();
    assert!(failure.to_string().starts_with("another answer; it begins `xxx"), "{failure}");
}
