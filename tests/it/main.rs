//! The real daemon and the real client against the simulated node and hub, over real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests may stop at a broken premise, run programs, sleep and say what they saw"
)]

mod adopt;
mod apply;
mod behaviour;
mod canary;
mod check;
mod cli;
mod consent;
mod crash;
mod daemon;
mod documents;
mod explain;
mod faults;
mod fields;
mod hub;
mod journal;
mod make_fails;
mod ops;
mod ops_in_time;
mod pains;
mod plan_alone;
mod preflight;
mod proof;
mod provision;
mod reconcile;
mod recovery;
mod rejections;
mod report;
mod rig;
mod scene;
mod schema;
mod scripted;
mod selftest;
mod signals;
mod socket;
mod source;
mod stage;
mod stories;
mod strace;
mod terminal;
mod tools;
mod vectors;
mod volumes;
