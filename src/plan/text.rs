//! A plan as an operator reads it: per guest what differs, the steps in order with their reasons, who has to wait and
//! what to do about it; then what is not managed. Pure formatting; colour is the caller's.

use std::fmt::{self, Write};

use super::diff;
use super::words::{safe, shortened};
use super::{GuestPlan, Plan, Unmanaged};

/// The whole plan, ending in one line that sums it up.
pub fn render(plan: &Plan) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let written = write_plan(&mut text, plan);
    debug_assert!(written.is_ok(), "a String takes every write");
    text
}

/// One guest, as `render` prints it.
pub fn render_guest(plan: &GuestPlan) -> String {
    let mut text = String::new();
    let written = write_guest(&mut text, plan);
    debug_assert!(written.is_ok(), "a String takes every write");
    text
}

fn write_plan(text: &mut String, plan: &Plan) -> fmt::Result {
    for guest in &plan.guests {
        write_guest(text, guest)?;
    }
    for refused in &plan.refused {
        writeln!(text, "{}  refused", shortened(&refused.resource_id))?;
        writeln!(text, "  ! {}", safe(&refused.message))?;
    }
    for problem in &plan.problems {
        writeln!(text, "! {}: {}", problem.code, safe(&problem.message))?;
    }
    if !plan.unmanaged.is_empty() {
        let unmanaged: Vec<String> = plan.unmanaged.iter().map(unmanaged).collect();
        writeln!(text, "not managed, not touched: {}", unmanaged.join(", "))?;
    }
    writeln!(text, "{}", summary(plan))
}

fn write_guest(text: &mut String, plan: &GuestPlan) -> fmt::Result {
    writeln!(text, "{} {}  {}  {}", plan.guest, shortened(&plan.resource_id), plan.run_state, verdict(plan))?;
    for one in &plan.diff {
        writeln!(text, "    {}", diff::line(one, plan.run_state))?;
    }
    for (number, planned) in (1..).zip(&plan.steps) {
        writeln!(text, "  {number}. {}", planned.step)?;
        writeln!(text, "     because {}", planned.reason)?;
    }
    if let Some(hold) = &plan.hold {
        writeln!(text, "  held ({}): {}", hold.reason, safe(&hold.detail))?;
        writeln!(text, "     to go on: {}", safe(&hold.remedy))?;
    }
    if let Some(failure) = &plan.failure {
        writeln!(text, "  ! {}: {}", failure.code, safe(&failure.message))?;
    }
    for note in &plan.notes {
        writeln!(text, "  - {}", safe(&note.message))?;
    }
    if !plan.unmanaged.is_empty() {
        writeln!(text, "  not managed of it: {}", plan.unmanaged.join(", "))?;
    }
    Ok(())
}

fn verdict(plan: &GuestPlan) -> String {
    if plan.failure.is_some() {
        "cannot be planned".to_owned()
    } else if plan.hold.is_some() {
        "held".to_owned()
    } else {
        match (plan.steps.len(), plan.drift.len()) {
            (0, 0) => "in order".to_owned(),
            (0, _) => "differs, reported only".to_owned(),
            (1, _) => "1 step".to_owned(),
            (steps, _) => format!("{steps} steps"),
        }
    }
}

fn unmanaged(guest: &Unmanaged) -> String {
    match &guest.name {
        Some(name) => format!("{} ({}, {})", guest.guest, shortened(name), guest.run_state),
        None => format!("{} ({})", guest.guest, guest.run_state),
    }
}

fn summary(plan: &Plan) -> String {
    let count = |which: fn(&GuestPlan) -> bool| plan.guests.iter().filter(|guest| which(guest)).count();
    format!(
        "generation {}: {} to change, {} held, {} that cannot be planned, {} in order, {} refused",
        plan.generation,
        count(|guest| !guest.steps.is_empty()),
        count(|guest| guest.hold.is_some()),
        count(|guest| guest.failure.is_some()),
        count(GuestPlan::is_in_order),
        plan.refused.len(),
    )
}
