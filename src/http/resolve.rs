//! Names to addresses, without waiting for DNS longer than allowed.
//! ureq asks before every request, also on a kept connection. An IP literal and `localhost` are answered here at once.
//! Another name is looked up by a helper thread, because the C library's lookup knows no deadline; its answer is used for
//! half a minute. While one lookup hangs no second one is begun: a broken DNS cannot pile up threads.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::error::UnsentFault;

const STACK: usize = 256 * 1024;
const KEEP: Duration = Duration::from_secs(30);
/// What ureq can hold.
const MOST: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Names {
    lookup: Arc<Mutex<Lookup>>,
}

#[derive(Debug, Default)]
struct Lookup {
    is_running: bool,
    last: Option<Answer>,
}

#[derive(Debug)]
struct Answer {
    name: String,
    addresses: Vec<SocketAddr>,
    at: Instant,
}

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let port = uri.port_u16().unwrap_or_else(|| if uri.scheme_str() == Some("http") { 80 } else { 443 });
        let host = bare_host(uri);
        let found = match literal(host, port) {
            Some(addresses) => Ok(addresses),
            None => self.look_up(host, port, *timeout.after),
        };
        let found = found.map_err(|why| ureq::Error::Other(Box::new(UnsentFault::Name(why))))?;
        let mut addresses = self.empty();
        for address in found.into_iter().take(MOST) {
            addresses.push(address);
        }
        Ok(addresses)
    }
}

/// The host of an address without the brackets of IPv6.
pub(super) fn bare_host(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Whether a host is this machine by its very name; a name that merely resolves to it is not.
pub fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn literal(host: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        return Some(both.into_iter().map(|address| SocketAddr::new(address, port)).collect());
    }
    host.parse::<IpAddr>().ok().map(|address| vec![SocketAddr::new(address, port)])
}

impl Names {
    fn look_up(&self, host: &str, port: u16, within: Duration) -> Result<Vec<SocketAddr>, String> {
        let name = format!("{host}:{port}");
        {
            let mut lookup = self.lookup.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(answer) = lookup.last.as_ref() {
                if answer.name == name && answer.at.elapsed() < KEEP {
                    return Ok(answer.addresses.clone());
                }
            }
            if lookup.is_running {
                return Err(format!("{host}: an earlier lookup still hangs"));
            }
            lookup.is_running = true;
        }
        let (tell, told) = bounded(1);
        let shared = Arc::clone(&self.lookup);
        let spawned = thread::Builder::new().name("resolve".to_owned()).stack_size(STACK).spawn(move || {
            let found = name.to_socket_addrs().map(|addresses| addresses.take(MOST).collect::<Vec<_>>());
            let mut lookup = shared.lock().unwrap_or_else(PoisonError::into_inner);
            lookup.is_running = false;
            if let Ok(addresses) = &found {
                lookup.last = Some(Answer { name, addresses: addresses.clone(), at: Instant::now() });
            }
            drop(lookup);
            // Nobody may be waiting any more.
            tell.send(found).ok();
        });
        if let Err(error) = spawned {
            self.lookup.lock().unwrap_or_else(PoisonError::into_inner).is_running = false;
            return Err(format!("{host}: no thread for the lookup: {error}"));
        }
        match told.recv_timeout(within) {
            Ok(Ok(addresses)) if addresses.is_empty() => Err(format!("{host} has no address")),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(format!("{host}: {error}")),
            Err(RecvTimeoutError::Timeout) => Err(format!("{host}: no answer within {} s", within.as_secs())),
            Err(RecvTimeoutError::Disconnected) => Err(format!("{host}: the lookup ended without an answer")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Names, is_loopback, literal};

    #[test]
    fn literals_and_localhost_need_no_lookup() {
        for (host, count) in
            [("127.0.0.1", 1), ("::1", 1), ("192.0.2.7", 1), ("localhost", 2), ("LocalHost", 2)]
        {
            assert_eq!(literal(host, 8006).map(|addresses| addresses.len()), Some(count), "{host}");
        }
        assert!(literal("pve.example", 8006).is_none());
    }

    #[test]
    fn only_this_machine_by_name_is_loopback() {
        assert!(is_loopback("127.0.0.1") && is_loopback("127.8.8.8") && is_loopback("::1"));
        assert!(!is_loopback("192.0.2.1") && !is_loopback("localhost.example") && !is_loopback(""));
    }

    #[test]
    fn while_a_lookup_hangs_no_second_one_is_begun() {
        let names = Names::default();
        names.lookup.lock().unwrap().is_running = true;
        let refused = names.look_up("pve.invalid", 8006, Duration::from_secs(3));
        assert!(refused.is_err_and(|why| why.contains("still hangs")));
    }
}
