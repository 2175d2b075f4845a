//! What the journal's file promises, held on a real disk and on a simulated one.

mod chain;
mod crash;
mod disk;
mod faults;
mod salvage;
mod script;
mod sim;
