//! On the real file system: the forms of the files, and what is refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::journal::{Disk, Found, Identity, Kept, Limits, Log, LogError, Opened};
use crate::model::time::Timestamp;

fn identity() -> Identity {
    Identity { host_id: "host".to_owned(), boot_id: "b0a7b0a7-1".to_owned(), machine: "m1-p1".to_owned() }
}

fn now(seconds: u64) -> Timestamp {
    Timestamp::from_unix(1_795_242_415 + seconds)
}

fn limits() -> Limits {
    Limits { min_free: 0, reserve: 4096, ..Limits::default() }
}

fn open(folder: &Path) -> Result<Opened<Disk>, LogError> {
    Log::open_with(Disk, folder, identity(), limits())
}

struct Bench {
    _parent: tempfile::TempDir,
    folder: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        Self { folder: parent.path().join("journal"), _parent: parent }
    }

    /// A journal with this many records.
    fn with(records: u64) -> Self {
        let bench = Self::new();
        let mut log = open(&bench.folder).unwrap().log;
        for n in 1..=records {
            log.append("note", &json!({ "n": n }), now(n)).unwrap();
        }
        bench
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn numbers(&self) -> (Found, Vec<u64>) {
        let opened = open(&self.folder).unwrap();
        (opened.found, opened.entries.iter().map(|entry| entry.fields["n"].as_u64().unwrap()).collect())
    }

    fn replace(&self, name: &str, bytes: &[u8]) {
        #[expect(clippy::disallowed_methods, reason = "what an accident does")]
        fs::write(self.file(name), bytes).unwrap();
    }
}

