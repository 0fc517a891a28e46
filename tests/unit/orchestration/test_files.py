"""Digests are those of `b3sum`, whatever parts a file is read in."""

import mmap
from pathlib import Path

import pytest
from blake3 import blake3

from orchestration import files


@pytest.mark.parametrize("parts", [0, 0.5, 1, 2, 2.5])
def test_a_digest_is_of_all_parts_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: float
) -> None:
    monkeypatch.setattr(files, "_CHUNK", mmap.ALLOCATIONGRANULARITY)
    content = bytes(i % 251 for i in range(int(parts * mmap.ALLOCATIONGRANULARITY)))
    (tmp_path / "some").write_bytes(content)
    assert files.digest(tmp_path / "some") == blake3(content).hexdigest()
