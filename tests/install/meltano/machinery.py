"""Helpers of the steps: commands with a log, a timed list of steps, and servers that are started and stopped."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path


class Skipped(Exception):
    """Something that the test needs, and that is not part of this project, is missing."""


class Failed(Exception):
    """A check failed."""


def expect(holds, what):
    """An assertion that also holds under `python -O`."""
    if not holds:
        raise Failed(what)


@dataclass
class Result:
    """How a command ended."""

    command: str
    code: int
    out: str
    err: str

    def tail(self, lines=40):
        """The end of its output, for people who want to know why it failed."""
        return "\n".join((self.out + self.err).splitlines()[-lines:])


def run(command, *, code=0, timeout=400, stdin=None, **options):
    """Runs a command to its end. `code` is the exit code it must have, or None for any."""
    command = [str(part) for part in command]
    shown = " ".join(Path(part).name if part.startswith("/") else part for part in command)
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, **options)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{shown}: no end after {timeout} s\n{(late.stderr or b'')[-4000:]!r}") from late
    result = Result(shown, done.returncode, done.stdout, done.stderr)
    if code is not None and result.code != code:
        raise Failed(f"{shown}: exit code {result.code} instead of {code}\n{result.tail()}")
    return result


@dataclass
class Steps:
    """The list of steps, and how long each took."""

    began: float = field(default_factory=time.monotonic)
    rows: list = field(default_factory=list)

    @contextlib.contextmanager
    def step(self, name):
        """Measures the time of a step. Notes that are put into the list are shown beside it."""
        start, notes = time.monotonic(), []
        print(f"\n=== {start - self.began:4.0f}s {name}", flush=True)
        yield notes
        seconds = time.monotonic() - start
        self.rows.append((name, seconds, "; ".join(notes)))
        for note in notes:
            print(f"    {note}", flush=True)

    def skip(self, name, why):
        """Prints what was left out."""
        print(f"\nSKIPPED: {name}: {why}", flush=True)
        self.rows.append((name, 0.0, f"SKIPPED: {why}"))

    def table(self):
        """All steps in order."""
        width = max(len(name) for name, _, _ in self.rows)
        lines = [f"{'step':<{width}}  seconds  result"]
        lines += [f"{name:<{width}}  {seconds:7.1f}  {note}".rstrip() for name, seconds, note in self.rows]
        lines.append(f"{'in all':<{width}}  {time.monotonic() - self.began:7.1f}")
        return "\n".join(lines)


def free_port():
    """A free port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def stop(process, how=signal.SIGTERM):
    """Ends a process that this script started. Kills it if it does not end by itself."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# ---- processes that others started -----------------------------------------------------------------------------------


def processes():
    """Pid, parent and arguments of everything that runs."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):
            arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            # The name in parentheses may hold parentheses too, so count from the last one.
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            yield int(folder.name), parent, arguments


