//! Storages and the volumes on them. Both lists leave out what the token may not see: an empty one is no proof.

use serde::Deserialize;

use super::client::{Client, Intent, LIST, Submitted};
use super::error::PveError;
use super::form::{Form, segment};
use super::perl;
use crate::http::Method;
use crate::journal::Recorded;
use crate::model::guest::{GuestId, Vmid};
use crate::model::step::Step;
use crate::model::volume;

/// A storage as this node sees it. Sizes in bytes, `None` when it is not active.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Storage {
    #[serde(rename = "storage")]
    pub id: String,
    /// `dir`, `zfspool`, `pbs`, …
    #[serde(default, rename = "type", deserialize_with = "perl::text")]
    pub kind: Option<String>,
    /// `backup,images,rootdir`
    #[serde(default, deserialize_with = "perl::text")]
    pub content: Option<String>,
    #[serde(default, deserialize_with = "perl::flag")]
    pub active: Option<bool>,
    #[serde(default, deserialize_with = "perl::flag")]
    pub enabled: Option<bool>,
    #[serde(default, deserialize_with = "perl::switch")]
    pub shared: bool,
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub total: Option<u64>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub used: Option<u64>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub avail: Option<u64>,
}

impl Storage {
    /// `["backup", "images"]`
    pub fn contents(&self) -> impl Iterator<Item = &str> {
        self.content.as_deref().unwrap_or_default().split(',').filter(|kind| !kind.is_empty())
    }

    pub fn holds(&self, kind: ContentKind) -> bool {
        self.contents().any(|content| content == kind.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentKind {
    Backup,
    Images,
    Rootdir,
    Iso,
    Template,
    Snippets,
}

impl ContentKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Images => "images",
            Self::Rootdir => "rootdir",
            Self::Iso => "iso",
            Self::Template => "vztmpl",
            Self::Snippets => "snippets",
        }
    }
}

/// One row of a storage's content.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Volume {
    /// `store:backup/vzdump-lxc-103-….tar.zst`
    pub volid: String,
    #[serde(default, deserialize_with = "perl::text")]
    pub content: Option<String>,
    #[serde(default, deserialize_with = "perl::text")]
    pub format: Option<String>,
    /// The kind of guest of a backup: `lxc` or `qemu`.
    #[serde(default, deserialize_with = "perl::text")]
    pub subtype: Option<String>,
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub vmid: Option<u64>,
    /// Seconds since 1970.
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub ctime: Option<u64>,
    /// In bytes.
    #[serde(default, deserialize_with = "perl::unsigned")]
    pub size: Option<u64>,
    #[serde(default, deserialize_with = "perl::text")]
    pub notes: Option<String>,
    #[serde(default, deserialize_with = "perl::switch")]
    pub protected: bool,
    /// A backup server's: the fingerprint of the key it is encrypted with, or `1`.
    #[serde(default, deserialize_with = "perl::text")]
    pub encrypted: Option<String>,
    /// A backup server's.
    #[serde(default)]
    pub verification: Option<Verification>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Verification {
    /// `ok` or `failed`.
    #[serde(default, deserialize_with = "perl::text")]
    pub state: Option<String>,
}

impl Client {
    /// `GET /nodes/{node}/storage`: activates each storage, 60 ms and more on a real node.
    pub fn storages(&self) -> Result<Vec<Storage>, PveError> {
        self.get(&self.on_node("/storage")?, &Form::new(), LIST)
    }

    /// The volumes of one kind, or of one guest, that the token may see. A storage that is offline is an error.
    pub fn content(
        &self,
        storage: &str,
        kind: Option<ContentKind>,
        vmid: Option<Vmid>,
    ) -> Result<Vec<Volume>, PveError> {
        let form = Form::new().with_some("content", kind.map(ContentKind::as_str)).with_some("vmid", vmid);
        self.get(&self.on_node(&format!("/storage/{}/content", segment(storage)))?, &form, LIST)
    }

    /// One storage; `None` if this node has none of that name.
    pub fn storage(&self, id: &str) -> Result<Option<Storage>, PveError> {
        let rows: Vec<Storage> =
            self.get(&self.on_node("/storage")?, &Form::new().with("storage", id), LIST)?;
        Ok(rows.into_iter().find(|row| row.id == id))
    }

    /// Deletes a backup, `store:backup/…`. Deleting one that is not there succeeds.
    pub fn delete_backup(
        &self,
        recorded: &Recorded,
        guest: GuestId,
        volid: &str,
    ) -> Result<Submitted, PveError> {
        let step = Step::DeleteBackup { guest, volid: volid.to_owned() };
        let storage = segment(volume::storage(volid));
        let path = self.on_node(&format!("/storage/{storage}/content/{}", segment(volid)))?;
        self.submit(&Intent::exactly(recorded, &step), &Method::DELETE, &path, &Form::new())
    }
}
