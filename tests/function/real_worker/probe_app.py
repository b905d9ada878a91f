"""A function app that writes down in which form it is given a message and a timer."""

import json
import os
from pathlib import Path
from typing import Any

import azure.functions as func

app = func.FunctionApp()


def tell(name: str, thing: Any, fields: list[str]) -> None:
    """Write a file with the values that can be compared, and with the types of all."""
    values = {field: getattr(thing, field) for field in fields}
    form = {field: [type(value).__name__, str(getattr(value, "tzinfo", None))] for field, value in values.items()}
    body = repr(thing.get_body()) if hasattr(thing, "get_body") else sorted(thing.schedule_status)
    told = {"body": body, "count": values.get("dequeue_count"), "form": form, "schedule": values.get("schedule")}
    file = Path(os.environ["PROBE_FILE"] + name)
    file.write_text(json.dumps(told), encoding="utf-8")
    file.replace(f"{file}.done")


@app.queue_trigger(arg_name="message", connection="APP_STORAGE_CONNECTION", queue_name="probe")
def take(message: func.QueueMessage) -> None:
    """Take a message."""
    fields = ["dequeue_count", "expiration_time", "id", "insertion_time", "pop_receipt", "time_next_visible"]
    tell("take", message, fields)


@app.timer_trigger(arg_name="timer", schedule="* * * * * *")
def tick(timer: func.TimerRequest) -> None:
    """Take a timer's time."""
    tell("tick", timer, ["past_due", "schedule", "schedule_status"])
