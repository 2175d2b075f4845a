//! Values that every layer speaks of. No I/O, no clock, no channel, no lock.

pub mod desired;
pub mod digest;
pub mod drift;
pub mod guest;
pub mod hold;
pub mod image;
pub mod observed;
pub mod op;
pub mod outcome;
pub mod permissions;
pub mod sorted;
pub mod spelling;
pub mod step;
pub mod time;
pub mod volume;
pub mod window;