#[test]
fn what_was_appended_is_read_again() {
    let bench = Bench::new();
    let opened = open(&bench.folder).unwrap();
    assert_eq!(opened.found, Found::Fresh);
    assert_eq!(
        fs::read_dir(&bench.folder).unwrap().count(),
        1,
        "nothing but the reserve until a record comes"
    );
    let mut log = opened.log;
    let first = log.append("floor", &json!({"n": 1}), now(1)).unwrap();
    let second = log.append_ending("done", &json!({"n": 2}), now(2)).unwrap();
    assert_eq!((first.seq, second.seq), (2, 3), "the header is the first");
    drop(log);
    let again = open(&bench.folder).unwrap();
    assert_eq!(again.found, Found::Sound);
    let kinds: Vec<_> =
        again.entries.iter().map(|entry| (entry.kind.as_str(), entry.seq, entry.at)).collect();
    assert_eq!(kinds, [("floor", 2, now(1)), ("done", 3, now(2))]);
    assert_eq!(again.entries[1].hash, second.hash);
    assert_eq!(again.entries[0].boot, "b0a7b0a7");
    assert_eq!(fs::metadata(bench.file("00000001.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_journal_that_was_copied_back_is_lost_and_stays_so_until_something_is_written_down() {
    let bench = Bench::with(5);
    let name = "00000001.jsonl";
    let bytes = fs::read(bench.file(name)).unwrap();
    fs::remove_file(bench.file(name)).unwrap();
    bench.replace(name, &bytes);
    for _ in 0..2 {
        let opened = open(&bench.folder).unwrap();
        assert!(
            matches!(&opened.found, Found::Lost { why } if why.contains("a restore")),
            "{:?}",
            opened.found
        );
        assert_eq!(opened.entries.len(), 5);
    }
    let mut log = open(&bench.folder).unwrap().log;
    log.append("note", &json!({"n": 6}), now(6)).unwrap();
    drop(log);
    assert_eq!(bench.numbers(), (Found::Sound, vec![1, 2, 3, 4, 5, 6]));
}

#[test]
fn a_journal_of_another_host_or_machine_is_lost() {
    let bench = Bench::with(3);
    for (identity, part) in [
        (Identity { host_id: "other".to_owned(), ..identity() }, "the journal of host host"),
        (Identity { machine: "m1-p2".to_owned(), ..identity() }, "another machine"),
    ] {
        let found = Log::open_with(Disk, &bench.folder, identity, limits()).unwrap().found;
        assert!(matches!(&found, Found::Lost { why } if why.contains(part)), "{found:?}");
    }
}

#[test]
fn what_the_superblock_knows_cannot_go_missing_unseen() {
    let bench = Bench::with(3);
    let earlier: Vec<_> =
        ["00000001.jsonl", "journal.sb"].map(|name| fs::read(bench.file(name)).unwrap()).into();
    let mut log = open(&bench.folder).unwrap().log;
    log.append("note", &json!({"n": 4}), now(4)).unwrap();
    log.note_floor_and_clock(now(4), now(100)).unwrap();
    drop(log);
    let lost = |part: &str| {
        let found = open(&bench.folder).unwrap().found;
        assert!(matches!(&found, Found::Lost { why } if why.contains(part)), "{part}: {found:?}");
    };
    let whole = fs::read(bench.file("00000001.jsonl")).unwrap();
    bench.replace("00000001.jsonl", &earlier[0]);
    lost("record 5 was written, and the journal ends with record 4");
    bench.replace("00000001.jsonl", &whole);
    assert_eq!(bench.numbers().0, Found::Sound, "written in place, it is the same file");
    bench.replace("journal.sb", &[0; 1024]);
    lost("its superblock is gone or damaged");
    fs::remove_file(bench.file("journal.sb")).unwrap();
    lost("its superblock is gone or damaged");
    bench.replace("journal.sb", &earlier[1]);
    assert_eq!(bench.numbers().0, Found::Sound, "it is a lower bound");
    fs::remove_file(bench.file("00000001.jsonl")).unwrap();
    lost("its segments are gone");
    let mut log = open(&bench.folder).unwrap().log;
    log.append("note", &json!({"n": 9}), now(9)).unwrap();
    drop(log);
    assert_eq!(bench.numbers(), (Found::Sound, vec![9]));
}

#[test]
fn the_floor_and_the_clock_outlive_the_loss_of_the_records() {
    let bench = Bench::with(3);
    let mut log = open(&bench.folder).unwrap().log;
    log.note_floor_and_clock(now(4), now(100)).unwrap();
    let written = || fs::read(bench.file("journal.sb")).unwrap();
    let before = written();
    log.note_floor_and_clock(now(4), now(120)).unwrap();
    assert_eq!(before, written(), "not before a minute has passed");
    log.note_floor_and_clock(now(5), now(90)).unwrap();
    drop(log);
    fs::remove_file(bench.file("00000001.jsonl")).unwrap();
    let superblock = open(&bench.folder).unwrap().superblock;
    assert_eq!((superblock.floor_iat, superblock.clock_hw), (Some(now(5)), Some(now(100))));
}

#[test]
fn what_is_no_file_of_ours_is_refused() {
    for (what, put) in [
        ("a symbolic link", (|path, beside| symlink(beside, path).unwrap()) as fn(&Path, &Path)),
        ("it has 2 names", |path, beside| fs::hard_link(beside, path).unwrap()),
        ("no regular file", |path, _| fs::create_dir(path).unwrap()),
        ("no regular file", |path, _| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        }),
    ] {
        for name in ["00000001.jsonl", "journal.sb"] {
            let bench = Bench::with(2);
            let beside = bench.file("beside");
            fs::rename(bench.file(name), &beside).unwrap();
            put(&bench.file(name), &beside);
            let error = open(&bench.folder).unwrap_err();
            assert!(matches!(error, LogError::Refused { .. }), "{what}: {error:?}");
            assert!(error.to_string().contains(what), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn a_segment_that_has_grown_is_followed_by_another_and_a_snapshot_takes_the_place_of_all() {
    let bench = Bench::new();
    let small = Limits { segment: 400, keep: 3, ..limits() };
    let reopen = || Log::open_with(Disk, &bench.folder, identity(), small).unwrap();
    let mut log = reopen().log;
    let mut n = 0;
    while !log.wants_compaction() {
        n += 1;
        log.append("note", &json!({ "n": n }), now(n)).unwrap();
    }
    assert!(bench.file("00000003.jsonl").exists());
    drop(log);
    let mut opened = reopen();
    assert_eq!((opened.found, opened.entries.len() as u64), (Found::Sound, n));
    let kept = Kept::new("past", &json!({"n": n})).unwrap();
    opened.log.compact(&[kept], now(50)).unwrap();
    opened.log.append("note", &json!({"n": n + 1}), now(51)).unwrap();
    drop(opened.log);
    assert!(!bench.file("00000003.jsonl").exists());
    let again = reopen();
    assert_eq!(again.found, Found::Sound);
    assert_eq!(again.entries.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(), ["past", "note"]);
    assert!(!again.log.wants_compaction());
}

#[test]
fn a_record_that_is_too_long_or_speaks_as_the_journal_is_refused_and_the_next_one_is_not() {
    let bench = Bench::with(1);
    let mut log = open(&bench.folder).unwrap().log;
    let long = log.append("note", &json!({"x": "y".repeat(64 * 1024)}), now(2));
    assert!(matches!(long, Err(LogError::TooLong { .. })), "{long:?}");
    assert!(matches!(log.append("note", &json!({"seq": 1}), now(2)), Err(LogError::Record { .. })));
    assert!(matches!(log.append("note", &json!([1]), now(2)), Err(LogError::Record { .. })));
    log.append("note", &json!({"n": 2, "x": "y".repeat(64 * 1024 - 200)}), now(2)).unwrap();
    drop(log);
    assert_eq!(bench.numbers(), (Found::Sound, vec![1, 2]));
}

#[test]
fn a_full_disk_takes_nothing_new_and_takes_what_ends() {
    let bench = Bench::with(1);
    let greedy = Limits { min_free: u64::MAX, ..limits() };
    let mut log = Log::open_with(Disk, &bench.folder, identity(), greedy).unwrap().log;
    let error = log.append("accept", &json!({"n": 2}), now(2)).unwrap_err();
    assert!(matches!(error, LogError::Full { .. }), "{error}");
    log.append_ending("done", &json!({"n": 2}), now(2)).unwrap();
    drop(log);
    assert_eq!(bench.numbers(), (Found::Sound, vec![1, 2]));
}
