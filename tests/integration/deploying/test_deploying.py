"""`leadkeep deploy` beside a running Leadkeep whose vendor never stops posting."""

import json
import os
import signal

import pytest

from tests.integration.deploying.site import Site
from tests.integration.waiting import wait_until

NOBODY = "http://127.0.0.1:9/health"


def test_an_application_is_restarted_and_no_lead_is_tried_meanwhile(site: Site) -> None:
    with site.posting():
        done = site.deploy("--note", "v2", "--", *site.restart("blue", "green"))
        assert done.returncode == 0, done.stderr
        wait_until("the new version gets leads", lambda: len(site.taken("green")) > 20)

    site.assert_each_arrived_once("blue", "green")
    assert site.failed_attempts() == 0
    assert "green is started" in done.stdout
    [kept] = site.deployments()
    assert (kept["result"], kept["note"], kept["exit_code"]) == ("completed", "v2", 0)
    assert kept["waited"] > 1
    assert 300 <= kept["longest_wait_ms"] <= kept["ended_at_ms"] - kept["begun_at_ms"]
    assert f"{kept['waited']} leads waited, the longest for" in done.stdout
    assert kept["canary_lead_id"] == site.taken("green")[0]


def test_the_health_url_is_waited_for_and_asked_for_no_lead(site: Site) -> None:
    site.deploy("begin")
    site.post()
    wait_until("the lead waits", lambda: site.count("pending") == 1)
    (site.folder / "blue.ill").touch()
    asked = site.folder / "blue.asked"
    ending = site.start("deploy", "end", "--health", site.url("blue", "/health?full=1"))
    wait_until("it is asked", lambda: asked.exists() and len(asked.read_text().split("\n")) > 2)
    assert site.taken("blue") == []

    (site.folder / "blue.ill").unlink()

    _, stderr = ending.communicate()
    assert ending.returncode == 0, stderr
    site.assert_each_arrived_once("blue")
    path, _, headers = asked.read_text().splitlines()[0].partition(" ")
    assert path == "/health?full=1"
    assert headers == str(sorted(["host", "accept", "user-agent"]))


def test_without_a_lead_that_waits_health_is_enough(site: Site) -> None:
    done = site.deploy("--", "true")
    assert done.returncode == 0, done.stderr
    assert "no lead had to wait" in done.stdout
    [kept] = site.deployments()
    assert (kept["waited"], kept["canary_lead_id"]) == (0, None)
    assert kept["detail"] == "no lead waited: none was tried"
    site.post()
    site.assert_each_arrived_once("blue")


def test_the_canary_may_be_waited_for(site: Site) -> None:
    site.deploy("begin")
    ending = site.start("deploy", "end", "--canary-within", "30s", "--json")
    site.post()
    stdout, stderr = ending.communicate()
    assert ending.returncode == 0, stderr
    assert json.loads(stdout)["canary_lead_id"] == site.taken("blue")[0]


# ---------------------------------------------------------------- blue and green


def test_leads_go_to_the_new_address_and_every_worker_follows(site: Site) -> None:
    site.start_app("green")
    with site.posting():
        done = site.deploy("--switch-to", site.url("green"), "--", "true")
        assert done.returncode == 0, done.stderr
        blue = len(site.taken("blue"))
        wait_until("the new address gets leads", lambda: len(site.taken("green")) > 20)

    site.assert_each_arrived_once("blue", "green")
    assert site.failed_attempts() == 0
    assert len(site.taken("blue")) == blue
    assert site.view()["switched_url"] == site.url("green")
    assert site.url("green") in site.run("status").stdout
    assert site.url("green") in site.run("config", "show").stdout
    shown = json.loads(site.run("config", "show", "--json").stdout)
    assert shown["destinations.brain.url"]["switched_to"] == site.url("green")

    site.stop_serving()
    site.serve()
    site.post()
    site.assert_each_arrived_once("blue", "green")
    assert len(site.taken("blue")) == blue


def test_a_changed_configuration_ends_the_switch(site: Site) -> None:
    site.start_app("green")
    assert site.deploy("--switch-to", site.url("green"), "--", "true").returncode == 0
    site.stop_serving()

    site.configure(site.url("blue", "/other?key=1"))
    assert "void" in site.run("status").stdout
    site.serve()

    site.post()
    site.assert_each_arrived_once("blue")
    assert site.view()["switched_url"] == ""
    log = (site.folder / "log").read_text()
    assert "the configured url has changed since a deployment switched" in log


