"""The peer Flask and Flask-Session: the work of GET /counter as its users write it, the session kept in Redis.

Run by gunicorn with PEER_REDIS naming Redis's socket."""

import os

import flask
import flask_session
import redis

app = flask.Flask(__name__)
app.config.update(
    SECRET_KEY="the peer's key, for measuring only",
    SESSION_TYPE="redis",
    SESSION_REDIS=redis.Redis(unix_socket_path=os.environ["PEER_REDIS"]),
    SESSION_USE_SIGNER=True,
)
flask_session.Session(app)


@app.get("/counter")
def counter():
    flask.session["counter"] = flask.session.get("counter", 0) + 1
    return {"counter": flask.session["counter"], "padding": "." * 70}
