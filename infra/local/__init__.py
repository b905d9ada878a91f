"""The same Pulumi program on this machine: each resource it declares is really made, without Azure."""
