//! The calls about tasks: lists, status, log, abort.

use serde_json::{Value, json};

use super::ask::Ask;
use super::tasks::Task;
use super::world::World;
use crate::api::{ApiError, Caller, Reply};

/// The parts of a UPID.
struct Upid<'a> {
    node: &'a str,
    kind: &'a str,
    id: &'a str,
    auth_id: &'a str,
}

/// `GET /nodes/{node}/tasks`
pub fn list(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let node = ask.text("node").unwrap_or_default();
    let sees_all = world.access.may(ask.caller, &format!("/nodes/{node}"), "Sys.Audit");
    let source = ask.text("source").unwrap_or("archive");
    let matching: Vec<&Task> = world
        .tasks
        .newest_first()
        .filter(|task| sees_all || is_own(ask.caller, &task.auth_id))
        .filter(|task| match source {
            "active" => task.is_running(),
            "all" => true,
            _ => !task.is_running(),
        })
        .filter(|task| matches_filters(task, ask))
        .collect();
    let start = ask.number("start").unwrap_or(0);
    let limit = ask.number("limit").unwrap_or(50);
    let rows: Vec<Value> = matching
        .iter()
        .skip(start)
        .take(if limit == 0 { usize::MAX } else { limit })
        .map(|task| row(world, task))
        .collect();
    let total = u64::try_from(matching.len()).ok().filter(|total| *total > 0);
    Ok(Reply { data: json!(rows), total })
}

fn matches_filters(task: &Task, ask: &Ask<'_>) -> bool {
    let exit = task.ended.as_ref().map(|(exit, _)| exit.as_str());
    let is_vmid = |vmid: &str| task.id == vmid || task.id.split('@').next() == Some(vmid);
    ask.text("vmid").is_none_or(is_vmid)
        && ask.text("typefilter").is_none_or(|kind| task.kind == kind)
        && ask.text("userfilter").is_none_or(|user| task.auth_id.contains(user))
        && ask.number("since").is_none_or(|since| task.start >= since as u64)
        && ask.number("until").is_none_or(|until| task.start <= until as u64)
        && (!ask.flag("errors") || exit.is_some_and(|exit| exit != "OK"))
        && ask.text("statusfilter").is_none_or(|filter| {
            filter.split([',', ';', ' ']).any(|wanted| exit.is_some_and(|exit| wanted == class_of(exit)))
        })
}

/// `ok`, `warning`, `error`, `unknown`, as the status filter names them.
fn class_of(exit: &str) -> &'static str {
    match exit {
        "OK" => "ok",
        _ if exit.starts_with("WARNINGS: ") => "warning",
        "unexpected status" => "unknown",
        _ => "error",
    }
}

fn row(world: &World, task: &Task) -> Value {
    let mut row = json!({
        "upid": task.upid, "node": world.name, "pid": task.pid, "pstart": task.pstart, "starttime": task.start,
        "type": task.kind, "id": task.id,
    });
    match &task.ended {
        Some((exit, end)) => {
            let (user, token) = task.user_and_token();
            row["endtime"] = json!(end);
            row["status"] = json!(exit);
            row["user"] = json!(user);
            if let Some(token) = token {
                row["tokenid"] = json!(token);
            }
        }
        None => {
            row["status"] = json!("RUNNING");
            row["user"] = json!(task.auth_id);
            row["saved"] = json!("0");
        }
    }
    row
}

/// `GET /cluster/tasks`: about 25 a node, a running one without status.
pub fn cluster_list(world: &World, ask: &Ask<'_>) -> Reply {
    let sees_all = world.access.may(ask.caller, &format!("/nodes/{}", world.name), "Sys.Audit");
    let rows: Vec<Value> = world
        .tasks
        .newest_first()
        .filter(|task| sees_all || is_own(ask.caller, &task.auth_id))
        .take(25)
        .map(|task| {
            let (user, token) = task.user_and_token();
            let mut row = json!({
                "upid": task.upid, "node": world.name, "starttime": task.start, "type": task.kind, "id": task.id, "user": user,
            });
            if let Some(token) = token {
                row["tokenid"] = json!(token);
            }
            match &task.ended {
                Some((exit, end)) => {
                    row["endtime"] = json!(end);
                    row["status"] = json!(exit);
                    row["saved"] = json!("1");
                }
                None => row["pid"] = json!(task.pid),
            }
            row
        })
        .collect();
    Reply::data(json!(rows))
}

