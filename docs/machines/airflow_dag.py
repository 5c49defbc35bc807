"""Four workers read one organization into one database: a mapped task, each instance one share of the projects.

Meltano runs tap and target and keeps a state for each share. The workers have the Meltano project in PROJECT, and the
token and the database in their environment or in Meltano's settings.
"""

from datetime import datetime, timedelta

from airflow import DAG
from airflow.operators.bash import BashOperator

SHARES = 4
PROJECT = "/opt/meltano-project"

with DAG(
    dag_id="tap_sentry",
    schedule=timedelta(hours=1),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    max_active_runs=1,  # two runs of the same share would read the same rows
) as dag:
    BashOperator.partial(
        task_id="share",
        cwd=PROJECT,
        bash_command='meltano run --state-id-suffix="shard-$SHARD" tap-sentry target-postgres',
        append_env=True,
        retries=2,
    ).expand(env=[{"SHARD": f"{share}", "TAP_SENTRY_SHARD": f"{share}/{SHARES}"} for share in range(1, SHARES + 1)])
