//! The rule of a field in plain words, made from its row: what else would say it would one day say something else.

use super::map::{Map, Part};
use super::tags::TagCase;
use super::{Context, Privilege, Row, Sort, TakesEffect, sort};
use crate::model::desired::Value;

impl Row {
    /// What it may be, what counts as the same, what its absence means, when a write holds and who may write it. `part` is for one
    /// part of a field that has some.
    pub fn rule(&self, part: Option<&Part>, context: Context) -> Vec<String> {
        let (sort, default) = part.map_or((&self.sort, self.default), |part| (&part.sort, part.default));
        let mut rule = vec![sort.says(context)];
        if part.is_none() && !self.says.is_empty() {
            rule.push(self.says.to_owned());
        }
        rule.push(match (default, part) {
            (_, Some(part)) if !part.removable => "it is always there".to_owned(),
            ("", _) if self.says.starts_with("without it") => "\"absent\" deletes the key".to_owned(),
            ("", _) => "while it is not there, nothing is set".to_owned(),
            (default, _) => format!("while it is not there, it is {}", sort.read(default, context).to_json()),
        });
        if !self.deletable {
            rule.push(format!("Proxmox refuses to delete it: \"absent\" writes {}", self.default));
        }
        let late = part.is_some_and(|part| part.late);
        rule.push(if late { LATE } else { self.takes_effect.says() }.to_owned());
        let needs: Vec<String> = self.privileges.iter().map(|needed| needed.says(context)).collect();
        rule.push(format!("to write it a token needs {}", needs.join(" and ")));
        rule
    }

    /// The parts of a value that the running guest does not take although its configuration has them at once.
    pub fn late(&self, value: &Value) -> Vec<&'static str> {
        let Value::Map(parts) = value else { return Vec::new() };
        let is_late = |name: &&str| self.part(name).is_some_and(|part| part.late);
        parts.iter().map(|(name, _)| *name).filter(is_late).collect()
    }

    /// The part of this name, if the field has parts.
    pub fn part(&self, name: &str) -> Option<&'static Part> {
        let Sort::Map(map) = self.sort else { return None };
        map.parts.iter().find(|part| part.name == name)
    }

    /// The names of all parts.
    pub fn parts(&self) -> Vec<&'static str> {
        match self.sort {
            Sort::Map(map) => map.parts.iter().map(|part| part.name).collect(),
            Sort::Startup => vec!["order", "up_s", "down_s"],
            _ => Vec::new(),
        }
    }
}

const LATE: &str = "it is in the configuration at once, and on a running container's card from its next start, which Proxmox does not show \
                    as pending";

impl TakesEffect {
    fn says(self) -> &'static str {
        match self {
            Self::AtOnce => "a running guest takes it at once",
            Self::AtNextStart => "a running guest takes it at its next start",
            Self::Never => "it is decided when the guest is made, and not changed afterwards",
        }
    }
}

impl Privilege {
    fn says(self, context: Context) -> String {
        match self {
            Self::OnGuest(name) => format!("{name} on /vms/{}", context.guest.vmid),
            Self::OnRoot(name) => format!("{name} on /"),
        }
    }
}

impl Sort {
    fn says(&self, context: Context) -> String {
        match self {
            Self::Text(form) => format!("{}; brought to one spelling before it is compared", form.allowed),
            Self::OneOf(names) => format!("one of {}", names.join(", ")),
            Self::Description => {
                "a text; line feeds at the end of a container's and white space at the end of a VM's do \
                                  not count, and an empty one is none"
                    .to_owned()
            }
            Self::Number(from, to) => format!("a whole number from {from} to {to}"),
            Self::Units(to) => format!(
                "a whole number from 1 to {to}; Proxmox keeps at most {most}, so that more counts as {most}",
                most = sort::MOST_UNITS
            ),
            Self::Memory(from, to) => {
                format!("a whole number from {from} to {to}; current=4096 and 4096 are the same")
            }
            Self::Decimal(to) => format!("a number from 0 to {to}; 2 and 2.0 are the same"),
            Self::Flag => {
                "true or false; 1, on, yes and true are the same, and so are 0, off, no and false".to_owned()
            }
            Self::Tags => {
                let case = match context.tag_case {
                    TagCase::Lowered => "in lower case, as the datacenter's tag style has it",
                    TagCase::Kept => "with their capitals, as the datacenter's tag style has it",
                };
                format!("tags are compared as a set, {case}: neither order nor separator counts")
            }
            Self::Startup => {
                "order, up_s and down_s, in whatever order they stand; compared together".to_owned()
            }
            Self::List(series) => {
                let order = if series.ordered { "compared in their order" } else { "compared as a set" };
                let words =
                    series.words.iter().map(|(word, means)| format!("; {word} stands for \"{means}\""));
                format!("a list, {order}; each {}{}", series.item.allowed, words.collect::<String>())
            }
            Self::Map(map) => map.says(),
            Self::Machine(form) => {
                format!("{}; that Proxmox pinned it to a version is no difference", form.allowed)
            }
        }
    }
}

