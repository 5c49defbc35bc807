"""The tap under Meltano as a user has it: a checkout of this repository is the project, its meltano.yml is used as it
is, and only what differs from user to user (token, organization, address, database) comes from outside.

The truth that targets are compared with is a run of the tap alone, without Meltano: its unique keys, stream by stream.
That this is what the server holds is shown by the tests in Rust.
"""

import argparse
import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machinery import Failed, Packages, Postgres, Simulator, Skipped, Steps, descendant, expect, left_behind, run, stop

REPOSITORY = Path(__file__).resolve().parents[3]
STREAMS = ["projects", "project_detail", "teams", "users", "issues", "events", "releases", "release"]
TARGET_FOLDER = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")).resolve()
SCHEMA = "tap_sentry"  # where meltano.yml has target-postgres put the tables
# So low that a run still goes on when it is stopped.
SLOW = {"TAP_SENTRY_RATE_LIMIT": "3"}


# ---- the project -----------------------------------------------------------------------------------------------------


class Project:
    """A copy of the repository in which Meltano runs, and Meltano."""

    def __init__(self, folder, programs, database):
        self.folder, self.meltano = folder, programs / "meltano"
        self.env = {name: value for name, value in os.environ.items()
                    if not name.startswith(("TAP_SENTRY_", "TARGET_", "MELTANO_", "VIRTUAL_ENV"))}
        self.env |= {
            "CARGO_TARGET_DIR": str(TARGET_FOLDER),  # uses what is built already
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "MELTANO_CLI_LOG_LEVEL": "info",
            "MELTANO_HUB_URL": "http://127.0.0.1:9",  # nobody listens there, so a question to the Hub fails
            "NO_COLOR": "1",
            "TARGET_POSTGRES_HOST": "127.0.0.1",
            "TARGET_POSTGRES_PORT": str(database.port),
            "TARGET_POSTGRES_PASSWORD": "any",  # the cluster trusts everybody, but the target wants one
        }

    def checkout(self):
        """The files that git gives to a user, with changes that are not committed."""
        shutil.rmtree(self.folder, ignore_errors=True)
        listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY).out
        for name in filter(None, listed.split("\0")):
            if (REPOSITORY / name).is_file():
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                # Keeps the dates, so that cargo sees that its build of the repository is still good.
                shutil.copy2(REPOSITORY / name, self.folder / name)

    def __call__(self, *arguments, code=0, **env):
        return run([self.meltano, *arguments], code=code, cwd=self.folder, env={**self.env, **env})

    def load(self, target, *options, code=0, **env):
        """`meltano run`."""
        return self("run", *options, "tap-sentry", target, code=code, **env)

    def started(self, target, **env):
        """Starts `meltano run` and does not wait for it. Its log goes to a file, so that no full pipe can hold it up."""
        with open(self.folder / "stopped.log", "w") as log:
            command = [self.meltano, "run", "tap-sentry", target]
            return subprocess.Popen(command, cwd=self.folder, env={**self.env, **env}, stdout=log, stderr=log)

    def state(self, target):
        """The Singer state that Meltano keeps."""
        result = self("state", "get", f"dev:tap-sentry-to-{target}", code=None)
        return json.loads(result.out).get("singer_state", {}) if result.code == 0 and result.out.strip() else {}

    @property
    def tap(self):
        """The installed binary."""
        return self.folder / ".meltano" / "extractors" / "tap-sentry" / "venv" / "bin" / "tap-sentry"


# ---- truth and what arrived ------------------------------------------------------------------------------------------


def keys_of(messages):
    """Key columns and unique keys, stream by stream, of Singer messages."""
    columns, keys = {}, {}
    for line in messages:
        message = json.loads(line)
        if message["type"] == "SCHEMA":
            columns[message["stream"]] = message["key_properties"][0]
            keys.setdefault(message["stream"], set())
        elif message["type"] == "RECORD":
            keys[message["stream"]].add(str(message["record"][columns[message["stream"]]]))
    return columns, keys


def whole_keys_of(messages):
    """Unique keys, stream by stream, with all of their columns."""
    columns, keys = {}, {}
    for line in messages:
        message = json.loads(line)
        if message["type"] == "SCHEMA":
            columns[message["stream"]] = message["key_properties"]
            keys.setdefault(message["stream"], set())
        elif message["type"] == "RECORD":
            keys[message["stream"]].add(tuple(str(message["record"][name]) for name in columns[message["stream"]]))
    return keys


