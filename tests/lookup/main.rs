//! What the server answers, seen from outside: a message in, a message out.

mod bed;

mod additional;
mod aliases;
mod compression;
mod delegations;
mod edns;
mod names;
mod refusals;
mod steered;
mod sources;
mod truncation;
