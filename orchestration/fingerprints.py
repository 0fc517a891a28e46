"""Fingerprints of code: when one changes, what was built with the old code is built anew."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = ROOT / "dbt_project"
_PROJECT_FILES = ("*.sql", "*.yml", "*.csv")
_PROJECT_FOLDERS = ("models", "macros", "extensions", "seeds", "tests")
# what makes a manifest of the project
_PREPARING = ("dbt_runner.py", "compiled_sql.py", "meanings_of_tests.py", "gates/dbt_tests.py")


def _project_fingerprint(project: Path = PROJECT) -> str:
    """SHA-256 over a dbt project: it changes when a model, test, macro or seed does."""
    folders = [project / name for name in _PROJECT_FOLDERS]
    files = {path for folder in folders for kind in _PROJECT_FILES for path in folder.rglob(kind)}
    return _digest(project, [*files, *project.glob("*.yml")])


def manifest_fingerprint(project: Path = PROJECT) -> str:
    """SHA-256 over a dbt project and the code that prepares its manifest."""
    code = _digest(ROOT, [ROOT / "orchestration" / name for name in _PREPARING])
    return hashlib.sha256((code + _project_fingerprint(project)).encode()).hexdigest()


def code_fingerprint() -> str:
    """SHA-256 over all that decides the figures: reading, models, estimates and gates."""
    folders = [ROOT / "ingest", ROOT / "analytics", ROOT / "orchestration" / "gates"]
    files = [path for folder in folders for path in folder.rglob("*.*")]
    files.append(ROOT / "orchestration" / "customer_estimates.py")
    own = _digest(ROOT, [path for path in files if path.suffix in {".py", ".yml"}])
    return hashlib.sha256((own + _project_fingerprint()).encode()).hexdigest()


def _digest(root: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
