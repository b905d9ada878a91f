"""Tell who this is and what it may do in the folder of the first argument, reading the file of the second."""

import json
import os
import sys
import uuid

folder, wanted = sys.argv[1:3]
found: dict[str, object] = {"uid": os.getuid()}
try:
    status = os.stat(folder)
    found |= {"mode": f"{status.st_mode & 0o7777:04o}", "owner": status.st_uid}
except OSError as error:
    found["stat"] = str(error)
try:
    with open(os.path.join(folder, wanted), "rb") as file:
        found["read"] = len(file.read())
except OSError as error:
    found["unread"] = str(error)
try:
    path = os.path.join(folder, f"acceptance-{uuid.uuid4()}")
    with open(path, "wb") as file:
        found["written"] = file.write(b"seen")
    os.remove(path)
except OSError as error:
    found["unwritten"] = str(error)
print(json.dumps(found), flush=True)
