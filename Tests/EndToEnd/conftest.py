import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from harness import Eclusa  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes minutes; only `make test-slow` runs it")
    config.addinivalue_line("markers", "row(name): a row of the matrix of dialects and providers")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Enters what became of a cell of the matrix: it is good when all its tests are."""
    report = (yield).get_result()
    row = item.get_closest_marker("row")
    if row is None or report.skipped or (report.passed and report.when != "call"):
        return
    params = item.callspec.params
    cell = (row.args[0], params["name"] if "name" in params else params["client"].name, params["provider"])
    item.module.results[cell] = item.module.results.get(cell, True) and report.passed


@pytest.fixture(scope="session")
def eclusa(tmp_path_factory):
    """One installation for the tests that leave it running."""
    installation = Eclusa(tmp_path_factory.mktemp("eclusa"))
    yield installation
    installation.close()
