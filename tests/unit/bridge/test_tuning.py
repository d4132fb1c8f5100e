import subprocess
import sys

from bridge import tuning


def test_a_process_collects_rarely_and_keeps_what_it_had() -> None:
    code = """
import gc
from bridge.tuning import keep_memory_at_hand
keep_memory_at_hand()
print(gc.get_threshold()[0], gc.get_freeze_count())
"""
    threshold, frozen = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.split()
    assert int(threshold) == tuning.YOUNG
    assert int(frozen) > 0
