//! The hub: its client and its documents.

pub mod client;
pub mod error;
pub mod wire;

pub use client::{Client, Desired};
pub use error::HubError;
