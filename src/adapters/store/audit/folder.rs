//! The folders around the store: whose it is, how it comes into being, and how it is set aside.
//!
//! ```text
//! <dir>/store/          the store in use: sled's files and `identity`
//! <dir>/store.new/      a store that is being created; it becomes `store` by a rename, whole or not at all
//! <dir>/quarantined-1/  what was once `store` and could not be trusted any more, with the reason in `WHY`
//! ```
//!
//! It deliberately deletes nothing but `store.new`: what was set aside is kept for a person to look at and to remove.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::engine::{Engine, EngineError};
use super::{Identity, OpenError};
use crate::model::canon::{from_canonical_bytes, to_canonical_bytes};
use crate::model::chain::sha256;

/// The version of the layout within sled; another one is refused, never converted silently.
const FORMAT: u32 = 1;

/// What must be free on the disk before anything is written.
///
/// Units: bytes. sled grows by segments of 512 KiB and writes a snapshot at open; it must never meet a full disk itself.
pub(super) const RESERVE_BYTES: u64 = 8 * 1024 * 1024;

/// The folder that holds the store, and those around it.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    dir: PathBuf,
}

/// What stands where the store should be.
pub(super) enum Standing {
    /// Nothing.
    Absent,
    /// A store of ours.
    Ours,
    /// Something that was a store, but does not say whose.
    Unreadable(String),
}

#[derive(Serialize, Deserialize)]
struct IdentityFile {
    cluster: String,
    format: u32,
    node: u64,
}

impl Folder {
    /// Gives the folder, made if it was not there.
    pub(super) fn prepare(dir: &Path) -> Result<Self, OpenError> {
        let folder = Self { dir: dir.to_owned() };
        fs::create_dir_all(dir).map_err(|error| folder.refused("create the folder", &error))?;
        Ok(folder)
    }

    pub(super) fn store(&self) -> PathBuf {
        self.dir.join("store")
    }

    /// Says whether something stands where the store should be.
    pub(super) fn has_store(&self) -> bool {
        self.store().symlink_metadata().is_ok()
    }

    /// Refuses when the disk is nearly full.
    pub(super) fn require_space(&self, wanted_bytes: u64) -> Result<(), Shortage> {
        match free_bytes(&self.dir) {
            Ok(free_bytes) if free_bytes < wanted_bytes => Err(Shortage { free_bytes, wanted_bytes }),
            // Where the machine does not tell, writing tells.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Says what stands where the store should be.
    ///
    /// Errors: a store of another node, cluster or version is refused and not touched.
    pub(super) fn look(&self, wanted: &Identity) -> Result<Standing, OpenError> {
        let path = self.store();
        match fs::metadata(&path) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Standing::Absent),
            Err(error) => return Err(self.refused("look into the folder", &error)),
        }
        let bytes = match fs::read(path.join("identity")) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Standing::Unreadable("its identity file is missing".to_owned()));
            }
            Err(error) => return Err(self.refused("read the identity file", &error)),
        };
        let Some(found) = read_identity(&bytes) else {
            return Ok(Standing::Unreadable("its identity file is damaged".to_owned()));
        };
        if found.format != FORMAT {
            return Err(OpenError::OtherVersion { path, found: found.format, wanted: FORMAT });
        }
        if found.node != wanted.node.0 || found.cluster != wanted.cluster.0 {
            let found = format!("node {} of cluster {}", found.node, found.cluster);
            let wanted = format!("node {} of cluster {}", wanted.node.0, wanted.cluster);
            return Err(OpenError::Foreign { path, found, wanted });
        }
        Ok(Standing::Ours)
    }

    /// Creates an empty store where none is.
    pub(super) fn create(&self, identity: &Identity) -> Result<(), OpenError> {
        let fresh = self.dir.join("store.new");
        let made = (|| {
            match fs::remove_dir_all(&fresh) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            fs::create_dir(&fresh)?;
            write_synced(&fresh.join("identity"), &identity_bytes(identity))
        })();
        made.map_err(|error| self.refused("create the store", &error))?;
        let engine = Engine::open(&fresh).and_then(|engine| engine.sync());
        engine.map_err(|error| self.engine_refused(error))?;
        let published =
            sync_files(&fresh).and_then(|()| fs::rename(&fresh, self.store())).and_then(|()| sync_dir(&self.dir));
        published.map_err(|error| self.refused("put the new store into place", &error))
    }

    /// Sets the store aside and gives its new path.
    pub(super) fn quarantine(&self, why: &str) -> Result<PathBuf, OpenError> {
        let taken = (1_u32..).map(|n| self.dir.join(format!("quarantined-{n}")));
        let mut free = taken.skip_while(|path| path.symlink_metadata().is_ok());
        let aside = free.next().unwrap_or_else(|| self.dir.join("quarantined"));
        let moved = fs::rename(self.store(), &aside).and_then(|()| sync_dir(&self.dir));
        moved.map_err(|error| self.refused("set the damaged store aside", &error))?;
        // The reason is also returned and logged; a full disk must not keep the store from being set aside.
        let _noted_or_not = fs::write(aside.join("WHY"), format!("{why}\n"));
        Ok(aside)
    }

    /// Turns an error of the engine that is not damage into one for the caller.
    pub(super) fn engine_refused(&self, error: EngineError) -> OpenError {
        match error {
            EngineError::Locked => OpenError::Locked { path: self.store() },
            EngineError::Io { what, kind, message } => self.refused(what, &io::Error::new(kind, message)),
            EngineError::Damaged(why) | EngineError::SyncFailed(why) => OpenError::Unusable { path: self.store(), why },
            EngineError::ProcessWide(why) => OpenError::Unusable { path: self.store(), why },
        }
    }

    fn refused(&self, what: &'static str, error: &io::Error) -> OpenError {
        use io::ErrorKind::{PermissionDenied, QuotaExceeded, StorageFull};
        let path = self.dir.clone();
        if error.kind() == PermissionDenied {
            return OpenError::Denied { path, what };
        }
        if matches!(error.kind(), StorageFull | QuotaExceeded) {
            return OpenError::DiskFull { path, free_bytes: 0, wanted_bytes: RESERVE_BYTES };
        }
        OpenError::Io { path, what, message: error.to_string() }
    }
}

/// The disk holds less than is needed.
pub(super) struct Shortage {
    pub(super) free_bytes: u64,
    pub(super) wanted_bytes: u64,
}

fn free_bytes(dir: &Path) -> io::Result<u64> {
    let disk = nix::sys::statvfs::statvfs(dir)?;
    Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

fn identity_bytes(identity: &Identity) -> Vec<u8> {
    let file = IdentityFile { cluster: identity.cluster.0.clone(), format: FORMAT, node: identity.node.0 };
    // Text and two integers always have canonical bytes; were it otherwise, the file would read as damaged.
    let mut bytes = to_canonical_bytes(&file).unwrap_or_default();
    let check = sha256(&bytes);
    bytes.extend_from_slice(format!("\n{check}\n").as_bytes());
    bytes
}

/// Reads the identity, or none where its own checksum does not fit: a flipped bit must not look like another node.
fn read_identity(bytes: &[u8]) -> Option<IdentityFile> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (line, check) = text.split_once('\n')?;
    let intact = check.strip_suffix('\n')? == sha256(line.as_bytes()).to_string();
    intact.then(|| from_canonical_bytes(line.as_bytes()).ok()).flatten()
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_files(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        File::open(entry?.path())?.sync_all()?;
    }
    sync_dir(dir)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
