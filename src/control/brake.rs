//! The brake: what every lane looks at before each step. While it is on, nothing is changed; and whoever was sent out for
//! an older desired state takes no further step for it.
//!
//! Three can pull it: the hub, the kill switch (a file, looked for at each step, so that it works when nothing else does), and
//! the mode in the configuration.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::model::hold::Halt;

/// What this host's configuration has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalBrake {
    /// While this file is there nothing is changed.
    pub kill_switch: Option<PathBuf>,
    /// Nothing is ever changed.
    pub observing: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Brake {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The hub's word.
    by_hub: AtomicBool,
    local: LocalBrake,
    /// Counts the desired states that were in force: a generation may be corrected without a new number.
    revision: AtomicU64,
}

/// Which desired state a job was sent out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revision(u64);

/// Whether a step may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Go {
    Ahead,
    Blocked(Halt),
    /// Something else is wanted by now.
    Superseded,
}

impl Brake {
    pub fn new(by_hub: bool, local: LocalBrake) -> Self {
        let shared = Shared { by_hub: AtomicBool::new(by_hub), local, revision: AtomicU64::new(0) };
        Self { shared: Arc::new(shared) }
    }

    /// The hub's word.
    pub fn set_by_hub(&self, on: bool) {
        self.shared.by_hub.store(on, Ordering::SeqCst);
    }

    pub fn is_on_by_hub(&self) -> bool {
        self.shared.by_hub.load(Ordering::SeqCst)
    }

    /// Who stops every change now, if anybody does.
    pub fn halt(&self) -> Option<Halt> {
        self.halt_here().or_else(|| self.is_on_by_hub().then_some(Halt::Hub))
    }

    /// Whether this host itself says so: the mode, or the kill switch.
    pub fn halt_here(&self) -> Option<Halt> {
        self.shared.local.halt()
    }

    /// Another desired state is in force from now on.
    pub(super) fn supersede(&self) {
        self.shared.revision.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn revision(&self) -> Revision {
        Revision(self.shared.revision.load(Ordering::SeqCst))
    }

    pub(super) fn go(&self, revision: Revision) -> Go {
        match self.halt() {
            Some(halt) => Go::Blocked(halt),
            None if self.revision() == revision => Go::Ahead,
            None => Go::Superseded,
        }
    }
}

impl LocalBrake {
    fn halt(&self) -> Option<Halt> {
        if self.observing {
            return Some(Halt::Observing);
        }
        let path = self.kill_switch.as_ref()?;
        let halt = |unseen| Some(Halt::KillSwitch { path: path.display().to_string(), unseen });
        match path.symlink_metadata() {
            Ok(_whatever_it_is) => halt(None),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
            Err(error) => halt(Some(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::{Brake, Go, LocalBrake};
    use crate::model::hold::Halt;

    #[test]
    fn a_step_is_taken_only_for_the_desired_state_in_force_and_never_while_the_brake_is_on() {
        let brake = Brake::new(false, LocalBrake::default());
        let (lane, revision) = (brake.clone(), brake.revision());
        assert_eq!(lane.go(revision), Go::Ahead);
        brake.set_by_hub(true);
        assert_eq!(lane.go(revision), Go::Blocked(Halt::Hub));
        brake.set_by_hub(false);
        brake.supersede();
        assert_eq!(lane.go(revision), Go::Superseded);
        assert_eq!(lane.go(brake.revision()), Go::Ahead);
    }

    #[test]
    fn the_kill_switch_works_as_soon_as_it_is_there_whatever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("KILL");
        let local = LocalBrake { kill_switch: Some(path.clone()), observing: false };
        let brake = Brake::new(false, local);
        assert_eq!(brake.halt(), None);
        let on = Some(Halt::KillSwitch { path: path.display().to_string(), unseen: None });
        fs::create_dir(&path).unwrap();
        assert_eq!(brake.halt(), on);
        fs::remove_dir(&path).unwrap();
        symlink("nowhere", &path).unwrap();
        assert_eq!(brake.halt(), on, "a link to nothing is there too");
        fs::remove_file(&path).unwrap();
        assert_eq!(brake.halt(), None);
    }

    #[test]
    fn a_kill_switch_that_cannot_be_looked_for_counts_as_there() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("closed");
        fs::create_dir(&inner).unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o000)).unwrap();
        let is_root = fs::read_dir(&inner).is_ok();
        let local = LocalBrake { kill_switch: Some(inner.join("KILL")), observing: false };
        let halt = Brake::new(false, local).halt();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(is_root || matches!(halt, Some(Halt::KillSwitch { unseen: Some(_), .. })), "{halt:?}");
    }

    #[test]
    fn an_observer_changes_nothing_whatever_the_hub_says() {
        let brake = Brake::new(false, LocalBrake { kill_switch: None, observing: true });
        brake.set_by_hub(false);
        assert_eq!(brake.halt(), Some(Halt::Observing));
    }
}
