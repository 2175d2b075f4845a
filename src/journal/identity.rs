//! Which machine this is, so that a journal that was cloned with its machine is found out.

use std::fs::File;
use std::io::Read;

use ring::digest::{SHA256, digest};

/// Whose journal it is, and in which life of the machine it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub host_id: String,
    /// The kernel's id of this boot; records carry its first eight characters.
    pub boot_id: String,
    /// What tells a clone, as parts joined by `-`: `m…` from the machine id, `p…` from the firmware. A part that could not be
    /// read is left out, and proves nothing.
    pub machine: String,
}

impl Identity {
    pub fn of_this_machine(host_id: &str) -> Self {
        let machine = [("m", "/etc/machine-id"), ("p", "/sys/class/dmi/id/product_uuid")]
            .into_iter()
            .filter_map(|(letter, path)| small_file(path).map(|text| format!("{letter}{}", digits(&text))))
            .collect::<Vec<_>>()
            .join("-");
        let boot_id = small_file("/proc/sys/kernel/random/boot_id").unwrap_or_else(|| "unknown".to_owned());
        Self { host_id: host_id.to_owned(), boot_id, machine }
    }

    /// The first eight characters of the boot id.
    pub fn boot(&self) -> &str {
        self.boot_id.get(..8).unwrap_or(&self.boot_id)
    }

    /// Whether nothing speaks against both being the same machine.
    pub(super) fn may_be(&self, machine: &str) -> bool {
        machine.split('-').all(|part| {
            let same_kind = |own: &&str| own.get(..1) == part.get(..1);
            self.machine.split('-').find(same_kind).is_none_or(|own| own == part)
        })
    }
}

/// The machine id itself is nobody's business; its digest tells two apart just as well.
fn digits(text: &str) -> String {
    let digest = digest(&SHA256, format!("felhom-agent journal {text}").as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn small_file(path: &str) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(256).read_to_string(&mut text).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Identity;

    fn named(machine: &str) -> Identity {
        Identity { host_id: "h".to_owned(), boot_id: "12345678-9".to_owned(), machine: machine.to_owned() }
    }

    #[test]
    fn a_machine_is_another_when_a_part_that_both_know_differs() {
        for (here, written, same) in [
            ("m1-p1", "m1-p1", true),
            ("m1-p1", "m1-p2", false),
            ("m1-p1", "m2-p1", false),
            ("m1", "m1-p1", true),
            ("m1-p1", "m1", true),
            ("", "m1-p1", true),
            ("m1", "", true),
            ("p1", "m1", true),
        ] {
            assert_eq!(named(here).may_be(written), same, "{here} {written}");
        }
    }

    #[test]
    fn the_machine_is_the_same_when_asked_twice() {
        let identity = Identity::of_this_machine("h");
        assert_eq!(identity, Identity::of_this_machine("h"));
        assert_eq!(identity.boot().len(), 8);
    }
}
