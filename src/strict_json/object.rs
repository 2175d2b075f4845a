//! Reading an object member by member, each once: what is left over is an unknown field, and every fault says where
//! it is, what was found and what is allowed.

use super::Json;

/// Which rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A key stands twice.
    Once,
    /// A member is missing, null or unknown.
    Members,
    /// A value is not what is allowed there.
    Value,
}

/// Printed `spec.cores: found "two", allowed is a whole number from 1 to 8192`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub path: String,
    pub message: String,
    pub rule: Rule,
    /// Path and message without a word of what was read, for where that must not be repeated.
    pub discreet: String,
}

/// One value and where it stands.
#[derive(Clone, Debug)]
pub struct At<'a> {
    pub path: String,
    pub value: &'a Json,
}

#[derive(Debug)]
pub struct Object<'a> {
    path: String,
    pairs: &'a [(String, Json)],
    /// Names that were asked for, whether or not they were there: the allowed ones.
    asked: Vec<&'static str>,
}

impl<'a> Object<'a> {
    /// Refuses what is no object, and an object in which a key stands twice.
    pub fn read(value: &'a Json, path: &str) -> Result<Self, Fault> {
        let at = At { path: path.to_owned(), value };
        let Json::Object(pairs) = value else { return Err(at.refused("an object")) };
        if let Some((key, _)) = super::key_twice(pairs).and_then(|index| pairs.get(index)) {
            return Err(Fault {
                path: member(path, key),
                message: "the key stands there twice, allowed is once".to_owned(),
                rule: Rule::Once,
                discreet: format!("{path}: a key stands there twice, allowed is once"),
            });
        }
        Ok(Self { path: path.to_owned(), pairs, asked: Vec::new() })
    }

    pub fn optional(&mut self, name: &'static str) -> Option<At<'a>> {
        self.asked.push(name);
        let (_, value) = self.pairs.iter().find(|(key, _)| key == name)?;
        Some(At { path: member(&self.path, name), value })
    }

    pub fn required(&mut self, name: &'static str) -> Result<At<'a>, Fault> {
        self.optional(name).ok_or_else(|| {
            let path = member(&self.path, name);
            let discreet = format!("{path}: is missing");
            Fault { path, message: "is missing".to_owned(), rule: Rule::Members, discreet }
        })
    }

    /// A member that the format knows and this version of the agent does not manage.
    pub fn not_managed(&mut self, name: &'static str) -> Result<(), Fault> {
        let there = self.optional(name);
        self.asked.pop();
        match there {
            None => Ok(()),
            Some(at) => Err(at.fault("is not managed by this version of the agent".to_owned())),
        }
    }

    /// To be asked last: every member has been asked for.
    pub fn nothing_else(self) -> Result<(), Fault> {
        match self.pairs.iter().find(|(key, _)| !self.asked.contains(&key.as_str())) {
            None => Ok(()),
            Some((key, _)) => Err(Fault {
                path: member(&self.path, key),
                message: format!("unknown field, allowed are {}", self.asked.join(", ")),
                rule: Rule::Members,
                discreet: format!("{}: unknown field, allowed are {}", self.path, self.asked.join(", ")),
            }),
        }
    }
}

impl<'a> At<'a> {
    pub fn fault(&self, message: String) -> Fault {
        let discreet = format!("{}: found {}, which is not allowed", self.path, self.value.sort());
        Fault { path: self.path.clone(), message, rule: self.rule(), discreet }
    }

    /// Null stands for no value, and no format here knows it.
    fn rule(&self) -> Rule {
        if *self.value == Json::Null { Rule::Members } else { Rule::Value }
    }

    /// What was found is not what is allowed.
    pub fn refused(&self, allowed: &str) -> Fault {
        Fault {
            path: self.path.clone(),
            message: format!("found {}, allowed is {allowed}", self.value.found()),
            rule: self.rule(),
            discreet: format!("{}: found {}, allowed is {allowed}", self.path, self.value.sort()),
        }
    }

    pub fn text(&self) -> Result<&'a str, Fault> {
        match self.value {
            Json::Text(text) => Ok(text),
            _ => Err(self.refused("a text")),
        }
    }

    pub fn flag(&self) -> Result<bool, Fault> {
        match self.value {
            Json::Flag(flag) => Ok(*flag),
            _ => Err(self.refused("true or false")),
        }
    }

    pub fn whole(&self) -> Result<u64, Fault> {
        match self.value {
            Json::Whole(number) => Ok(*number),
            _ => Err(self.refused("a whole number")),
        }
    }

    pub fn array(&self) -> Result<&'a [Json], Fault> {
        match self.value {
            Json::Array(items) => Ok(items),
            _ => Err(self.refused("an array")),
        }
    }

    /// The items of an array, each with its place.
    pub fn items(&self) -> Result<impl Iterator<Item = At<'a>>, Fault> {
        let path = self.path.clone();
        let item = move |(index, value): (usize, &'a Json)| At { path: format!("{path}[{index}]"), value };
        Ok(self.array()?.iter().enumerate().map(item))
    }
}

/// `spec.cores`; the document itself has no name in a path.
fn member(path: &str, key: &str) -> String {
    let key = key.escape_debug();
    if matches!(path, "manifest" | "resource" | "envelope" | "payload" | "keyring" | "policy") {
        key.to_string()
    } else {
        format!("{path}.{key}")
    }
}

/// The fault of a key that occurs twice in one object, at any depth.
pub fn twice(document: &Json, path: &str) -> Option<Fault> {
    let found = document.twice("")?;
    Some(Fault {
        path: found.trim_start_matches('.').to_owned(),
        message: "the key stands there twice, allowed is once".to_owned(),
        rule: Rule::Once,
        discreet: format!("{path}: a key stands twice in one object, allowed is once"),
    })
}
