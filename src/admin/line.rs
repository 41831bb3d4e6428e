//! The way from HTTP to the task that owns the state: typed requests, each with its way back.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};

use super::message::{
    Changed, Explained, Forced, Health, KeptGeneration, Reload, Reportable, Reported, Resumed,
    RolledBack, ServedFiles, Status, World,
};
use crate::wire::{Name, Type};

/// What the server is asked or told.
#[derive(Debug)]
pub enum Request {
    /// The server at a glance.
    Status(oneshot::Sender<Status>),
    /// Every pool and member.
    Health(oneshot::Sender<Health>),
    /// Which answer a client gets, and why.
    Explain(Inquiry, oneshot::Sender<Result<Explained, Refusal>>),
    /// Where the clients of a steered name are sent.
    World(Name, oneshot::Sender<Result<World, Refusal>>),
    /// An order about a pool.
    Change(Change, oneshot::Sender<Result<Changed, Refusal>>),
    /// Let what is held down come back.
    Resume(Resume, oneshot::Sender<Result<Resumed, Refusal>>),
    /// What somebody found, for a monitor of kind push.
    Report(Report, oneshot::Sender<Result<Reported, Refusal>>),
    /// Read all files anew.
    Reload(Reread, oneshot::Sender<Result<Reload, Refusal>>),
    /// Put a kept generation in force.
    Rollback(Rollback, oneshot::Sender<Result<RolledBack, Refusal>>),
    /// Which generations are kept.
    Generations(oneshot::Sender<Vec<KeptGeneration>>),
    /// What the generation in force was made from.
    Files(oneshot::Sender<Result<ServedFiles, Refusal>>),
    /// A part of one of these files.
    Part(Part, oneshot::Sender<Result<Vec<u8>, Refusal>>),
}

/// A question to explain.
#[derive(Debug, Clone)]
pub struct Question {
    /// The name asked for.
    pub name: Name,
    /// The type asked for.
    pub rtype: Type,
    /// The client's address, or an address of its subnet.
    pub address: IpAddr,
    /// Bits that are known of the address.
    pub length: u8,
}

/// A question to explain, and in which state.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// The question.
    pub question: Question,
    /// Pools that are supposed to be down.
    pub down: Vec<String>,
    /// When it was asked; `None` for now.
    pub at: Option<SystemTime>,
    /// Whether to tell what is compiled at each step.
    pub is_traced: bool,
}

/// An order about a pool.
#[derive(Debug, Clone)]
pub struct Change {
    /// Which.
    pub pool: String,
    /// What is to be done with it.
    pub order: Order,
    /// Who says so.
    pub who: String,
    /// Why.
    pub reason: Option<String>,
}

/// What is to be done with a pool.
#[derive(Debug, Clone, Copy)]
pub enum Order {
    /// Its share of clients falls to nothing over a time, and it is given to nobody then.
    Drain {
        /// How long that takes.
        over: Duration,
        /// When it ends by itself.
        until: Option<SystemTime>,
        /// Even when nothing else is up for some record.
        anyway: bool,
    },
    /// It is put into a state at once.
    Force {
        /// Which.
        state: Forced,
        /// When it ends by itself.
        until: Option<SystemTime>,
        /// Even when nothing else is up for some record.
        anyway: bool,
    },
    /// Files and checks decide again; its share rises over a time.
    Restore {
        /// How long that takes.
        over: Duration,
    },
}

/// That what is held down may come back.
#[derive(Debug, Clone)]
pub struct Resume {
    /// A pool, a member, `pool/member`, or a target of checks.
    pub name: String,
    /// Who says so.
    pub who: String,
    /// Why.
    pub reason: Option<String>,
}

/// That a kept generation is to be in force.
#[derive(Debug, Clone)]
pub struct Rollback {
    /// Which; `None` for the one before that in force.
    pub generation: Option<u64>,
    /// Who says so.
    pub who: String,
    /// Why.
    pub reason: Option<String>,
}

/// A part of a file.
#[derive(Debug, Clone)]
pub struct Part {
    /// The SHA-256 of the file's content, in hexadecimal digits.
    pub sha256: String,
    /// The first octet that is wanted, from 0.
    pub from: u64,
}

/// What somebody found.
#[derive(Debug, Clone)]
pub struct Report {
    /// A monitor of kind push.
    pub monitor: String,
    /// What it is about.
    pub place: Place,
    /// What was found.
    pub verdict: Reportable,
    /// Who says so.
    pub who: String,
    /// Why.
    pub reason: Option<String>,
}

/// What a report is about.
#[derive(Debug, Clone)]
pub enum Place {
    /// A target of checks, or a pool for all its members.
    Target(String),
    /// One member of a pool.
    Member {
        /// The pool.
        pool: String,
        /// The member's name.
        member: String,
    },
}

/// That all files are to be read anew.
#[derive(Debug, Clone)]
pub struct Reread {
    /// Who says so.
    pub who: String,
    /// Why.
    pub reason: Option<String>,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing.
    #[error("{0}")]
    Unknown(String),
    /// It cannot be meant.
    #[error("{0}")]
    Invalid(String),
    /// It would harm, or cannot be done now.
    #[error("{0}")]
    Refused(String),
    /// The files have mistakes: what `meridian check` prints.
    #[error("{0}")]
    Mistakes(String),
    /// Who asks may not.
    #[error("{0}")]
    Forbidden(String),
    /// The server starts or stops.
    #[error("the server starts or stops; try again in a few seconds")]
    Away,
}

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Line(mpsc::Sender<Request>);

impl Line {
    /// A line whose other end is `requests`.
    pub fn new(requests: mpsc::Sender<Request>) -> Line {
        Line(requests)
    }

    /// Sends a request and waits for what comes back.
    ///
    /// # Errors
    ///
    /// [`Refusal::Away`] when nobody answers any more.
    pub async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Refusal> {
        let (back, answer) = oneshot::channel();
        self.0.send(request(back)).await.map_err(|_| Refusal::Away)?;
        answer.await.map_err(|_| Refusal::Away)
    }
}
