//! Where desired state comes from: a thread that looks when it is poked, and a file also at its own interval.
//!
//! *Fed by* pokes (a tick, an envelope that names a newer generation, SIGHUP). *Emits* what it found, only if that is news.
//! *Never* judges a document: its bytes go to control as they came.

pub mod file;
pub mod hub;

use std::time::Duration;

use crossbeam_channel::{Receiver, after, never, select};

/// A manifest beyond this is refused unread.
pub const MAX_MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// What a look at the source found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// As it was when it was last read.
    Unchanged,
    Document(Vec<u8>),
    /// The source answers, and has no desired state for this host.
    Nothing,
    /// The source does not answer, or gives what cannot be a document.
    Unavailable(String),
}

/// A place to look. Closed: there is a file or a folder of them, or there is the hub.
#[derive(Debug)]
pub enum Source {
    File(file::FileSource),
    Hub(hub::HubSource),
}

impl Source {
    fn look(&mut self) -> Found {
        match self {
            Self::File(file) => file.look(),
            Self::Hub(hub) => hub.look(),
        }
    }

    /// A file cannot tell that it changed; the hub does, through its envelope.
    fn interval(&self) -> Option<Duration> {
        match self {
            Self::File(file) => Some(file.poll()),
            Self::Hub(_) => None,
        }
    }
}

/// Looks once at the start and then as asked, until `pokes` is disconnected. `answered` says of each poke that what was
/// found since then has been told.
pub fn run(mut source: Source, pokes: &Receiver<()>, mut tell: impl FnMut(Found), answered: impl Fn()) {
    let mut told = Found::Unchanged;
    let mut poked = false;
    loop {
        let found = source.look();
        if is_news(&found, &told) {
            tell(found.clone());
        }
        told = match found {
            // Its bytes need not be kept: the source itself says when they are the same.
            Found::Document(_) => Found::Unchanged,
            found => found,
        };
        if poked {
            answered();
        }
        let alarm = source.interval().map_or_else(never, after);
        select! {
            recv(pokes) -> poke => if poke.is_err() { return } else { poked = true },
            recv(alarm) -> _time => poked = false,
        }
    }
}

/// A document always; a silence or its end, and that there is nothing, once.
fn is_news(found: &Found, told: &Found) -> bool {
    matches!(found, Found::Document(_)) || found != told
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::time::Duration;

    use crossbeam_channel::bounded;

    use super::file::FileSource;
    use super::{Found, Source, run};

    #[test]
    fn what_was_told_is_not_told_again_until_it_changes() {
        let document = Found::Document(b"{}".to_vec());
        let silence = Found::Unavailable("no".to_owned());
        for (found, told, news) in [
            (&document, &Found::Unchanged, true),
            (&Found::Unchanged, &Found::Unchanged, false),
            (&silence, &Found::Unchanged, true),
            (&silence, &silence, false),
            (&Found::Unchanged, &silence, true),
            (&Found::Nothing, &Found::Unchanged, true),
            (&Found::Nothing, &Found::Nothing, false),
        ] {
            assert_eq!(super::is_news(found, told), news, "{found:?} after {told:?}");
        }
    }

    #[test]
    fn a_poke_makes_it_look_and_the_end_of_pokes_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("desired.json");
        let source = Source::File(FileSource::at(path.clone(), false, Duration::from_secs(3600)));
        let (poke, pokes) = bounded(1);
        let (tell, told) = bounded(8);
        let ended = std::thread::scope(|scope| {
            let thread = scope.spawn(|| run(source, &pokes, |found| tell.send(found).unwrap(), || ()));
            assert!(matches!(told.recv(), Ok(Found::Unavailable(_))));
            File::create(&path).unwrap().write_all(b"{}").unwrap();
            poke.send(()).unwrap();
            assert_eq!(told.recv(), Ok(Found::Document(b"{}".to_vec())));
            drop(poke);
            thread.join()
        });
        ended.unwrap();
        fs::remove_file(path).unwrap();
    }
}
