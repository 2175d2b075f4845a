//! What cannot be undone, at the level of the executor: drafted, signed, judged and carried out against a simulated node over real
//! TLS, and proven to be done or left open. Each refusal leaves the node without a single mutating call.

mod destroy;
mod held;
mod others;
mod refusals;
mod scene;