def descendant(root, wanted, seconds=60):
    """Waits for a process below `root` whose arguments are `wanted`; returns its pid."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        family, known = {root}, list(processes())
        for _ in range(4):  # meltano, uv or a wrapper, the plugin: four generations are enough
            family |= {pid for pid, parent, _ in known if parent in family}
        for pid, _, arguments in known:
            if pid in family and pid != root and wanted(arguments):
                return pid
        time.sleep(0.05)
    raise Failed("the process to be stopped never came up")


def left_behind(folder):
    """Processes that still use a folder."""
    mine = os.getpid()
    return [arguments for pid, _, arguments in processes() if pid != mine and any(str(folder) in a for a in arguments)]


# ---- Python packages -------------------------------------------------------------------------------------------------


class Packages:
    """Virtual environments, filled by uv. It takes a tenth of the time of pip, and Meltano uses it too."""

    def __init__(self, work):
        self.work = work
        self.uv = work / "uv" / "bin" / "uv"
        if not self.uv.exists():
            try:
                run([sys.executable, "-m", "venv", work / "uv"])
                run([work / "uv" / "bin" / "python", "-m", "pip", "install", "--quiet", "uv"])
            except Failed as failed:
                raise Skipped(f"no package index, or no venv: {failed}") from failed

    def install(self, name, *requirements):
        """Makes an environment for some requirements. Returns its folder of programs."""
        folder = self.work / name
        if not folder.exists():
            try:
                run([self.uv, "venv", "--quiet", "--python", sys.executable, folder])
                run([self.uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *requirements])
            except Failed as failed:
                shutil.rmtree(folder, ignore_errors=True)
                raise Skipped(f"{' '.join(requirements)} cannot be installed: {failed}") from failed
        return folder / "bin"


# ---- PostgreSQL ------------------------------------------------------------------------------------------------------


class Postgres:
    """A PostgreSQL cluster that ends with this script."""

    def __init__(self):
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not versions:
            raise Skipped("no PostgreSQL")
        self.programs, self.port = versions[-1], free_port()
        # Not below the work folder, since the user that PostgreSQL runs as may not enter that.
        self.folder = Path(tempfile.mkdtemp(prefix="tap-sentry-postgres-"))
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, "postgres", "postgres")
        folder = self.folder / "data"
        self.run_own([self.programs / "initdb", "-D", folder, "-A", "trust", "-U", "postgres", "-E", "UTF8",
                      "--locale=C.UTF-8", "--no-sync"])
        # No fsync, since nothing has to outlive a power cut. No socket, since other clusters have theirs in the usual
        # place.
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
                    "synchronous_commit": "off", "full_page_writes": "off", "jit": "off"}
        command = [self.programs / "postgres", "-D", folder, "-p", str(self.port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self.log = open(self.folder / "postgres.log", "w")
        self.process = subprocess.Popen(self.own(command), stdout=self.log, stderr=self.log, env=self.environment(),
                                        cwd="/")
        try:
            self.wait()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def environment():
        return {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}

    @staticmethod
    def own(command):
        """The command as the user that PostgreSQL may run as."""
        become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.geteuid() == 0 else []
        return [str(part) for part in [*become, *command]]

    def run_own(self, command):
        return run(self.own(command), env=self.environment(), cwd="/")

    def wait(self):
        for _ in range(200):
            expect(self.process.poll() is None, f"PostgreSQL does not start:\n{Path(self.log.name).read_text()}")
            if self.psql("select 1", code=None).code == 0:
                return
            time.sleep(0.1)
        raise Failed("PostgreSQL does not answer")

    def psql(self, query, code=0):
        return run([self.programs / "psql", "-h", "127.0.0.1", "-p", self.port, "-U", "postgres", "-qAtX",
                    "-v", "ON_ERROR_STOP=1", "-c", query], code=code)

    def query(self, query):
        """The rows of an answer, as text."""
        return self.psql(query).out.splitlines()

    def drop(self, schema):
        self.query(f'drop schema if exists "{schema}" cascade')

    def keys(self, schema, table, column):
        """The keys in a table. None if there is no such table yet."""
        there = self.query(f"select to_regclass('\"{schema}\".\"{table}\"') is not null")
        return set(self.query(f'select "{column}" from "{schema}"."{table}"')) if there == ["t"] else set()

    def close(self):
        stop(self.process, signal.SIGINT)  # "fast": does not wait for clients
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


# ---- the simulated Sentry --------------------------------------------------------------------------------------------


class Simulator:
    """`examples/simulator.rs`. It ends with its input, and lets time pass for every line of it."""

    def __init__(self, program, *shape):
        self.process = subprocess.Popen([str(program), *map(str, shape)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        text = ""
        for line in self.process.stdout:  # one indented JSON object, then an empty line
            if not line.strip():
                break
            text += line
        self.config = json.loads(text)

    def later(self):
        """Lets time pass. Returns what happened in it."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            stop(self.process)
