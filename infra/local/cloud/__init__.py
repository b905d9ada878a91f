"""The cloud that the program meets here: a handler for each type of resource, and what they all work on."""
