import time
import pytest
from models.training.trainer import train


@pytest.mark.parametrize("a", ["looped", "hrm", "transformer"])
def test_probe(new_run, a):
    run = new_run("x", a, model={"dropout": 0.1}, average_decay=0.9)
    t = time.time()
    n = 0
    for e in run.record(train(run)):
        n += 1
        print(f"{time.time() - t:.3f}", type(e).__name__)
    assert 0
