//! The conditions of the agent as a whole: a fixed list, always all of it, each with a reason from a fixed list.

use serde::{Deserialize, Serialize};

use super::{ResourceState, ResourceStatus};
use crate::model::hold::Halt;
use crate::model::op::ClockTrust;
use crate::model::sorted::Map;
use crate::model::time::Timestamp;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: ConditionType,
    pub status: ConditionStatus,
    pub reason: ConditionReason,
    pub message: String,
    /// Since when status and reason have been these.
    pub since: Timestamp,
}

/// In the order they are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConditionType {
    /// Every resource is as it should be.
    Ready,
    /// Something is being done, or is about to be.
    Reconciling,
    /// At least one resource failed or was refused, Proxmox does not answer, the keyring is not in order, or two agents
    /// report as this host.
    Degraded,
    /// At least one resource waits for somebody and no retry will help.
    Stalled,
    /// The hub, the kill switch or the configuration says that nothing may be changed.
    Blocked,
    ClockUntrusted,
    JournalDamaged,
    /// The newest desired state could not be had or was refused: an older one is in force.
    StaleManifest,
    HubUnreachable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionReason {
    AllReady,
    NoDesiredState,
    InProgress,
    Idle,
    ResourcesHeld,
    ResourcesFailed,
    ResourcesRefused,
    ProxmoxUnreachable,
    KeyringRefused,
    /// Another agent reports under the same host id.
    DuplicateAgent,
    NotYetObserved,
    BlockedByHub,
    KillSwitch,
    Observing,
    NotBlocked,
    ClockTrusted,
    ClockNotTrusted,
    NotChecked,
    JournalSound,
    JournalUnsound,
    UpToDate,
    ManifestRefused,
    ManifestUnavailable,
    Reachable,
    Unreachable,
    NotConfigured,
    /// A reason of another version of the agent, read back from the hub.
    #[serde(other)]
    Other,
}

/// What the conditions are made from, beside the resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// Whether any manifest was accepted, and how the newest one fared.
    pub manifest: ManifestState,
    /// A guest of the generation in force has not been looked at yet.
    pub unseen: bool,
    pub proxmox: Reach,
    pub hub: Reach,
    /// What is wrong with the files that say whose signature counts.
    pub keyring: Option<String>,
    /// The other agent that reports under this host's id.
    pub duplicate: Option<String>,
    /// Who stops every change, if anybody does.
    pub halt: Option<Halt>,
    /// `None`: not checked.
    pub clock: Option<ClockTrust>,
    /// `Err` says what is wrong; `None`: not checked.
    pub journal: Option<Result<(), String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ManifestState {
    /// There is no source, or the source has nothing.
    None,
    Current,
    /// The newest was refused; what is in force is older, or nothing.
    Refused(String),
    /// The source does not answer.
    Unavailable(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    NotConfigured,
    NotYetTried,
    Reachable,
    Unreachable(String),
}

/// All nine conditions, in their fixed order.
pub fn conditions(
    situation: &Situation,
    resources: &Map<String, ResourceStatus>,
    previous: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let tally = Tally::of(resources);
    let judged = [
        (ConditionType::Ready, ready(situation, &tally)),
        (ConditionType::Reconciling, reconciling(&tally)),
        (ConditionType::Degraded, degraded(situation, &tally)),
        (ConditionType::Stalled, stalled(&tally)),
        (ConditionType::Blocked, blocked(situation.halt.as_ref())),
        (ConditionType::ClockUntrusted, clock(situation.clock.as_ref())),
        (ConditionType::JournalDamaged, journal(situation.journal.as_ref())),
        (ConditionType::StaleManifest, stale(&situation.manifest)),
        (ConditionType::HubUnreachable, hub(&situation.hub)),
    ];
    let condition = |(kind, (status, reason, message)): (ConditionType, Judgement)| {
        let same =
            |before: &&Condition| (before.kind, before.status, before.reason) == (kind, status, reason);
        let since = previous.iter().find(same).map_or(now, |before| before.since);
        Condition { kind, status, reason, message, since }
    };
    judged.into_iter().map(condition).collect()
}

type Judgement = (ConditionStatus, ConditionReason, String);

/// Resource ids by what they suffer.
#[derive(Default)]
struct Tally<'a> {
    working: Vec<&'a str>,
    held: Vec<&'a str>,
    /// Failed, with a retry due.
    retried: Vec<&'a str>,
    /// Failed, and no retry cures it.
    hopeless: Vec<&'a str>,
    refused: Vec<&'a str>,
    total: usize,
}

impl<'a> Tally<'a> {
    fn of(resources: &'a Map<String, ResourceStatus>) -> Self {
        let mut tally = Self { total: resources.len(), ..Self::default() };
        for (id, status) in resources {
            match status.state {
                ResourceState::Ready => {}
                ResourceState::Pending | ResourceState::Reconciling => tally.working.push(id),
                ResourceState::Held => tally.held.push(id),
                ResourceState::Failed if status.retry_after.is_some() => tally.retried.push(id),
                ResourceState::Failed => tally.hopeless.push(id),
                ResourceState::UnknownResource | ResourceState::InvalidSpec => tally.refused.push(id),
            }
        }
        tally
    }

    fn failed(&self) -> Vec<&'a str> {
        self.retried.iter().chain(&self.hopeless).copied().collect()
    }
}

fn yes(reason: ConditionReason, message: impl Into<String>) -> Judgement {
    (ConditionStatus::True, reason, message.into())
}

