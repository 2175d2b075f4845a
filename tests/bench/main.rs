//! The figures, printed and not asserted: machines are noisy, so that what can be a ratio within one run is one.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a benchmark stops at a broken premise, prints, and starts its own threads and processes"
)]

mod authz;
mod daemon;
mod journal;
mod lanes;
mod node;
mod task;
mod tick;

fn main() {
    authz::print();
    lanes::print();
    journal::print();
    tick::print();
    task::print();
    daemon::print();
}
