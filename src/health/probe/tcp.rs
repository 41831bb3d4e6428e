//! The check that opens a connection, and may talk over it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::marks::Marks;
use super::resolve::Lookup;
use crate::health::failure::{Failure, Stage, Timing, shown};
use crate::health::kinds::Talk;

/// Octets of an answer that are read; what is wanted must be among them.
const LIMIT: usize = 64 * 1024;

/// Connects to the first address of a target that accepts.
#[derive(Debug)]
pub(super) struct Tcp {
    lookup: Lookup,
    talk: Option<Talk>,
}

impl Tcp {
    pub(super) fn new(lookup: Lookup, talk: Option<Talk>) -> Tcp {
        Tcp { lookup, talk }
    }

    pub(super) async fn run(&self, marks: &Marks) -> Result<Timing, Failure> {
        let mut stream = self.lookup.clone().connect(marks).await?;
        marks.connected();
        if let Some(talk) = &self.talk {
            marks.other(Stage::Answer);
            let failed = |e| Failure::of_io(&e, Stage::Answer);
            stream.write_all(&talk.send).await.map_err(failed)?;
            answer(&mut stream, &talk.answer, marks).await?;
        }
        Ok(marks.timing())
    }
}

/// Reads until what is wanted is there.
async fn answer(stream: &mut TcpStream, wanted: &[u8], marks: &Marks) -> Result<(), Failure> {
    let mut answer = Vec::new();
    // Where a match may begin that was not complete before.
    let mut from = 0;
    while !contains(&answer[from..], wanted) {
        from = answer.len().saturating_sub(wanted.len());
        let room = LIMIT - answer.len();
        let mut octets = (&mut *stream).take(room as u64);
        let read = octets.read_buf(&mut answer).await;
        if read.map_err(|e| Failure::of_io(&e, Stage::Answer))? == 0 {
            return Err(Failure::Answer { wanted: shown(wanted), start: shown(&answer) });
        }
        if from == 0 {
            marks.head();
        }
    }
    Ok(())
}

fn contains(octets: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || octets.windows(wanted.len()).any(|window| window == wanted)
}
