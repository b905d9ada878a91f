"""What the parts of a local run tell of themselves, and how a person sees it."""
