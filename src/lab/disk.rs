//! Disks that stall: the two kinds of `kafka.md` §13, both behind real ext4 file systems, both needing root.
//!
//! *Loop*: the image is mounted through a loop device and `fsfreeze` blocks writers at once. *Stallable*: the block device itself is
//! an nbdkit process seen through nbdfuse, and SIGSTOP of nbdkit stalls it under the page cache, as a dying disk does. A guard,
//! a small shell that outlives the lab, thaws and unmounts when the lab ends, however it ends.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::adapters::clock;
use crate::lab::LabError;
use crate::lab::options::Disk;
use crate::lab::process::{Nursery, Process};

/// A file system of its own under one broker's log folder.
#[derive(Debug)]
pub(crate) struct Volume {
    mount: PathBuf,
    /// Unmounts when dropped: after whoever writes here, before the device below goes.
    _guard: Guard,
    device: Device,
}

#[derive(Debug)]
enum Device {
    Loop,
    /// The process that is the block device, and the one that shows it as a file.
    Stallable {
        disk: Arc<Process>,
        _window: Arc<Process>,
    },
}

/// Ample for a test's records; the image is sparse.
const IMAGE_BYTES: u64 = 2 << 30;
const MOUNT_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Volume {
    /// Makes and mounts a volume at `mount`; its image and sockets lie in `beside`. Blocks.
    ///
    /// Errors: [`LabError::Skipped`] if this machine cannot; it says what is missing.
    pub(crate) fn make(kind: Disk, beside: &Path, mount: &Path, nursery: &Nursery) -> Result<Option<Self>, LabError> {
        let stallable = match kind {
            Disk::Folder => return Ok(None),
            Disk::Loop => false,
            Disk::Stallable => true,
        };
        if !geteuid().is_root() {
            return Err(LabError::Skipped("disk faults mount file systems, which needs root".to_owned()));
        }
        let image = beside.join("disk.img");
        File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).map_err(LabError::file("make", &image))?;
        let guard = Guard::post(beside, mount)?;
        let device = if stallable { Self::stallable(beside, &image, nursery)? } else { Device::Loop };
        let block = match device {
            Device::Loop => image,
            Device::Stallable { .. } => beside.join("window").join("nbd"),
        };
        tool("mkfs.ext4", &["-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", &text(&block)])?;
        tool("mount", &["-o", "loop", &text(&block), &text(mount)])?;
        Ok(Some(Self { mount: mount.to_owned(), _guard: guard, device }))
    }

    fn stallable(beside: &Path, image: &Path, nursery: &Nursery) -> Result<Device, LabError> {
        for (program, argument) in [("nbdkit", "--version"), ("nbdfuse", "--version"), ("fusermount3", "--version")] {
            tool(program, &[argument])?;
        }
        let (socket, window, log) = (beside.join("disk.sock"), beside.join("window"), beside.join("disk.log"));
        std::fs::create_dir_all(&window).map_err(LabError::file("make", &window))?;
        let words = |line: &[&str]| line.iter().map(ToString::to_string).collect::<Vec<_>>();
        let disk =
            nursery.spawn("nbdkit", &words(&["nbdkit", "-f", "-U", &text(&socket), "file", &text(image)]), &log)?;
        until("nbdkit to listen", &disk, || socket.exists())?;
        let file = window.join("nbd");
        let show = words(&["nbdfuse", &text(&file), "--unix", &text(&socket)]);
        let shown = nursery.spawn("nbdfuse", &show, &log)?;
        until("nbdfuse to show the disk", &shown, || file.exists())?;
        Ok(Device::Stallable { disk: Arc::new(disk), _window: Arc::new(shown) })
    }

    /// Freezes the file system: writers block at once.
    pub(crate) fn freeze(&self) -> Result<(), LabError> {
        tool("fsfreeze", &["--freeze", &text(&self.mount)])
    }

    /// Lets writers go on.
    pub(crate) fn thaw(&self) -> Result<(), LabError> {
        tool("fsfreeze", &["--unfreeze", &text(&self.mount)])
    }

    /// Stops the block device, or lets it go on; none on a volume whose device cannot be stopped.
    pub(crate) fn device(&self) -> Option<Arc<Process>> {
        match &self.device {
            Device::Loop => None,
            Device::Stallable { disk, .. } => Some(Arc::clone(disk)),
        }
    }

    /// Ends every stall, so that those who wait in the kernel can die.
    pub(crate) fn release(&self) {
        // A file system that is not frozen refuses to thaw, and a device that runs ignores SIGCONT: both are what is wanted.
        let _thawed = self.thaw();
        if let Some(device) = self.device() {
            let _running = device.signal(Signal::SIGCONT);
        }
    }
}

/// The shell that cleans up: it waits for the end of its standard input, which comes with the lab's own end.
#[derive(Debug)]
struct Guard(Child);

/// `$1` is the mount point, `$2` the folder that nbdfuse shows its file in. Writers may take a moment to die: a few attempts,
/// then a lazy unmount, which always succeeds.
const CLEAN_UP: &str = r#"
trap '' INT TERM HUP
cat >/dev/null
fsfreeze --unfreeze "$1"
tries=0
while mountpoint -q "$1" && ! umount "$1" && [ $tries -lt 50 ]; do tries=$((tries + 1)); sleep 0.1; done
umount -l "$1"
fusermount3 -u "$2" || fusermount3 -uz "$2"
rm -f "$3"
"#;

impl Guard {
    fn post(beside: &Path, mount: &Path) -> Result<Self, LabError> {
        let paths = [mount.to_owned(), beside.join("window"), beside.join("disk.img")];
        Command::new("sh")
            .args(["-c", CLEAN_UP, "lab-guard"])
            .args(paths)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
            .map_err(|source| LabError::Missing { program: "sh", package: "dash", source })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing its input is the signal; waiting makes sure that the folder below is free to be removed.
        drop(self.0.stdin.take());
        let _done = self.0.wait();
    }
}

fn until(awaited: &str, process: &Process, holds: impl Fn() -> bool) -> Result<(), LabError> {
    let deadline = clock::now() + MOUNT_WITHIN;
    while !holds() {
        if process.ended().is_some() || deadline <= clock::now() {
            return Err(LabError::Skipped(format!("{awaited} was in vain: {}", process.log_tail())));
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Runs one of the tools; a machine without it, or where it fails, cannot have disk faults.
fn tool(program: &'static str, arguments: &[&str]) -> Result<(), LabError> {
    let skipped = |why: String| LabError::Skipped(format!("{program} {}: {why}", arguments.join(" ")));
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().map_err(|error| {
        skipped(format!("{error} (Debian: apt-get install e2fsprogs mount util-linux nbdkit libnbd-bin fuse3)"))
    })?;
    if output.status.success() {
        Ok(())
    } else {
        Err(skipped(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }
}
