//! The texts as another program would build them, and what changes them.
