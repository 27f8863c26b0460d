"""Rules for every test: in CI nothing may be skipped, and no test sees another's logging."""

import os
from collections.abc import Iterator

import pytest
import structlog

IN_CI = os.environ.get("CI") == "true"

# Hundreds of processes are started: they need not compile all modules anew each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Not a hundred megabytes for each installation that a test makes; who tests ballast sets it.
os.environ["LEADKEEP_WORKER__BALLAST_BYTES"] = "0"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):  # type: ignore[no-untyped-def]  # pytest's hook
    """A skip hides what CI exists to see: it counts as a failure there."""
    outcome = yield
    report = outcome.get_result()
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"


@pytest.fixture(autouse=True)
def _logging_as_it_came() -> Iterator[None]:
    """A command that ran inside a test has configured logging; the next test shall not notice."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
