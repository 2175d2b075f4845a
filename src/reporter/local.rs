//! What the kernel tells of this host without asking Proxmox: which boot this is, and its temperatures.

use std::fs;
use std::path::Path;

use crate::hub::wire::report::Sensor;

/// A board has a few dozen at most.
const MAX_SENSORS: usize = 256;

/// Changes with every boot. `root` is `/` but in tests.
pub(super) fn boot_id(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join("proc/sys/kernel/random/boot_id")).ok()?;
    let text = text.trim();
    (!text.is_empty() && text.len() <= 64).then(|| text.to_owned())
}

/// Every temperature that the kernel's hardware monitors read now, by chip and label. A sensor that cannot be read is left out.
pub(super) fn sensors(root: &Path) -> Vec<Sensor> {
    let mut sensors = Vec::new();
    let Ok(chips) = fs::read_dir(root.join("sys/class/hwmon")) else { return sensors };
    for chip in chips.flatten() {
        let folder = chip.path();
        let Some(name) = line(&folder.join("name")) else { continue };
        let Ok(files) = fs::read_dir(&folder) else { continue };
        for file in files.flatten() {
            let file_name = file.file_name();
            let Some(number) = file_name.to_str().and_then(temperature) else { continue };
            let Some(celsius) = line(&file.path()).and_then(|text| degrees(&text)) else { continue };
            let label = line(&folder.join(format!("temp{number}_label")));
            let label = label.unwrap_or_else(|| format!("temp{number}"));
            sensors.push(Sensor { chip: name.clone(), label, celsius });
        }
    }
    sensors.sort_unstable_by(|a, b| (&a.chip, &a.label).cmp(&(&b.chip, &b.label)));
    sensors.truncate(MAX_SENSORS);
    sensors
}

/// `1` of `temp1_input`.
fn temperature(file_name: &str) -> Option<&str> {
    let number = file_name.strip_prefix("temp")?.strip_suffix("_input")?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(number)
}

fn line(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    (!text.is_empty() && text.len() <= 128).then(|| text.to_owned())
}

/// The kernel counts in thousandths. What no board can have is a broken sensor.
fn degrees(text: &str) -> Option<f64> {
    let thousandths: i32 = text.parse().ok()?;
    (-50_000..=200_000).contains(&thousandths).then(|| f64::from(thousandths) / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{boot_id, degrees, sensors};

    #[test]
    fn temperatures_are_read_by_chip_and_label_and_broken_sensors_left_out() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("sys/class/hwmon/hwmon0/name", "k10temp\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "41125\n"),
            ("sys/class/hwmon/hwmon0/temp1_label", "Tctl\n"),
            ("sys/class/hwmon/hwmon0/temp2_input", "-127000\n"),
            ("sys/class/hwmon/hwmon0/fan1_input", "900\n"),
            ("sys/class/hwmon/hwmon1/name", "acpitz\n"),
            ("sys/class/hwmon/hwmon1/temp1_input", "27800\n"),
            ("sys/class/hwmon/hwmon2/temp1_input", "27800\n"),
            ("proc/sys/kernel/random/boot_id", "abc-def\n"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            #[expect(clippy::disallowed_methods, reason = "a test's own file")]
            fs::write(path, text).unwrap();
        }
        let read: Vec<String> =
            sensors(root.path()).iter().map(|s| format!("{} {} {}", s.chip, s.label, s.celsius)).collect();
        assert_eq!(read, ["acpitz temp1 27.8", "k10temp Tctl 41.125"]);
        assert_eq!(boot_id(root.path()).as_deref(), Some("abc-def"));
    }

    #[test]
    fn a_machine_without_sensors_has_none() {
        let root = tempfile::tempdir().unwrap();
        assert!(sensors(root.path()).is_empty() && boot_id(root.path()).is_none());
        assert_eq!(degrees("x"), None);
    }
}
