"""Child processes: started, recorded, watched, and ended with everything that they started."""
