//! The journal's folder with any bytes in it: no panic; no record that was never written; what is read once is read again;
//! and a journal that takes records gives them back.
#![no_main]

use std::path::Path;

use felhom_agent::journal::{Entry, Found, Identity, Limits, Log, Opened, verify};
use felhom_agent::model::time::Timestamp;
use felhom_fuzz::memory::Memory;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

const FOLDER: &str = "/state/journal";
const NOW: u64 = 1_795_269_600;
/// Small, so that there are several segments.
const LIMITS: Limits = Limits { min_free: 0, segment: 900, keep: 4, reserve: 0 };

fn identity() -> Identity {
    Identity {
        host_id: "h".to_owned(),
        boot_id: "0192f0c1-7d1e-4d53-9a51-3a3b1c0d9e01".to_owned(),
        machine: "m1-p2".to_owned(),
    }
}

fn open(memory: &Memory) -> Option<Opened<Memory>> {
    Log::open_with(memory.clone(), Path::new(FOLDER), identity(), LIMITS).ok()
}

fn now() -> Timestamp {
    Timestamp::from_unix(NOW)
}

/// A journal of twelve records, and what can be read of it; made once, and copied for each run.
fn written() -> (Memory, Vec<Entry>) {
    thread_local!(static WRITTEN: (Memory, Vec<Entry>) = write());
    WRITTEN.with(|(memory, entries)| (memory.copy(), entries.clone()))
}

fn write() -> (Memory, Vec<Entry>) {
    let memory = Memory::default();
    let mut opened = open(&memory).expect("an empty folder can be opened");
    for number in 0..12 {
        let fields = json!({"guest": "lxc/105", "number": number, "text": "x".repeat(40)});
        opened.log.append("intent", &fields, now()).expect("there is room");
    }
    let entries = open(&memory).expect("it can be opened again").entries;
    assert_eq!(entries.len(), 12);
    (memory, entries)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((mode, rest)) = bytes.split_first() else { return };
    match mode % 3 {
        0 => edited(rest),
        1 => replaced(rest),
        _ => appended(rest),
    }
});

/// Bytes of a good journal are changed, cut off and doubled.
fn edited(edits: &[u8]) {
    let (memory, original) = written();
    let paths = memory.paths();
    for edit in edits.chunks_exact(5).take(16) {
        let path = &paths[usize::from(edit[0]) % paths.len()];
        let mut content = memory.content(path).unwrap_or_default();
        let at = usize::from(u16::from_le_bytes([edit[1], edit[2]])) % (content.len() + 1);
        match edit[3] % 4 {
            0 => content.truncate(at),
            1 => content.insert(at, edit[4]),
            2 => {
                let tail = content.get(at..).unwrap_or_default().to_vec();
                content.extend_from_slice(&tail);
            }
            _ => {
                if let Some(byte) = content.get_mut(at) {
                    *byte = edit[4];
                }
            }
        }
        memory.put(path, content);
    }
    judge(&memory, &original);
}

/// A file of a good journal holds something else altogether.
fn replaced(content: &[u8]) {
    let (memory, original) = written();
    let paths = memory.paths();
    let Some((which, content)) = content.split_first() else { return };
    memory.put(&paths[usize::from(*which) % paths.len()], content.to_vec());
    judge(&memory, &original);
}

fn judge(memory: &Memory, original: &[Entry]) {
    let looked = verify(memory, Path::new(FOLDER), &identity());
    let Some(mut opened) = open(memory) else { return };
    let known = |entry: &Entry| original.contains(entry);
    assert!(opened.entries.iter().all(known), "a record that nobody wrote: {:?}", opened.entries);
    if let Ok(look) = looked {
        assert!(look.entries.iter().all(known));
    }
    let again = open(&memory.copy()).expect("what was opened can be opened again");
    assert_eq!(again.entries, opened.entries);
    let corrupt = matches!(opened.found, Found::Corrupt { .. });
    let appended = opened.log.append("after", &json!({"number": 99}), now());
    assert_eq!(appended.is_err(), corrupt, "{:?} {appended:?}", opened.found);
    if !corrupt {
        let later = open(memory).expect("what was appended to can be opened");
        let mut expected = opened.entries;
        let last = later.entries.last().expect("what was appended");
        assert_eq!((last.kind.as_str(), &last.fields["number"]), ("after", &json!(99)));
        expected.push(last.clone());
        assert_eq!(later.entries, expected);
    }
}

/// Whatever is taken is given back.
fn appended(lines: &[u8]) {
    let memory = Memory::default();
    let mut opened = open(&memory).expect("an empty folder can be opened");
    let mut taken = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').take(16) {
        let Ok(fields) = serde_json::from_slice::<Map<String, Value>>(line) else { continue };
        if opened.log.append("record", &fields, now()).is_ok() {
            taken.push(fields);
        }
    }
    let read = open(&memory).expect("it can be opened again");
    assert!(matches!(read.found, Found::Sound | Found::Fresh), "{:?}", read.found);
    let fields: Vec<Map<String, Value>> = read.entries.into_iter().map(|entry| entry.fields).collect();
    assert_eq!(fields, taken);
}
