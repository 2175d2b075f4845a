//! Start and stop order: `1`, `order=1` and `up=10,order=1` are kept as written, so they are parsed before comparing.

use super::sort;
use crate::model::desired::{Startup, Value};

pub(super) fn parse(text: &str) -> Value {
    read(text).map_or_else(|| Value::Raw(text.to_owned()), Value::Startup)
}

/// As Proxmox reads it: `0` and the empty text are no startup order; a part that is given twice counts the last time.
fn read(text: &str) -> Option<Startup> {
    if text == "0" {
        return None;
    }
    let mut startup = Startup::default();
    for part in text.split(',').filter(|part| !part.trim().is_empty()) {
        let (name, number) = part.split_once('=').unwrap_or(("order", part));
        let number = sort::decimal(number).and_then(|number| u32::try_from(number).ok())?;
        match name {
            "order" => startup.order = Some(number),
            "up" => startup.up_s = Some(number),
            "down" => startup.down_s = Some(number),
            _ => return None,
        }
    }
    (startup != Startup::default()).then_some(startup)
}

/// `order=1,up=30,down=60`, each part that is set.
pub(super) fn print(startup: Startup) -> String {
    let parts = [("order", startup.order), ("up", startup.up_s), ("down", startup.down_s)];
    let parts: Vec<String> =
        parts.into_iter().filter_map(|(name, part)| Some(format!("{name}={}", part?))).collect();
    parts.join(",")
}
