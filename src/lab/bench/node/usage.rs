//! What the kernel says about a process: its memory and the CPU time that it has had.

use std::fs;
use std::time::Duration;

use nix::time::ClockId;
use nix::unistd::Pid;

use crate::lab::LabError;

/// A process's memory. Units: KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    /// Resident now.
    pub(super) resident_kib: u64,
    /// The most that ever was.
    pub(super) peak_kib: u64,
    /// Resident now and no file's: what the program itself has allocated.
    pub(super) anonymous_kib: u64,
}

/// Reads a process's memory.
pub(super) fn memory(pid: u32) -> Result<Memory, LabError> {
    let path = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&path).map_err(LabError::file("read", &path))?;
    let field = |name: &str| {
        field(&text, name).ok_or_else(|| LabError::Usage(format!("{path} has no {name}: is this another kernel?")))
    };
    Ok(Memory { resident_kib: field("VmRSS")?, peak_kib: field("VmHWM")?, anonymous_kib: field("RssAnon")? })
}

fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// Gives the CPU time that a process has had since it started, all threads together.
pub(super) fn cpu_time(pid: u32) -> Result<Duration, LabError> {
    let failed = |errno: nix::errno::Errno| LabError::Command {
        command: format!("read the CPU clock of process {pid}"),
        output: errno.to_string(),
    };
    let raw = i32::try_from(pid).map_err(|_| LabError::Usage(format!("{pid} is no process id")))?;
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(raw)).map_err(failed)?;
    clock.now().map(Duration::from).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_has_had_time() {
        let own = std::process::id();
        let memory = memory(own).unwrap();
        assert!(0 < memory.anonymous_kib && memory.anonymous_kib <= memory.resident_kib);
        assert!(memory.resident_kib <= memory.peak_kib, "{memory:?}");
        assert!(Duration::ZERO < cpu_time(own).unwrap());
    }

    #[test]
    fn a_field_is_read_by_its_whole_name() {
        let text = "VmRSSx:\t 1 kB\nVmRSS:\t   412 kB\nVmHWM:\tmany kB\n";
        assert_eq!((field(text, "VmRSS"), field(text, "VmHWM"), field(text, "Vm")), (Some(412), None, None));
    }
}
