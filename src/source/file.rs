//! Desired state from a file on this machine, or from a folder of them. Modification times and sizes are cheap to ask for;
//! the content decides.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ring::digest::{SHA256, digest};

use super::{Found, MAX_MANIFEST_BYTES};
use crate::clock;
use crate::manifest;

/// A file changed this recently may change again without its modification time showing it.
const SETTLED_S: u64 = 2;

/// A folder holds no more files than this.
const MAX_FILES: usize = 256;

/// Of a folder only these are read.
const SUFFIX: &str = ".json";

/// One file, or a folder of files: every `*.json` in the order of their names, as one document.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    is_folder: bool,
    poll: Duration,
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    stamps: Vec<Stamp>,
    sha256: Vec<u8>,
    /// The files had been at rest for a while when they were read.
    settled: bool,
}

/// What is cheap to ask of a file.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    modified: SystemTime,
    bytes: u64,
}

impl FileSource {
    pub fn at(path: PathBuf, is_folder: bool, poll: Duration) -> Self {
        Self { path, is_folder, poll, seen: None }
    }

    pub(super) fn poll(&self) -> Duration {
        self.poll
    }

    /// The document as it is now, whether or not it is news.
    pub fn read(&mut self) -> Found {
        self.seen = None;
        self.look()
    }

    pub(super) fn look(&mut self) -> Found {
        self.read_news().unwrap_or_else(|error| {
            // What was last read is no longer what is there: when it comes back it is news.
            self.seen = None;
            Found::Unavailable(format!("cannot read {}: {error}", self.path.display()))
        })
    }

    fn read_news(&mut self) -> io::Result<Found> {
        let stamps = self.stamps()?;
        if self.seen.as_ref().is_some_and(|seen| seen.settled && seen.stamps == stamps) {
            return Ok(Found::Unchanged);
        }
        if stamps.is_empty() {
            self.seen = None;
            return Ok(Found::Nothing);
        }
        let content = if self.is_folder { bundle_of(&stamps)? } else { content(&self.path)? };
        if content.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(too_large());
        }
        let sha256 = digest(&SHA256, &content).as_ref().to_vec();
        let known = self.seen.as_ref().is_some_and(|seen| seen.sha256 == sha256);
        let settled = stamps.iter().all(|stamp| is_settled(stamp.modified));
        self.seen = Some(Seen { stamps, sha256, settled });
        Ok(if known { Found::Unchanged } else { Found::Document(content) })
    }

    fn stamps(&self) -> io::Result<Vec<Stamp>> {
        if !self.is_folder {
            return Ok(vec![Stamp::of(self.path.clone())?]);
        }
        let mut stamps = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let path = entry?.path();
            // What an editor leaves beside a file begins with a dot or ends otherwise.
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.ends_with(SUFFIX) && !name.starts_with('.') {
                stamps.push(Stamp::of(path)?);
            }
        }
        if stamps.len() > MAX_FILES {
            return Err(invalid(&format!("{} files, allowed are {MAX_FILES}", stamps.len())));
        }
        stamps.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Ok(stamps)
    }
}

impl Stamp {
    fn of(path: PathBuf) -> io::Result<Self> {
        let metadata = fs::metadata(&path).map_err(|error| named(&path, error))?;
        Ok(Self { modified: metadata.modified()?, bytes: metadata.len(), path })
    }
}

/// The files of a folder as one text. Each is a text of its own, and together they are no larger than one document may be.
fn bundle_of(stamps: &[Stamp]) -> io::Result<Vec<u8>> {
    if stamps.iter().map(|stamp| stamp.bytes).sum::<u64>() > MAX_MANIFEST_BYTES {
        return Err(too_large());
    }
    let mut files = Vec::new();
    for Stamp { path, .. } in stamps {
        let text = content(path)
            .and_then(|content| String::from_utf8(content).map_err(|_bytes| invalid("it is not UTF-8")));
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        files.push((name.to_owned(), text.map_err(|error| named(path, error))?));
    }
    Ok(manifest::bundle(files))
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_MANIFEST_BYTES { Err(too_large()) } else { Ok(content) }
}

fn named(path: &Path, error: io::Error) -> io::Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    io::Error::new(error.kind(), format!("{name}: {error}"))
}

