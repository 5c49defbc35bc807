//! One run of the tap as a process: its lines, its exit code, and a signal at a given line or request.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use sentry_simulator::Simulator;

use super::trouble::{Signal, Stop, When};

/// After this time a run hangs. A bucket of the server may have it wait for a minute.
const PATIENCE: Duration = Duration::from_secs(150);

/// How a run ended.
pub struct Ended {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// What the target has read.
    pub lines: Vec<String>,
    /// What the log says.
    pub log: String,
    /// How it came to its end.
    pub end: End,
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Own,
    /// The planned signal was sent.
    Stopped,
    /// It hung, and had to be ended.
    Hung,
}

/// Runs a command. A planned stop at a request is made by the simulator while it holds the request.
pub fn run(mut command: Command, simulator: &Simulator, stop: Option<Stop>) -> Ended {
    let log = tempfile::NamedTempFile::new().expect("a file");
    command.stdout(Stdio::piped()).stderr(log.reopen().expect("a file"));
    let pid = Arc::new(AtomicU32::new(0));
    let struck = Arc::new(AtomicU32::new(0));
    if let Some(Stop { signal, when: When::Request(nth) }) = stop {
        let (pid, struck) = (Arc::clone(&pid), Arc::clone(&struck));
        simulator.plan("", nth, move |_| {
            struck.store(1, Ordering::SeqCst);
            send(signal, pid.load(Ordering::SeqCst));
        });
    }
    let mut child = command.spawn().expect("the tap starts");
    pid.store(child.id(), Ordering::SeqCst);
    let lines = lines_of(&mut child);
    let at_line = stop.and_then(|stop| match stop.when {
        When::Line(line) => Some((stop.signal, line)),
        When::Request(_) => None,
    });
    let (lines, hung, cut) = read(&lines, &child, at_line);
    if hung {
        send(Signal::Kill, child.id());
    }
    let code = wait(&mut child);
    pid.store(0, Ordering::SeqCst);
    let log = std::fs::read_to_string(log.path()).expect("text");
    let stopped = cut || struck.load(Ordering::SeqCst) == 1;
    let end = if hung {
        End::Hung
    } else if stopped {
        End::Stopped
    } else {
        End::Own
    };
    Ended { code, lines, log, end }
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let stdout = child.stdout.take().expect("stdout is piped");
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// The lines up to the end, whether it hung, and whether a signal was sent at a line. A target whose tap is killed reads
/// nothing more.
fn read(lines: &Receiver<String>, child: &Child, at_line: Option<(Signal, usize)>) -> (Vec<String>, bool, bool) {
    let deadline = Instant::now() + PATIENCE;
    let (mut taken, mut cut) = (Vec::new(), false);
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => taken.push(line),
            Err(RecvTimeoutError::Timeout) => return (taken, true, cut),
            Err(RecvTimeoutError::Disconnected) => return (taken, false, cut),
        }
        if let Some((signal, _)) = at_line.filter(|(_, line)| taken.len() == *line) {
            send(signal, child.id());
            cut = true;
            if signal == Signal::Kill {
                return (taken, false, true);
            }
        }
    }
}

fn wait(child: &mut Child) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("the tap was started here") {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().ok();
    child.wait().expect("the tap was started here").code()
}

/// Sends a signal, unless the process is gone.
fn send(signal: Signal, pid: u32) {
    let name = match signal {
        Signal::Kill => "-KILL",
        Signal::Term => "-TERM",
        Signal::Int => "-INT",
    };
    if pid != 0 {
        Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status().ok();
    }
}
