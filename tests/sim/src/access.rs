//! Who may do what: users, their API tokens, roles, and the access control list, with Proxmox's own rules.
//! A role on a deeper path replaces what the paths above it gave; a privilege-separated token has what both it and its
//! user have; `root@pam` and its tokens without privilege separation may everything.

mod roles;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::Caller;

/// Users, tokens, roles and the access control list of the simulated node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Access {
    users: BTreeMap<String, User>,
    /// By whole id: `root@pam!agent`.
    tokens: BTreeMap<String, Token>,
    roles: BTreeMap<String, BTreeSet<String>>,
    acl: Vec<Entry>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    pub enabled: bool,
    /// Unix seconds; 0 is never.
    pub expire: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Token {
    pub secret: String,
    pub privsep: bool,
    /// Unix seconds; 0 is never.
    pub expire: u64,
    pub comment: Option<String>,
}

/// One line of the access control list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub path: String,
    /// A user (`agent@pve`) or a token (`agent@pve!sep`).
    pub who: String,
    pub role: String,
    pub propagate: bool,
}

/// Why a request is not let in. Both answer 401 with an empty body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No `Authorization` header, or one of another scheme: `No ticket`.
    NoTicket,
    /// Everything else, indistinguishable by design: `Authentication failed!`.
    Failed,
}

impl Refused {
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoTicket => "No ticket",
            Self::Failed => "Authentication failed!",
        }
    }
}

/// Paths that the answer of `/access/permissions` lists even without an entry of their own.
const TOP_PATHS: [&str; 8] =
    ["/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms"];

impl Default for Access {
    /// Only `root@pam`, without a token.
    fn default() -> Self {
        let root = User { enabled: true, expire: 0 };
        Self {
            users: BTreeMap::from([("root@pam".to_owned(), root)]),
            tokens: BTreeMap::new(),
            roles: roles::built_in(),
            acl: Vec::new(),
        }
    }
}

impl Access {
    /// The users and tokens of the recorded node. `root@pam!agent` may everything; `agent@pve` is an auditor of the whole
    /// node and a `PVEVMUser` on guest 101, with the tokens `full`, `sep`, `none` and `expired`; `gone@pve` is disabled.
    pub fn recorded() -> Self {
        let mut access = Self::default();
        access.add_token("root@pam!agent", ROOT_SECRET, false);
        access.add_token("root@pam!privsep", "22222222-2222-4222-8222-222222222222", true);
        access.add_user("agent@pve");
        access.add_token("agent@pve!full", "33333333-3333-4333-8333-333333333333", false);
        access.add_token("agent@pve!sep", "44444444-4444-4444-8444-444444444444", true);
        access.add_token("agent@pve!none", "55555555-5555-4555-8555-555555555555", true);
        access.add_token("agent@pve!expired", "66666666-6666-4666-8666-666666666666", false);
        access.set_token_expiry("agent@pve!expired", 1_700_000_000);
        access.add_user("gone@pve");
        access.add_token("gone@pve!t", "77777777-7777-4777-8777-777777777777", false);
        access.set_enabled("gone@pve", false);
        access.grant("/", "agent@pve", "PVEAuditor");
        access.grant("/vms/101", "agent@pve", "PVEVMUser");
        access.grant("/vms/101", "agent@pve!sep", "PVEVMUser");
        access
    }

    pub fn add_user(&mut self, user: &str) {
        self.users.insert(user.to_owned(), User { enabled: true, expire: 0 });
    }

    pub fn set_enabled(&mut self, user: &str, enabled: bool) {
        if let Some(user) = self.users.get_mut(user) {
            user.enabled = enabled;
        }
    }

    pub fn user(&self, user: &str) -> Option<&User> {
        self.users.get(user)
    }