fn too_large() -> io::Error {
    invalid(&format!("larger than {MAX_MANIFEST_BYTES} bytes"))
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

fn is_settled(modified: SystemTime) -> bool {
    let modified = modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    clock::now().unix().saturating_sub(modified) > SETTLED_S
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;
    use std::time::{Duration, SystemTime};

    use super::{FileSource, Found};

    struct Place {
        folder: tempfile::TempDir,
        source: FileSource,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let source = FileSource::at(folder.path().join("desired.json"), false, Duration::from_secs(10));
            Self { folder, source }
        }

        fn write(&self, text: &str, modified_s: u64) {
            let mut file = File::create(self.folder.path().join("desired.json")).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(modified_s)).unwrap();
        }
    }

    fn document(text: &str) -> Found {
        Found::Document(text.as_bytes().to_vec())
    }

    #[test]
    fn a_document_is_told_once_and_again_when_it_changes() {
        let mut place = Place::new();
        place.write("a", 1_000);
        assert_eq!(place.source.look(), document("a"));
        assert_eq!(place.source.look(), Found::Unchanged);
        place.write("b", 2_000);
        assert_eq!(place.source.look(), document("b"));
    }

    #[test]
    fn a_touched_file_with_the_same_content_is_unchanged() {
        let mut place = Place::new();
        place.write("a", 1_000);
        assert_eq!(place.source.look(), document("a"));
        place.write("a", 2_000);
        assert_eq!(place.source.look(), Found::Unchanged);
    }

    #[test]
    fn a_change_within_the_tick_of_the_file_s_clock_is_seen() {
        let mut place = Place::new();
        // In the future: as unsettled as can be.
        place.write("a", 9_000_000_000);
        assert_eq!(place.source.look(), document("a"));
        place.write("b", 9_000_000_000);
        assert_eq!(place.source.look(), document("b"));
    }

    #[test]
    fn a_file_that_is_gone_is_unavailable_and_news_when_it_returns() {
        let mut place = Place::new();
        place.write("a", 1_000);
        assert_eq!(place.source.look(), document("a"));
        fs::remove_file(place.folder.path().join("desired.json")).unwrap();
        assert!(
            matches!(place.source.look(), Found::Unavailable(message) if message.contains("desired.json"))
        );
        place.write("a", 1_000);
        assert_eq!(place.source.look(), document("a"));
    }

    #[test]
    fn a_folder_is_the_files_with_its_suffix_in_the_order_of_their_names() {
        let place = tempfile::tempdir().unwrap();
        let mut source = FileSource::at(place.path().to_owned(), true, Duration::from_secs(10));
        let write = |name: &str, text: &[u8]| {
            File::create(place.path().join(name)).unwrap().write_all(text).unwrap();
        };
        assert_eq!(source.look(), Found::Nothing, "an empty folder says nothing");
        for name in ["20-b.json", "10-a.json", ".30-c.json", "40-d.json~", "notes"] {
            write(name, name.as_bytes());
        }
        let bundle = |files: &[(&str, &str)]| {
            let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            Found::Document(crate::manifest::bundle(files))
        };
        let both = [("10-a.json", "10-a.json"), ("20-b.json", "20-b.json")];
        assert_eq!(source.look(), bundle(&both));
        assert_eq!(source.look(), Found::Unchanged);
        assert_eq!(source.read(), bundle(&both), "whoever wants it again gets it");
        write("10-a.json", b"other");
        assert_eq!(source.look(), bundle(&[("10-a.json", "other"), both[1]]));
        fs::remove_file(place.path().join("10-a.json")).unwrap();
        assert_eq!(source.look(), bundle(&both[1..]), "a file that is gone is a change");
        write("15.json", b"\xff");
        let Found::Unavailable(message) = source.look() else { panic!("it is no text") };
        assert!(message.contains("15.json: it is not UTF-8"), "{message}");
        write("15.json", &vec![b' '; 4 * 1024 * 1024]);
        assert!(matches!(source.look(), Found::Unavailable(message) if message.contains("larger")));
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused() {
        let mut place = Place::new();
        place.write(&" ".repeat(4 * 1024 * 1024 + 1), 1_000);
        assert!(matches!(place.source.look(), Found::Unavailable(message) if message.contains("larger")));
    }
}
