//! The client against the simulated node, over real sockets.

mod errors;
mod mutations;
mod reads;
mod rig;
mod secrets;
mod tls;
mod transport;
mod waiter;