    /// `id` is the whole id (`agent@pve!sep`); its user must exist to authenticate.
    pub fn add_token(&mut self, id: &str, secret: &str, privsep: bool) {
        let token = Token { secret: secret.to_owned(), privsep, expire: 0, comment: None };
        self.tokens.insert(id.to_owned(), token);
    }

    pub fn set_token_expiry(&mut self, id: &str, unix_seconds: u64) {
        if let Some(token) = self.tokens.get_mut(id) {
            token.expire = unix_seconds;
        }
    }

    /// Takes the token away, and its lines of the list with it.
    pub fn remove_token(&mut self, id: &str) -> bool {
        self.acl.retain(|entry| entry.who != id);
        self.tokens.remove(id).is_some()
    }

    pub fn token(&self, id: &str) -> Option<&Token> {
        self.tokens.get(id)
    }

    /// The tokens of a user, by their short name.
    pub fn tokens_of<'a>(&'a self, user: &'a str) -> impl Iterator<Item = (&'a str, &'a Token)> {
        self.tokens.iter().filter_map(move |(id, token)| match id.split_once('!') {
            Some((owner, name)) if owner == user => Some((name, token)),
            _ => None,
        })
    }

    pub fn add_role(&mut self, role: &str, privileges: &[&str]) {
        let privileges = privileges.iter().map(|&privilege| privilege.to_owned()).collect();
        self.roles.insert(role.to_owned(), privileges);
    }

    pub fn has_role(&self, role: &str) -> bool {
        self.roles.contains_key(role)
    }

    /// Adds a propagating line to the list.
    pub fn grant(&mut self, path: &str, who: &str, role: &str) {
        self.revoke(path, who, role);
        let entry = Entry { path: tidy(path), who: who.to_owned(), role: role.to_owned(), propagate: true };
        self.acl.push(entry);
    }

    /// Adds a line that holds for the path itself only.
    pub fn grant_here_only(&mut self, path: &str, who: &str, role: &str) {
        self.grant(path, who, role);
        if let Some(entry) = self.acl.last_mut() {
            entry.propagate = false;
        }
    }

    pub fn revoke(&mut self, path: &str, who: &str, role: &str) {
        let path = tidy(path);
        self.acl.retain(|entry| !(entry.path == path && entry.who == who && entry.role == role));
    }

    /// Every line of a user or token, so that it may nothing any more (a token with rights of its user keeps those).
    pub fn revoke_all(&mut self, who: &str) {
        self.acl.retain(|entry| entry.who != who);
    }

    pub fn entries(&self) -> &[Entry] {
        &self.acl
    }

    /// Reads the `Authorization` header. The scheme is case sensitive; id and secret are separated from it by `=` or a blank.
    pub fn authenticate(&self, header: Option<&str>, now_unix: u64) -> Result<Caller, Refused> {
        let header = header.ok_or(Refused::NoTicket)?;
        let rest = header.strip_prefix("PVEAPIToken").ok_or(Refused::NoTicket)?;
        let rest = rest.strip_prefix(['=', ' ']).ok_or(Refused::NoTicket)?;
        let text = percent_encoding::percent_decode_str(rest).decode_utf8_lossy();
        let (id, secret) = text.split_once('=').ok_or(Refused::Failed)?;
        let (user, _) = id.split_once('!').ok_or(Refused::Failed)?;
        let user = self.users.get(user).ok_or(Refused::Failed)?;
        let token = self.tokens.get(id).ok_or(Refused::Failed)?;
        let expired = |at: u64| at != 0 && at <= now_unix;
        if token.secret != secret || !user.enabled || expired(user.expire) || expired(token.expire) {
            return Err(Refused::Failed);
        }
        Ok(Caller { auth_id: id.to_owned() })
    }

    /// Whether the caller has the privilege on the path.
    pub fn may(&self, caller: &Caller, path: &str, privilege: &str) -> bool {
        self.privileges(&caller.auth_id, path).contains_key(privilege)
    }

    pub fn may_any(&self, caller: &Caller, path: &str, privileges: &[&str]) -> bool {
        privileges.iter().any(|privilege| self.may(caller, path, privilege))
    }

    /// `data` of `/access/permissions`: path to privilege to 1, or 0 where it does not propagate. Paths without any are absent.
    pub fn permissions(&self, caller: &Caller) -> Value {
        self.permissions_of(&caller.auth_id, &[])
    }

    pub fn permissions_of(&self, auth_id: &str, more: &[String]) -> Value {
        let mut paths: BTreeSet<&str> = TOP_PATHS.into();
        paths.extend(self.acl.iter().map(|entry| entry.path.as_str()));
        paths.extend(more.iter().map(String::as_str));
        let mut all = Map::new();
        for path in paths {
            let privileges = self.privileges(auth_id, path);
            if !privileges.is_empty() {
                all.insert(path.to_owned(), to_json(&privileges));
            }
        }
        Value::Object(all)
    }

    /// The same for one path, which is always named.
    pub fn permissions_at(&self, auth_id: &str, path: &str) -> Value {
        json!({ path: to_json(&self.privileges(auth_id, path)) })
    }

    /// Privilege to whether it propagates, of a user or a token.
    pub fn privileges(&self, auth_id: &str, path: &str) -> BTreeMap<String, bool> {
        let path = tidy(path);
        let Some((user, _)) = auth_id.split_once('!') else {
            return self.own_privileges(auth_id, &path);
        };
        let of_user = self.own_privileges(user, &path);
        match self.tokens.get(auth_id) {
            None => BTreeMap::new(),
            Some(token) if !token.privsep => of_user,
            Some(_) => {
                let own = self.own_privileges(auth_id, &path);
                own.into_iter().filter(|(privilege, _)| of_user.contains_key(privilege)).collect()
            }
        }
    }

    fn own_privileges(&self, who: &str, path: &str) -> BTreeMap<String, bool> {
        if who == "root@pam" {
            return roles::every_privilege().map(|privilege| (privilege.to_owned(), true)).collect();
        }
        let roles = self.roles_on(who, path);
        if roles.contains_key("NoAccess") {
            return BTreeMap::new();
        }
        let mut privileges = BTreeMap::new();
        for (role, propagate) in roles {
            for privilege in self.roles.get(role).into_iter().flatten() {
                *privileges.entry(privilege.clone()).or_insert(false) |= propagate;
            }
        }
        privileges
    }

    /// The deepest path at or above `path` that names `who` decides alone.
    fn roles_on(&self, who: &str, path: &str) -> BTreeMap<&str, bool> {
        for at in upwards(path) {
            let here: BTreeMap<&str, bool> = self
                .acl
                .iter()
                .filter(|entry| entry.who == who && entry.path == at && (entry.propagate || at == path))
                .map(|entry| (entry.role.as_str(), entry.propagate))
                .collect();
            if !here.is_empty() {
                return here;
            }
        }
        BTreeMap::new()
    }
}

/// Secret of `root@pam!agent` on the recorded node.
pub const ROOT_SECRET: &str = "11111111-1111-4111-8111-111111111111";

fn to_json(privileges: &BTreeMap<String, bool>) -> Value {
    let map =
        privileges.iter().map(|(privilege, propagate)| (privilege.clone(), json!(u8::from(*propagate))));
    Value::Object(map.collect())
}

/// `/vms//100/` is `/vms/100`.
fn tidy(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    format!("/{}", parts.join("/"))
}

/// `/vms/100`, `/vms`, `/`.
fn upwards(path: &str) -> impl Iterator<Item = &str> {
    let mut next = Some(path);
    std::iter::from_fn(move || {
        let this = next?;
        next = match this.rfind('/') {
            Some(0) if this.len() > 1 => Some("/"),
            Some(at) if at > 0 => Some(&this[..at]),
            _ => None,
        };
        Some(this)
    })
}

#[cfg(test)]
mod tests;
