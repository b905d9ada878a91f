"""End with the code that is the first argument, after as many seconds as the second says."""

import sys
import time

time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0)
sys.exit(int(sys.argv[1]))
