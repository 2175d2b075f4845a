//! `restore-test`: proves the newest backup of one guest now.

use super::page::Page;

pub(super) static PAGE: Page = Page {
    name: "restore-test",
    commands: &[],
    options: &["--json", "--socket PATH"],
    text: "\
Proves the newest backup of a guest now: restores it under a number of its own
(proof.scratch_vmids) with its network unplugged or on an isolated bridge, starts
it, looks at it as restore_test of the guest says, and destroys it again.

Usage: felhom-agent restore-test [--json] VMID

Options:
  --json         as JSON
  --socket PATH  the daemon's socket [agent.socket of the configuration]

Through the daemon when it runs, else in the foreground. Ends with 0 when it
passed, 1 when the backup failed it, 75 when it was skipped and why: too little
space, a bridge in use, something in it that reaches the host.

Example: felhom-agent restore-test 101
",
};
