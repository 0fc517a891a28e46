"""The last stages of a run as functions of their own, to be killed at little cost.

They work on the candidate that a run has left which was killed after all of its checks.
"""

from ingest.company import Company
from ingest.home import Home
from orchestration import publish, verdict, versions
from orchestration.candidate import candidates
from orchestration.lock import writer_lock


def judge(company: Company, home: Home) -> None:
    """Write the verdict of the newest candidate, as the run would have."""
    newest = candidates(home)[0]
    verdict.write(newest, newest.run_id, passed=True, checks=1)


def publish_judged(company: Company, home: Home) -> None:
    """Publish the newest candidate; one version is kept, so that there is one to prune."""
    publish.publish_latest(home, keep=1)


def mend(company: Company, home: Home) -> None:
    """What every run does first."""
    with writer_lock(home):
        versions.repair(home)
