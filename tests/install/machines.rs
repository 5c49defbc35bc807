//! The manifests for several machines work as written. Each is run here, with the tap and a target.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use sentry_simulator::{Organization, Settings, Shape, Simulator};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::discovered;

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/machines").join(name);
    std::fs::read_to_string(path).expect("a manifest")
}

/// A machine: folders, and a PATH with the tap and the test's own programs.
struct Machine {
    folder: TempDir,
    simulator: Simulator,
}

impl Machine {
    fn new() -> Self {
        let shape = Shape { projects: 8, issues_per_project: 2, events_per_issue: 3, ..Shape::default() };
        let simulator = Simulator::start(Organization::generate(&shape), Settings::self_hosted());
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["bin", "state", "config"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        std::fs::write(folder.path().join("config/catalog.json"), discovered().to_string()).expect("a catalog");
        Self { folder, simulator }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path("bin").join(name);
        std::fs::write(&path, script).expect("a program");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("it can be run");
    }

    /// Runs a script as the machine in the manifest would.
    fn run(&self, script: &str, env: &[(String, String)]) {
        let tap = Path::new(env!("CARGO_BIN_EXE_tap-sentry")).parent().expect("a folder").display().to_string();
        let path = format!("{}:{tap}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        let output = Command::new("bash")
            .args(["-c", script])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", path)
            .env("TAP_SENTRY_BASE_URL", self.simulator.base_url())
            .envs(env.iter().cloned())
            .env("TAP_SENTRY_API_TOKEN", self.simulator.token())
            .env("TAP_SENTRY_ORGANIZATION", self.simulator.slug())
            .env("TAP_SENTRY_START_DATE", "2020-01-01")
            .env("TAP_SENTRY_RATE_LIMIT", "1000")
            .env("TAP_SENTRY_LOOKBACK_WINDOW", "0")
            .output()
            .expect("bash");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The event ids that the targets got. Fails on an id that two of them got.
    fn loaded(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        for file in std::fs::read_dir(self.path("bin")).expect("a folder").map(|file| file.expect("a file").path()) {
            if file.extension().is_some_and(|extension| extension == "loaded") {
                let text = std::fs::read_to_string(file).expect("messages");
                let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
                for message in messages.filter(|message| message["type"] == "RECORD" && message["stream"] == "events") {
                    let id = message["record"]["eventID"].as_str().expect("an id").to_owned();
                    assert!(ids.insert(id), "two shares have the same event");
                }
            }
        }
        ids
    }

    fn forget(&self) {
        for file in std::fs::read_dir(self.path("bin")).expect("a folder").map(|file| file.expect("a file").path()) {
            if file.extension().is_some_and(|extension| extension == "loaded") {
                std::fs::remove_file(file).expect("removed");
            }
        }
    }
}

/// A target that keeps its input and prints the states.
const TARGET: &str = "#!/usr/bin/env bash\nset -e\nfile=$(dirname \"$0\")/$$.loaded\ncat > \"$file\"\n\
    grep '^{\"type\":\"STATE\"' \"$file\" | sed 's/^{\"type\":\"STATE\",\"value\"://; s/}$//'\n";

#[test]
fn the_kubernetes_job_reads_every_share_once() {
    let manifest = document("kubernetes-job.yaml");
    let value = |name: &str| {
        let line = manifest.lines().find(|line| line.trim_start().starts_with(&format!("{name}: "))).expect(name);
        line.split_once(": ").expect("a value").1.to_owned()
    };
    assert_eq!(value("completionMode"), "Indexed");
    let shares: u32 = value("completions").parse().expect("a number");
    assert!(manifest.contains(&format!("- name: SHARES\n          value: \"{shares}\"")), "as many shares as pods");
    let script = manifest.split_once("- |\n").expect("a script").1;
    let script: Vec<&str> =
        script.lines().take_while(|line| line.starts_with("          ")).map(str::trim_start).collect();

    let machine = Machine::new();
    machine.program("target-postgres", TARGET);
    // The volumes are folders that this test made.
    let at = |folder: &str| format!("{}/", machine.path(folder).display());
    let script = script.join("\n").replace("/state/", &at("state")).replace("/config/", &at("config"));
    let run = || {
        for index in 0..shares {
            let env =
                [("JOB_COMPLETION_INDEX".to_owned(), index.to_string()), ("SHARES".to_owned(), shares.to_string())];
            machine.run(&script, &env);
        }
    };
    run();
    assert_eq!(machine.loaded(), machine.simulator.truth().event_ids());
    machine.forget();
    let issue = machine.simulator.read(|org| org.issues[0].id);
    machine.simulator.advance(std::time::Duration::from_secs(3600));
    let at = machine.simulator.now() - chrono::TimeDelta::seconds(5);
    let new: BTreeSet<String> = machine.simulator.edit(|org| org.add_events(issue, 2, at)).into_iter().collect();
    run();
    assert_eq!(machine.loaded(), new, "each share goes on with its own state");
}

#[test]
fn the_airflow_dag_maps_its_task_over_every_share() {
    let machine = Machine::new();
    machine.program("target-postgres", TARGET);
    // Does what Meltano does: takes the settings from the environment, and keeps a state for each suffix.
    machine.program(
        "meltano",
        "#!/usr/bin/env bash\nset -eo pipefail\n[ \"$1 $3 $4\" = 'run tap-sentry target-postgres' ]\n\
         state=state/${2#--state-id-suffix=}.json\ntouch \"$state\"\n\
         tap-sentry --config ENV --state \"$state\" | target-postgres | tail -n 1 > new.json\nmv new.json \"$state\"\n",
    );
    std::fs::write(machine.path("dag.py"), document("airflow_dag.py")).expect("a file");
    std::fs::write(machine.path("airflow.py"), AIRFLOW).expect("a file");
    let found = Command::new("python3").args(["airflow.py"]).current_dir(machine.folder.path()).output();
    let Ok(found) = found else {
        let _ = writeln!(std::io::stderr(), "SKIPPED: the Airflow manifest, since there is no python3");
        return;
    };
    assert!(found.status.success(), "{}", String::from_utf8_lossy(&found.stderr));
    let task: Value = serde_json::from_slice(&found.stdout).expect("a task");
    assert_eq!((&task["append_env"], &task["cwd"]), (&json!(true), &json!("/opt/meltano-project")));
    let shares = task["expanded"]["env"].as_array().expect("a list");
    assert_eq!(shares.len(), 4);
    for env in shares {
        let env = env.as_object().expect("variables").iter();
        let env: Vec<_> = env.map(|(name, value)| (name.clone(), value.as_str().expect("text").to_owned())).collect();
        machine.run(task["bash_command"].as_str().expect("a command"), &env);
    }
    assert_eq!(machine.loaded(), machine.simulator.truth().event_ids());
    assert_eq!(std::fs::read_dir(machine.path("state")).expect("states").count(), 4, "a state for each share");
}

/// A stand-in for what the manifest uses of Airflow. It prints the mapped task instead of scheduling it.
const AIRFLOW: &str = r#"
import json, sys, types

class DAG:
    def __init__(self, dag_id, schedule, start_date, catchup, max_active_runs): pass
    def __enter__(self): return self
    def __exit__(self, *_): pass

class BashOperator:
    def __init__(self, task): self.task = task
    @classmethod
    def partial(cls, *, task_id, bash_command, cwd, append_env, retries):
        return cls(dict(bash_command=bash_command, cwd=cwd, append_env=append_env))
    def expand(self, **mapped): print(json.dumps(self.task | {"expanded": mapped}))

airflow, operators, bash = (types.ModuleType(name) for name in ("airflow", "airflow.operators", "airflow.operators.bash"))
airflow.DAG, bash.BashOperator = DAG, BashOperator
sys.modules.update({"airflow": airflow, "airflow.operators": operators, "airflow.operators.bash": bash})
exec(open("dag.py").read())
"#;
