//! The managed fields of one guest: what differs, what is ignored, what waits for the next start, and the one write
//! that brings all of it about.

use super::sight::Sight;
use super::words::{should_be, shown};
use super::{Note, Settings};
use crate::model::desired::{DesiredGuest, Value};
use crate::model::drift::Drift;
use crate::model::guest::RunState;
use crate::model::observed::PendingChange;
use crate::model::step::ConfigChange;
use crate::normalize::{self, Context, Row, TakesEffect, Written};

/// One managed field and how it stands. "Wanted" is compared with what the next start will make of the guest;
/// what runs now matters only for `waits`.
#[derive(Debug)]
struct Field<'a> {
    row: &'static Row,
    desired: &'a Value,
    /// As it will be read back once it is written.
    canonical: Value,
    running: Value,
    merged: Value,
}

#[derive(Debug)]
pub(super) struct Fields<'a> {
    context: Context,
    sight: &'a Sight<'a>,
    differing: Vec<Field<'a>>,
    ignored: Vec<Field<'a>>,
    waiting: Vec<Field<'a>>,
    managed: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn compare(desired: &'a DesiredGuest, sight: &'a Sight<'a>, settings: &Settings) -> Self {
        let context = Context { guest: desired.guest, tag_case: settings.tag_case };
        let mut fields = Self {
            context,
            sight,
            differing: Vec::new(),
            ignored: Vec::new(),
            waiting: Vec::new(),
            managed: desired.fields.len(),
        };
        for (name, value) in &desired.fields {
            // A field that this kind of guest does not have was refused with the manifest.
            let Some(row) = normalize::row(*name, desired.guest.kind) else { continue };
            let field = Field {
                row,
                desired: value,
                canonical: row.canonical(value, context),
                running: row.read(sight.config.current.get(row.key).map(String::as_str), context),
                merged: row.read(sight.config.merged(row.key), context),
            };
            if field.canonical != field.merged {
                let ignored = desired.ignore.contains(name);
                if ignored { fields.ignored.push(field) } else { fields.differing.push(field) }
            } else if sight.run != RunState::Stopped && field.running != field.merged {
                fields.waiting.push(field);
            }
        }
        fields
    }

    pub(super) fn drift(&self) -> Vec<Drift> {
        let drift = |field: &Field<'_>| Drift {
            field: field.row.field.to_string(),
            desired: field.canonical.to_json(),
            actual: field.merged.to_json(),
        };
        self.differing.iter().map(drift).collect()
    }

    pub(super) fn differ(&self) -> bool {
        !self.differing.is_empty()
    }

    /// How many fields are looked after; one that differs and is ignored is not.
    pub(super) fn managed(&self) -> usize {
        self.managed.saturating_sub(self.ignored.len())
    }

    /// A write to the running guest would wait for its next start.
    pub(super) fn need_a_stopped_guest(&self) -> bool {
        self.differing.iter().any(|field| field.row.takes_effect == TakesEffect::AtNextStart)
    }

    /// The write puts the guest's protection on.
    pub(super) fn protects(&self) -> bool {
        let is_on = |field: &Field<'_>| field.row.key == "protection" && *field.desired == Value::Flag(true);
        self.differing.iter().any(is_on)
    }

    /// One write for all that differs, with the digest of what was compared.
    pub(super) fn change(&self) -> ConfigChange {
        let mut change = ConfigChange { digest: self.sight.config.digest.clone(), ..ConfigChange::default() };
        for field in &self.differing {
            match field.row.write(field.desired, self.context) {
                Written::Set(text) => {
                    change.set.insert(field.row.key.to_owned(), text);
                }
                Written::Delete => {
                    change.delete.insert(field.row.key.to_owned());
                }
            }
        }
        change
    }

    /// `cores is 4, should be 2; tags is [a], should be [a b]`; `late`: written while the guest runs.
    pub(super) fn reason(&self, late: bool) -> String {
        let one = |field: &Field<'_>| {
            let pending = if field.running == field.merged { "" } else { " once what is pending is applied" };
            let late = late && field.row.takes_effect == TakesEffect::AtNextStart;
            let late = if late { " (a running guest takes it at its next start)" } else { "" };
            let (name, is, should_be) = (field.row.field, shown(&field.merged), should_be(&field.canonical));
            format!("{name} is {is}{pending}, {should_be}{late}")
        };
        let reasons: Vec<String> = self.differing.iter().map(one).collect();
        reasons.join("; ")
    }

    pub(super) fn pending_reboot(&self) -> Vec<String> {
        self.waiting.iter().map(|field| field.row.field.to_string()).collect()
    }

    /// What is not done, and why not.
    pub(super) fn notes(&self, desired: &DesiredGuest) -> Vec<Note> {
        let ignored = self.ignored.iter().map(|field| {
            let (name, is, wanted) = (field.row.field, shown(&field.merged), shown(&field.canonical));
            Note {
                code: "ignored",
                message: format!("{name} is {is} instead of {wanted}, which is to be ignored"),
            }
        });
        let waiting = self.waiting.iter().map(|field| {
            let (name, runs, waits) = (field.row.field, shown(&field.running), shown(&field.merged));
            let message = format!("{name}: {waits} is written, {runs} runs until the guest is next started");
            Note { code: "pending_reboot", message }
        });
        ignored.chain(waiting).chain(self.pending_of_others(desired)).collect()
    }

    /// Pending changes of keys that the desired state does not name: the next start applies them.
    fn pending_of_others(&self, desired: &DesiredGuest) -> Option<Note> {
        let rows = normalize::rows(self.context.guest.kind);
        let ours = |key: &str| {
            let row = rows.iter().find(|row| row.key == key);
            row.is_some_and(|row| {
                let named = |field: &Field<'_>| field.row.field == row.field;
                self.differing.iter().chain(&self.waiting).chain(&self.ignored).any(named)
            })
        };
        let others = self
            .sight
            .config
            .pending
            .iter()
            .filter(|(key, _)| !ours(key) && !desired.volumes.contains_key(*key));
        let others: Vec<String> = others
            .map(|(key, change)| match change {
                PendingChange::Set(_) => key.clone(),
                PendingChange::Delete => format!("{key} (to be deleted)"),
            })
            .collect();
        if others.is_empty() {
            return None;
        }
        let message = format!(
            "changes that somebody else left pending, applied at the next start: {}",
            others.join(", ")
        );
        Some(Note { code: "pending_unmanaged", message })
    }
}
