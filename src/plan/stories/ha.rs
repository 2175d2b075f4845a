//! Guests that the HA manager looks after: their configuration is ours, whether they run is HA's.

use expect_test::{Expect, expect};
use serde_json::json;

use super::{Guest, check, check_with, db, vm};
use crate::model::guest::RunState;
use crate::model::observed::HaState;
use crate::plan::Settings;

fn managed(run: RunState, state: Option<&str>, asked: Option<&str>) -> Guest {
    let mut there = vm(run, &[]);
    there.ha = HaState::Managed(state.map(str::to_owned));
    there.ha_asked = asked.map(str::to_owned);
    there
}

fn through(there: &Guest, expected: Expect) {
    let settings = Settings { ha_through: true, ..Settings::default() };
    check_with(&db(json!({"run_state": "running"})), there, settings, expected);
}

#[test]
fn the_run_state_of_a_guest_of_the_ha_manager_is_held() {
    check(
        &db(json!({"run_state": "running"})),
        &managed(RunState::Stopped, Some("stopped"), Some("stopped")),
        expect![[r#"
            qemu/200 db  stopped  held
                run_state    "stopped" -> "running"
              held (ha_managed): the HA manager decides about qemu/200 (its state there: stopped)
                 to go on: change it through HA, or take it out of HA with `ha-manager remove vm:200`
        "#]],
    );
}

#[test]
fn its_configuration_is_written_and_then_it_is_held() {
    let there = managed(RunState::Running, None, None);
    check(
        &db(json!({"tags": ["a"]})),
        &there,
        expect![[r#"
        qemu/200 db  running  1 step
            tags         [] -> ["a"]
          1. set tags=a of qemu/200
             because tags is empty, should be [a]
    "#]],
    );
}

#[test]
fn a_guest_that_ha_ignores_is_like_any_other() {
    check(
        &db(json!({"run_state": "running"})),
        &managed(RunState::Stopped, Some("ignored"), None),
        expect![[r#"
            qemu/200 db  stopped  1 step
                run_state    "stopped" -> "running"
              1. start qemu/200
                 because it is stopped and should run
        "#]],
    );
}

#[test]
fn through_ha_it_is_asked_once_and_then_waited_for() {
    through(
        &managed(RunState::Stopped, Some("stopped"), Some("stopped")),
        expect![[r#"
        qemu/200 db  stopped  1 step
            run_state    "stopped" -> "running"
          1. have HA start qemu/200
             because HA manages it (now: stopped), and it should be started
    "#]],
    );
    through(
        &managed(RunState::Stopped, Some("request_start"), Some("started")),
        expect![[r#"
        qemu/200 db  stopped  held
            run_state    "stopped" -> "running"
          held (ha_managed): HA was asked to have qemu/200 started and is at it (now: request_start)
             to go on: wait until HA has done it
    "#]],
    );
}

#[test]
fn what_ha_calls_an_error_or_somebody_disabled_is_not_touched() {
    through(
        &managed(RunState::Stopped, Some("error"), Some("stopped")),
        expect![[r#"
        qemu/200 db  stopped  held
            run_state    "stopped" -> "running"
          held (ha_managed): the HA manager decides about qemu/200 (its state there: error)
             to go on: find out why, then clear the error in HA by hand
    "#]],
    );
    through(
        &managed(RunState::Stopped, Some("stopped"), Some("disabled")),
        expect![[r#"
        qemu/200 db  stopped  held
            run_state    "stopped" -> "running"
          held (ha_managed): the HA manager decides about qemu/200 (its state there: stopped)
             to go on: change it through HA, or take it out of HA with `ha-manager remove vm:200`
    "#]],
    );
    through(
        &managed(RunState::Stopped, Some("stopped"), None),
        expect![[r#"
        qemu/200 db  stopped  held
            run_state    "stopped" -> "running"
          held (ha_managed): the HA manager decides about qemu/200 (its state there: stopped)
             to go on: change it through HA, or take it out of HA with `ha-manager remove vm:200`
    "#]],
    );
}
