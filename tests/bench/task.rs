//! From a task's end to its detection.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;
use felhom_agent::http::Trust;
use felhom_agent::pve::{Client, Connection, TaskEnd, Upid};
use felhom_agent::secret::Secret;
use felhom_sim::api::{Call, Caller};
use felhom_sim::node::{World, dispatch};
use felhom_sim::pve::{Options, PveSim};

pub(crate) fn print() {
    for seconds in [0.05, 1.0, 6.0] {
        let mut world = World::with_guests(2);
        world.pace.start = seconds;
        let node = PveSim::start(Options { world, time_scale: 1.0, ..Options::default() });
        let late = detected_after(&node, seconds);
        println!("a task of {seconds} s: its end was seen {} ms after it", late.as_millis());
    }
}

fn detected_after(node: &PveSim, seconds: f64) -> Duration {
    let (token_id, secret) = node.token();
    let client = Client::new(&Connection {
        url: node.url(),
        node: Some("pve".to_owned()),
        token_id: token_id.to_owned(),
        token_secret: Secret::new(secret.to_owned()),
        trust: Trust::Pin(node.pin()),
        timeout: Duration::from_secs(30),
    })
    .unwrap();
    client.version().unwrap();
    // Started by somebody else: the waiter does not care whose task it is.
    let start = Call {
        method: "POST".to_owned(),
        route: "/nodes/{node}/lxc/{vmid}/status/start".to_owned(),
        params: BTreeMap::from(
            [("node", "pve"), ("vmid", "101")].map(|(name, value)| (name.to_owned(), value.to_owned())),
        ),
        caller: Caller { auth_id: token_id.to_owned() },
    };
    let began = Instant::now();
    let reply = node.world(|world| dispatch(world, &start)).unwrap();
    let upid: Upid = reply.data.as_str().unwrap().parse().unwrap();
    let (_keep, never) = unbounded();
    let end = client.wait(&upid, Duration::from_secs(60), &never);
    assert_eq!(end, TaskEnd::Ok);
    began.elapsed().saturating_sub(Duration::from_secs_f64(seconds))
}
