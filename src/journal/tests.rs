//! What the journal's file promises, held on a real disk and on a simulated one.

mod disk;
