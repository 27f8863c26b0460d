"""The store is lost: what the log says of a part is believed of that part, and of no other."""

import json

from tests.integration.recovery.scene import CONFIG, Scene

SPLIT = CONFIG + 'several = "split"\n'


def test_each_part_comes_back_to_where_it_stood(scene: Scene) -> None:
    scene.configure(SPLIT.format(url=scene.sink.url))
    scene.here.ok("push", "-", "--target", "/in", stdin=b'[{"n":1},{"n":2},{"n":3}]')
    scene.deliver()
    done = len(scene.sink.bodies)
    scene.sink.status = 503
    scene.here.ok("push", "-", "--target", "/in", stdin=b'[{"n":4},{"n":5}]')
    scene.deliver()
    names = [json.loads(line)["lead_id"] for line in _log(scene)]
    assert all(len(name) == 38 for name in names)
    scene.lose_the_store()
    scene.here.ok("rebuild")
    found = scene.rows("SELECT payload, status FROM lead_queue ORDER BY payload")
    completed = {body.decode() for body in scene.sink.bodies[:done]}
    assert found == [
        (payload, "completed" if payload in completed else "held")
        for payload in ('{"n":1}', '{"n":2}', '{"n":3}', '{"n":4}', '{"n":5}')
    ]
    assert scene.delivers_nothing_by_itself(scene.here)
    scene.here.ok("verify")


def test_a_source_that_splits_no_more_gets_nothing_twice(scene: Scene) -> None:
    scene.configure(SPLIT.format(url=scene.sink.url))
    scene.here.ok("push", "-", "--target", "/in", stdin=b'[{"n":1},{"n":2}]')
    scene.deliver()
    assert len(scene.sink.bodies) == 2
    scene.lose_the_store()
    scene.configure(CONFIG.format(url=scene.sink.url))
    scene.here.ok("rebuild")
    assert sorted(scene.rows("SELECT part, status FROM lead_queue")) == [
        (0, "held"),
        (1, "completed"),
        (2, "completed"),
    ]
    assert scene.delivers_nothing_by_itself(scene.here)


def _log(scene: Scene) -> list[str]:
    files = sorted((scene.here.data / "archive" / "outcomes").glob("*.jsonl"))
    return [line for file in files for line in file.read_text().splitlines()]
