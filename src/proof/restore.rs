//! A restore test: the newest backup of a guest becomes another guest beside it, cut off from everything, is started, looked at,
//! and destroyed again. Only then is the backup proven.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::document::put;
use super::{End, LOOKS, Prover, artefact, backup, isolate, pick, result};
use crate::clock;
use crate::consent;
use crate::lanes::Class;
use crate::model::desired::proof::TestPlan;
use crate::model::digest::sha256;
use crate::model::guest::{GuestId, GuestKind, RunState};
use crate::model::sorted::{Map, Set};
use crate::model::step::{Origin, Purpose, Step};
use crate::model::volume;
use crate::observe;

/// What is ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOrder {
    pub guest: GuestId,
    /// What it becomes: a number that nobody has.
    pub scratch: GuestId,
    pub plan: TestPlan,
}

/// What a check needs that this version does not have.
const NO_ROOT: &str = "skipped: it takes the backend for root commands, which this agent does not have";

impl Prover<'_> {
    /// Tests the newest backup. What came of it is on the board when this returns.
    pub fn test(&self, order: &TestOrder) {
        let began = clock::now();
        let mut more = json!({
            "vmid": order.guest.vmid, "guest": order.guest, "scratch": order.scratch.vmid, "volid": "", "checks": [],
        });
        let end = self.tested(order, &mut more).err();
        self.board.end(self.job, result(began, end, "passed", more));
    }

    fn tested(&self, order: &TestOrder, more: &mut Value) -> Result<(), End> {
        let TestOrder { guest, scratch, plan } = order;
        self.phase("looking");
        self.cleaned(*scratch)?;
        let (step, lines) = self.prepared(order, more)?;
        let Step::Make { source, params, .. } = &step else { return Err(End::stopping()) };
        let storages = [Some(volume::storage(source).to_owned()), params.get("storage").cloned()];
        let class = Class::StorageHeavy { storages: storages.into_iter().flatten().collect::<Set<_>>() };
        self.phase("waiting for its turn");
        let Some(permit) = self.permits.acquire(&class, self.stop) else { return Err(End::stopping()) };
        self.board.begin_test(json!({
            "vmid": guest.vmid, "guest": guest, "scratch": scratch.vmid, "volid": source, "started_at": clock::now(),
        }));
        self.board.works_on(self.job, *scratch);
        self.phase("restoring");
        let tested = self.must(step).and_then(|()| self.looked_at(*scratch, plan, &lines, more));
        drop(permit);
        self.phase("cleaning up");
        let cleaned = self.cleaned(*scratch);
        let left = cleaned.as_ref().err().map(|end| end.message.clone());
        check(more, "cleaned", left.is_none(), left.as_deref().unwrap_or_default());
        tested?;
        cleaned.map_err(|end| End::uncertain("left_behind", format!("{scratch} is left: {}", end.message)))
    }

    /// The step that makes the guest, and the configuration that the backup holds. Nothing is changed yet.
    fn prepared(&self, order: &TestOrder, more: &mut Value) -> Result<(Step, Vec<(String, String)>), End> {
        let TestOrder { guest, scratch, plan } = order;
        let image = observe::image(self.client(), *guest)?;
        let (rows, unread) = observe::backup_rows(self.client(), *guest)?;
        let Some(row) = rows.into_iter().next() else {
            return Err(match unread.as_slice() {
                [] => End::failed(
                    "backup_missing",
                    format!(
                        "no storage has a backup of {guest}; to make one: felhom-agent backup {}",
                        guest.vmid
                    ),
                ),
                unread => {
                    End::skipped("unseen", format!("backups could not be listed: {}", unread.join("; ")))
                }
            });
        };
        let seen = observe::looked_into(self.client(), &image, row);
        backup::tell(more, &seen);
        artefact::judge(&seen, &image, &observe::excluded(&image), None)
            .map_err(|(code, what)| End::failed(code, what))?;
        self.board.bind(&seen.volid, &consent::ident(&image));
        let text = self.client().backup_config(&seen.volid)?;
        put(more, "config_sha256", json!(sha256(text.as_bytes())));
        let lines = observe::config_lines(&text);
        let reaching = isolate::reaches_out(guest.kind, &lines, None);
        if !reaching.is_empty() {
            let what = format!(
                "{} in the backup reach the host: what is restored could touch what is real",
                reaching.join(", ")
            );
            return Err(End::skipped("reaches_out", what));
        }
        let of_disk = |(key, value): &(String, String)| {
            let holds = volume::holds_volume(key) && !volume::is_removable(value);
            holds.then(|| volume::volid(value).map(|volid| volume::storage(volid).to_owned())).flatten()
        };
        let storage = self.settings.storage.clone().or_else(|| lines.iter().find_map(of_disk));
        let Some(storage) = storage else {
            return Err(End::skipped(
                "no_storage",
                "it is not known where its disks could go: set proof.storage",
            ));
        };
        self.fits(&storage, seen.size.unwrap_or(u64::MAX))?;
        if let Some(bridge) = &plan.bridge {
            self.nobody_on(bridge)?;
        }
        let mut params = isolate::nets(guest.kind, &lines, plan.bridge.as_deref());
        for (key, value) in
            [("storage", storage.as_str()), ("unique", "1"), ("onboot", "0"), ("protection", "0")]
        {
            params.insert(key.to_owned(), value.to_owned());
        }
        let step = Step::Make {
            guest: *scratch,
            origin: Origin::Backup,
            source: seen.volid,
            purpose: Purpose::Scratch,
            params,
        };
        Ok((step, lines))
    }

    fn fits(&self, storage: &str, size: u64) -> Result<(), End> {
        let found = self.client().storage(storage)?;
        let found = found.filter(|found| found.active != Some(false));
        let Some(found) = found else {
            return Err(End::skipped("no_storage", format!("this node has no active storage {storage}")));
        };
        pick::fits(found.total, found.avail, size, self.settings.min_free_percent)
            .map_err(|why| End::skipped("no_space", format!("storage {storage}: {why}")))
    }

    /// A bridge that a real guest uses is not isolated.
    fn nobody_on(&self, bridge: &str) -> Result<(), End> {
        for kind in GuestKind::ALL {
            for listed in self.client().guests(kind)? {
                let config = self.client().pending(listed.guest)?;
                if isolate::uses_bridge(&config.current, bridge) {
                    let what = format!("{} is on bridge {bridge}, so that it is not isolated", listed.guest);
                    return Err(End::skipped("bridge_in_use", what));
                }
            }
        }
        Ok(())
    }

    /// The checks, in order; the first that fails ends them.
    fn looked_at(
        &self,
        scratch: GuestId,
        plan: &TestPlan,
        backup: &[(String, String)],
        more: &mut Value,
    ) -> Result<(), End> {
        check(more, "restored", true, "");
        let made: Map<String, String> = self.client().pending(scratch)?.current;
        let made: Vec<(String, String)> = made.into_iter().collect();
        if let Some(why) = isolate::not_isolated(scratch, &made, backup, plan.bridge.as_deref()) {
            check(more, "isolated", false, &why);
            return Err(End::failed("not_isolated", format!("it was not started: {why}")));
        }
        check(more, "isolated", true, "");
        self.phase("starting");
        if let Err(end) = self.must(Step::Start { guest: scratch }) {
            check(more, "boots", false, &end.message);
            return Err(End { code: if end.result == super::FAILED { "boots" } else { end.code }, ..end });
        }
        check(more, "boots", true, "");
        self.phase("watching");
        let mut silence = String::from("it was not asked");
        let mut answered = !plan.guest_agent;
        let until = Instant::now() + Duration::from_secs(plan.up_s);
        loop {
            let status = self.client().status(scratch)?;
            if status.run != RunState::Running {
                let what = format!("it is {} before {} s are over", status.run, plan.up_s);
                check(more, "stays_up", false, &what);
                return Err(End::failed("stays_up", what));
            }
            if !answered {
                match self.client().agent_ping(scratch) {
                    Ok(()) => answered = true,
                    Err(error) => silence = error.to_string(),
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.pause(LOOKS.min(left))?;
        }
        check(more, "stays_up", true, &format!("{} s", plan.up_s));
        for (name, wanted) in [("file", &plan.file), ("command", &plan.command)] {
            if wanted.is_some() {
                check(more, name, false, NO_ROOT);
            }
        }
        if plan.guest_agent {
            check(more, "guest_agent", answered, if answered { "" } else { &silence });
        }
        if answered { Ok(()) } else { Err(End::failed("guest_agent", silence)) }
    }
}

fn check(more: &mut Value, name: &str, ok: bool, detail: &str) {
    if let Some(checks) = more.get_mut("checks").and_then(Value::as_array_mut) {
        let mut check = json!({"name": name, "ok": ok, "detail": detail});
        if detail == NO_ROOT {
            put(&mut check, "skipped", json!(true));
        }
        checks.push(check);
    }
}
