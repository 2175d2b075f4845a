//! One field: what is wanted, what was read and by which call, the rule by which the two are compared, how it stands.

use serde_json::{Map as Members, Value as Free, json};

use super::member::{Member, said};
use super::outlook::{Standing, What, outlook};
use super::target::Target;
use super::{Case, put, said_in};
use crate::model::desired::{DriftPolicy, Ensure, Field, Value, Volume, Wanted};
use crate::model::guest::RunState;
use crate::model::observed::{GuestConfig, Presence, Reading};
use crate::model::volume::{first_part, part, size, storage, volid};
use crate::normalize::{self, Context, Row, volume};

const GIB: u64 = 1 << 30;
const ABSENT: &str = "absent";

/// All that can be said of it.
pub(super) fn describe(case: &Case<'_>, target: &Target) -> Members<String, Free> {
    let mut told = Members::new();
    told.insert("field".to_owned(), target.name().into());
    match target {
        Target::Row(field, part) => of_row(case, *field, part.as_deref(), &mut told),
        Target::Volume(key, part) => of_volume(case, key, part.as_deref(), &mut told),
        Target::Member(member) => of_member(case, member, &mut told),
        Target::Group(_) => {}
    }
    told
}

fn of_row(case: &Case<'_>, field: Field, part: Option<&str>, told: &mut Members<String, Free>) {
    let desired = case.desired;
    let Some(row) = normalize::row(field, desired.guest.kind) else { return };
    let context = Context { guest: desired.guest, tag_case: case.known.settings.tag_case };
    let key = row.key(field);
    let wanted = desired.fields.get(&field).and_then(|value| Some((value, narrowed(value.to_json(), part)?)));
    if let Some((value, wanted)) = &wanted {
        told.insert("wanted".to_owned(), wanted.clone());
        let kept = narrowed(row.canonical(value, context).to_json(), part);
        put(told, "kept_as", kept.filter(|kept| kept != wanted));
        told.insert(
            "said_in".to_owned(),
            said_in(case.known, &desired.resource_id, &below(case, field, part)),
        );
    }
    told.insert("key".to_owned(), key.into());
    let shown = |text: Option<&str>| read_part(row, text, part, context);
    put(told, "read", reading(case, key, &shown));
    told.insert("rule".to_owned(), row.rule(part.and_then(|part| row.part(part)), context).into());
    let differs = |value: &Value, there: &Value| match (value, part) {
        (Value::Map(parts), Some(part)) => {
            let one = parts.iter().filter(|(name, _)| *name == part).cloned().collect();
            row.differs(&Value::Map(one), there, context)
        }
        (value, None) => row.differs(value, there, context),
        (value, Some(_)) => narrowed(value.to_json(), part) != narrowed(there.to_json(), part),
    };
    let standing = match (&wanted, config(case)) {
        (None, _) => Standing::Unmanaged,
        (Some(_), None) if is_nowhere(case) => Standing::Differs,
        (Some(_), None) => Standing::NotRead,
        (Some((value, _)), Some(config)) => {
            let value = row.canonical(value, context);
            let merged = row.read(config.merged(key), context);
            let running = row.read(config.current.get(key).map(String::as_str), context);
            if differs(&value, &merged) {
                if desired.ignore.contains(&field) { Standing::Ignored } else { Standing::Differs }
            } else if runs(case) && differs(&value, &running) {
                Standing::PendingReboot
            } else {
                Standing::Equal
            }
        }
    };
    outlook(case, standing, &What::Key(key, Some(row.takes_effect)), told);
}

/// Where it stands below its resource.
fn below(case: &Case<'_>, field: Field, part: Option<&str>) -> String {
    let number = case
        .known
        .desired
        .places
        .get(&case.desired.resource_id)
        .and_then(|place| place.number(field.as_str()));
    let list = match field {
        Field::Net(_) => Some("nets"),
        Field::IpConfig(_) => Some("cloud_init.ip"),
        _ => None,
    };
    let path = match (list, number) {
        (Some(list), Some(number)) => format!("spec.{list}[{number}]"),
        _ => format!("spec.{field}"),
    };
    part.map_or_else(|| path.clone(), |part| format!("{path}.{part}"))
}

/// The part of a value that is asked for; what should not be there at all has no parts either.
fn narrowed(value: Free, part: Option<&str>) -> Option<Free> {
    match part {
        None => Some(value),
        Some(_) if value == ABSENT => Some(value),
        Some(part) => value.get(part).cloned(),
    }
}

