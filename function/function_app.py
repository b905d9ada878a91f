"""The triggers of the Function App; what they do is in ``pipeline_function``."""

import azure.functions as func

from pipeline_app.contract import EVENTS_QUEUE
from pipeline_function import handlers, sweeping
from pipeline_function.azure import services

app = func.FunctionApp()


@app.queue_trigger(arg_name="message", connection="APP_STORAGE_CONNECTION", queue_name=EVENTS_QUEUE)
def dispatch(message: func.QueueMessage) -> None:
    """Turn one Event Grid event into a job and see that a runner will look at it; or look again, for a wake-up."""
    handlers.dispatch(message.get_body(), services())


@app.timer_trigger(arg_name="timer", schedule="%APP_SWEEP_SCHEDULE%")
def sweep(timer: func.TimerRequest) -> None:
    """Repair: start a runner for a backlog, and put inputs on the queue whose event was lost."""
    sweeping.sweep(services())
