"""Tells somebody that a run failed: in the log, and by the company's webhook if there is one."""

import logging
from contextlib import suppress
from datetime import UTC, datetime

from ingest.company import Company
from ingest.home import Home

# a run with this tag is told about by whoever started it, not by the sensor as well
TOLD = "tradewind/told"
BY_COMMAND_LINE = {TOLD: "by the command line"}
LOG_FILE = "tradewind.log"
_LOG = logging.getLogger("tradewind")
# without a handler Python prints to stderr, where the command line shows the error already
_LOG.addHandler(logging.NullHandler())
_TIMEOUT_SECONDS = 10


def tell(company: Company, home: Home, job: str, run_id: str, message: str) -> bool:
    """Write a failed run to the home's log and post it to the webhook as JSON.

    A webhook that does not answer is logged and forgotten: it must not hide the failure itself.
    Its address stays out of the log, since it is often the secret.

    Returns:
        Whether the webhook took it.
    """
    _log(home, logging.ERROR, f"{company.company}: {job} failed (run {run_id}): {message}")
    if company.alerts is None:
        return False
    import requests

    content = {"company": company.company, "job": job, "run_id": run_id, "message": message}
    address = company.alerts.webhook.get_secret_value()
    try:
        answer = requests.post(address, json=content, timeout=_TIMEOUT_SECONDS)
    except requests.RequestException as error:
        _log(home, logging.WARNING, f"the webhook did not answer: {type(error).__name__}")
        return False
    if not answer.ok:
        _log(home, logging.WARNING, f"the webhook refused the message: HTTP {answer.status_code}")
    return bool(answer.ok)


def _log(home: Home, level: int, message: str) -> None:
    _LOG.log(level, message)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    # a full disk may be what the message is about
    with suppress(OSError), (home.root / LOG_FILE).open("a", encoding="utf-8") as log:
        log.write(f"{now} {logging.getLevelName(level)} {message}\n")
