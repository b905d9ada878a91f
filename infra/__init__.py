"""The stack and what goes with it: what is declared and made of which settings, its deploy, and its life afterwards."""

from infra.former import know_former_names

know_former_names()
