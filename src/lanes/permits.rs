//! Permits: how much of each class of work may be under way on the node at once. Tokens in a channel, one channel a class.
//! Held from the intent to the outcome; given back by dropping.

use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded, select};

use crate::model::sorted::{Map, Set};

/// What a piece of work asks of the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Class {
    /// Looking closely at one guest, which costs the node some 30 ms.
    Look,
    /// Start, shutdown, reboot.
    Power,
    Config,
    /// Backup, restore, clone, resize, snapshots: work that moves data on these storages (none, if it is not known on which).
    StorageHeavy {
        storages: Set<String>,
    },
    Destructive,
}

/// How many permits there are of each class; 0 counts as 1, or the work could never be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub look: usize,
    pub power: usize,
    pub config: usize,
    pub storage_heavy_per_storage: usize,
    pub storage_heavy_per_node: usize,
    pub destructive: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            look: 4,
            power: 4,
            config: 8,
            storage_heavy_per_storage: 1,
            storage_heavy_per_node: 2,
            destructive: 1,
        }
    }
}

/// Shared by all lanes.
#[derive(Clone, Debug)]
pub struct Permits {
    limits: Limits,
    look: Tokens,
    power: Tokens,
    config: Tokens,
    heavy: Tokens,
    destructive: Tokens,
    /// Each storage's tokens, made when it is first named. Locked only to look one up.
    storages: Arc<Mutex<Map<String, Tokens>>>,
}

/// The right to do one piece of work now.
#[derive(Debug)]
#[must_use = "the permit ends when it is dropped"]
pub struct Permit {
    _held: Vec<Held>,
}

#[derive(Clone, Debug)]
struct Tokens {
    give: Sender<()>,
    take: Receiver<()>,
}

#[derive(Debug)]
struct Held {
    give: Sender<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        // There is room: this token was taken out.
        self.give.try_send(()).ok();
    }
}

impl Tokens {
    fn new(count: usize) -> Self {
        let (give, take) = bounded(count.max(1));
        while give.try_send(()).is_ok() {}
        Self { give, take }
    }

    /// Waits for a token, or for the end of `stop`.
    fn take(&self, stop: &Receiver<()>) -> Option<Held> {
        select! {
            recv(self.take) -> _token => Some(Held { give: self.give.clone() }),
            recv(stop) -> _stopped => None,
        }
    }
}

impl Permits {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            look: Tokens::new(limits.look),
            power: Tokens::new(limits.power),
            config: Tokens::new(limits.config),
            heavy: Tokens::new(limits.storage_heavy_per_node),
            destructive: Tokens::new(limits.destructive),
            storages: Arc::default(),
        }
    }

    /// Waits until the work may begin; `None` when `stop` says something or is gone before that.
    pub fn acquire(&self, class: &Class, stop: &Receiver<()>) -> Option<Permit> {
        let mut held = Vec::new();
        // Everybody takes several tokens in the same order (storages by name, then the node's), so that no two can
        // wait for each other.
        for tokens in self.tokens(class) {
            held.push(tokens.take(stop)?);
        }
        Some(Permit { _held: held })
    }

    fn tokens(&self, class: &Class) -> Vec<Tokens> {
        match class {
            Class::Look => vec![self.look.clone()],
            Class::Power => vec![self.power.clone()],
            Class::Config => vec![self.config.clone()],
            Class::Destructive => vec![self.destructive.clone()],
            Class::StorageHeavy { storages } => {
                let per_storage = storages.iter().map(|storage| self.storage(storage));
                per_storage.chain([self.heavy.clone()]).collect()
            }
        }
    }

    fn storage(&self, name: &str) -> Tokens {
        let mut storages = self.storages.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.limits.storage_heavy_per_storage;
        storages.get_or_insert_with(name.to_owned(), || Tokens::new(count)).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crossbeam_channel::bounded;

    use super::{Class, Limits, Permits};
    use crate::model::sorted::Set;

    fn heavy(storages: &[&str]) -> Class {
        Class::StorageHeavy { storages: storages.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn a_class_gives_as_many_permits_as_its_limit_and_takes_them_back() {
        let permits = Permits::new(Limits::default());
        let (stop_now, stop) = bounded::<()>(0);
        let held: Vec<_> = (0..4).map(|_| permits.acquire(&Class::Power, &stop).unwrap()).collect();
        drop(stop_now);
        assert!(permits.power.take.is_empty(), "four are all there are");
        assert_eq!(permits.config.take.len(), 8, "other classes are untouched");
        drop(held);
        assert_eq!(permits.power.take.len(), 4);
    }

    #[test]
    fn whoever_waits_for_a_permit_goes_home_when_told_to_stop() {
        let permits = Permits::new(Limits { destructive: 1, ..Limits::default() });
        let (stop_now, stop) = bounded::<()>(0);
        let held = permits.acquire(&Class::Destructive, &stop).unwrap();
        let waiting = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| permits.acquire(&Class::Destructive, &stop).is_none());
            drop(stop_now);
            waiter.join().unwrap()
        });
        assert!(waiting);
        drop(held);
    }

    #[test]
    fn one_heavy_job_a_storage_and_two_a_node_whatever_the_mix() {
        let permits = Permits::new(Limits::default());
        let (_open, stop) = bounded::<()>(0);
        let mixes = [heavy(&["a"]), heavy(&["b", "a"]), heavy(&["c"]), heavy(&["c", "b"]), heavy(&[])];
        let at_once = Arc::new(AtomicUsize::new(0));
        let on_a = Arc::new(AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for class in mixes.iter().cycle().take(20) {
                let (permits, stop, at_once, on_a) = (&permits, &stop, &at_once, &on_a);
                scope.spawn(move || {
                    let _permit = permits.acquire(class, stop).unwrap();
                    assert!(at_once.fetch_add(1, Ordering::SeqCst) < 2);
                    let uses_a = matches!(class, Class::StorageHeavy { storages } if storages.contains("a"));
                    assert!(!uses_a || on_a.fetch_add(1, Ordering::SeqCst) == 0);
                    std::thread::yield_now();
                    on_a.fetch_sub(usize::from(uses_a), Ordering::SeqCst);
                    at_once.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(permits.heavy.take.len(), 2);
    }

    #[test]
    fn a_limit_of_zero_counts_as_one() {
        let permits = Permits::new(Limits { power: 0, storage_heavy_per_storage: 0, ..Limits::default() });
        let (_open, stop) = bounded::<()>(0);
        assert!(permits.acquire(&Class::Power, &stop).is_some());
        assert!(
            permits.acquire(&Class::StorageHeavy { storages: Set::from(["a".to_owned()]) }, &stop).is_some()
        );
    }
}
