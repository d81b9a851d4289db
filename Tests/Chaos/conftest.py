import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "EndToEnd"))

from fleet import Fleet  # noqa: E402


@pytest.fixture
def fleet(tmp_path):
    """Three nodes behind a fault proxy, one control plane, Postgres and the stand-in provider."""
    installation = Fleet(tmp_path)
    yield installation
    installation.close()