def truth(tap, work, config):
    """What a run of the tap without Meltano writes."""
    (work / "truth.json").write_text(json.dumps(config))
    columns, keys = keys_of(run([tap, "--config", work / "truth.json"]).out.splitlines())
    expect(sorted(keys) == sorted(STREAMS) and all(keys.values()), f"the truth lacks a stream: {counts(keys)}")
    return columns, keys


def counts(keys):
    return {stream: len(keys.get(stream, ())) for stream in STREAMS}


def in_postgres(database, schema, columns, lower=False):
    return {stream: database.keys(schema, stream, column.lower() if lower else column)
            for stream, column in columns.items()}


def in_jsonl(folder, columns):
    return {stream: {str(json.loads(line)[column]) for line in open(folder / f"{stream}.jsonl")}
            for stream, column in columns.items()}


def in_csv(folder, columns):
    csv.field_size_limit(sys.maxsize)
    return {stream: {row[column] for row in csv.DictReader(open(folder / f"{stream}.csv", newline=""))}
            for stream, column in columns.items()}


def same(loaded, wanted, where):
    """Every stream has exactly the keys it should have."""
    for stream in STREAMS:
        missing, more = wanted[stream] - loaded[stream], loaded[stream] - wanted[stream]
        expect(not missing and not more, f"{where}: {stream} lacks {len(missing)} rows {sorted(missing)[:3]} "
                                         f"and has {len(more)} too many {sorted(more)[:3]}")
    return f"{sum(counts(loaded).values())} rows in {len(STREAMS)} streams, as they should be"


# ---- steps -----------------------------------------------------------------------------------------------------------


