//! A child process and its descendants: started with bounds, measured, and ended on every path out.
//! It knows nothing of what the processes do.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// How long a process may take to end after SIGTERM before it is killed.
const END_WAIT: Duration = Duration::from_secs(3);

/// A running child. Dropping it ends it and all its descendants.
pub struct Process {
    name: &'static str,
    child: Child,
}

/// Resident memory of a process and its descendants, in bytes. Pages that they share count once for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub now: u64,
    pub peak: u64,
}

impl Process {
    /// Starts `command` with its output appended to `output`, on the given cores if any.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(
        name: &'static str,
        command: Command,
        output: &Path,
        cores: Option<&[usize]>,
    ) -> Result<Process> {
        Process::start_to_die_by(Signal::SIGTERM, name, command, output, cores)
    }

    /// The same, for a process that may be stopped when this program is killed: a stopped one would only wake to SIGKILL.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub fn start_stoppable(name: &'static str, command: Command, output: &Path) -> Result<Process> {
        Process::start_to_die_by(Signal::SIGKILL, name, command, output, None)
    }

    fn start_to_die_by(
        death: Signal,
        name: &'static str,
        mut command: Command,
        output: &Path,
        cores: Option<&[usize]>,
    ) -> Result<Process> {
        let log = fs::File::options().create(true).append(true).open(output)?;
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let affinity = cores.map(cpu_set).transpose()?;
        // SAFETY: between fork and exec only system calls are made, without allocation.
        unsafe {
            command.pre_exec(move || {
                // Even if this program is killed, its children do not outlive it.
                nix::sys::prctl::set_pdeathsig(death)?;
                if let Some(set) = &affinity {
                    sched_setaffinity(Pid::from_raw(0), set)?;
                }
                Ok(())
            });
        }
        let program = command.get_program().to_owned();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Process { name, child })
    }

    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("{}: cannot send {signal}", self.name))
    }

    /// Ends it as a crash does, and waits until it is gone.
    ///
    /// # Errors
    /// When it had gone by itself.
    pub fn crash(mut self) -> Result<()> {
        self.still_runs()?;
        self.signal(Signal::SIGKILL)?;
        self.child.wait()?;
        Ok(())
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// # Errors
    /// When the process has ended already: nothing else here means to end it.
    pub fn still_runs(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => bail!("{} ended by itself: {status}", self.name),
            None => Ok(()),
        }
    }

    /// Processor time of all threads of the process and its descendants since they began, with a nanosecond clock
    /// (`/proc/PID/stat` counts in 10 ms).
    ///
    /// # Errors
    /// When one of the processes is gone.
    pub fn cpu(&self) -> Result<Cpu> {
        let pids = self.tree();
        let times = pids
            .iter()
            .map(|pid| Ok(Duration::from(clock_getcpuclockid(*pid)?.now()?)));
        let time = times
            .sum::<Result<Duration, nix::Error>>()
            .with_context(|| format!("{}: no CPU clock", self.name))?;
        Ok(Cpu {
            name: self.name,
            pids,
            time,
        })
    }

    /// Processor time of the process's threads of one name since they began; zero where there is none. The name is what the kernel
    /// knows of it: its first 15 bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cpu_of_threads(&self, name: &str) -> Result<Duration> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid()));
        let threads = threads.with_context(|| format!("{}: no threads", self.name))?;
        let mut nanos = 0;
        for thread in threads.flatten() {
            let read = |file: &str| fs::read_to_string(thread.path().join(file)).ok();
            if read("comm").is_some_and(|comm| comm.trim() == name) {
                let ran = read("schedstat").and_then(|text| text.split(' ').next()?.parse().ok());
                nanos += ran.unwrap_or(0_u64);
            }
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// # Errors
    /// When one of the processes is gone.
    pub fn memory(&self) -> Result<Memory> {
        let mut memory = Memory { now: 0, peak: 0 };
        for pid in self.tree() {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))
                .with_context(|| format!("{}: no status", self.name))?;
            memory.now += status_bytes(&status, "VmRSS:").unwrap_or(0);
            memory.peak += status_bytes(&status, "VmHWM:").unwrap_or(0);
        }
        Ok(memory)
    }

    /// The process and its descendants.
    fn tree(&self) -> Vec<Pid> {
        let parents = parents();
        let mut tree = vec![self.pid()];
        let mut next = 0;
        while let Some(parent) = tree.get(next).copied() {
            tree.extend(
                parents
                    .iter()
                    .filter(|(_, of)| *of == parent)
                    .map(|(pid, _)| *pid),
            );
            next += 1;
        }
        tree
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            // Its number may be another's by now.
            return;
        }
        let tree = self.tree();
        // A process that is gone already needs no signal: errors change nothing here. One that is stopped must be woken.
        let _ = kill(tree[0], Signal::SIGTERM);
        let _ = kill(tree[0], Signal::SIGCONT);
        let deadline = Instant::now() + END_WAIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            eprintln!(
                "{} did not end within {} s of SIGTERM; killed",
                self.name,
                END_WAIT.as_secs()
            );
            tree.iter().for_each(|pid| {
                let _ = kill(*pid, Signal::SIGKILL);
            });
            let _ = self.child.wait();
        }
    }
}

/// A reading of the CPU clocks of a process tree.
pub struct Cpu {
    name: &'static str,
    pids: Vec<Pid>,
    time: Duration,
}

impl Cpu {
    /// Processor time since an `earlier` reading.
    ///
    /// # Errors
    /// When processes came or went in between, because their time would be missing.
    pub fn since(&self, earlier: &Cpu) -> Result<Duration> {
        if self.pids != earlier.pids {
            bail!(
                "{}: processes changed while measured: {:?} before, {:?} after",
                self.name,
                earlier.pids,
                self.pids
            );
        }
        Ok(self.time.saturating_sub(earlier.time))
    }
}

/// Every process of the machine and its parent.
fn parents() -> Vec<(Pid, Pid)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may hold anything; state and parent follow its last parenthesis.
        let parent = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()?;
        Some((Pid::from_raw(pid), Pid::from_raw(parent)))
    })
    .collect()
}

fn status_bytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn cpu_set(cores: &[usize]) -> Result<CpuSet> {
    let mut set = CpuSet::new();
    cores
        .iter()
        .try_for_each(|core| set.set(*core))
        .context("no such core")?;
    Ok(set)
}

/// The cores that this process may run on, in order.
///
/// # Errors
/// When the kernel does not tell.
pub fn allowed_cores() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("cannot read the allowed cores")?;
    Ok((0..CpuSet::count())
        .filter(|core| set.is_set(*core).unwrap_or(false))
        .collect())
}

/// Keeps this process, and with it the threads that it starts later, on the given cores.
///
/// # Errors
/// When a core does not exist.
pub fn stay_on(cores: &[usize]) -> Result<()> {
    sched_setaffinity(Pid::from_raw(0), &cpu_set(cores)?).context("cannot stay on the cores")
}

/// Raises this process's limit of open files, and so its children's, as far as it may.
///
/// # Errors
/// When that is not enough for `needed` files.
pub fn allow_open_files(needed: u64) -> Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    if hard < needed {
        bail!(
            "the limit of open files is {hard} and {needed} are needed: raise it with `ulimit -Hn {needed}` as root"
        );
    }
    Ok(())
}