def test_a_changed_query_does_not_end_the_switch_and_headers_go_there_too(site: Site) -> None:
    site.start_app("green")
    assert site.deploy("--switch-to", site.url("green"), "--", "true").returncode == 0
    site.stop_serving()

    site.configure(site.url("blue") + "?key=2")
    site.serve()

    site.post()
    site.assert_each_arrived_once("green")
    assert (site.folder / "green.taken").read_text().split()[1] == "secret"


def test_if_the_new_address_refuses_the_canary_leads_go_to_the_old_one(site: Site) -> None:
    site.start_app("green")
    (site.folder / "green.refuses").write_text("500")
    with site.posting():
        done = site.deploy("--switch-to", site.url("green"), "--", "sleep", "0.5")
        assert done.returncode == 3, done.stderr
        wait_until("the old one gets leads", lambda: len(site.taken("blue")) > 20)

    site.assert_each_arrived_once("blue")
    assert site.failed_attempts() == 1
    [kept] = site.deployments()
    assert (kept["result"], kept["switched_to"]) == ("switched_back", "")
    assert "the canary failed: brain answered 500" in kept["detail"]
    assert site.view()["switched_url"] == ""


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://127.0.0.1/", "the address to switch to needs http://"),
        ("http://ada:secret@127.0.0.1/", "has a user, a password or a #fragment in it"),
    ],
)
def test_an_address_that_cannot_be_is_refused_before_anything_is_held(
    site: Site, url: str, words: str
) -> None:
    done = site.deploy("--switch-to", url, "--", "touch", "ran")
    assert done.returncode == 2
    assert words in done.stderr
    assert "secret" not in done.stderr
    assert not (site.folder / "ran").exists()
    assert site.deployments() == []


# ---------------------------------------------------------------- what goes wrong


def test_if_the_canary_fails_the_destination_stays_held_until_another_succeeds(
    site: Site,
) -> None:
    (site.folder / "green.refuses").write_text("500")
    with site.posting():
        done = site.deploy("--", *site.restart("blue", "green"))
    assert done.returncode == 3, done.stderr
    assert "brain stays held: the canary failed: brain answered 500" in done.stderr
    assert site.failed_attempts() == 1
    assert site.taken("green") == []
    view = site.view()
    assert (view["held"], view["hold_until_ms"]) == (True, None)

    (site.folder / "green.refuses").unlink()
    again = site.deploy("--", "true")

    assert again.returncode == 0, again.stderr
    site.assert_each_arrived_once("blue", "green")
    assert not site.view()["held"]


def test_a_person_may_resume_what_a_failed_canary_left_held(site: Site) -> None:
    (site.folder / "blue.refuses").write_text("500")
    site.deploy("begin")
    site.post()
    wait_until("the lead waits", lambda: site.count("pending") == 1)
    assert site.deploy("end").returncode == 3
    (site.folder / "blue.refuses").unlink()
    assert site.run("resume", "brain").returncode == 0
    site.assert_each_arrived_once("blue")


def test_a_lead_that_the_application_never_takes_does_not_fail_a_deployment(site: Site) -> None:
    site.post(b'{"poison": true}')
    wait_until("it has failed", lambda: site.failed_attempts() > 0)
    site.deploy("begin")
    wait_until("it is due first", site.is_something_due)
    site.post()
    wait_until("both wait", lambda: site.count("pending") == 2)
    ended = site.deploy("end")
    assert ended.returncode == 0, ended.stderr
    assert len(site.taken("blue")) == 1


def test_a_command_that_fails_leaves_the_old_version_in_use_and_tells_its_code(
    site: Site,
) -> None:
    with site.posting():
        done = site.deploy("--", "sh", "-c", "echo no room; exit 7")
        before = len(site.taken("blue"))
        wait_until("leads go on", lambda: len(site.taken("blue")) > before + 20)

    assert done.returncode == 7
    assert "no room" in done.stdout
    site.assert_each_arrived_once("blue")
    assert site.failed_attempts() == 0
    [kept] = site.deployments()
    assert (kept["result"], kept["exit_code"]) == ("command_failed", 7)