/// `GET /nodes/{node}/tasks/{upid}`
pub fn index(ask: &Ask<'_>) -> Result<Reply, ApiError> {
    parse(ask)?;
    Ok(Reply::data(json!([{"name": "log"}, {"name": "status"}])))
}

/// `GET /nodes/{node}/tasks/{upid}/status`
pub fn status(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let upid = parse(ask)?;
    may_see(world, ask, &upid, "Sys.Audit")?;
    let Some((_, task)) = find(world, ask) else { return Err(ApiError::parameter("upid", "no such task")) };
    let (user, token) = task.user_and_token();
    let mut data = json!({
        "upid": task.upid, "node": world.name, "pid": task.pid, "pstart": task.pstart, "starttime": task.start,
        "type": task.kind, "id": task.id, "user": user,
        "status": if task.is_running() { "running" } else { "stopped" },
    });
    if let Some(token) = token {
        data["tokenid"] = json!(token);
    }
    if let Some((exit, _)) = &task.ended {
        data["exitstatus"] = json!(exit);
    }
    Ok(Reply::data(data))
}

/// `GET /nodes/{node}/tasks/{upid}/log`
pub fn log(world: &World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let upid = parse(ask)?;
    may_see(world, ask, &upid, "Sys.Audit")?;
    let fallback = |text: &str| vec![text.to_owned()];
    let lines = match find(world, ask) {
        None => fallback("unable to open file - No such file or directory"),
        Some((_, task)) if task.log.is_empty() => fallback("no content"),
        Some((_, task)) => task.log.clone(),
    };
    let start = ask.number("start").unwrap_or(0);
    let limit = ask.number("limit").unwrap_or(50);
    let page: Vec<Value> = lines
        .iter()
        .enumerate()
        .skip(start)
        .take(if limit == 0 { usize::MAX } else { limit })
        .map(|(index, line)| json!({"n": index + 1, "t": line}))
        .collect();
    Ok(Reply { data: json!(page), total: u64::try_from(lines.len()).ok() })
}

/// `DELETE /nodes/{node}/tasks/{upid}`: null at once, also when the task is over.
pub fn abort(world: &mut World, ask: &Ask<'_>) -> Result<Reply, ApiError> {
    let upid = parse(ask)?;
    may_see(world, ask, &upid, "Sys.Modify")?;
    let Some((id, _)) = find(world, ask) else { return Err(ApiError::parameter("upid", "no such task")) };
    world.abort(id);
    Ok(Reply::data(Value::Null))
}

fn find<'w>(world: &'w World, ask: &Ask<'_>) -> Option<(usize, &'w Task)> {
    world.tasks.find(ask.text("upid").unwrap_or_default())
}

fn parse<'a>(ask: &'a Ask<'_>) -> Result<Upid<'a>, ApiError> {
    let text = ask.text("upid").unwrap_or_default();
    let malformed = || ApiError::parameter("upid", "unable to parse worker upid");
    let parts: Vec<&str> = text.split(':').collect();
    let [tag, node, pid, pstart, start, kind, id, auth_id, end] = parts.as_slice() else {
        return Err(malformed());
    };
    let is_hex = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    let well_formed = *tag == "UPID"
        && end.is_empty()
        && !node.is_empty()
        && is_hex(pid, 8..=8)
        && is_hex(pstart, 8..=9)
        && is_hex(start, 8..=8)
        && !kind.is_empty()
        && !auth_id.is_empty();
    if well_formed { Ok(Upid { node, kind, id, auth_id }) } else { Err(malformed()) }
}

fn may_see(world: &World, ask: &Ask<'_>, upid: &Upid<'_>, privilege: &str) -> Result<(), ApiError> {
    let path = format!("/nodes/{}", ask.text("node").unwrap_or_default());
    let _ = (upid.node, upid.kind, upid.id);
    if is_own(ask.caller, upid.auth_id) || world.access.may(ask.caller, &path, privilege) {
        return Ok(());
    }
    Err(ApiError::forbidden(&path, privilege))
}

/// A user owns the tasks of its tokens; a token only its own.
fn is_own(caller: &Caller, owner: &str) -> bool {
    caller.auth_id == owner || (caller.token().is_none() && owner.split('!').next() == Some(caller.user()))
}
