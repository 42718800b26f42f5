"""CPU work in FastAPI's thread pool, which is where a plain `def` task runs."""

import time

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()
completed = 0


def burn(seconds: float) -> None:
    global completed
    ends_at = time.perf_counter() + seconds
    while time.perf_counter() < ends_at:
        pass
    completed += 1


@app.get("/ping")
async def ping():
    return {"pong": True}


@app.post("/burn")
async def add(background_tasks: BackgroundTasks):
    background_tasks.add_task(burn, 0.05)
    return {"added": True}


@app.get("/burned")
async def burned():
    return {"completed": completed, "failed": 0}
