//! The log of a process that must not stop because nobody reads it: lines wait in a bounded queue, and one thread writes them.
//!
//! *Owns* the queue's other end and standard error. *Fed by* the logger, line by line. *Never* makes whoever logs wait for long:
//! a queue that stays full loses lines, and says how many as soon as somebody reads again.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

/// Lines that wait.
const ROOM: usize = 512;
/// How long one line waits for room; after that lines are lost at once, until there is room again.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long the end of the process waits for the last lines.
const LAST_WORDS: Duration = Duration::from_secs(1);

const STACK_BYTES: usize = 128 * 1024;

#[derive(Debug)]
enum Item {
    Lines(Vec<u8>),
    /// Everything before it was written.
    Mark(Sender<()>),
}

/// What the logger writes into.
#[derive(Debug)]
pub(super) struct Queue {
    items: Sender<Item>,
    lost: Arc<AtomicU64>,
    is_stuck: bool,
}

/// Waits for the last lines when it is dropped, for a bounded time.
#[derive(Debug)]
pub(super) struct Flush {
    items: Sender<Item>,
}

/// Starts the thread that writes to `out`, which may block as long as it likes.
pub(super) fn start(out: impl Write + Send + 'static) -> io::Result<(Queue, Flush)> {
    let (items, waiting) = bounded(ROOM);
    let lost = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&lost);
    std::thread::Builder::new()
        .name("log".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || write_all(&waiting, &counter, out))?;
    Ok((Queue { items: items.clone(), lost, is_stuck: false }, Flush { items }))
}

fn write_all(waiting: &Receiver<Item>, lost: &AtomicU64, mut out: impl Write) {
    for item in waiting {
        // That nobody takes the log is nothing that could be told to anybody.
        match item {
            Item::Lines(lines) => {
                out.write_all(&lines).ok();
                let lost = lost.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    writeln!(out, "{lost} lines of the log were lost: nobody read them").ok();
                }
                out.flush().ok();
            }
            Item::Mark(reached) => drop(reached.try_send(())),
        }
    }
}

impl Write for Queue {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let item = Item::Lines(lines.to_vec());
        let patience = if self.is_stuck { Duration::ZERO } else { PATIENCE };
        self.is_stuck = self.items.send_timeout(item, patience).is_err();
        if self.is_stuck {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let (reached, mark) = bounded(1);
        if self.items.send_timeout(Item::Mark(reached), LAST_WORDS).is_ok() {
            mark.recv_timeout(LAST_WORDS).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};

    use super::{ROOM, start};

    #[test]
    fn what_was_logged_before_the_end_is_written_in_order() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (mut queue, flush) = start(writer).unwrap();
        for number in 0..100 {
            writeln!(queue, "line {number}").unwrap();
        }
        drop((flush, queue));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        let expected: String = (0..100).map(|number| format!("line {number}\n")).collect();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_log_that_nobody_reads_loses_lines_and_says_how_many() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (mut queue, flush) = start(writer).unwrap();
        let line = format!("{}\n", "x".repeat(1023));
        let written = 3 * ROOM;
        for _ in 0..written {
            queue.write_all(line.as_bytes()).unwrap();
        }
        let reading = std::thread::Builder::new().spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        drop((flush, queue));
        let text = reading.unwrap().join().unwrap();
        let kept = text.lines().filter(|found| found.starts_with('x')).count();
        let told: usize = text
            .lines()
            .filter_map(|found| found.strip_suffix(" lines of the log were lost: nobody read them"))
            .map(|count| count.parse::<usize>().unwrap())
            .sum();
        assert_eq!((kept + told, told > 0), (written, true));
    }
}
