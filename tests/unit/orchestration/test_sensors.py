"""What is told about a run that failed."""

import dagster as dg

from orchestration.sensors import why_it_failed


def test_the_hook_tells_what_the_failed_step_raised() -> None:
    @dg.op
    def load_raw() -> None:
        raise ValueError("orders-2025-03.csv: 1 of 2 rows is refused; mend the file and run again")

    @dg.job
    def daily_refresh() -> None:
        load_raw()

    with dg.DagsterInstance.ephemeral() as instance:
        failed = daily_refresh.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failed",
            dagster_event=failed.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=failed.dagster_run,
        ).for_run_failure()
        told = why_it_failed(context)
    assert "1 of 2 rows is refused; mend the file" in told and "Traceback" not in told
