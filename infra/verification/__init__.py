"""The last step of a deploy: a file goes through the whole pipeline, and what came of it decides the deploy."""
