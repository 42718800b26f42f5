"""One tiny task a request, as FastAPI's documentation would have it."""

from fastapi import BackgroundTasks, FastAPI

app = FastAPI()
done = 0


async def send_mail(email: str) -> None:
    global done
    done += 1


@app.get("/done")
async def get_done():
    return {"done": done}


@app.post("/mails/{email}")
async def send(email: str, background_tasks: BackgroundTasks):
    background_tasks.add_task(send_mail, email)
    return {"message": "Notification sent in the background"}
