//! The pause file of a node: looked for before the node takes part, and all the time from then on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::control::event::PauseFile;

/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Looks for a pause file; one that cannot be looked for counts as there.
pub(super) async fn look_for(path: &Path) -> PauseFile {
    match tokio::fs::try_exists(path).await {
        Ok(false) => PauseFile::Absent,
        Ok(true) => PauseFile::Present,
        Err(_) => PauseFile::Unreadable,
    }
}

/// Tells when it appears or goes away, after it was last seen as `seen`.
pub(super) async fn watch(path: PathBuf, mut seen: PauseFile, tell: mpsc::Sender<PauseFile>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let file = look_for(&path).await;
        if seen != file {
            seen = file;
            if tell.send(file).await.is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_seen_at_once_and_told_of_when_that_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("PAUSE");
        assert_eq!(look_for(&path).await, PauseFile::Absent);
        std::fs::write(&path, "").unwrap();
        assert_eq!(look_for(&path).await, PauseFile::Present);
        assert_eq!(look_for(&path.join("in a file that is no folder")).await, PauseFile::Unreadable);
        let (tell, mut told) = mpsc::channel(4);
        let watching = tokio::spawn(watch(path.clone(), PauseFile::Present, tell));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(told.recv().await, Some(PauseFile::Absent), "what was known is not told again");
        watching.abort();
    }
}
