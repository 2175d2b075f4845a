//! Desired state from a file on this machine. Its modification time and size are cheap to ask for; its content decides.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ring::digest::{SHA256, digest};

use super::{Found, MAX_MANIFEST_BYTES};
use crate::clock;

/// A file changed this recently may change again without its modification time showing it.
const SETTLED_S: u64 = 2;

#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    poll: Duration,
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    modified: SystemTime,
    bytes: u64,
    sha256: Vec<u8>,
    /// The file had been at rest for a while when it was read.
    settled: bool,
}

impl FileSource {
    pub fn new(path: PathBuf, poll: Duration) -> Self {
        Self { path, poll, seen: None }
    }

    pub(super) fn poll(&self) -> Duration {
        self.poll
    }

    pub(super) fn look(&mut self) -> Found {
        self.read().unwrap_or_else(|error| {
            // What was last read is no longer what is there: when it comes back it is news.
            self.seen = None;
            Found::Unavailable(format!("cannot read {}: {error}", self.path.display()))
        })
    }

    fn read(&mut self) -> io::Result<Found> {
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        let (modified, bytes) = (metadata.modified()?, metadata.len());
        let same = |seen: &Seen| seen.settled && (seen.modified, seen.bytes) == (modified, bytes);
        if self.seen.as_ref().is_some_and(same) {
            return Ok(Found::Unchanged);
        }
        let mut content = Vec::new();
        file.take(MAX_MANIFEST_BYTES + 1).read_to_end(&mut content)?;
        if content.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                format!("larger than {MAX_MANIFEST_BYTES} bytes"),
            ));
        }
        let sha256 = digest(&SHA256, &content).as_ref().to_vec();
        let known = self.seen.as_ref().is_some_and(|seen| seen.sha256 == sha256);
        self.seen = Some(Seen { modified, bytes, sha256, settled: is_settled(modified) });
        Ok(if known { Found::Unchanged } else { Found::Document(content) })
    }
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
            let source = FileSource::new(folder.path().join("desired.json"), Duration::from_secs(10));
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
    fn a_file_beyond_the_limit_is_refused() {
        let mut place = Place::new();
        place.write(&" ".repeat(4 * 1024 * 1024 + 1), 1_000);
        assert!(matches!(place.source.look(), Found::Unavailable(message) if message.contains("larger")));
    }
}
