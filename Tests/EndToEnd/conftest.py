import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import Eclusa  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes minutes; only `make test-slow` runs it")


@pytest.fixture(scope="session")
def eclusa(tmp_path_factory):
    """One installation for the tests that leave it running."""
    installation = Eclusa(tmp_path_factory.mktemp("eclusa"))
    yield installation
    installation.close()