class EndToEnd:
    """All steps on one simulated Sentry."""

    def __init__(self, steps, work, packages, project, database):
        self.steps, self.work, self.packages, self.project, self.database = steps, work, packages, project, database
        self.simulator = self.columns = self.truth = self.bookmarks = None

    def serve(self):
        with self.steps.step("a simulated Sentry starts") as notes:
            run(["cargo", "build", "--release", "--locked", "--quiet", "--example", "simulator"], cwd=REPOSITORY,
                env={**os.environ, "CARGO_TARGET_DIR": str(TARGET_FOLDER)}, timeout=590)
            self.simulator = Simulator(TARGET_FOLDER / "release" / "examples" / "simulator", "self-hosted", 4, 40, 15)
            notes.append(self.simulator.config["base_url"])

    def look(self):
        """The truth, now."""
        self.columns, self.truth = truth(self.project.tap, self.work, self.simulator.config)
        return ", ".join(f"{stream} {count}" for stream, count in counts(self.truth).items())

    def same_in_postgres(self):
        return same(in_postgres(self.database, SCHEMA, self.columns), self.truth, "PostgreSQL")

    def configure(self):
        config = self.simulator.config
        with self.steps.step("config set, .env, config test") as notes:
            self.project("config", "set", "tap-sentry", "base_url", config["base_url"])
            (self.project.folder / ".env").write_text("".join(
                f"TAP_SENTRY_{option.upper()}={config[option]}\n"
                for option in ("api_token", "organization", "start_date", "rate_limit")))
            tested = self.project("config", "test", "tap-sentry")
            expect("Plugin configuration is valid" in tested.out + tested.err, tested.tail())
            wrong = self.project("config", "test", "tap-sentry", code=None, TAP_SENTRY_API_TOKEN="wrong")
            expect(wrong.code != 0, "a wrong token passes the test")
            notes.append("valid; with a wrong token not")

    def describe(self):
        if run([self.project.tap, "--about", "--format=json"], code=None).code != 0:
            self.steps.skip("invoke tap-sentry:about", "this tap has no --about yet")
            return
        with self.steps.step("invoke tap-sentry:about") as notes:
            about = json.loads(self.project("invoke", "tap-sentry:about").out)
            notes.append(f"{about['name']} {about['version']}, {len(about['settings']['properties'])} settings")

    def discover(self):
        with self.steps.step("invoke tap-sentry --discover") as notes:
            catalog = json.loads(self.project("invoke", "tap-sentry", "--discover").out)
            found = [stream["tap_stream_id"] for stream in catalog["streams"]]
            expect(set(STREAMS) < set(found), f"discovered {found}")
            notes.append(f"{len(found)} streams")
        with self.steps.step("select tap-sentry --list --all") as notes:
            listed = self.project("select", "tap-sentry", "--list", "--all").out
            chosen = [line for line in listed.splitlines() if "[selected" in line or "[automatic" in line]
            expect("[excluded" in "".join(line for line in listed.splitlines() if "securityToken" in line), listed)
            for stream in STREAMS:
                expect(any(f"{stream}." in line for line in chosen), f"nothing of {stream} is selected")
            notes.append(f"{len(chosen)} fields selected, securityToken not")

    def into_files(self):
        output = self.project.folder / "output"
        for target, read in (("target-jsonl", in_jsonl), ("target-csv", in_csv)):
            with self.steps.step(f"run tap-sentry {target}") as notes:
                self.project.load(target)
                notes.append(same(read(output, self.columns), self.truth, target))

    def into_postgres(self):
        with self.steps.step("run tap-sentry target-postgres") as notes:
            self.project.load("target-postgres")
            notes.append(self.same_in_postgres())
        with self.steps.step("state get") as notes:
            self.bookmarks = bookmarks = self.project.state("target-postgres")["bookmarks"]
            expect(sorted(bookmarks) == sorted(STREAMS), f"bookmarks of {sorted(bookmarks)}")
            notes.append(f"{len(bookmarks)} bookmarks, events at {bookmarks['events']['start']}")

    def incremental(self):
        with self.steps.step("the second run, after new events") as notes:
            notes.append(self.simulator.later())
            events = counts(self.truth)["events"]
            self.look()
            expect(counts(self.truth)["events"] > events, "the simulated Sentry has no new events")
            self.project.load("target-postgres")
            notes.append(self.same_in_postgres())
            notes.append(self.written_events(counts(self.truth)["events"] // 2))
            after = self.project.state("target-postgres")["bookmarks"]
            expect(after["events"]["start"] > self.bookmarks["events"]["start"],
                   "the bookmark of events stays where it was")

    def written_events(self, most):
        """The target marks rows with the start of the run. The marks say that the last run wrote few events."""
        column, table = '"_sdc_sync_started_at"', f'"{SCHEMA}"."events"'
        [row] = self.database.query(
            f"select count(*) from {table} where {column} = (select max({column}) from {table})")
        expect(int(row) <= most, f"an incremental run wrote {row} events")
        return f"{row} events written"

    def refresh(self):
        with self.steps.step("run --full-refresh tap-sentry target-postgres") as notes:
            # Targets that know ACTIVATE_VERSION mark rows that are gone. None is, so no row may be marked.
            self.project.load("target-postgres", "--full-refresh", TAP_SENTRY_ACTIVATE_VERSION="true")
            notes.append(self.same_in_postgres())
            [written] = self.database.query(f'select count(distinct "_sdc_sync_started_at") from "{SCHEMA}"."events"')
            expect(written == "1", "a full refresh did not write every event again")
            for stream in STREAMS:
                [gone] = self.database.query(
                    f'select count(*) from "{SCHEMA}"."{stream}" where "_sdc_deleted_at" is not null')
                expect(gone == "0", f"{gone} rows of {stream} are marked as deleted")

    def every_stream(self):
        """Optional streams have tables too, with as many rows as there are keys."""
        with self.steps.step("every stream into target-postgres") as notes:
            config = self.simulator.config | {"all_streams": True, "rate_limit": 400}
            (self.work / "every.json").write_text(json.dumps(config))
            catalog = json.loads(run([self.project.tap, "--discover"]).out)
            for item in (item for stream in catalog["streams"] for item in stream["metadata"]):
                item["metadata"]["selected"] = True
            (self.work / "every-catalog.json").write_text(json.dumps(catalog))
            alone = run([self.project.tap, "--config", self.work / "every.json",
                         "--catalog", self.work / "every-catalog.json"]).out
            wanted = whole_keys_of(alone.splitlines())
            self.project.load("target-postgres", "--state-id-suffix", "every", "--full-refresh",
                              TAP_SENTRY__SELECT='["*.*"]', TAP_SENTRY_ALL_STREAMS="true", TAP_SENTRY_RATE_LIMIT="400",
                              TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA="every")
            for stream, keys in wanted.items():
                [count] = self.database.query(f'select count(*) from "every"."{stream}"')
                expect(keys and int(count) == len(keys), f"{stream}: {count} rows for {len(keys)} keys")
            expect(len(wanted) >= 45, f"only {len(wanted)} streams")
            notes.append(f"{sum(map(len, wanted.values()))} rows in {len(wanted)} streams")

    def shares(self):
        """Two shares of the projects, each with its own state, have all records together."""
        with self.steps.step("two shares into target-postgres") as notes:
            projects = []
            for share in "1", "2":
                self.project.load("target-postgres", "--state-id-suffix", f"shard-{share}", TAP_SENTRY_SHARD=f"{share}/2",
                                  TAP_SENTRY_PROJECTS='["*"]', TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA="shares")
                state = json.loads(self.project("state", "get", f"dev:tap-sentry-to-target-postgres:shard-{share}").out)
                projects.append(set(state["singer_state"]["bookmarks"]["events"]["projects"]))
            expect(all(projects) and projects[0].isdisjoint(projects[1]), f"the states speak for {projects}")
            expect(projects[0] | projects[1] == self.truth["projects"], f"{projects} are not all projects")
            notes.append(same(in_postgres(self.database, "shares", self.columns), self.truth, "PostgreSQL"))

    def empty(self):
        """Forgets everything that was loaded."""
        self.database.drop(SCHEMA)
        self.project("state", "clear", "--force", "dev:tap-sentry-to-target-postgres")

    def progress(self):
        loaded = counts(in_postgres(self.database, SCHEMA, self.columns))
        wanted = counts(self.truth)
        expect(loaded != wanted, "the run was over before it was stopped")
        return f"{sum(loaded.values())} of {sum(wanted.values())} rows are there"

    def broken(self):
        """Several runs in a row end badly. Then one brings the rest."""
        self.empty()
        with self.steps.step("a target that dies at once") as notes:
            result = self.project.load("target-postgres", code=None, TARGET_POSTGRES_PORT="1")
            expect(result.code != 0, "meltano does not notice that the target died")
            expect(not self.project.state("target-postgres"), "a state without rows")
            notes.append(f"meltano ends with {result.code}; no state, no rows")
        for what, whose, how in (
            ("the target is killed", "target-postgres", signal.SIGKILL),
            ("SIGTERM to the tap", "tap-sentry", signal.SIGTERM),
            ("SIGTERM to meltano", "meltano", signal.SIGTERM),
        ):
            with self.steps.step(f"{what} in the middle of a run") as notes:
                notes.append(f"meltano ends with {self.stopped(whose, how)}")
                notes.append(self.progress())
        with self.steps.step("the next good run completes it") as notes:
            self.project.load("target-postgres")
            notes.append(self.same_in_postgres())

    def stopped(self, whose, how):
        """Starts a slow run and ends one of its processes; returns Meltano's exit code."""
        process = self.project.started("target-postgres", **SLOW)
        try:
            # Discovery runs the tap too. The sync is the run with a catalog.
            tap = descendant(process.pid, lambda a: a[0].endswith("/tap-sentry") and "--catalog" in a)
            target = descendant(process.pid, lambda a: any(part.endswith("/target-postgres") for part in a))
            time.sleep(4)
            os.kill({"tap-sentry": tap, "target-postgres": target, "meltano": process.pid}[whose], how)
            code = process.wait(60)
        except subprocess.TimeoutExpired as late:
            raise Failed(f"meltano does not end after {how.name} to {whose}") from late
        finally:
            stop(process, signal.SIGKILL)
        log = (self.project.folder / "stopped.log").read_text()
        expect(code != 0, f"meltano takes a stopped run for a good one:\n{log[-3000:]}")
        time.sleep(1)
        expect(not [a for a in left_behind(self.project.folder) if "--catalog" in a], "a tap is left running")
        return code

    def other_targets(self):
        self.other_target("pipelinewise-target-postgres", "pipelinewise-target-postgres==2.1.2", self.pipelinewise)
        self.other_target("target-stitch --dry-run", "target-stitch==4.0.3", self.stitch)

    def other_target(self, name, requirement, load):
        try:
            with self.steps.step(f"the tap into {name}") as notes:
                load(self.packages.install(requirement.partition("==")[0], requirement), notes)
        except Skipped as skipped:
            self.steps.skip(name, skipped)

    def piped(self, command):
        """`tap | target` without Meltano. Both must end with exit code 0."""
        (self.work / "tap.json").write_text(json.dumps(self.simulator.config))
        tap = subprocess.Popen([self.project.tap, "--config", self.work / "tap.json"], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
        try:
            done = subprocess.run(command, stdin=tap.stdout, capture_output=True, text=True, timeout=200)
        finally:
            tap.stdout.close()
            stop(tap)
        expect(done.returncode == 0 and tap.returncode == 0,
               f"tap {tap.returncode}, target {done.returncode}\n{done.stderr[-3000:]}")
        return done

    def pipelinewise(self, programs, notes):
        config = self.work / "pipelinewise.json"
        config.write_text(json.dumps({"host": "127.0.0.1", "port": self.database.port, "user": "postgres",
                                      "password": "any", "dbname": "postgres", "default_target_schema": "wise"}))
        self.piped([programs / "target-postgres", "--config", config])
        loaded = in_postgres(self.database, "wise", self.columns, lower=True)
        notes.append(same(loaded, self.truth, "pipelinewise-target-postgres"))

    def stitch(self, programs, notes):
        output = self.work / "stitch.jsonl"
        output.unlink(missing_ok=True)
        self.piped([programs / "target-stitch", "--dry-run", "--output-file", output])
        accepted = {stream: set() for stream in STREAMS}
        for line in open(output):
            batch = json.loads(line)
            accepted[batch["table_name"]] |= {
                str(message["data"][self.columns[batch["table_name"]]])
                for message in batch["messages"] if message["action"] == "upsert"}
        notes.append(same(accepted, self.truth, "target-stitch"))

    def all(self):
        self.serve()
        self.configure()
        self.describe()
        self.discover()
        with self.steps.step("the truth: the tap alone") as notes:
            notes.append(self.look())
        self.into_files()
        self.into_postgres()
        self.incremental()
        self.refresh()
        self.every_stream()
        self.shares()
        self.broken()
        self.other_targets()

    def close(self):
        if self.simulator:
            self.simulator.close()


# ---- a real server ---------------------------------------------------------------------------------------------------


def real(steps, work, project, database):
    """The same meltano.yml on a real Sentry server, if there is one."""
    given = {name: os.environ.get(f"TAP_SENTRY_REAL_{name}") for name in ("URL", "ORG", "TOKEN")}
    if not all(given.values()):
        steps.skip("a real server into target-postgres", "TAP_SENTRY_REAL_URL, _ORG and _TOKEN are not set")
        return
    config = {"base_url": given["URL"], "organization": given["ORG"], "api_token": given["TOKEN"],
              "start_date": "2020-01-01", "rate_limit": 50}
    env = {f"TAP_SENTRY_{option.upper()}": str(value) for option, value in config.items()}
    with steps.step("a real server into target-postgres") as notes:
        columns, keys = truth(project.tap, work, config)
        database.drop("real")
        project.load("target-postgres", "--state-id-suffix", "real", "--full-refresh",
                     TARGET_POSTGRES_DEFAULT_TARGET_SCHEMA="real", **env)
        notes.append(same(in_postgres(database, "real", columns), keys, "PostgreSQL"))
        notes.append(", ".join(f"{stream} {count}" for stream, count in counts(keys).items()))


# ---- the whole -------------------------------------------------------------------------------------------------------


def prepare(steps, work, again, cleanup):
    """What all steps need: Meltano, a database, and the project with its plugins. With `again`, as the last run left it."""
    with steps.step("Meltano is installed") as notes:
        packages = Packages(work)
        programs = packages.install("meltano", "meltano>=4.4,<4.5")
        notes.append(run([programs / "meltano", "--version"]).out.strip())
    with steps.step("PostgreSQL starts") as notes:
        database = cleanup.enter_context(contextlib.closing(Postgres()))
        notes.append(database.query("show server_version")[0])
    project = Project(work / "project", programs, database)
    with steps.step("meltano install, with pip_url: .") as notes:
        if not (again and project.tap.exists()):
            project.checkout()
            project("install")
        notes.append(run([project.tap, "--version"]).out.strip())
    return packages, project, database


def steps_in(work, only_real, cleanup):
    steps = Steps()
    try:
        packages, project, database = prepare(steps, work, only_real, cleanup)
        if not only_real:
            everything = EndToEnd(steps, work, packages, project, database)
            cleanup.enter_context(contextlib.closing(everything))
            everything.all()
        real(steps, work, project, database)
    except Skipped as skipped:
        print(f"\nSKIPPED: Meltano: {skipped}")
        return 0
    except Failed as failed:
        print(f"\nFAILED: {failed}")
        return 1
    finally:
        if steps.rows:
            print(f"\n{steps.table()}")
    return 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, help="a folder that is kept and used again")
    parser.add_argument("--real", action="store_true", help="only the step with a real server")
    arguments = parser.parse_args()
    # The exception lets everything be stopped and cleaned up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as cleanup:
        work = arguments.work
        if work is None:
            work = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="tap-sentry-meltano-")))
        work.mkdir(parents=True, exist_ok=True)
        return steps_in(work.resolve(), arguments.real, cleanup)


if __name__ == "__main__":
    sys.exit(main())
