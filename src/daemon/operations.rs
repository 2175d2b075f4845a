//! The threads of signed operations: the intake always, the courier where there is a hub.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{DaemonError, spawn};
use crate::config::Config;
use crate::control::limit::Limit;
use crate::control::{self, Courier, Operating, Rate};
use crate::hub;
use crate::journal::Journal;
use crate::ops::trust::TrustStore;
use crate::ops::{self, Door, courier, intake};
use crate::pve;

pub(super) struct Operations {
    pub(super) door: Door,
    trust: Arc<TrustStore>,
    journal: Arc<Journal>,
    inbox: Receiver<ops::Event>,
}

impl Operations {
    pub(super) fn new(trust: &Arc<TrustStore>, journal: &Arc<Journal>) -> Self {
        let (door, inbox) = Door::new(Arc::clone(journal));
        Self { door, trust: Arc::clone(trust), journal: Arc::clone(journal), inbox }
    }

    /// Starts the threads; gives what control tells the courier, where there is one.
    pub(super) fn start(
        self,
        config: &Config,
        host_id: &str,
        (connection, limit): (&Arc<pve::Connection>, &Limit),
        (events, stopped): (&Sender<control::Event>, &Receiver<()>),
        farewells: &Sender<&'static str>,
        others: &mut Vec<(&'static str, JoinHandle<()>)>,
    ) -> Result<Option<Courier>, DaemonError> {
        let Self { door, trust, journal, inbox } = self;
        let (end, ended) = bounded(1);
        let (offer, offered) = bounded(1);
        let setup = intake::Setup {
            host_id: host_id.to_owned(),
            connection: Arc::clone(connection),
            journal: Arc::clone(&journal),
            trust,
            limit: limit.clone(),
        };
        let wires = intake::Wires { control: events.clone(), ended: end.clone(), stop: stopped.clone() };
        let body = move || intake::run(setup, wires, &inbox);
        others.push(("intake", spawn("intake", farewells, body)?));
        let Some(hub) = &config.hub else { return Ok(None) };
        let client = hub::Client::new(hub, host_id).map_err(DaemonError::Hub)?;
        let setup = courier::Setup { hub: client, journal, door, poll: config.ops.poll };
        let wires = courier::Wires { offered, ended, stop: stopped.clone() };
        let body = move || courier::run(setup, &wires);
        others.push(("courier", spawn("courier", farewells, body)?));
        Ok(Some(Courier { offered: offer, ended: end }))
    }
}

/// Who is trusted; lasts over a change of the configuration.
pub(super) fn trust(config: &Config, journal: &Arc<Journal>) -> Arc<TrustStore> {
    let (keyring, policy) = (config.ops.keyring.clone(), config.ops.role_policy.clone());
    Arc::new(TrustStore::new(keyring, policy, Arc::clone(journal)))
}

pub(super) fn operating(config: &Config, host_id: &str, trust: &Arc<TrustStore>) -> Operating {
    let ops = &config.ops;
    Operating {
        host_id: host_id.to_owned(),
        trust: Arc::clone(trust),
        protected: ops.protected.clone(),
        evidence_max_age: ops.evidence_max_age,
        rate_per_hour: ops.rate_per_hour,
        lock_wait: ops.lock_wait,
        rate: Rate::default(),
    }
}