fn read_part(row: &Row, text: Option<&str>, part: Option<&str>, context: Context) -> Free {
    let value = row.read(text, context);
    let Some(name) = part else { return value.to_json() };
    value.to_json().get(name).cloned().unwrap_or_else(|| match row.part(name) {
        Some(part) if !part.default.is_empty() => part.sort.read(part.default, context).to_json(),
        _ => ABSENT.into(),
    })
}

fn config<'a>(case: &Case<'a>) -> Option<&'a GuestConfig> {
    case.seen?.config.known()
}

fn runs(case: &Case<'_>) -> bool {
    case.plan.is_some_and(|plan| plan.run_state != RunState::Stopped)
}

/// There is nothing of it: whatever is wanted is not there.
fn is_nowhere(case: &Case<'_>) -> bool {
    case.seen.is_some_and(|seen| seen.presence == Presence::Nowhere)
}

/// What the node answered, as it was and as it is understood; what waits for the next start apart.
fn reading(case: &Case<'_>, key: &str, shown: &dyn Fn(Option<&str>) -> Free) -> Option<Free> {
    let call = format!("GET {}", case.path("/pending"));
    let side = |text: Option<&str>| said(&[("raw", text.map(Free::from)), ("value", Some(shown(text)))]);
    Some(match &case.seen?.config {
        Reading::Unknown(_) if is_nowhere(case) => json!({"call": call, "value": ABSENT}),
        Reading::Unknown(fault) => json!({"call": call, "fault": fault.message}),
        Reading::Known(config) => {
            let mut read = side(config.current.get(key).map(String::as_str));
            if let Some(read) = read.as_object_mut() {
                read.insert("call".to_owned(), call.into());
                if config.pending.contains_key(key) {
                    read.insert("next_start".to_owned(), side(config.merged(key)));
                }
            }
            read
        }
    })
}

fn of_volume(case: &Case<'_>, key: &str, part: Option<&str>, told: &mut Members<String, Free>) {
    let desired = case.desired;
    let wanted = desired.volumes.get(key).and_then(|wanted| match wanted {
        Wanted::Absent => Some(ABSENT.into()),
        Wanted::Like(volume) => narrowed(wanted_volume(key, volume), part),
    });
    if let Some(wanted) = &wanted {
        told.insert("wanted".to_owned(), wanted.clone());
        let number = case.known.desired.places.get(&desired.resource_id).and_then(|place| place.number(key));
        let list = if key.starts_with("mp") { "mounts" } else { "disks" };
        let path = number.map_or_else(|| format!("spec.{key}"), |number| format!("spec.{list}[{number}]"));
        let path = part.map_or_else(|| path.clone(), |part| format!("{path}.{part}"));
        told.insert("said_in".to_owned(), said_in(case.known, &desired.resource_id, &path));
    }
    told.insert("key".to_owned(), key.into());
    let shown = |text: Option<&str>| {
        of_volume_read(key, text.map(|text| read_volume(key, text, Some(text))).as_ref(), part)
    };
    put(told, "read", reading(case, key, &shown));
    told.insert("rule".to_owned(), volume::rule(key, part).into());
    let standing = match (&wanted, config(case)) {
        (None, _) => Standing::Unmanaged,
        (Some(_), None) if is_nowhere(case) => Standing::Differs,
        (Some(_), None) => Standing::NotRead,
        (Some(wanted), Some(config)) => {
            let there = config.merged(key).map(|text| read_volume(key, text, config.with_size(key)));
            let part_differs =
                |name: &str, wanted: &Free| *wanted != of_volume_read(key, there.as_ref(), Some(name));
            let differs = match (wanted, part) {
                (wanted, Some(part)) => part_differs(part, wanted),
                (Free::Object(parts), None) => parts.iter().any(|(name, wanted)| part_differs(name, wanted)),
                (_, None) => there.is_some(),
            };
            let differs = differs || (there.is_none() && *wanted != ABSENT);
            if differs && desired.ignored_volumes.contains(key) {
                Standing::Ignored
            } else if differs {
                Standing::Differs
            } else if runs(case) && config.pending.contains_key(key) {
                Standing::PendingReboot
            } else {
                Standing::Equal
            }
        }
    };
    outlook(case, standing, &What::Key(key, None), told);
}