def test_a_command_that_fails_and_leaves_nothing_running_keeps_its_code_and_the_hold(
    site: Site,
) -> None:
    pid = (site.folder / "blue.pid").read_text()
    # Gone, or a zombie that only we can bury: either way nobody listens any more.
    gone = f'case $(ps -o stat= -p {pid}) in Z*|"") false;; esac'
    killed = f"kill {pid}; while {gone}; do sleep 0.05; done; rm blue.pid; exit 7"
    done = site.deploy("--health-timeout", "1s", "--", "sh", "-c", killed)
    assert done.returncode == 7
    assert site.view()["held"]
    assert site.deployments()[0]["result"] == "canary_failed"


def test_a_command_that_is_not_there_changes_nothing(site: Site) -> None:
    done = site.deploy("--", "./not-there")
    assert done.returncode == 127
    assert "there is no command ./not-there" in done.stderr
    assert not site.view()["held"]


def test_a_health_url_that_never_answers_keeps_the_hold_and_no_lead_is_tried(site: Site) -> None:
    with site.posting():
        done = site.deploy("--health", NOBODY, "--health-timeout", "1s", "--", "true")
        taken = len(site.taken("blue"))
    assert done.returncode == 3
    assert "the health url did not answer 2xx, not within 1 s" in done.stderr
    assert len(site.taken("blue")) == taken
    assert site.failed_attempts() == 0
    assert site.view()["held"]


def test_an_attempt_that_does_not_end_stops_the_deployment_before_its_command(site: Site) -> None:
    os.kill(int((site.folder / "blue.pid").read_text()), signal.SIGSTOP)
    try:
        site.post()
        wait_until("it is under way", lambda: site.count("processing") == 1)
        done = site.deploy("--drain-timeout", "1s", "--", "touch", "ran")
    finally:
        os.kill(int((site.folder / "blue.pid").read_text()), signal.SIGCONT)
    assert done.returncode == 1
    assert "nothing was deployed: 1 attempt at brain did not end within 1 s" in done.stderr
    assert not (site.folder / "ran").exists()
    assert site.deployments()[0]["result"] == "cancelled"
    site.wait_until_delivered()


# ---------------------------------------------------------------- stopped and killed


def test_a_deployment_whose_command_was_killed_ends_by_itself(site: Site) -> None:
    with site.posting():
        # Longer than a slow machine takes to look at it once.
        deploying = site.start("deploy", "--at-most", "8s", "--", *site.gate())
        site.wait_for_gate()
        deploying.kill()
        deploying.wait()
        taken = len(site.taken("blue"))
        assert site.view()["deployment"] == 1
        wait_until("leads go on", lambda: len(site.taken("blue")) > taken + 20)
    site.open_gate()
    site.assert_each_arrived_once("blue")
    [kept] = site.deployments()
    assert (kept["result"], kept["detail"]) == ("abandoned", "its time was over")
    # By the boot clock; the times shown are wall time, to the millisecond.
    assert kept["ended_at_ms"] - kept["begun_at_ms"] >= 7_900
    assert site.deploy("end", "1").returncode == 3


def test_a_command_that_takes_too_long_goes_on_but_leads_do_not_wait(site: Site) -> None:
    deploying = site.start("deploy", "--at-most", "1s", "--", *site.gate())
    site.wait_for_gate()
    site.post()
    site.wait_until_delivered()
    site.open_gate()
    _, stderr = deploying.communicate()
    assert deploying.returncode == 3
    assert "leads are not held any more" in stderr
    assert site.deployments()[0]["result"] == "abandoned"


def test_signals_are_passed_on_to_the_command(site: Site) -> None:
    deploying = site.start("deploy", "--", *site.gate())
    site.wait_for_gate()
    deploying.send_signal(signal.SIGTERM)
    _, stderr = deploying.communicate()
    assert deploying.returncode == 128 + signal.SIGTERM, stderr
    assert site.deployments()[0]["result"] == "command_failed"
    site.post()
    site.assert_each_arrived_once("blue")


