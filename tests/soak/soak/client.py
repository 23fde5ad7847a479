"""One visitor: a cookie, and a connection that is kept while it can be."""

import http.client
import urllib.parse

TIMEOUT_SECONDS = 30
LOST = (OSError, http.client.HTTPException)  # what a cut or refused connection is, to http.client


class Client:
    def __init__(self, url):
        self.address = urllib.parse.urlsplit(url)
        self.cookie = None
        self.connection = None

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def begin(self, method, path, body=None, headers=()):
        """Sends a request; returns the response with its body unread. Raises one of LOST."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.address.hostname, self.address.port, timeout=TIMEOUT_SECONDS)
        told = {"Sec-Fetch-Site": "same-origin", **dict(headers)}
        if self.cookie:
            told["Cookie"] = self.cookie
        try:
            self.connection.request(method, path, body=body, headers=told)
            response = self.connection.getresponse()
        except LOST:
            self.close()
            raise
        if cookie := response.getheader("Set-Cookie"):
            self.cookie = cookie.split(";")[0]
        return response

    def ask(self, method, path, body=None, headers=()):
        """Status and body. Status 0: the connection was lost, and nobody knows what became of the request."""
        try:
            response = self.begin(method, path, body, headers)
            return response.status, response.read()
        except LOST:
            self.close()
            return 0, b""
