//! The documents that travel between agent and hub. What is sent is sent in full: a typed empty list is `[]`, and what
//! is not known is absent or `unknown`, never 0. What is read is read leniently: unknown fields are ignored.

pub mod envelope;
pub mod outcome;
pub mod report;

pub use envelope::ControlEnvelope;
pub use outcome::OpOutcome;
pub use report::HostReport;
