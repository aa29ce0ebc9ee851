#!/usr/bin/env python3
"""Splink beside identity-components, on the same attackers; by hand, since it needs PyPI.

    python3 tests/splink/compare.py 100000 [MEMORY_GB]

makes a virtual environment in the user's cache with the versions below, has `cargo xtask bench kernels`
measure the kernel and write its typical population of that many attackers, and gives this to Splink
(DuckDB, as many threads as there are cores) with the rule that both can say: an equal JA3, HASSH, payload
or endpoint links two attackers, and whoever is linked is one identity. Splink has no way to say the veto,
so its identities are fewer and larger. Printed are both times and peaks of memory; Splink's begin when
DuckDB has the table.

Deterministic linkage writes down every pair that a rule finds, and a client library that a twelfth of all
attackers use makes a pair of every two of them: pairs grow with the square of the attackers, which is
what the kernel avoids. Their number is printed first. Where they do not fit into MEMORY_GB (8 if not
given) and as much again of temporary files, Splink gives no answer, and the script says so.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

PACKAGES = ["splink==5.0.0", "duckdb==2.0.1"]
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "corral"
TREE = Path(__file__).resolve().parents[2]
COLUMNS = ["ja3", "hassh", "payload", "endpoint"]


def enter_environment():
    """Goes on in the virtual environment, which is made if it is not there."""
    home = CACHE / "-".join(["splink", *PACKAGES]).replace("=", "")
    python = home / "bin" / "python"
    if Path(sys.prefix) == home:
        return
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    os.execv(python, [str(python), *sys.argv])


def kernel(rows, folder):
    """What the kernel took, and where its inputs lie."""
    bench = ["cargo", "xtask", "bench", "kernels", "--", "identity-components"]
    bench += ["--shape", "typical", "--rows", str(rows)]
    answer = folder / "kernel.json"
    subprocess.run([*bench, "--json", answer], cwd=TREE, check=True)
    subprocess.run([*bench, "--dump", folder], cwd=TREE, check=True, stdout=subprocess.DEVNULL)
    (inputs,) = [path for path in folder.iterdir() if path.is_dir()]
    (case,) = json.loads(answer.read_text())["cases"]
    return case["runs"], inputs


def load(connection, inputs):
    """One table with a row an attacker: in this population nobody has two payloads or two endpoints."""
    read = lambda name: f"read_csv('{inputs / name}.csv', header = true)"
    connection.execute(
        f"""CREATE TABLE attackers AS
        SELECT number AS unique_id, ja3, hassh, payloads.token AS payload, endpoints.token AS endpoint
        FROM (SELECT row_number() OVER () - 1 AS number, * FROM {read("attackers")}) AS attackers
        LEFT JOIN {read("payloads")} AS payloads ON payloads.row = number
        LEFT JOIN {read("endpoints")} AS endpoints ON endpoints.row = number"""
    ).fetchall()


def pairs(connection):
    """The pairs that each rule finds."""
    count = "SELECT sum(n * (n - 1) // 2) FROM (SELECT count(*)::HUGEINT AS n FROM attackers WHERE {0} IS NOT NULL GROUP BY {0})"
    return {name: int(connection.execute(count.format(name)).fetchall()[0][0]) for name in COLUMNS}


def splink(connection):
    """Seconds of linking and of clustering, and the number of identities."""
    from splink import DuckDBAPI, Linker, SettingsCreator, block_on

    settings = SettingsCreator(
        link_type="dedupe_only",
        blocking_rules_to_generate_predictions=[block_on(name) for name in COLUMNS],
    )
    started = time.monotonic()
    database = DuckDBAPI(connection)
    linker = Linker(database.register("attackers"), settings, log_level="WARNING")
    edges = linker.inference.deterministic_link()
    linked = time.monotonic()
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(edges)
    clustered = time.monotonic()
    count = f"SELECT count(DISTINCT cluster_id) FROM {clusters.physical_name}"
    return linked - started, clustered - linked, connection.execute(count).fetchall()[0][0]


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    rows, gigabytes = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 8
    enter_environment()
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        runs, inputs = kernel(rows, Path(folder))
        for run in runs:
            print(
                f"kernel, {run['threads']} threads: {run['milliseconds'] / 1e3:.4f} s, "
                f"{run['peak_bytes'] / 2**20:.0f} MiB beyond its inputs"
            )
        limits = {"memory_limit": f"{gigabytes}GB", "temp_directory": folder}
        limits["max_temp_directory_size"] = f"{gigabytes}GB"
        connection = duckdb.connect(config=limits)
        load(connection, inputs)
        found = pairs(connection)
        print(f"Splink, pairs to write down: {sum(found.values()):,} {found}")
        before, started = peak(), time.monotonic()
        try:
            linking, clustering, identities = splink(connection)
        except Exception as error:  # whatever it is: the figures so far are worth having
            first = str(error).strip().splitlines()[0]
            print(f"Splink: no answer after {time.monotonic() - started:.1f} s: {first}")
            return 1
        print(
            f"Splink: {linking + clustering:.2f} s ({linking:.2f} linking, {clustering:.2f} clustering), "
            f"{peak() - before:.0f} MiB beyond the table, {identities} identities"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
