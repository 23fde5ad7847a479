"""The peer of tests/bench/tasks: empty tasks on Celery, with Redis as broker and for results, as its manual has it.

Late acknowledgement, because a task of Midstream survives its worker, too. What favours Celery is allowed: results
without events, a big prefetch, no remote control.
"""

import os

from celery import Celery

SOCKET = os.environ["BENCH_REDIS"]
app = Celery("peer", broker=f"redis+socket://{SOCKET}?virtual_host=1", backend=f"redis+socket://{SOCKET}?virtual_host=2")
app.conf.update(
    task_acks_late=True,
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
    task_serializer="json",
    result_expires=86400,
)


@app.task
def empty(payload):
    return None
