"""What Pulumi's providers have no resource for, done as the deployer: our own resources and how they sign in."""
