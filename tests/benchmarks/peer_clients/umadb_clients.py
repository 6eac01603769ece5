"""Append events to UmaDB from many threads: ADDRESS FILE PRODUCERS. Runs in UmaDB's own environment."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from time import perf_counter


def main(address: str, path: str, producers: int) -> None:
    """Each producer has a client of its own and appends one event a call; tell the seconds after warming up."""
    umadb = import_module("umadb")
    clients = [umadb.Client(address) for _ in range(producers)]
    events = [
        umadb.Event(event_type=event["type"], data=json.dumps(event).encode(), tags=[event["subject"]])
        for event in json.loads(Path(path).read_text())
    ]

    def produce(producer: int, first: int, last: int) -> None:
        for event in events[first + producer : last : producers]:
            clients[producer].append([event])

    with ThreadPoolExecutor(producers) as pool:
        list(pool.map(lambda producer: produce(producer, 0, producers), range(producers)))
        began = perf_counter()
        list(pool.map(lambda producer: produce(producer, producers, len(events)), range(producers)))
        print(perf_counter() - began)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