impl Map {
    fn says(&self) -> String {
        let names: Vec<&str> = self.parts.iter().map(|part| part.name).collect();
        let aliases = self.aliases.iter().map(|(alias, key)| format!("; {alias} is {key}"));
        format!(
            "compared part by part, and only in the parts that are said; the others stay in the write as they were read \
             ({}{})",
            names.join(", "),
            aliases.collect::<String>()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Context, row, rows, tags::TagCase};
    use crate::model::desired::Field;
    use crate::model::guest::{GuestId, GuestKind, Vmid};

    fn context(kind: GuestKind) -> Context {
        Context { guest: GuestId::new(kind, Vmid::new(101).unwrap()), tag_case: TagCase::Lowered }
    }

    #[test]
    fn every_row_and_every_part_has_its_sentences() {
        for kind in GuestKind::ALL {
            for row in rows(kind) {
                let parts = row.parts().into_iter().map(|name| row.part(name));
                for part in parts.chain([None]) {
                    let rule = row.rule(part, context(kind));
                    assert!(rule.len() >= 4, "{row:?}: {rule:#?}");
                    for sentence in rule {
                        assert!(sentence.len() > 5 && !sentence.ends_with('.'), "{row:?}: {sentence:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_rule_says_what_counts_as_the_same_and_what_absence_means() {
        for (kind, field, part, says) in [
            (GuestKind::Lxc, Field::Tags, "", "tags are compared as a set, in lower case"),
            (GuestKind::Lxc, Field::MemoryMb, "", "Proxmox refuses to delete it: \"absent\" writes 512"),
            (GuestKind::Lxc, Field::Cores, "", "without it the guest has all cores of the node"),
            (GuestKind::Lxc, Field::Cores, "", "\"absent\" deletes the key"),
            (GuestKind::Lxc, Field::CpuUnits, "", "more counts as 10000"),
            (GuestKind::Lxc, Field::Arch, "", "it is decided when the guest is made"),
            (GuestKind::Lxc, Field::Net(3), "", "every write carries it"),
            (GuestKind::Lxc, Field::Net(3), "mac", "it is always there"),
            (GuestKind::Qemu, Field::Net(0), "firewall", "while it is not there, it is false"),
            (GuestKind::Qemu, Field::MemoryMb, "", "current=4096 and 4096 are the same"),
            (GuestKind::Qemu, Field::MemoryMb, "", "a running guest takes it at its next start"),
            (GuestKind::Qemu, Field::Startup, "", "VM.Config.Options on /vms/101 and Sys.Modify on /"),
            (GuestKind::Qemu, Field::Machine, "type", "pinned it to a version is no difference"),
            (GuestKind::Qemu, Field::Boot, "", "compared in their order"),
            (GuestKind::Qemu, Field::Hotplug, "", "1 stands for \"network,disk,usb\""),
            (GuestKind::Qemu, Field::Agent, "", "guest-fsfreeze is freeze-fs"),
        ] {
            let row = row(field, kind).unwrap();
            let rule = row.rule(row.part(part), context(kind));
            assert!(rule.iter().any(|sentence| sentence.contains(says)), "{row:?} {says}: {rule:#?}");
        }
    }
}
