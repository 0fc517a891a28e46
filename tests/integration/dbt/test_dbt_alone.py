"""`dbt build` without any of our own code around it, as an analytics engineer would run it.

The one run also makes dbt's unit tests, which a run of ours leaves out.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from tests.conftest import Published

PROJECT = Path(__file__).parents[3] / "dbt_project"
TABLES = """
select table_schema || '.' || table_name from information_schema.tables
where table_catalog = 'published' and table_schema in ('core', 'marts')
"""


@pytest.mark.xdist_group("demo")
def test_a_build_of_a_published_copy_passes_and_changes_nothing(
    demo_warehouse: Published, tmp_path: Path
) -> None:
    copy = tmp_path / "warehouse.duckdb"
    shutil.copy(demo_warehouse.warehouse, copy)
    copy.chmod(0o644)
    built = subprocess.run(
        [Path(sys.executable).with_name("dbt"), "build", "--project-dir", PROJECT,
         "--profiles-dir", PROJECT, "--target-path", tmp_path, "--log-path", tmp_path],
        env={**os.environ, "TRADEWIND_WAREHOUSE_FILE": str(copy)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout[-4000:]
    assert "unit tests" in built.stdout
    with duckdb.connect() as connection:
        connection.execute(f"attach '{demo_warehouse.warehouse}' as published (read_only)")
        connection.execute(f"attach '{copy}' as built (read_only)")
        tables = [name for (name,) in connection.execute(TABLES).fetchall()]
        assert len(tables) > 10
        for name in tables:
            differing = connection.execute(
                f"select count(*) from (from published.{name} except all from built.{name})"
            ).fetchall()
            assert (name, differing) == (name, [(0,)])
