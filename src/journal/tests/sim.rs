//! A file system in memory that knows what is on the disk and what is only in the cache, stops at any call, and says which disks a
//! crash may leave: of a write that was not synced nothing, a part up to a multiple of 512, zeros, or all; of a name that was
//! changed the old or the new. A sync that fails makes nothing durable, and neither does one after it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::rc::Rc;

use rustix::io::Errno;

use crate::journal::{Facts, Fs, Mode};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Cut { length: usize },
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Cut { length } => to.resize(*length, 0),
            Self::Write { at, bytes } => {
                to.resize(to.len().max(at + bytes.len()), 0);
                to[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }

    /// What a crash may leave of it.
    fn parts(&self) -> Vec<Self> {
        match self {
            Self::Cut { .. } => vec![self.clone()],
            Self::Write { at, bytes } => {
                let sectors = (1..bytes.len()).filter(|length| (at + length) % 512 == 0);
                let part = |length: usize| Self::Write { at: *at, bytes: bytes[..length].to_vec() };
                let mut parts: Vec<Self> = sectors.map(part).collect();
                parts.push(Self::Write { at: *at, bytes: vec![0; bytes.len()] });
                parts.push(self.clone());
                parts
            }
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Content {
    on_disk: Vec<u8>,
    /// In the cache alone.
    changes: Vec<Change>,
    /// Of these no sync will ever say again that they failed, and none will write them.
    doomed: usize,
    cached: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Naming {
    Set { name: String, file: usize },
    Remove { name: String },
    Move { from: String, to: String, file: usize },
}

type Names = BTreeMap<String, usize>;

impl Naming {
    fn apply(&self, names: &mut Names) {
        match self {
            Self::Set { name, file } => drop(names.insert(name.clone(), *file)),
            Self::Remove { name } => drop(names.remove(name)),
            Self::Move { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
        }
    }
}

/// The one folder there is, as the disk and as the cache have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct World {
    files: Vec<Content>,
    names_on_disk: Names,
    renamings: Vec<Naming>,
    names: Names,
}

impl World {
    /// Every world that a crash at this instant may leave.
    pub(super) fn after_a_crash(&self) -> Vec<Self> {
        let mut worlds = Vec::new();
        for names in self.names_after() {
            let mut partial = vec![Self { names: names.clone(), names_on_disk: names, ..Self::default() }];
            for (number, file) in self.files.iter().enumerate() {
                // What has no name is gone.
                let named = partial[0].names.values().any(|named| *named == number);
                let ends = if named { file.after_a_crash() } else { vec![Vec::new()] };
                partial = partial
                    .into_iter()
                    .flat_map(|world| {
                        ends.iter().map(move |end| {
                            let mut world = world.clone();
                            let (on_disk, cached) = (end.clone(), end.clone());
                            world.files.push(Content { on_disk, cached, ..Content::default() });
                            world
                        })
                    })
                    .collect();
            }
            worlds.extend(partial);
        }
        worlds
    }

    fn names_after(&self) -> Vec<Names> {
        let pending = self.renamings.len();
        // All combinations while they are few; else as a file system that keeps their order.
        let choices: Vec<Vec<bool>> = if pending <= 4 {
            (0..1_usize << pending).map(|bits| (0..pending).map(|at| bits >> at & 1 == 1).collect()).collect()
        } else {
            (0..=pending).map(|first| (0..pending).map(|at| at < first).collect()).collect()
        };
        let apply = |chosen: Vec<bool>| {
            let mut names = self.names_on_disk.clone();
            let taken = self.renamings.iter().zip(chosen).filter(|(_, taken)| *taken);
            taken.for_each(|(naming, _)| naming.apply(&mut names));
            names
        };
        choices.into_iter().map(apply).collect()
    }

    pub(super) fn bytes(&self, name: &str) -> &[u8] {
        &self.files[self.names[name]].cached
    }

    /// Changes a file in place, as damage does.
    pub(super) fn damage(&mut self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let file = &mut self.files[self.names[name]];
        change(&mut file.cached);
        file.on_disk.clone_from(&file.cached);
        file.changes.clear();
    }

    pub(super) fn lose(&mut self, name: &str) {
        self.names.remove(name);
        self.names_on_disk.clone_from(&self.names);
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.keys().map(String::as_str)
    }
}

impl Content {
    fn after_a_crash(&self) -> Vec<Vec<u8>> {
        let mut before = self.on_disk.clone();
        let mut ends = vec![before.clone()];
        for change in &self.changes {
            for part in change.parts() {
                let mut end = before.clone();
                part.apply(&mut end);
                ends.push(end);
            }
            change.apply(&mut before);
        }
        ends.sort();
        ends.dedup();
        ends
    }
}

/// What a call answers instead of doing its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Io,
    NoSpace,
    ReadOnly,
    Interrupted,
    /// Takes half of what is written.
    Short,
}

impl Fault {
    fn errno(self) -> Errno {
        match self {
            Self::NoSpace => Errno::NOSPC,
            Self::ReadOnly => Errno::ROFS,
            Self::Interrupted => Errno::INTR,
            Self::Io | Self::Short => Errno::IO,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// The number of the call, from 0.
    pub(super) at: usize,
    pub(super) fault: Fault,
    pub(super) for_good: bool,
}

#[derive(Debug, Default)]
struct Inner {
    world: World,
    calls: usize,
    plan: Option<Plan>,
    /// The world after each call that changed it.
    history: Option<Vec<World>>,
    free: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct SimFs {
    inner: Rc<RefCell<Inner>>,
}

/// Which faults a call can meet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    Sync,
    Name,
}

impl SimFs {
    pub(super) fn of(world: World) -> Self {
        let fs = Self::default();
        fs.inner.borrow_mut().world = world;
        fs
    }

    pub(super) fn world(&self) -> World {
        self.inner.borrow().world.clone()
    }

    pub(super) fn plan(&self, plan: Option<Plan>) {
        let mut inner = self.inner.borrow_mut();
        inner.plan = plan;
        inner.calls = 0;
    }

    pub(super) fn calls(&self) -> usize {
        self.inner.borrow().calls
    }

    pub(super) fn set_free(&self, free: u64) {
        self.inner.borrow_mut().free = Some(free);
    }

    pub(super) fn record(&self) {
        self.inner.borrow_mut().history = Some(Vec::new());
    }

    /// The worlds since the last time this was asked.
    pub(super) fn history(&self) -> Vec<World> {
        self.inner.borrow_mut().history.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The fault that is planned for this call.
    fn fault(&self, call: Call) -> io::Result<Option<Fault>> {
        let mut inner = self.inner.borrow_mut();
        let at = inner.calls;
        inner.calls += 1;
        let hit = |plan: &Plan| plan.at == at || (plan.for_good && at > plan.at);
        let Some(plan) = inner.plan.filter(hit) else { return Ok(None) };
        let met = match plan.fault {
            Fault::Io => true,
            Fault::NoSpace | Fault::ReadOnly => call != Call::Read,
            Fault::Interrupted => matches!(call, Call::Write | Call::Sync),
            Fault::Short => call == Call::Write,
        };
        match plan.fault {
            _ if !met => Ok(None),
            Fault::Short => Ok(Some(Fault::Short)),
            fault if call == Call::Sync => Ok(Some(fault)),
            fault => Err(fault.errno().into()),
        }
    }

    fn change<T>(&self, body: impl FnOnce(&mut World) -> io::Result<T>) -> io::Result<T> {
        let mut inner = self.inner.borrow_mut();
        let done = body(&mut inner.world)?;
        let world = inner.world.clone();
        if let Some(history) = &mut inner.history {
            history.push(world);
        }
        Ok(done)
    }

    fn put(&self, file: usize, at: Option<usize>, bytes: &[u8]) -> io::Result<usize> {
        let short = self.fault(Call::Write)? == Some(Fault::Short);
        let taken = if short { bytes.len().div_ceil(2) } else { bytes.len() };
        self.change(|world| {
            let file = &mut world.files[file];
            let at = at.unwrap_or(file.cached.len());
            let change = Change::Write { at, bytes: bytes[..taken].to_vec() };
            change.apply(&mut file.cached);
            file.changes.push(change);
            Ok(taken)
        })
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn not_found() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Fs for SimFs {
    type File = usize;

    fn make_folder(&self, _folder: &Path) -> io::Result<()> {
        self.fault(Call::Name).map(drop)
    }

    fn names(&self, _folder: &Path) -> io::Result<Vec<String>> {
        self.fault(Call::Read)?;
        Ok(self.inner.borrow().world.names.keys().cloned().collect())
    }

    fn free_bytes(&self, _folder: &Path) -> io::Result<u64> {
        self.fault(Call::Read)?;
        Ok(self.inner.borrow().free.unwrap_or(u64::MAX))
    }

    fn uid(&self) -> u32 {
        0
    }

    fn open(&self, path: &Path, _mode: Mode) -> io::Result<usize> {
        self.fault(Call::Read)?;
        self.inner.borrow().world.names.get(&name(path)).copied().ok_or_else(not_found)
    }

    fn create(&self, path: &Path) -> io::Result<usize> {
        self.fault(Call::Name)?;
        self.change(|world| {
            let name = name(path);
            if world.names.contains_key(&name) {
                return Err(io::Error::from(io::ErrorKind::AlreadyExists));
            }
            let file = world.files.len();
            world.files.push(Content::default());
            world.names.insert(name.clone(), file);
            world.renamings.push(Naming::Set { name, file });
            Ok(file)
        })
    }

    fn facts(&self, file: &usize) -> io::Result<Facts> {
        self.fault(Call::Read)?;
        let length = self.inner.borrow().world.files[*file].cached.len() as u64;
        Ok(Facts { regular: true, links: 1, uid: 0, length, birth: file.to_string() })
    }

    fn read(&self, file: &usize, limit: u64) -> io::Result<Vec<u8>> {
        self.fault(Call::Read)?;
        let limit = usize::try_from(limit).unwrap();
        Ok(self.inner.borrow().world.files[*file].cached.iter().take(limit).copied().collect())
    }

    fn write(&self, file: &usize, bytes: &[u8]) -> io::Result<usize> {
        self.put(*file, None, bytes)
    }

    fn write_at(&self, file: &usize, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.put(*file, Some(usize::try_from(offset).unwrap()), bytes)
    }

    fn cut(&self, file: &usize, length: u64) -> io::Result<()> {
        self.fault(Call::Name)?;
        self.change(|world| {
            let file = &mut world.files[*file];
            let change = Change::Cut { length: usize::try_from(length).unwrap() };
            change.apply(&mut file.cached);
            file.changes.push(change);
            Ok(())
        })
    }

    fn sync(&self, file: &usize) -> io::Result<()> {
        let fault = self.fault(Call::Sync)?;
        self.change(|world| {
            let file = &mut world.files[*file];
            if fault.is_some() && fault != Some(Fault::Interrupted) {
                file.doomed = file.changes.len();
            } else if fault.is_none() {
                let synced = file.changes.split_off(file.doomed);
                synced.iter().for_each(|change| change.apply(&mut file.on_disk));
            }
            Ok(())
        })?;
        fault.map_or(Ok(()), |fault| Err(fault.errno().into()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.fault(Call::Name)?;
        self.change(|world| {
            let (from, to) = (name(from), name(to));
            let file = world.names.get(&from).copied().ok_or_else(not_found)?;
            let naming = Naming::Move { from, to, file };
            naming.apply(&mut world.names);
            world.renamings.push(naming);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.fault(Call::Name)?;
        self.change(|world| {
            let name = name(path);
            world.names.remove(&name).ok_or_else(not_found)?;
            world.renamings.push(Naming::Remove { name });
            Ok(())
        })
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        if let Some(fault) = self.fault(Call::Sync)? {
            return Err(fault.errno().into());
        }
        self.change(|world| {
            for naming in std::mem::take(&mut world.renamings) {
                naming.apply(&mut world.names_on_disk);
            }
            Ok(())
        })
    }
}
