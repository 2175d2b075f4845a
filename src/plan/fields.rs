//! The managed fields of one guest: what differs, what is ignored, what waits for the next start, and the one write
//! that brings all of it about.

use super::diff;
use super::sight::Sight;
use super::words::{should_be, shown};
use super::{Note, PlanFailure, Settings};
use crate::gate::{self, Facts, PendingVolumes};
use crate::model::desired::{self, DesiredGuest, Value};
use crate::model::drift::Drift;
use crate::model::guest::RunState;
use crate::model::hold::{Hold, HoldReason};
use crate::model::observed::PendingChange;
use crate::model::outcome::Recourse;
use crate::model::step::{ConfigChange, Step};
use crate::normalize::{self, Context, Row, TakesEffect, Written, features};

/// One managed field and how it stands. "Wanted" is compared with what the next start will make of the guest;
/// what runs now matters only for `waits`.
#[derive(Debug)]
struct Field<'a> {
    name: desired::Field,
    row: &'static Row,
    key: &'static str,
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
    /// Cards that would lose their address: drift, but nothing to write before somebody signed.
    lost: Vec<Field<'a>>,
    pub(super) hold: Option<Hold>,
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
            lost: Vec::new(),
            hold: None,
            ignored: Vec::new(),
            waiting: Vec::new(),
            managed: desired.fields.len(),
        };
        for (name, value) in &desired.fields {
            // A field that this kind of guest does not have was refused with the manifest.
            let Some(row) = normalize::row(*name, desired.guest.kind) else { continue };
            let key = row.key(*name);
            let field = Field {
                name: *name,
                row,
                key,
                desired: value,
                canonical: row.canonical(value, context),
                running: row.read(sight.config.current.get(key).map(String::as_str), context),
                merged: row.read(sight.config.merged(key), context),
            };
            if row.differs(&field.canonical, &field.merged, context) {
                let ignored = desired.ignore.contains(name);
                if ignored { fields.ignored.push(field) } else { fields.differing.push(field) }
            } else if sight.run != RunState::Stopped && row.differs(&field.canonical, &field.running, context)
            {
                fields.waiting.push(field);
            }
        }
        fields.keep_addresses();
        fields
    }

    /// What the gate would not let through is not planned; the rest goes on without it.
    fn keep_addresses(&mut self) {
        let facts = Facts {
            pending: PendingVolumes::Known(Vec::new()),
            held: Some(gate::held(self.sight.config)),
            ..Facts::default()
        };
        let judge = |change| gate::judge(Step::SetConfig { guest: self.context.guest, change }, &facts).err();
        let (cards, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.differing).into_iter().partition(|field| {
                matches!(field.name, desired::Field::Net(_))
                    && judge(self.of(std::slice::from_ref(field))).is_some()
            });
        self.hold = judge(self.of(&cards)).filter(|_| !cards.is_empty()).map(|loss| loss.into_hold());
        (self.lost, self.differing) = (cards, others);
    }

    pub(super) fn drift(&self) -> Vec<Drift> {
        let drift = |field: &Field<'_>| {
            let (wanted, there) = field.row.narrowed(&field.canonical, &field.merged, self.context);
            Drift { field: field.name.to_string(), desired: wanted.to_json(), actual: there.to_json() }
        };
        self.differing.iter().chain(&self.lost).map(drift).collect()
    }

    /// What differs, and what waits for the next start.
    pub(super) fn diff(&self) -> impl Iterator<Item = serde_json::Value> {
        let view = |field: &Field<'_>| {
            // A part of a map counts where any of the two is not as wanted.
            let narrowed = |there| field.row.narrowed(&field.canonical, there, self.context);
            let differs = field.row.differs(&field.canonical, &field.merged, self.context);
            let (wanted, _) = narrowed(if differs { &field.merged } else { &field.running });
            let part = |there| field.row.shared(&wanted, there).to_json();
            diff::diff(
                &field.name.to_string(),
                &wanted.to_json(),
                &part(&field.running),
                &part(&field.merged),
            )
        };
        self.differing.iter().chain(&self.lost).chain(&self.waiting).map(view)
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
        let is_on = |field: &Field<'_>| field.key == "protection" && *field.desired == Value::Flag(true);
        self.differing.iter().any(is_on)
    }

    /// One write for all that differs, with the digest of what was compared.
    pub(super) fn change(&self) -> ConfigChange {
        self.of(&self.differing)
    }

    fn of(&self, fields: &[Field<'_>]) -> ConfigChange {
        let mut change = ConfigChange { digest: self.sight.config.digest.clone(), ..ConfigChange::default() };
        for field in fields {
            match self.written(field) {
                Written::Set(text) => {
                    change.set.insert(field.key.to_owned(), text);
                }
                Written::Delete => {
                    change.delete.insert(field.key.to_owned());
                }
            }
        }
        change
    }

    fn written(&self, field: &Field<'_>) -> Written {
        field.row.write(field.name, field.desired, self.sight.config.merged(field.key), self.context)
    }

    /// What is decided when a guest is made cannot be brought about afterwards.
    pub(super) fn immutable(&self) -> Option<PlanFailure> {
        let field = self.differing.iter().find(|field| field.row.takes_effect == TakesEffect::Never)?;
        let (name, is, wanted) = (field.name, shown(&field.merged), should_be(&field.canonical));
        Some(PlanFailure {
            code: "immutable",
            message: format!(
                "{name} is {is}, {wanted}, and is decided when a guest is made: take it out of the desired state, or \
                 restore a backup of the guest to another one that is as it should be"
            ),
            recourse: Recourse::Terminal,
        })
    }

    /// What Proxmox lets nobody but root@pam itself write.
    pub(super) fn needs_root(&self) -> Option<Hold> {
        let field = self.differing.iter().find(|field| field.name == desired::Field::Features)?;
        let unprivileged = self.sight.config.current.get("unprivileged").is_some_and(|text| text == "1");
        let new = match self.written(field) {
            Written::Set(text) => Some(text),
            Written::Delete => None,
        };
        let what = features::need_root(self.sight.config.merged(field.key), new.as_deref(), unprivileged)?;
        let by_hand = match &new {
            Some(text) => format!("`pct set {} --features '{text}'`", self.context.guest.vmid),
            None => format!("`pct set {} --delete features`", self.context.guest.vmid),
        };
        Some(Hold {
            reason: HoldReason::Permission,
            detail: format!(
                "{what} can be changed only by root@pam itself, by no token, and the backend that runs commands as root \
                 does not exist yet"
            ),
            remedy: format!("{by_hand} as root on the node"),
        })
    }

    /// `cores is 4, should be 2; tags is [a], should be [a b]`; `late`: written while the guest runs.
    pub(super) fn reason(&self, late: bool) -> String {
        let one = |field: &Field<'_>| {
            let pending = if field.running == field.merged { "" } else { " once what is pending is applied" };
            let (wanted, there) = field.row.narrowed(&field.canonical, &field.merged, self.context);
            let parts = field.row.late(&wanted);
            let late = match (late, field.row.takes_effect) {
                (true, TakesEffect::AtNextStart) => {
                    " (a running guest takes it at its next start)".to_owned()
                }
                (true, _) if !parts.is_empty() => {
                    format!(" (the running card takes {} at the guest's next start)", parts.join(" and "))
                }
                _ => String::new(),
            };
            let (name, is, should_be) = (field.name, shown(&there), should_be(&wanted));
            format!("{name} is {is}{pending}, {should_be}{late}")
        };
        let reasons: Vec<String> = self.differing.iter().map(one).collect();
        reasons.join("; ")
    }

    pub(super) fn pending_reboot(&self) -> Vec<String> {
        self.waiting.iter().map(|field| field.name.to_string()).collect()
    }

    /// What is not done, and why not.
    pub(super) fn notes(&self, desired: &DesiredGuest) -> Vec<Note> {
        let ignored = self.ignored.iter().map(|field| {
            let (name, is, wanted) = (field.name, shown(&field.merged), shown(&field.canonical));
            Note {
                code: "ignored",
                message: format!("{name} is {is} instead of {wanted}, which is to be ignored"),
            }
        });
        let waiting = self.waiting.iter().map(|field| {
            let (name, runs, waits) = (field.name, shown(&field.running), shown(&field.merged));
            let message = format!("{name}: {waits} is written, {runs} runs until the guest is next started");
            Note { code: "pending_reboot", message }
        });
        ignored.chain(waiting).chain(self.pending_of_others(desired)).collect()
    }

    /// Pending changes of keys that the desired state does not name: the next start applies them.
    fn pending_of_others(&self, desired: &DesiredGuest) -> Option<Note> {
        let ours = |key: &str| {
            let named = |field: &Field<'_>| field.key == key;
            self.differing.iter().chain(&self.lost).chain(&self.waiting).chain(&self.ignored).any(named)
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
