//! A file system in memory for the journal, so that a run costs microseconds and leaves nothing behind.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use felhom_agent::journal::{Facts, Fs, Mode};

type Bytes = Rc<RefCell<Vec<u8>>>;

/// Clones share the files.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    files: Rc<RefCell<BTreeMap<PathBuf, (u64, Bytes)>>>,
    made: Rc<RefCell<u64>>,
}

#[derive(Clone, Debug)]
pub struct Open {
    birth: u64,
    bytes: Bytes,
}

impl Memory {
    /// Another file system with the same content.
    pub fn copy(&self) -> Self {
        let files = self.files.borrow();
        let copied = files
            .iter()
            .map(|(path, (birth, bytes))| {
                (path.clone(), (*birth, Rc::new(RefCell::new(bytes.borrow().clone()))))
            })
            .collect();
        Self { files: Rc::new(RefCell::new(copied)), made: Rc::new(RefCell::new(*self.made.borrow())) }
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        self.files.borrow().keys().cloned().collect()
    }

    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        self.files.borrow().get(path).map(|(_, bytes)| bytes.borrow().clone())
    }

    /// Puts bytes into a file, which stays the file it is.
    pub fn put(&self, path: &Path, content: Vec<u8>) {
        if let Some((_, bytes)) = self.files.borrow().get(path) {
            *bytes.borrow_mut() = content;
        }
    }
}

fn missing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Fs for Memory {
    type File = Open;

    fn make_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        let files = self.files.borrow();
        let inside = files.keys().filter(|path| path.parent() == Some(folder));
        Ok(inside.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
    }

    fn free_bytes(&self, _folder: &Path) -> io::Result<u64> {
        Ok(1 << 40)
    }

    fn uid(&self) -> u32 {
        0
    }

    fn open(&self, path: &Path, _mode: Mode) -> io::Result<Open> {
        let files = self.files.borrow();
        let (birth, bytes) = files.get(path).ok_or_else(missing)?;
        Ok(Open { birth: *birth, bytes: Rc::clone(bytes) })
    }

    fn create(&self, path: &Path) -> io::Result<Open> {
        if self.files.borrow().contains_key(path) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        *self.made.borrow_mut() += 1;
        let (birth, bytes) = (*self.made.borrow(), Bytes::default());
        self.files.borrow_mut().insert(path.to_owned(), (birth, Rc::clone(&bytes)));
        Ok(Open { birth, bytes })
    }

    fn facts(&self, file: &Open) -> io::Result<Facts> {
        let length = file.bytes.borrow().len() as u64;
        Ok(Facts { regular: true, links: 1, uid: 0, length, birth: file.birth.to_string() })
    }

    fn read(&self, file: &Open, limit: u64) -> io::Result<Vec<u8>> {
        let bytes = file.bytes.borrow();
        let end = usize::try_from(limit).map_or(bytes.len(), |limit| limit.min(bytes.len()));
        Ok(bytes[..end].to_vec())
    }

    fn write(&self, file: &Open, bytes: &[u8]) -> io::Result<usize> {
        file.bytes.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_at(&self, file: &Open, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let mut content = file.bytes.borrow_mut();
        let end = offset + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[offset..end].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn cut(&self, file: &Open, length: u64) -> io::Result<()> {
        file.bytes.borrow_mut().resize(usize::try_from(length).map_err(io::Error::other)?, 0);
        Ok(())
    }

    fn sync(&self, _file: &Open) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.files.borrow_mut();
        let file = files.remove(from).ok_or_else(missing)?;
        files.insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.borrow_mut().remove(path).map(drop).ok_or_else(missing)
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        Ok(())
    }
}
