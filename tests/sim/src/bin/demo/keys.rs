//! The people who may sign, and what they made with the tools.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::stage::{Stage, secret, title};

const PASSPHRASE: &str = "correct horse battery staple";

#[derive(Debug)]
pub(crate) struct Keys {
    passphrase: String,
}

impl Keys {
    pub(crate) fn new(stage: &Stage) -> Result<Self, String> {
        title("Somebody signs who may not, and somebody who may");
        let passphrase = stage.folder.join("passphrase");
        secret(&passphrase, PASSPHRASE).map_err(|error| error.to_string())?;
        let keys = Self { passphrase: passphrase.display().to_string() };
        for (name, role) in [("otto", "operator"), ("anna", "custodian")] {
            let out = stage.path(&format!("{name}.pem"));
            let line = [
                "keygen",
                "--out",
                &out,
                "--name",
                name,
                "--roles",
                role,
                "--passphrase-file",
                &keys.passphrase,
            ];
            stage.keep(&format!("{name}.json"), &line)?;
        }
        let (otto, anna) = (stage.path("otto.json"), stage.path("anna.json"));
        stage.keep("keyring.json", &["keyring", "draft", "--add", &otto, "--add", &anna])?;
        fs::set_permissions(stage.folder.join("keyring.json"), fs::Permissions::from_mode(0o600))
            .map_err(|error| error.to_string())?;
        println!(
            "  two keys, encrypted at rest: otto may act as operator, anna as custodian; the keyring is on the node"
        );
        Ok(keys)
    }

    /// Signs the draft; the name of the file with the envelope.
    pub(crate) fn sign(&self, stage: &Stage, who: &str, draft: &str) -> Result<String, String> {
        let (key, from) = (stage.path(&format!("{who}.pem")), stage.path(draft));
        let name = draft.replace(".json", &format!("-by-{who}.json"));
        stage.keep(&name, &["op", "sign", "--key", &key, "--passphrase-file", &self.passphrase, &from])?;
        Ok(stage.path(&name))
    }
}
