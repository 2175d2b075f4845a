//! Control's part in signed operations: it sends them to the lane of their guest, and looks at the guest afterwards.

use std::sync::Arc;

use super::operate::{Order, broken_off};
use super::{Control, Event, OperationDone};
use crate::ops::say_end;

impl Control {
    /// Strictly behind whatever is in the lane of its guest, and before whatever comes later.
    pub(super) fn operate(&mut self, order: Order) {
        let (worker, control, tell) =
            (Arc::clone(&self.worker), self.wires.tell.clone(), self.wires.tell.clone());
        let (op_id, guest) = (order.op_id.clone(), order.guest);
        self.lanes.submit_then(
            guest.vmid,
            move || worker.operate(order, &control),
            move |end| {
                tell.send(Event::Operated(Box::new(OperationDone { op_id, guest, end }))).ok();
            },
        );
    }

    pub(super) fn operated(&mut self, done: OperationDone) {
        let OperationDone { op_id, guest, end } = done;
        let journal = &self.setup.work.journal;
        if let Some(end) = broken_off(end) {
            say_end(&op_id, &end);
            if let Err(error) = journal.op_ended(&op_id, &end) {
                log::error!("the end of operation {op_id} is not in the journal: {error}");
            }
        }
        match journal.doubts().get(&guest) {
            Some(doubt) => self.book.doubt(guest.vmid, &doubt.message),
            None => self.book.changed(guest.vmid),
        }
        if let Some(courier) = &self.wires.courier {
            courier.ended.try_send(()).ok();
        }
        self.look();
    }
}
