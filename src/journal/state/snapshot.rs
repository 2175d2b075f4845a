//! The records of which a state comes again: what a journal that is made shorter begins with.

use serde_json::Value;

use super::{NO_INTENT, Op, State};
use crate::journal::record::{
    Accept, Ack, Clock, Damage, Decision, Ended, Fields, Floor, Intent, Issued, Past, Record, StepEnd,
    StepResult, Trust,
};
use crate::journal::{AuditEntry, Doubt, OpState, OpenIntent};
use crate::model::guest::GuestId;
use crate::model::time::Timestamp;

impl State {
    /// In pieces that fit into a line each.
    fn past(&self) -> Vec<Record> {
        let audit: Vec<AuditEntry> = self.audit.iter().cloned().collect();
        let destructive: Vec<Timestamp> = self.destructive.iter().copied().collect();
        let upids: Vec<String> = self.upids.iter().cloned().collect();
        let audit = audit.chunks(8).map(|audit| Past { audit: audit.to_vec(), ..Past::default() });
        let destructive =
            destructive.chunks(500).map(|at| Past { destructive: at.to_vec(), ..Past::default() });
        let upids = upids.chunks(50).map(|upids| Past { upids: upids.to_vec(), ..Past::default() });
        audit.chain(destructive).chain(upids).map(Record::Past).collect()
    }

    /// The records of which this state comes again, in an order that can be folded.
    pub(in crate::journal) fn snapshot(&self) -> Vec<(&'static str, Fields)> {
        let mut records = self.past();
        records.extend(self.clock_hw.map(|clock_hw| Record::Clock(Clock { clock_hw })));
        records.extend(self.trust_version.map(|version| Record::Trust(Trust { version })));
        let (floor, is_due) = (self.floor(), self.floor_is_due);
        // What was not understood is not in the snapshot either.
        let damage = self.damage.clone().or_else(|| self.unreadable.clone());
        records.extend(damage.map(|why| Record::Damage(Damage { why, floor, is_due })));
        records.extend(
            self.floor
                .map(|iat| Record::Floor(Floor { iat, why: "kept".to_owned(), damage_seen: false, is_due })),
        );
        for (guest, (what, loss)) in &self.decisions {
            let (guest, what, loss) = (*guest, what.clone(), Some(loss.clone()));
            records.push(Record::Decision(Decision { guest, what, loss }));
        }
        records.extend(self.ops.values().map(|op| op.accepted()));
        for intent in self.intents.values() {
            records.extend(intent_records(intent));
        }
        records.extend(self.ops.values().flat_map(|op| op.state_records()));
        records.extend(self.made.iter().cloned().map(Record::Made));
        records.extend(self.doubts.iter().map(|(guest, doubt)| doubt_record(*guest, doubt)));
        records.iter().map(kept).collect()
    }
}

fn kept(record: &Record) -> (&'static str, Fields) {
    let mut fields = record.fields();
    fields.insert("kept".to_owned(), Value::Bool(true));
    (record.kind(), fields)
}

fn intent_records(intent: &OpenIntent) -> Vec<Record> {
    let mut records = vec![Record::Intent(Box::new(Intent {
        guest: intent.guest,
        what: intent.step.to_string(),
        step: intent.step.clone(),
        op_id: intent.op_id.clone(),
        destructive: intent.destructive,
        volumes: intent.volumes.clone(),
        began: intent.began,
        uptime_s: intent.uptime_s,
        intent: Some(intent.seq),
        boot_then: Some(intent.boot.clone()),
    }))];
    if let Some(upid) = &intent.upid {
        let (intent, guest, upid) = (intent.seq, intent.guest, upid.clone());
        records.push(Record::Issued(Issued { intent, guest, upid }));
    }
    records
}

fn doubt_record(guest: GuestId, doubt: &Doubt) -> Record {
    Record::Uncertain(StepEnd {
        intent: NO_INTENT,
        guest,
        what: doubt.what.clone(),
        op_id: None,
        result: StepResult::Uncertain,
        code: "uncertain".to_owned(),
        message: doubt.message.clone(),
        upid: None,
        left: Vec::new(),
        ended_at: Some(doubt.at),
    })
}

impl Op {
    fn accepted(&self) -> Record {
        let running = match &self.state {
            OpState::Running { upid } => Some(upid.clone().unwrap_or_default()),
            OpState::Accepted | OpState::Ended(_) => None,
        };
        let accepted_at = Some(self.accepted_at);
        Record::Accept(Box::new(Accept { accepted_at, running, ..self.accept.clone() }))
    }

    /// What happened to it since; folded after the intents.
    fn state_records(&self) -> Vec<Record> {
        let op_id = &self.accept.op_id;
        let mut records = Vec::new();
        records.extend(self.last.clone().map(|end| match end.result {
            StepResult::Uncertain => Record::Uncertain(end),
            StepResult::Done
            | StepResult::Warned
            | StepResult::Partial
            | StepResult::Conflict
            | StepResult::Failed => Record::Done(end),
        }));
        if let OpState::Ended(end) = &self.state {
            let (op_id, guest, end) = (op_id.clone(), self.accept.guest, end.clone());
            records.push(Record::Ended(Ended { op_id, guest, end }));
        }
        if self.acknowledged {
            records.push(Record::Ack(Ack { op_id: op_id.clone() }));
        }
        records
    }
}