fn wanted_volume(key: &str, volume: &Volume) -> Free {
    let parts = [
        ("bind", volume.bind.as_deref().map(Free::from)),
        ("storage", volume.storage.as_deref().map(Free::from)),
        ("size_gb", volume.size_gb.map(Free::from)),
    ];
    let options = volume::options(key)
        .map(|option| (option.name, volume.options.get(option.key).map(|value| option.shown(value))));
    said(&parts.into_iter().chain(options).collect::<Vec<_>>())
}

/// What was read of a volume, or one part of that.
fn of_volume_read(key: &str, read: Option<&Free>, part: Option<&str>) -> Free {
    let (Some(read), Some(part)) = (read, part) else {
        return read.cloned().unwrap_or_else(|| ABSENT.into());
    };
    read.get(part).cloned().unwrap_or_else(|| {
        let option = volume::options(key).find(|option| option.name == part);
        option.map_or_else(|| ABSENT.into(), |option| option.shown(option.canonical(None)))
    })
}

/// As the manifest would say it, with the size that `sized` tells; options that are as they are by default are left out.
fn read_volume(key: &str, text: &str, sized: Option<&str>) -> Free {
    let volid = volid(text);
    let bytes = sized.and_then(size);
    let bind = volid.is_none().then(|| first_part(text).into());
    let gib = bytes.map(|bytes| match bytes % GIB {
        0 => json!(bytes / GIB),
        _ => json!(format!("{bytes} bytes")),
    });
    let said_parts =
        [("bind", bind), ("storage", volid.map(|volid| storage(volid).into())), ("size_gb", gib)];
    let options = volume::options(key).map(|option| {
        let is = option.canonical(part(text, option.key));
        (option.name, (is != option.default).then(|| option.shown(is)))
    });
    said(&said_parts.into_iter().chain(options).collect::<Vec<_>>())
}

fn of_member(case: &Case<'_>, member: &Member, told: &mut Members<String, Free>) {
    let desired = case.desired;
    let wanted = member.value(desired);
    let place = case.known.desired.places.get(&desired.resource_id);
    let beside = place.is_some_and(|place| place.beside.iter().any(|name| name == member.name));
    let is_ensure = member.name == "ensure" && desired.ensure == Ensure::Absent;
    put(told, "wanted", wanted.clone());
    if beside {
        told.insert("said_in".to_owned(), said_in(case.known, &desired.resource_id, member.name));
    } else if (member.in_spec || is_ensure) && wanted.is_some() {
        let path = format!("spec.{}", member.name);
        told.insert("said_in".to_owned(), said_in(case.known, &desired.resource_id, &path));
    }
    let is_default = match member.name {
        "drift" => desired.drift == DriftPolicy::Correct,
        "on_remove" => !desired.policy.stop_on_remove,
        _ => true,
    };
    if !beside && !is_default {
        let mut said = said_in(case.known, &desired.resource_id, "");
        if let Some(said) = said.as_object_mut() {
            said.insert("path".to_owned(), format!("defaults.{}", member.name).into());
        }
        told.insert("said_in".to_owned(), said);
    }
    told.insert("rule".to_owned(), vec![member.rule].into());
    let run = case.plan.map(|plan| plan.run_state);
    let (there, what) = match member.name {
        "run_state" if is_nowhere(case) => (Some(ABSENT), What::Run),
        "run_state" => (run.filter(|run| *run != RunState::Unknown).map(RunState::as_str), What::Run),
        "ensure" => (case.seen.and_then(|seen| is_there(&seen.presence)), What::Existence),
        _ => return,
    };
    if case.seen.is_some() {
        let call = format!("GET /nodes/{}/{}", case.node().unwrap_or("{node}"), desired.guest.kind);
        told.insert(
            "read".to_owned(),
            said(&[("call", Some(call.into())), ("value", there.map(Free::from))]),
        );
    }
    let standing = match (&wanted, there) {
        (None, _) => Standing::Unmanaged,
        (Some(_), None) => Standing::NotRead,
        (Some(wanted), Some(there)) if *wanted == *there => Standing::Equal,
        (Some(_), Some(_)) => Standing::Differs,
    };
    outlook(case, standing, &what, told);
}

fn is_there(presence: &Presence) -> Option<&'static str> {
    match presence {
        Presence::Listed(_) => Some("present"),
        Presence::Nowhere | Presence::Elsewhere(_) => Some(ABSENT),
        Presence::NotListed | Presence::Unknown(_) => None,
    }
}
