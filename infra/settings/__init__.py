"""What a stack is told: every key of its configuration, which values it takes, and the names and limits of Azure."""
