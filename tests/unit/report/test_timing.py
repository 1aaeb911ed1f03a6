from curate.report.timing import time_spent


def test_stages_of_one_pass_are_timed_apart_and_added_up_over_tasks():
    rows = [
        {
            "segment": "00-segment",
            "label": "reading",
            "seconds": 3.0,
            "stages": {"repair": 1.0, "dedup": 0.1},
        },
        {"segment": "00-segment", "label": "reading", "seconds": 2.0, "stages": {"repair": 0.5}},
        {"segment": "00-segment", "label": "reading", "wall": 3.5},
        {"segment": "dedup-verify", "label": "dedup: verify", "seconds": 0.2},
        {"segment": "dedup-verify", "label": "dedup: verify", "wall": 0.3},
        {"segment": "all", "label": "all", "wall": 5.0},
    ]
    time = time_spent(["repair", "dedup", "mix"], rows)
    assert time.stages == {"repair": 1.5, "dedup": 0.3}
    reading = time.work[0]
    assert (reading.name, reading.wall, reading.busy, reading.slowest) == (
        "reading, repair",
        3.5,
        5.0,
        3.0,
    )
    assert round(time.work[-1].wall, 3) == 1.2