fn no(reason: ConditionReason, message: impl Into<String>) -> Judgement {
    (ConditionStatus::False, reason, message.into())
}

fn unknown(reason: ConditionReason, message: impl Into<String>) -> Judgement {
    (ConditionStatus::Unknown, reason, message.into())
}

fn ready(situation: &Situation, tally: &Tally<'_>) -> Judgement {
    if let Reach::Unreachable(message) = &situation.proxmox {
        return unknown(ConditionReason::ProxmoxUnreachable, message.clone());
    }
    if situation.proxmox == Reach::NotYetTried {
        return unknown(ConditionReason::NotYetObserved, "the node has not been looked at yet");
    }
    let failed = tally.failed();
    if !failed.is_empty() {
        no(ConditionReason::ResourcesFailed, named(&failed))
    } else if !tally.refused.is_empty() {
        no(ConditionReason::ResourcesRefused, named(&tally.refused))
    } else if !tally.held.is_empty() {
        no(ConditionReason::ResourcesHeld, named(&tally.held))
    } else if !tally.working.is_empty() {
        no(ConditionReason::InProgress, named(&tally.working))
    } else if situation.unseen {
        unknown(ConditionReason::NotYetObserved, "this generation has not been looked at yet")
    } else if tally.total > 0 {
        yes(ConditionReason::AllReady, format!("{} in order", tally.total))
    } else if situation.manifest == ManifestState::Current {
        yes(ConditionReason::AllReady, "the desired state names no resource")
    } else {
        unknown(ConditionReason::NoDesiredState, "there is no desired state")
    }
}

fn reconciling(tally: &Tally<'_>) -> Judgement {
    let busy: Vec<&str> = tally.working.iter().chain(&tally.retried).copied().collect();
    if busy.is_empty() {
        no(ConditionReason::Idle, "")
    } else {
        yes(ConditionReason::InProgress, named(&busy))
    }
}

fn degraded(situation: &Situation, tally: &Tally<'_>) -> Judgement {
    if let Some(other) = &situation.duplicate {
        return yes(ConditionReason::DuplicateAgent, other.clone());
    }
    if let Reach::Unreachable(message) = &situation.proxmox {
        return yes(ConditionReason::ProxmoxUnreachable, message.clone());
    }
    let failed = tally.failed();
    if !failed.is_empty() {
        yes(ConditionReason::ResourcesFailed, named(&failed))
    } else if !tally.refused.is_empty() {
        yes(ConditionReason::ResourcesRefused, named(&tally.refused))
    } else if let Some(fault) = &situation.keyring {
        yes(ConditionReason::KeyringRefused, fault.clone())
    } else {
        no(ConditionReason::Idle, "")
    }
}

fn stalled(tally: &Tally<'_>) -> Judgement {
    if !tally.hopeless.is_empty() {
        yes(ConditionReason::ResourcesFailed, named(&tally.hopeless))
    } else if !tally.refused.is_empty() {
        yes(ConditionReason::ResourcesRefused, named(&tally.refused))
    } else if !tally.held.is_empty() {
        yes(ConditionReason::ResourcesHeld, named(&tally.held))
    } else {
        no(ConditionReason::Idle, "")
    }
}

fn blocked(halt: Option<&Halt>) -> Judgement {
    let Some(halt) = halt else { return no(ConditionReason::NotBlocked, "") };
    let reason = match halt {
        Halt::Hub => ConditionReason::BlockedByHub,
        Halt::KillSwitch { .. } => ConditionReason::KillSwitch,
        Halt::Observing => ConditionReason::Observing,
    };
    yes(reason, format!("{}; to go on: {}", halt.detail(), halt.remedy()))
}

fn clock(trust: Option<&ClockTrust>) -> Judgement {
    match trust {
        Some(ClockTrust::Trusted) => no(ConditionReason::ClockTrusted, ""),
        Some(ClockTrust::Untrusted(why)) => yes(ConditionReason::ClockNotTrusted, why.clone()),
        None => unknown(ConditionReason::NotChecked, ""),
    }
}

fn journal(sound: Option<&Result<(), String>>) -> Judgement {
    match sound {
        Some(Ok(())) => no(ConditionReason::JournalSound, ""),
        Some(Err(message)) => yes(ConditionReason::JournalUnsound, message.clone()),
        None => unknown(ConditionReason::NotChecked, ""),
    }
}

fn stale(manifest: &ManifestState) -> Judgement {
    match manifest {
        ManifestState::None => no(ConditionReason::NoDesiredState, "there is no desired state"),
        ManifestState::Current => no(ConditionReason::UpToDate, ""),
        ManifestState::Refused(message) => yes(ConditionReason::ManifestRefused, message.clone()),
        ManifestState::Unavailable(message) => yes(ConditionReason::ManifestUnavailable, message.clone()),
    }
}

fn hub(hub: &Reach) -> Judgement {
    match hub {
        Reach::NotConfigured => no(ConditionReason::NotConfigured, "no hub is configured"),
        Reach::NotYetTried => unknown(ConditionReason::NotChecked, ""),
        Reach::Reachable => no(ConditionReason::Reachable, ""),
        Reach::Unreachable(message) => yes(ConditionReason::Unreachable, message.clone()),
    }
}

/// The first few by name, the rest by number: a message has a limit.
fn named(ids: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = ids.iter().take(SHOWN).copied().collect();
    match ids.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
