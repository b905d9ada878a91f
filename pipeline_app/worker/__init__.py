"""The worker: takes jobs from the queue, runs the application on each input and publishes the results."""