def test_whoever_stops_it_before_the_command_changes_nothing(site: Site) -> None:
    blue = int((site.folder / "blue.pid").read_text())
    os.kill(blue, signal.SIGSTOP)
    try:
        site.post()
        wait_until("it is under way", lambda: site.count("processing") == 1)
        deploying = site.start("deploy", "--", "touch", "ran")
        wait_until("it is held", lambda: site.deployments() != [])
        deploying.send_signal(signal.SIGINT)
        deploying.communicate()
    finally:
        os.kill(blue, signal.SIGCONT)
    assert deploying.returncode == 128 + signal.SIGINT
    assert not (site.folder / "ran").exists()
    assert site.deployments()[0]["result"] == "cancelled"
    site.wait_until_delivered()


def test_whoever_stops_it_while_it_waits_for_health_may_go_on_later(site: Site) -> None:
    deploying = site.start("deploy", "--health", NOBODY, "--", *site.gate())
    site.wait_for_gate()
    site.post()
    site.open_gate()
    assert deploying.stderr is not None
    line = ""
    while "Waiting for the health url" not in line:
        line = deploying.stderr.readline()
        assert line
    deploying.send_signal(signal.SIGTERM)
    _, stderr = deploying.communicate()
    assert deploying.returncode == 128 + signal.SIGTERM
    assert "`leadkeep deploy end 1` goes on" in stderr
    assert site.view()["held"]
    assert site.deploy("end", "1").returncode == 0
    site.assert_each_arrived_once("blue")


# ---------------------------------------------------------------- several at once


def test_two_deployments_at_once_are_one(site: Site) -> None:
    first = site.start("deploy", "--", *site.gate())
    site.wait_for_gate()
    second = site.deploy("--", "touch", "ran")
    assert second.returncode == 1
    assert "deployment 1 of brain is under way" in second.stderr
    assert not (site.folder / "ran").exists()
    assert site.view()["held"]
    site.open_gate()
    first.communicate()
    assert first.returncode == 0


def test_a_persons_hold_stands_above_a_deployment(site: Site) -> None:
    assert site.run("hold", "brain", "--reason", "by hand").returncode == 0
    site.post()
    wait_until("the lead waits", lambda: site.count("pending") == 1)
    done = site.deploy("--", "true")
    assert done.returncode == 0, done.stderr
    assert "a person holds it: no lead was tried" in done.stderr
    assert site.view()["hold_reason"] == "by hand"
    assert site.taken("blue") == []
    site.run("resume", "brain")
    site.assert_each_arrived_once("blue")


def test_a_person_may_resume_in_the_middle(site: Site) -> None:
    deploying = site.start("deploy", "--", *site.gate())
    site.wait_for_gate()
    site.post()
    resumed = site.run("resume", "brain")
    assert "Deployment 1 was under way" in resumed.stderr
    site.assert_each_arrived_once("blue")
    site.open_gate()
    _, stderr = deploying.communicate()
    assert deploying.returncode == 3
    assert "Deployment 1 had ended before" in stderr


def test_in_two_steps_for_ci_systems(site: Site) -> None:
    with site.posting():
        begun = site.deploy("begin", "--note", "build 77")
        taken = len(site.taken("blue"))
        ended = site.deploy("end", begun.stdout.strip(), "--failed")
        assert len(site.taken("blue")) >= taken + 1
    assert begun.stdout == "1\n"
    assert ended.returncode == 0, ended.stderr
    site.assert_each_arrived_once("blue")
    assert site.failed_attempts() == 0
    [kept] = site.deployments()
    assert (kept["note"], kept["result"]) == ("build 77", "command_failed")
    nothing = site.deploy("end")
    assert nothing.returncode == 5
    assert "no deployment is under way" in nothing.stderr


def test_a_hold_with_a_time_ends_without_a_person(site: Site) -> None:
    assert "is held" in site.run("hold", "brain", "--for", "2s").stdout
    site.post()
    site.wait_until_delivered()
    [(began, taken)] = site.rows(
        "SELECT a.at_ms, t.started_at_ms FROM actions AS a, attempts AS t WHERE a.verb = 'hold'"
    )
    assert taken - began >= 2_000


def test_json_is_json_and_the_output_of_the_command_goes_to_stderr(site: Site) -> None:
    done = site.deploy("--json", "--", "echo", "hello")
    assert json.loads(done.stdout)["result"] == "completed"
    assert "hello" in done.stderr
