//! A cluster's folder: kept where a person named it, removed where the lab chose.
//!
//! A lab that is killed cannot remove its own; the next one removes what dead labs left, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::LabError;

/// The beginning of every temporary folder's name.
const PREFIX: &str = "tanist-lab-";
/// Names the process that the folder belongs to.
const OWNER: &str = "lab.pid";

/// Where a cluster's nodes keep their logs, settings and data.
#[derive(Debug)]
pub(crate) enum Folder {
    /// A person's own.
    Named(PathBuf),
    /// Removed with the cluster.
    Temporary(tempfile::TempDir),
}

impl Folder {
    /// Makes the folder that a person named, or a temporary one in `parent` or else where the system keeps such.
    pub(crate) fn make(named: Option<&Path>, parent: Option<&Path>) -> Result<Self, LabError> {
        if let Some(path) = named {
            fs::create_dir_all(path).map_err(LabError::file("make", path))?;
            return fs::canonicalize(path).map(Self::Named).map_err(LabError::file("find", path));
        }
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        sweep(&parent);
        let made = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(&parent)
            .map_err(LabError::file("make a folder in", &parent))?;
        let owner = made.path().join(OWNER);
        fs::write(&owner, std::process::id().to_string()).map_err(LabError::file("write", &owner))?;
        Ok(Self::Temporary(made))
    }

    /// Gives where it is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Named(path) => path,
            Self::Temporary(temporary) => temporary.path(),
        }
    }
}

/// Removes the folders of labs whose process is gone; one that cannot be read or removed is left for its owner.
fn sweep(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let ours = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PREFIX));
        let owner = fs::read_to_string(path.join(OWNER)).ok().and_then(|text| text.parse::<u32>().ok());
        if ours && owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            let _removed_or_left = fs::remove_dir_all(&path);
        }
    }
}
