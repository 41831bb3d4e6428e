//! Meridian: an authoritative DNS server that answers each client with the best region that is up.
//!
//! The way of a query, from the socket and back:
//!
//! ```text
//! transport ──Request──► engine::Engine::respond
//!    wire      header, question, OPT
//!    zone      find(name) -> answer, alias, delegation, no data, no such name, refused
//!    steering  for a steered name: client -> class -> the answer now in force
//!    engine    the sections, OPT and ECS, into the caller's buffer
//! transport ◄──Reply── a message, a zone transfer, or nothing
//! ```
//!
//! The modules stand in layers; each imports only from those below it (`tests/layering.rs`):
//! `cli`, `server`, `admin` and `transport`, `engine`, `zone` and `steering`, `geo` and `health`,
//! `wire`, `config`, `numbers` and `state`.

pub mod cli;
pub mod server;

pub mod admin;
pub mod transport;

pub mod engine;

pub mod steering;
pub mod zone;

pub mod geo;
pub mod health;

pub mod wire;

pub mod config;
pub mod numbers;
pub mod state;
