//! How far a task has come, where its log tells it.

/// The last percentage that the log tells: `INFO:  12% (1.2 GiB of 10.0 GiB) in 3s, …` of a VM's backup, `progress 12% (read …)`
/// of its restore. A container's archive tells none.
pub fn percent(log: &[String]) -> Option<u64> {
    log.iter().rev().find_map(|line| {
        let rest = line.strip_prefix("INFO:").or_else(|| line.strip_prefix("progress"))?;
        let (number, rest) = rest.trim_start().split_once('%')?;
        let percent = number.parse().ok().filter(|percent| *percent <= 100)?;
        rest.starts_with(' ').then_some(percent)
    })
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn the_last_percentage_of_the_log_counts() {
        for (log, expected) in [
            (&[][..], None),
            (&["INFO: creating vzdump archive 'a.tar.zst'", "INFO: Total bytes written: 20480 (2%)"], None),
            (
                &[
                    "INFO:   0% (0.0 B of 1.0 GiB) in 0s, read: 0 B/s",
                    "INFO:  12% (123.0 MiB of 1.0 GiB) in 3s",
                ],
                Some(12),
            ),
            (
                &[
                    "INFO: 100% (1.0 GiB of 1.0 GiB) in 9s",
                    "INFO: backup is sparse: 1 MiB (0%) total zero data",
                ],
                Some(100),
            ),
            (&["progress 1% (read 10747904 bytes, duration 0 sec)"], Some(1)),
            (&["INFO: 101% (more than all)"], None),
            (&["INFO: 12%"], None),
        ] {
            let log: Vec<String> = log.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(percent(&log), expected, "{log:?}");
        }
    }
}
