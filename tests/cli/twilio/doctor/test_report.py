"""The results of doctor as text, JSON and metrics."""

import json
from dataclasses import replace

from cli.twilio.doctor.checks import CHECKS, HIDDEN, results
from cli.twilio.doctor.report import as_json, as_metrics, as_text
from cli.twilio.doctor.results import CheckTrouble
from tests.cli.twilio.doctor.healthy import HEALTHY, NOW, of_gateway


def test_no_secret_is_shown() -> None:
    """For any text of an error."""
    facts = replace(HEALTHY, database=CheckTrouble("cannot reach postgresql://u:hunter22@db/x"))
    found = results(facts, ["hunter22", "", "x"])
    text = as_text(found) + json.dumps(as_json(found))
    assert "hunter22" not in text
    assert f"postgresql://u:{HIDDEN}@db/x" in text


def test_forms_of_the_result() -> None:
    """JSON has exactly the documented fields; the text ends with the sums; metrics are numbers."""
    found = results(of_gateway(signed=403)(HEALTHY))
    (shown,) = [c for c in as_json(found)["checks"] if c["status"] == "failure"]
    assert {"name", "status", "detail", "remedy"} == set(shown)
    assert f"{len(CHECKS) - 1} ok, 0 warning, 1 failure" == as_text(found).splitlines()[-1]
    metrics = as_metrics(found, NOW)
    assert 'flexcapture_doctor_check_status{check="signed-handshake"} 2' in metrics
    assert 'flexcapture_doctor_check_status{check="kafka"} 0' in metrics
    assert "last_run_timestamp_seconds 1800000000.000" in metrics
