"""The two process endpoints, as FastAPI's documentation would have them."""

import hashlib
import os
import shutil
import tempfile
import time

from fastapi import BackgroundTasks, FastAPI, UploadFile

app = FastAPI()


def store(upload: UploadFile) -> str:
    with tempfile.NamedTemporaryFile(delete=False) as target:
        shutil.copyfileobj(upload.file, target)
    return target.name


def process_upload(path: str) -> str:
    try:
        with open(path, "rb") as file:
            checksum = hashlib.sha256(file.read()).hexdigest()
        time.sleep(2)
        return checksum
    finally:
        os.remove(path)
        # In one piece: print() writes the end of the line apart, and threads get in between.
        os.write(1, b"process_upload completed\n")


@app.get("/ready")
def ready():
    return {}


@app.post("/process-sync")
def process_sync(file: UploadFile):
    process_upload(store(file))
    return {"processed": file.size}


# Not a plain def: that one would wait for a thread behind the tasks.
@app.post("/process-async", status_code=202)
async def process_async(file: UploadFile, background_tasks: BackgroundTasks):
    background_tasks.add_task(process_upload, store(file))
    return {"accepted": file.size}
